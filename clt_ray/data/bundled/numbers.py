"""Number words from 0 to 99 in the languages of the bundled corpus, in the form used for counting."""

from functools import lru_cache

from clt_ray.data.bundled.lexicon import LANGUAGES, read


def _positional(tens: int, ones: int, zero: str, digits: str, ten: str) -> str:
    """Returns a Chinese, Japanese or Korean number: digit, "ten", digit."""
    if tens == ones == 0:
        return zero
    head = "" if tens == 0 else ten if tens == 1 else digits[tens - 1] + ten
    return head + (digits[ones - 1] if ones else "")


def _french(stem: str, tens: int, ones: int, small: list[str]) -> str:
    """Returns a French number; 70 to 79 are 60 plus 10 to 19, and 90 to 99 are 80 plus 10 to 19."""
    ones += 10 * (tens in (7, 9))
    if ones == 0:
        return f"{stem}s" if tens == 8 else stem
    return f"{stem} et {small[ones]}" if ones in (1, 11) and tens < 8 else f"{stem}-{small[ones]}"


@lru_cache(maxsize=1024)
def words(number: int, language: str) -> str:
    """Returns the number in words.

    Raises:
        ValueError: The number is not within 0..99, or the language is not one of the corpus.
    """
    if not 0 <= number <= 99:
        raise ValueError(f"number words go from 0 to 99, not {number}")
    if language not in LANGUAGES:
        raise ValueError(f"no number words for language {language!r}")
    tens, ones = divmod(number, 10)
    parts = read("lexicon/number_words.json")[language]
    if "digits" in parts:
        return _positional(tens, ones, **parts)
    small: list[str] = [word.replace("_", " ") for word in parts["small"].split()]
    if number < len(small):
        return small[number]
    stem = parts["tens"].split()[tens - 2]
    if language == "fr":
        return _french(stem, tens, ones, small)
    if ones == 0:
        return str(stem)
    # In Arabic the ones come before the tens.
    joint: dict[str, str] = {
        "en": "{tens}-{ones}",
        "es": "{tens} y {ones}",
        "pt": "{tens} e {ones}",
        "ar": "{ones} و{tens}",
    }
    return joint[language].format(tens=stem, ones=small[ones])
