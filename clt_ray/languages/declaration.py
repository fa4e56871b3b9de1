"""`Language`: everything that the package needs to know about a language, in one declaration."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from pydantic import with_config

_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class Numbers:
    """How a language writes numbers, for scorers that read them. Words are in lower case.

    The fields `words` to `conjunction` describe numbers that add words (`thirty two`); `digits` to
    `shortest_numeral` describe positional numerals without spaces (三十二). A language has one kind or none.
    """

    decimal_comma: bool = False
    """Whether a comma usually separates the decimals, and a point groups digits."""
    scale_words: Mapping[str, int] = field(default_factory=dict)
    """Words that multiply a number in digits: {"million": 1000000}."""
    scale_place: Literal["after", "before", "attached"] = "after"
    """Where a scale word stands: after the number and a space, before it (`elfu 2`), or directly after it."""
    ordinal_suffixes: str = ""
    """Regular expression of the endings that make digits an ordinal: "st|nd|rd|th"."""
    label_words: str = ""
    """Regular expression of words whose number names a thing and counts none: "step|question"."""
    words: str = ""
    """Words for 0, 1, 2, ... separated by spaces; `-` where the word is also an article, `30:thirty` where numbers are
    skipped."""
    connectors: tuple[str, ...] = ()
    """Words between two number words: `and` in "two hundred and five"."""
    articles: tuple[str, ...] = ()
    """Articles that mean 1 after tens: `trinta e um`."""
    units_first: tuple[str, str] | None = None
    """(joiner, word for 1) of compounds that name the units before the tens: `zweiunddreißig`."""
    conjunction: str = ""
    """Conjunction that is written together with the next number word."""
    digits: tuple[str, ...] = ()
    """Words or signs for 0 to 9 of positional numerals."""
    more_digits: Mapping[str, int] = field(default_factory=dict)
    """Further spellings of digits."""
    scales: Mapping[str, int] = field(default_factory=dict)
    """Words or signs for 10, 100, ... of positional numerals."""
    myriads: bool = False
    """Whether numerals are grouped by 10,000 (1万2千), as in East Asia."""
    shortest_numeral: int = 1
    """Smallest number of signs of a numeral; a single one may be another word."""


@dataclass(frozen=True)
class Answers:
    """How solutions in a language state their answer. Every field holds alternatives of a regular expression."""

    nouns: str
    """Nouns that a verb links to the value: "answer"."""
    links: str
    """Verbs and particles that link the noun to the value: "is|are"."""
    labels: str = ""
    """Further nouns that announce an answer with a colon only."""
    sought: str = ""
    """Words before a noun that is only looked for: "to find the answer"."""
    seeking: str = ""
    """Words after a noun that is only looked for."""
    remarks: str = ""
    """First words of a check or note that follows a conclusion."""
    remark_openings: str = ""
    """Words that may stand before those: "let's check"."""
    denied_before: str = ""
    """Words before a number that deny it: "not"."""
    denied_after: str = ""
    """Words after a number that deny it."""
    conclusions: str = ""
    """First words of a conclusion, which begin a sentence even where no full stop ends the one before."""
    questions: str = ""
    """Labels of a further question: "question|problem"."""
    abbreviations: tuple[str, ...] = ()
    """Abbreviations whose full stop ends no sentence."""


@with_config(extra="forbid")
@dataclass(frozen=True)
class Language:
    """What the sweep, the data, the scorers and the report need to know about a language."""

    code: str
    """ISO 639-1 code, in lower case."""
    name: str
    """English name."""
    native_name: str
    """Name in the language itself."""
    script: str
    """Writing system of the language's training and evaluation text, by its usual English name: Latin, Han, Japanese
    (kana with Han), Hangul, Arabic, Cyrillic, ... A language with several is listed with that of its public corpora."""
    family: str
    """Language family, or its branch for Indo-European languages."""
    aliases: tuple[str, ...] = ()
    """Country codes and retired language codes that people write for the language."""
    three_letter_codes: tuple[str, ...] = ()
    """ISO 639-3 codes by which data sets name the language."""
    hub_names: Mapping[str, str] = field(default_factory=dict)
    """Data set on the hub -> its own name of the language, where that is not `code`."""
    identifier_codes: tuple[str, ...] = ()
    """ISO 639-1 codes of the language in the lingua library; empty is `code`."""
    common: bool = False
    """Whether the language is among the most written of its script, into which models drift."""
    has_word_borders: bool = False
    """Whether spaces separate words and letters need no combining marks, so that a regular expression finds borders."""
    split_words: Callable[[str], list[str]] | str = ""
    """Function that splits a text into the words of ROUGE, or where it is (`module:function`); empty splits at every
    character that is no letter, mark or digit."""
    stemmer: str = ""
    """Snowball algorithm that stems the words for ROUGE, where `split_words` is empty; empty stems none."""
    numbers: Numbers = Numbers()
    """How numbers are written."""
    answers: Answers | None = None
    """How solutions state their answer; None recognises the English ways only."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Task -> prompt template. Those of built-in tasks and languages are in data/templates.yaml, whose hash enters
    every run id."""
    chat_instructions: Mapping[str, str] = field(default_factory=dict)
    """Task -> instruction that a chat model is given before the prompt."""
    version: int = 1
    """Number that enters the run ids of a plug-in language: raise it when `split_words` gives other words."""

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"language {self.code!r}: the code is not two or three lower-case letters")
        if not all((self.name, self.native_name, self.script, self.family)):
            raise ValueError(f"language {self.code!r}: name, native_name, script and family must not be empty")

    def content(self) -> dict[str, object]:
        """Returns what of the declaration can change rows or scores, as plain values."""
        left_out = {"name", "native_name", "family", "aliases", "split_words"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}
