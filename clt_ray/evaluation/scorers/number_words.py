"""Small numbers written as words: `eight`, `treinta y dos`, 十八, สิบแปด.

Only what an answer spelled out may hold: 0 to 99, round hundreds and thousands in the languages that write them as
one word, any size where numerals are positional (Chinese, Japanese, Korean, Thai). Words that are also articles
(`un`, `eine`) are no numbers.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from decimal import Decimal

_WORDS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty 30:thirty 40:forty 50:fifty 60:sixty 70:seventy 80:eighty 90:ninety "
    "100:hundred 1000:thousand",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis "
    "veintisiete veintiocho veintinueve treinta 40:cuarenta 50:cincuenta 60:sesenta 70:setenta 80:ochenta "
    "90:noventa 100:cien 1000:mil",
    "fr": "zéro - deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize 20:vingt "
    "30:trente 40:quarante 50:cinquante 60:soixante 80:quatrevingts 80:quatrevingt 100:cent 1000:mille",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn zwanzig 30:dreißig 40:vierzig 50:fünfzig 60:sechzig 70:siebzig 80:achtzig "
    "90:neunzig 100:hundert 100:einhundert 1000:tausend 1000:eintausend",
    "pt": "zero - dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete "
    "dezoito dezenove vinte 2:duas 16:dezasseis 17:dezassete 19:dezanove 30:trinta 40:quarenta 50:cinquenta "
    "60:sessenta 70:setenta 80:oitenta 90:noventa 100:cem 1000:mil",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать "
    "четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать 30:тридцать 40:сорок "
    "50:пятьдесят 60:шестьдесят 70:семьдесят 80:восемьдесят 90:девяносто 100:сто 1000:тысяча",
    "sw": "sifuri moja mbili tatu nne tano sita saba nane tisa kumi 20:ishirini 30:thelathini 40:arobaini "
    "50:hamsini 60:sitini 70:sabini 80:themanini 90:tisini 100:mia 1000:elfu",
    "ar": "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة 20:عشرون 30:ثلاثون 40:أربعون 50:خمسون "
    "60:ستون 70:سبعون 80:ثمانون 90:تسعون 100:مئة 100:مائة 1000:ألف",
    "bn": "শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ এগারো বারো তেরো চৌদ্দ পনেরো ষোলো সতেরো আঠারো উনিশ বিশ 20:কুড়ি "
    "30:ত্রিশ 40:চল্লিশ 50:পঞ্চাশ 60:ষাট 70:সত্তর 80:আশি 90:নব্বই 100:একশ 1000:হাজার",
    "te": "సున్నా ఒకటి రెండు మూడు నాలుగు ఐదు ఆరు ఏడు ఎనిమిది తొమ్మిది పది పదకొండు పన్నెండు పదమూడు పద్నాలుగు పదిహేను "
    "పదహారు పదిహేడు పద్దెనిమిది పంతొమ్మిది ఇరవై 30:ముప్పై 40:నలభై 50:యాభై 60:అరవై 70:డెబ్బై 80:ఎనభై 90:తొంభై 100:వంద "
    "1000:వెయ్యి",
}
"""Words for 0, 1, 2, ... in order, `-` where the word is an article; any other value stands before its word."""
_CONNECTORS = {"es": {"y"}, "fr": {"et"}, "pt": {"e"}, "en": {"and", "a"}, "sw": {"na"}}
_ARTICLES = {"es": {"un", "una"}, "fr": {"un", "une"}, "pt": {"um", "uma"}}
"""Articles that mean 1 after tens: `trinta e um`."""
_DIGITS = {
    "zh": "零一二三四五六七八九", "ja": "〇一二三四五六七八九", "ko": "영일이삼사오육칠팔구",
    "th": ("ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"),
}  # fmt: skip
_MORE_DIGITS = {"zh": {"〇": 0, "两": 2, "兩": 2}, "ja": {"零": 0}, "th": {"ยี่": 2, "เอ็ด": 1}}
_SCALES = {
    "zh": {"十": 10, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8},
    "ja": {"十": 10, "百": 100, "千": 1000, "万": 10**4, "億": 10**8},
    "ko": {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8},
    "th": {"สิบ": 10, "ร้อย": 100, "พัน": 1000, "หมื่น": 10**4, "แสน": 10**5, "ล้าน": 10**6},
}
_MYRIAD = 10**4


def leading_number(text: str, language: str) -> Decimal | None:
    """The number that a text begins with in words, or None.

    Args:
        text: What follows `the answer is`, in NFKC.
        language: ISO code.
    """
    text = text.lstrip(" \n:'\"*«“”")
    if language in _DIGITS:
        return _positional(text, language)
    words = _vocabulary(language)
    values: list[int] = []
    text = text.lower().replace("quatre-vingt", "quatrevingt")
    for word in re.split(r"[\s-]+", text):
        plain = word.strip(".,;:!?।৷؟()\"'*»”")
        joined = _german(plain, words) if language == "de" else words.get(plain.removeprefix("و"), words.get(plain))
        if joined is None and values and plain in _ARTICLES.get(language, ()):
            joined = 1
        if joined is not None:
            values.append(joined)
        elif not (plain in _CONNECTORS.get(language, ()) and (values or plain == "a")):
            break
        if word[-1:] in ".,;:!?।৷؟":
            break
    return _sum(values)


@functools.cache
def _vocabulary(language: str) -> dict[str, int]:
    words: dict[str, int] = {}
    for place, entry in enumerate(_WORDS.get(language, "").split()):
        value, _, word = entry.rpartition(":")
        words[unicodedata.normalize("NFKC", word)] = int(value or place)
    return words


def _german(word: str, words: dict[str, int]) -> int | None:
    unit, und, tens = word.partition("und")
    if word not in words and und and tens in words:
        units = words | {"ein": 1}
        return units[unit] + words[tens] if unit in units else None
    return words.get(word)


def _sum(values: list[int]) -> Decimal | None:
    """`thirty two` is 32 and `two hundred` 200; two numbers that do not combine are none."""
    total = section = 0
    for value in values:
        if value == 1000:
            total, section = total + (section or 1) * 1000, 0
        elif value == 100:
            section = (section or 1) * 100
        elif section % 100 == 0 or (value < 20 and section % 10 == 0) or (section % 100 < 10 and value % 10 == 0):
            section += value
        else:
            return None
    return Decimal(total + section) if values else None


def _positional(text: str, language: str) -> Decimal | None:
    digits = {unicodedata.normalize("NFKC", word): place for place, word in enumerate(_DIGITS[language])}
    digits |= {unicodedata.normalize("NFKC", word): value for word, value in _MORE_DIGITS.get(language, {}).items()}
    scales = {unicodedata.normalize("NFKC", word): value for word, value in _SCALES[language].items()}
    names = sorted((*digits, *scales), key=len, reverse=True)
    match = re.match(f"(?:{'|'.join(names)})+", text)
    # A lone Korean syllable is as likely a particle or the start of a word as a digit.
    if match is None or (language == "ko" and len(match[0]) == 1):
        return None
    total = section = digit = 0
    for name in re.findall("|".join(names), match[0]):
        if name in digits:
            digit = digit * 10 + digits[name]
        elif (scale := scales[name]) >= _MYRIAD and language != "th":
            total, section, digit = total + (section + digit or 1) * scale, 0, 0
        else:
            section, digit = section + (digit or 1) * scale, 0
    return Decimal(total + section + digit)
