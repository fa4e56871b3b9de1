"""Languages by ISO 639-1 code: names, writing system and family.

`script` is the writing system in which the language's training and evaluation text is written, by its usual
English name; a language written in several (Serbian, say) is listed with the one its public corpora use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from clt_ray.errors import CltRayError
from clt_ray.suggest import nearest


@dataclass(frozen=True)
class Language:
    """What the sweep, the data and the reports need to know about a language."""

    code: str
    """ISO 639-1 code, lower case."""
    name: str
    """English name."""
    native_name: str
    """Name in the language itself."""
    script: str
    """Writing system: Latin, Han, Japanese (kana with Han), Hangul, Arabic, Cyrillic, ..."""
    family: str
    """Language family, or the branch of it for Indo-European."""


ENGLISH = "en"

LATIN = "Latin"

_STUDY = (
    Language("en", "English", "English", LATIN, "Germanic"),
    Language("es", "Spanish", "español", LATIN, "Romance"),
    Language("fr", "French", "français", LATIN, "Romance"),
    Language("ja", "Japanese", "日本語", "Japanese", "Japonic"),
    Language("zh", "Chinese", "中文", "Han", "Sinitic"),
    Language("ar", "Arabic", "العربية", "Arabic", "Semitic"),
    Language("ko", "Korean", "한국어", "Hangul", "Koreanic"),
    Language("pt", "Portuguese", "português", LATIN, "Romance"),
)

_MGSM = (
    Language("bn", "Bengali", "বাংলা", "Bengali", "Indo-Aryan"),
    Language("de", "German", "Deutsch", LATIN, "Germanic"),
    Language("ru", "Russian", "русский", "Cyrillic", "Slavic"),
    Language("sw", "Swahili", "Kiswahili", LATIN, "Bantu"),
    Language("te", "Telugu", "తెలుగు", "Telugu", "Dravidian"),
    Language("th", "Thai", "ไทย", "Thai", "Tai"),
)

_OTHERS = (
    Language("bg", "Bulgarian", "български", "Cyrillic", "Slavic"),
    Language("ca", "Catalan", "català", LATIN, "Romance"),
    Language("cs", "Czech", "čeština", LATIN, "Slavic"),
    Language("da", "Danish", "dansk", LATIN, "Germanic"),
    Language("el", "Greek", "ελληνικά", "Greek", "Hellenic"),
    Language("et", "Estonian", "eesti", LATIN, "Uralic"),
    Language("eu", "Basque", "euskara", LATIN, "Basque"),
    Language("fa", "Persian", "فارسی", "Arabic", "Iranian"),
    Language("fi", "Finnish", "suomi", LATIN, "Uralic"),
    Language("gu", "Gujarati", "ગુજરાતી", "Gujarati", "Indo-Aryan"),
    Language("ha", "Hausa", "Hausa", LATIN, "Chadic"),
    Language("he", "Hebrew", "עברית", "Hebrew", "Semitic"),
    Language("hi", "Hindi", "हिन्दी", "Devanagari", "Indo-Aryan"),
    Language("hu", "Hungarian", "magyar", LATIN, "Uralic"),
    Language("id", "Indonesian", "bahasa Indonesia", LATIN, "Malayo-Polynesian"),
    Language("it", "Italian", "italiano", LATIN, "Romance"),
    Language("mr", "Marathi", "मराठी", "Devanagari", "Indo-Aryan"),
    Language("ms", "Malay", "bahasa Melayu", LATIN, "Malayo-Polynesian"),
    Language("nl", "Dutch", "Nederlands", LATIN, "Germanic"),
    Language("no", "Norwegian", "norsk", LATIN, "Germanic"),
    Language("pl", "Polish", "polski", LATIN, "Slavic"),
    Language("ro", "Romanian", "română", LATIN, "Romance"),
    Language("sr", "Serbian", "српски", "Cyrillic", "Slavic"),
    Language("sv", "Swedish", "svenska", LATIN, "Germanic"),
    Language("ta", "Tamil", "தமிழ்", "Tamil", "Dravidian"),
    Language("tl", "Tagalog", "Tagalog", LATIN, "Malayo-Polynesian"),
    Language("tr", "Turkish", "Türkçe", LATIN, "Turkic"),
    Language("uk", "Ukrainian", "українська", "Cyrillic", "Slavic"),
    Language("ur", "Urdu", "اردو", "Arabic", "Indo-Aryan"),
    Language("vi", "Vietnamese", "Tiếng Việt", LATIN, "Austroasiatic"),
    Language("yo", "Yoruba", "Yorùbá", LATIN, "Volta-Niger"),
)

LANGUAGES = MappingProxyType({language.code: language for language in (*_STUDY, *_MGSM, *_OTHERS)})
"""All known languages by code, those of the reference study first."""

STUDY_LANGUAGES = tuple(language.code for language in _STUDY)
"""The evaluation languages of arXiv 2504.16677, English first, then seen, then unseen."""

_MISTAKES = {
    "cn": "zh", "cz": "cs", "dk": "da", "gr": "el", "ir": "fa", "iw": "he", "jp": "ja", "kr": "ko",
    "nb": "no", "nn": "no", "se": "sv", "ua": "uk", "vn": "vi", "us": "en", "gb": "en", "br": "pt",
}  # fmt: skip
"""Country codes and retired language codes that people write for a language."""


class UnknownLanguageError(CltRayError, LookupError):
    """A code that names no known language."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.nearest = nearest_language(code)
        hint = f"; did you mean {self.nearest!r} ({LANGUAGES[self.nearest].name})?" if self.nearest else ""
        super().__init__(f"unknown language {code!r}{hint}")


def language(code: str) -> Language:
    """The language with this ISO 639-1 code.

    Raises:
        UnknownLanguageError: No such language; names the nearest one.
    """
    try:
        return LANGUAGES[code]
    except KeyError:
        raise UnknownLanguageError(code) from None


def is_latin(code: str) -> bool:
    """Whether the language is written in the Latin script.

    Raises:
        UnknownLanguageError: No such language.
    """
    return language(code).script == LATIN


def nearest_language(text: str) -> str | None:
    """Code of the language that `text` most likely means: a name, a regional code, a country's code, a slip."""
    wanted = text.strip().lower()
    base = wanted.replace("_", "-").split("-")[0]
    for guess in (wanted, base, _MISTAKES.get(base)):
        if guess in LANGUAGES:
            return guess
    by_name = {name.lower(): known.code for known in LANGUAGES.values() for name in _names(known)}
    name = nearest(wanted, by_name, cutoff=0.6)
    return by_name[name] if name else nearest(wanted, LANGUAGES)


def _names(known: Language) -> Iterable[str]:
    # The first three letters stand for the three-letter codes: spa and por are the starts of the English names.
    return known.name, known.native_name, known.name[:3]
