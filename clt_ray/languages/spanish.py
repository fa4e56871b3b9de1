"""The declaration of Spanish."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="es",
    name="Spanish",
    native_name="español",
    script="Latin",
    family="Romance",
    three_letter_codes=("spa",),
    hub_names={
        "csebuetnlp/xlsum": "spanish",
        "lightblue/tagengo-gpt4": "Spanish",
        "CohereLabs/aya_evaluation_suite": "spa",
    },
    common=True,
    has_word_borders=True,
    stemmer="spanish",
    numbers=Numbers(
        decimal_comma=True,
        scale_words={"mil": 10**3, "millón": 10**6, "millones": 10**6},
        label_words="paso",
        words=(
            "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce "
            "quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés "
            "veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve treinta "
            "40:cuarenta 50:cincuenta 60:sesenta 70:setenta 80:ochenta 90:noventa 100:cien 1000:mil"
        ),
        connectors=("y",),
        articles=("un", "una"),
    ),
    answers=Answers(
        nouns="respuesta|resposta",
        links="es|son|sería|será|serían|serán|sea",
        labels="r",
        sought="encontrar|obtener|hallar|calcular|determinar|verificar|comprobar|dar",
        seeking="se obtiene|se encuentra",
        remarks=r"comprob\w*|verific\w*|nota(?= ?:)|explicación",
        remark_openings="vamos a|para",
        denied_before=r"\bno es|\bno|en (?:vez|lugar) de",
        conclusions="Por lo tanto|Entonces",
        questions="pregunta|problema",
        abbreviations=("aprox",),
    ),
)
