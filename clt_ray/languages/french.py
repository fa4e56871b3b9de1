"""The declaration of French."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="fr",
    name="French",
    native_name="français",
    script="Latin",
    family="Romance",
    three_letter_codes=("fra",),
    hub_names={
        "csebuetnlp/xlsum": "french",
        "lightblue/tagengo-gpt4": "French",
        "CohereLabs/aya_evaluation_suite": "fra",
    },
    common=True,
    has_word_borders=True,
    stemmer="french",
    numbers=Numbers(
        decimal_comma=True,
        scale_words={"mille": 10**3, "million": 10**6, "millions": 10**6, "milliard": 10**9, "milliards": 10**9},
        ordinal_suffixes="er|ère|e|ème",
        label_words="étape",
        words=(
            "zéro - deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze "
            "seize 20:vingt 30:trente 40:quarante 50:cinquante 60:soixante 80:quatrevingts "
            "80:quatrevingt 100:cent 1000:mille"
        ),
        connectors=("et",),
        articles=("un", "une"),
    ),
    answers=Answers(
        nouns="réponse",
        links="est|sont|serait|sera|seraient|seront",
        labels="r",
        sought="trouver|obtenir|calculer|déterminer|vérifier|donner",
        seeking="s'obtient|se trouve",
        remarks=r"vérifi\w*|remarque|explication|note(?= ?:)",
        remark_openings="pour",
        denied_before=r"\bpas|\bnon|au lieu de",
        conclusions="Donc|Par conséquent",
        abbreviations=("environ", "env"),
    ),
)
