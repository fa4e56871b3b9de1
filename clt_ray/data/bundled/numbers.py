"""Number words from 0 to 99 in the languages of the bundled corpus, as one writes them when counting."""

from __future__ import annotations

from functools import lru_cache

from clt_ray.data.bundled.lexicon import LANGUAGES, read


def _positional(tens: int, ones: int, zero: str, digits: str, ten: str) -> str:
    """Chinese, Japanese and Korean: digit, "ten", digit."""
    if tens == ones == 0:
        return zero
    head = "" if tens == 0 else ten if tens == 1 else digits[tens - 1] + ten
    return head + (digits[ones - 1] if ones else "")


def _french(stem: str, tens: int, ones: int, small: list[str]) -> str:
    """From 70 and from 90 on, French counts on from 60 and 80 up to 19."""
    ones += 10 * (tens in (7, 9))
    if ones == 0:
        return f"{stem}s" if tens == 8 else stem
    return f"{stem} et {small[ones]}" if ones in (1, 11) and tens < 8 else f"{stem}-{small[ones]}"


@lru_cache(maxsize=1024)
def words(number: int, language: str) -> str:
    """The number in words.

    Raises:
        ValueError: The number is not within 0..99, or the language is not one of the corpus.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"number words go from 0 to 99, not {number}")
    if language not in LANGUAGES:
        raise ValueError(f"no number words for language {language!r}")
    tens, ones = divmod(number, 10)
    known = read("lexicon/number_words.json")[language]
    if "digits" in known:
        return _positional(tens, ones, **known)
    small: list[str] = [word.replace("_", " ") for word in known["small"].split()]
    if number < len(small):
        return small[number]
    stem = known["tens"].split()[tens - 2]
    if language == "fr":
        return _french(stem, tens, ones, small)
    if ones == 0:
        return str(stem)
    # Arabic says the ones first.
    joint: dict[str, str] = {
        "en": "{tens}-{ones}",
        "es": "{tens} y {ones}",
        "pt": "{tens} e {ones}",
        "ar": "{ones} و{tens}",
    }
    return joint[language].format(tens=stem, ones=small[ones])
