"""The declaration of German."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="de",
    name="German",
    native_name="Deutsch",
    script="Latin",
    family="Germanic",
    three_letter_codes=("deu",),
    hub_names={"lightblue/tagengo-gpt4": "German", "CohereLabs/aya_evaluation_suite": "deu"},
    common=True,
    has_word_borders=True,
    stemmer="german",
    numbers=Numbers(
        decimal_comma=True,
        scale_words={"tausend": 10**3, "million": 10**6, "millionen": 10**6, "milliarde": 10**9, "milliarden": 10**9},
        label_words="schritt",
        words=(
            "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
            "fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig 30:dreißig 40:vierzig 50:fünfzig "
            "60:sechzig 70:siebzig 80:achtzig 90:neunzig 100:hundert 100:einhundert 1000:tausend "
            "1000:eintausend"
        ),
        units_first=("und", "ein"),
    ),
    answers=Answers(
        nouns="antwort|lösung|endergebnis",
        links="ist|lautet|beträgt|sind|wäre|betrüge",
        labels="a",
        sought="zur",
        seeking="zu finden|zu erhalten|zu bekommen|zu ermitteln|zu berechnen|finden|erhalten|ermitteln",
        remarks=r"probe|(?:über)?prüf\w*|kontrolle|hinweis|erklärung|anmerkung",
        remark_openings="zur|um",
        denied_before=r"\bnicht|\bkein|statt|anstatt",
        conclusions="Daher|Somit",
        questions="frage|aufgabe",
        abbreviations=("ca", "bzw", "ungef", "Nr"),
    ),
)
