"""ROUGE-1, ROUGE-2 and ROUGE-L with tokens that suit the language.

C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004. In English the scores are those of the
rouge-score package with its stemmer. That package drops every character outside a-z and 0-9, so it scores Japanese
or Arabic 0 whatever is written; here each language has its own tokens (`clt_ray.evaluation.scorers.segmentation`).
"""

from collections import Counter
from collections.abc import Sequence

from clt_ray.evaluation.scorers.segmentation import words


def score(prediction: str, reference: str, language: str) -> dict[str, float]:
    """Returns the F-measures of unigrams, bigrams and the longest common subsequence, each from 0 to 1.

    All are 0 when either text has no word, and 1 for the same words (in English `rouge2` of a single word is 0, as in
    the package).
    """
    predicted, expected = words(prediction, language), words(reference, language)
    if predicted and predicted == expected and language != "en":
        # A single word has no bigrams, and in some scripts a whole headline is one word. English keeps the package's 0.
        return {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    return {
        "rouge1": _ngram_f(predicted, expected, 1),
        "rouge2": _ngram_f(predicted, expected, 2),
        "rougeL": _f_measure(common_subsequence(predicted, expected), len(predicted), len(expected)),
    }


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Returns the length of the longest common subsequence.

    Bit-parallel: bit i of `row` is 0 where the i-th token of `first` lengthens the subsequence (H. Hyyrö,
    "Bit-parallel LCS-length computation revisited", 2004), one big-integer operation per token of `second`.
    """
    places: dict[str, int] = {}
    for index, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << index
    everywhere = (1 << len(first)) - 1
    row = everywhere
    for token in second:
        matches = row & places.get(token, 0)
        row = ((row + matches) | (row - matches)) & everywhere
    return len(first) - row.bit_count()


def _ngram_f(predicted: Sequence[str], expected: Sequence[str], size: int) -> float:
    predicted_counts, reference_counts = _ngrams(predicted, size), _ngrams(expected, size)
    common = (predicted_counts & reference_counts).total()
    return _f_measure(common, predicted_counts.total(), reference_counts.total())


def _ngrams(tokens: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1))


def _f_measure(common: int, predicted: int, expected: int) -> float:
    return 2 * common / (predicted + expected) if common else 0.0
