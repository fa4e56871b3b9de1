"""Compares the extracted answers of real solutions with the numbers for which their publishers accepted them.

    python benchmarks/answer_extraction.py ROWS > benchmarks/results/answer_extraction.json

ROWS/math/train/<language>.jsonl contains solutions (`question`, `answer`) that their publishers kept because the
last number was correct. The figures of each language are shares of `<language>_rows`:

* `<language>_kept`: the extracted number is the one for which the solution was kept;
* `<language>_unannounced`: the same number is extracted when the sentence that announces it is removed;
* `<language>_parallel`: the English solution has the same answer, among the rows whose question could be matched
  with an English one by the numbers in it (`<language>_parallel_rows`).

The baseline takes the last run of digits in the text, as published scorers do.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from _result import emit
from clt_ray.evaluation.scorers.answers import announcements
from clt_ray.evaluation.scorers.math import final_number
from clt_ray.evaluation.scorers.numerals import simplified

Row = dict[str, str]
Extractor = Callable[[str, str], Decimal | None]


def main(root: Path) -> None:
    """Measures every language in a folder of rows."""
    paths = sorted((root / "math" / "train").glob("*.jsonl"))
    rows = {path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths}
    figures: dict[str, float] = {}
    baseline: dict[str, float] = {}
    for language, solutions in rows.items():
        pairs = parallel(solutions, rows["en"])
        figures |= {f"{language}_rows": len(solutions), f"{language}_parallel_rows": len(pairs)}
        figures |= shares(language, solutions, pairs, final_number)
        baseline |= shares(language, solutions, pairs, lambda text, _: last_digits(text))
    emit("answer_extraction", figures, baseline)


def shares(
    language: str, solutions: Sequence[Row], pairs: Sequence[tuple[Row, Row]], extract: Extractor
) -> dict[str, float]:
    """Returns the shares of the solutions for which an extractor gives the expected number."""
    kept = [extract(row["answer"], language) == last_digits(row["answer"]) for row in solutions]
    bare = [(without_announcement(row["answer"], language), last_digits(row["answer"])) for row in solutions]
    same = [
        extract(translation["answer"], language) == final_number(english["answer"], "en")
        for translation, english in pairs
    ]
    return {
        f"{language}_kept": share(kept),
        f"{language}_unannounced": share([extract(text, language) == answer for text, answer in bare if text]),
        f"{language}_parallel": share(same),
    }


def share(hits: Sequence[bool]) -> float:
    """Returns the share of hits, rounded to four digits."""
    return round(sum(hits) / len(hits), 4)


def last_digits(text: str) -> Decimal | None:
    """Returns the last run of digits with at most one decimal point, ignoring everything around it."""
    numbers = re.findall(r"-?\d+\.?\d*", text)
    return Decimal(numbers[-1].rstrip(".")) if numbers else None


def without_announcement(answer: str, language: str) -> str:
    """Returns a solution up to its last announcement of an answer, or an empty text if it has none."""
    text = simplified(answer)
    announced = announcements(text, language)
    return text[: announced[-1].start] if announced else ""


def parallel(solutions: Sequence[Row], english: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Returns pairs of rows that ask about the same numbers, from two files in the same order, each with gaps."""
    matcher = difflib.SequenceMatcher(None, signatures(solutions), signatures(english), autojunk=False)
    return [
        (solutions[block.a + offset], english[block.b + offset])
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
        if len(signatures([solutions[block.a + offset]])[0]) >= 2
    ]


def signatures(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Returns the sorted numbers of each question."""
    return [
        tuple(sorted(re.findall(r"\d+", unicodedata.normalize("NFKC", ascii_digits(row["question"]))))) for row in rows
    ]


def ascii_digits(text: str) -> str:
    """Returns the text with the digits of all scripts replaced by 0 to 9."""
    return "".join(str(unicodedata.decimal(mark)) if mark.isdecimal() else mark for mark in text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
