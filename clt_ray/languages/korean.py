"""The declaration of Korean."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="ko",
    name="Korean",
    native_name="한국어",
    script="Hangul",
    family="Koreanic",
    aliases=("kr",),
    three_letter_codes=("kor",),
    hub_names={
        "csebuetnlp/xlsum": "korean",
        "lightblue/tagengo-gpt4": "Korean",
        "CohereLabs/aya_evaluation_suite": "kor",
    },
    split_words="clt_ray.evaluation.scorers.segmentation:korean",
    numbers=Numbers(
        label_words="단계",
        digits=tuple("영일이삼사오육칠팔구"),
        scales={"십": 10, "백": 100, "천": 10**3, "만": 10**4, "억": 10**8},
        myriads=True,
        shortest_numeral=2,
    ),
    answers=Answers(
        nouns="정답|답변|답안|해답|답",
        links="은|는|이|가",
        seeking="을|를|하",
        remarks="검산|확인|검증|참고|설명",
        denied_after="[이가] ?아니",
        conclusions="따라서|그러므로",
        questions="문제|질문",
    ),
)
