"""The declaration of Telugu."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="te",
    name="Telugu",
    native_name="తెలుగు",
    script="Telugu",
    family="Dravidian",
    three_letter_codes=("tel",),
    hub_names={"csebuetnlp/xlsum": "telugu", "CohereLabs/aya_evaluation_suite": "tel"},
    numbers=Numbers(
        scale_words={"వేల": 10**3, "వేలు": 10**3, "లక్షలు": 10**5, "లక్షల": 10**5, "కోట్లు": 10**7},
        label_words="దశ",
        words=(
            "సున్నా ఒకటి రెండు మూడు నాలుగు ఐదు ఆరు ఏడు ఎనిమిది తొమ్మిది పది పదకొండు పన్నెండు పదమూడు "
            "పద్నాలుగు పదిహేను పదహారు పదిహేడు పద్దెనిమిది పంతొమ్మిది ఇరవై 30:ముప్పై 40:నలభై 50:యాభై "
            "60:అరవై 70:డెబ్బై 80:ఎనభై 90:తొంభై 100:వంద 1000:వెయ్యి"
        ),
    ),
    answers=Answers(
        nouns="సమాధానం|జవాబు",
        links="అంటే|ఇది|ఏమిటంటే|అవుతుంది",
        seeking="కనుగొ|పొంద|తెలుసు",
        remarks="తనిఖీ|ధృవీకర|గమనిక|వివరణ",
        denied_after="కాదు",
        conclusions="కాబట్టి",
        questions="ప్రశ్న",
    ),
)
