"""Number words from 0 to 99 in the languages of the bundled corpus, as one writes them when counting."""

from __future__ import annotations

from functools import lru_cache

_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ES = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis "
    "veintisiete veintiocho veintinueve"
).split()
_ES_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_FR = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
    "dix-huit dix-neuf"
).split()
_FR_TENS = "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt".split()
_PT = (
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete "
    "dezoito dezenove"
).split()
_PT_TENS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()
_AR = (
    "صفر,واحد,اثنان,ثلاثة,أربعة,خمسة,ستة,سبعة,ثمانية,تسعة,عشرة,أحد عشر,اثنا عشر,ثلاثة عشر,أربعة عشر,خمسة عشر,"
    "ستة عشر,سبعة عشر,ثمانية عشر,تسعة عشر"
).split(",")
_AR_TENS = "عشرون ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون".split()
_HAN = ("零", "一二三四五六七八九", "十")
_HANGUL = ("영", "일이삼사오육칠팔구", "십")


def _french(tens: int, ones: int) -> str:
    stem = _FR_TENS[tens - 2]
    if tens in (7, 9):
        ones += 10
    if ones == 0:
        return "quatre-vingts" if tens == 8 else stem
    if ones in (1, 11) and tens < 8:
        return f"{stem} et {_FR[ones]}"
    return f"{stem}-{_FR[ones]}"


def _positional(tens: int, ones: int, zero: str, digits: str, ten: str) -> str:
    if tens == ones == 0:
        return zero
    head = "" if tens == 0 else ten if tens == 1 else digits[tens - 1] + ten
    return head + (digits[ones - 1] if ones else "")


@lru_cache(maxsize=1024)
def words(number: int, language: str) -> str:
    """The number in words.

    Raises:
        ValueError: The number is not within 0..99, or the language is not one of the corpus.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"number words go from 0 to 99, not {number}")
    tens, ones = divmod(number, 10)
    match language:
        case "en":
            return _EN[number] if number < 20 else _EN_TENS[tens - 2] + (f"-{_EN[ones]}" if ones else "")
        case "es":
            return _ES[number] if number < 30 else _ES_TENS[tens - 3] + (f" y {_ES[ones]}" if ones else "")
        case "fr":
            return _FR[number] if number < 20 else _french(tens, ones)
        case "pt":
            return _PT[number] if number < 20 else _PT_TENS[tens - 2] + (f" e {_PT[ones]}" if ones else "")
        case "ar":
            return _AR[number] if number < 20 else (f"{_AR[ones]} و" if ones else "") + _AR_TENS[tens - 2]
        case "ja" | "zh":
            return _positional(tens, ones, *_HAN)
        case "ko":
            return _positional(tens, ones, *_HANGUL)
        case _:
            raise ValueError(f"no number words for language {language!r}")
