"""The declaration of Swahili."""

from __future__ import annotations

from clt_ray.languages.declaration import Answers, Language, Numbers

LANGUAGE = Language(
    code="sw",
    name="Swahili",
    native_name="Kiswahili",
    script="Latin",
    family="Bantu",
    three_letter_codes=("swa", "swh"),
    hub_names={"csebuetnlp/xlsum": "swahili"},
    has_word_borders=True,
    numbers=Numbers(
        scale_words={"elfu": 10**3, "laki": 10**5, "milioni": 10**6},
        scale_place="before",
        label_words="hatua(?: ya)?",
        words=(
            "sifuri moja mbili tatu nne tano sita saba nane tisa kumi 20:ishirini 30:thelathini "
            "40:arobaini 50:hamsini 60:sitini 70:sabini 80:themanini 90:tisini 100:mia 1000:elfu"
        ),
        connectors=("na",),
    ),
    answers=Answers(
        nouns="jibu|jawabu|majibu",
        links="ni|litakuwa|itakuwa|lingekuwa",
        sought="kupata|kutafuta|tupate|pata|kutoa|kukokotoa",
        remarks="uhakiki|kuthibitisha|kuhakiki|hakiki|thibitisha|maelezo",
        denied_before=r"\bsi|\bsio|badala ya",
        conclusions="Kwa hivyo|Kwa hiyo",
        questions="swali",
    ),
)
