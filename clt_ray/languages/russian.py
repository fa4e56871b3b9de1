"""The declaration of Russian."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="ru",
    name="Russian",
    native_name="русский",
    script="Cyrillic",
    family="Slavic",
    three_letter_codes=("rus",),
    hub_names={
        "csebuetnlp/xlsum": "russian",
        "lightblue/tagengo-gpt4": "Russian",
        "CohereLabs/aya_evaluation_suite": "rus",
    },
    common=True,
    has_word_borders=True,
    stemmer="russian",
    numbers=Numbers(
        decimal_comma=True,
        scale_words={
            "тыс": 10**3,
            "тысяча": 10**3,
            "тысячи": 10**3,
            "тысяч": 10**3,
            "млн": 10**6,
            "миллион": 10**6,
            "миллиона": 10**6,
            "миллионов": 10**6,
        },
        label_words="шаг",
        words=(
            "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать "
            "тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать "
            "двадцать 30:тридцать 40:сорок 50:пятьдесят 60:шестьдесят 70:семьдесят 80:восемьдесят "
            "90:девяносто 100:сто 1000:тысяча"
        ),
    ),
    answers=Answers(
        nouns="ответ|ответом|ответа",
        links="равен|будет|является|составляет|составит|это|есть|таков",
        sought="найти|получить|получения|вычислить|определить|проверить|дать",
        seeking="можно найти|найдём|найдем",
        remarks=r"провер\w*|примечание|пояснение|объяснение",
        denied_before=r"(?<!\w)не|вместо",
        conclusions="Следовательно|Таким образом|Итак",
        questions="вопрос|задача",
        abbreviations=("прибл", "ок"),
    ),
)
