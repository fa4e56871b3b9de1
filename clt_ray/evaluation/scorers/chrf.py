"""chrF against the reference: the score of instruction following that needs no judge.

It measures the overlap of characters with one of many good replies. It can compare models on the same prompts, but is a
weak measure of the quality of a single reply, which is why the metric is named `reference_chrf`.
"""

import functools
from typing import Any


def score(prediction: str, reference: str, language: str) -> dict[str, float]:
    """Returns sentence-level chrF (Popovic 2015; character 6-grams, beta 2) as sacrebleu computes it, divided by 100.

    Nothing is returned when the reference is empty. Characters need no segmentation, so the language is not used.
    """
    if not reference.strip():
        return {}
    if not prediction.strip():
        return {"reference_chrf": 0.0}
    return {"reference_chrf": _metric().sentence_score(prediction, [reference]).score / 100}


@functools.cache
def _metric() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
