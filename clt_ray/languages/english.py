"""The declaration of English."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="en",
    name="English",
    native_name="English",
    script="Latin",
    family="Germanic",
    aliases=("us", "gb"),
    three_letter_codes=("eng",),
    hub_names={
        "csebuetnlp/xlsum": "english",
        "lightblue/tagengo-gpt4": "English",
        "CohereLabs/aya_evaluation_suite": "eng",
    },
    common=True,
    has_word_borders=True,
    split_words="clt_ray.evaluation.scorers.segmentation:english",
    numbers=Numbers(
        scale_words={"thousand": 10**3, "million": 10**6, "billion": 10**9},
        ordinal_suffixes="st|nd|rd|th",
        label_words="step|question|example|method|option|case",
        words=(
            "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
            "fifteen sixteen seventeen eighteen nineteen twenty 30:thirty 40:forty 50:fifty 60:sixty "
            "70:seventy 80:eighty 90:ninety 100:hundred 1000:thousand"
        ),
        connectors=("and", "a"),
    ),
    answers=Answers(
        nouns="answer",
        links="is|are|was|equals|would be|will be|should be|comes to|must be|becomes",
        labels="a",
        sought=("find|finding|get|obtain|calculate|determine|compute|reach|check|verify|confirm|give|provide|write"),
        seeking=("found by|obtained by|calculated by|given by|computed by|determined by|as follows|based on"),
        remarks=("check|double[ -]?check|verify|verification|confirm|proof|note(?= ?:)|explanation|reasoning"),
        remark_openings="let's|let us|let me|we can|to",
        denied_before=r"\bnot|n't|rather than|instead of",
        conclusions="Therefore|Thus|Hence|So",
        questions="question|problem|q|human|user|instruction",
        abbreviations=("approx", "Rs", "Tk", "No"),
    ),
)
