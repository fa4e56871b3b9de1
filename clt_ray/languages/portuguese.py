"""The declaration of Portuguese."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="pt",
    name="Portuguese",
    native_name="português",
    script="Latin",
    family="Romance",
    aliases=("br",),
    three_letter_codes=("por",),
    hub_names={
        "csebuetnlp/xlsum": "portuguese",
        "lightblue/tagengo-gpt4": "Portuguese",
        "CohereLabs/aya_evaluation_suite": "por",
    },
    common=True,
    has_word_borders=True,
    stemmer="portuguese",
    numbers=Numbers(
        decimal_comma=True,
        scale_words={"mil": 10**3, "milhão": 10**6, "milhões": 10**6},
        label_words="passo",
        words=(
            "zero - dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze "
            "dezesseis dezessete dezoito dezenove vinte 2:duas 16:dezasseis 17:dezassete 19:dezanove "
            "30:trinta 40:quarenta 50:cinquenta 60:sessenta 70:setenta 80:oitenta 90:noventa 100:cem "
            "1000:mil"
        ),
        connectors=("e",),
        articles=("um", "uma"),
    ),
    answers=Answers(
        nouns="resposta|respuesta",
        links="é|são|seria|será|seriam|serão",
        labels="r",
        sought="encontrar|obter|achar|calcular|determinar|verificar|dar",
        remarks=r"verific\w*|conferi\w*|nota(?= ?:)|observação|explicação",
        remark_openings="para",
        denied_before=r"\bnão é|\bnão|em vez de",
        conclusions="Portanto",
        questions="pergunta|problema",
    ),
)
