"""chrF against the reference: the score of instruction following where no judge is at hand.

It measures overlap of characters with one of many good replies, so it compares models on the same prompts and says
little about a reply's worth. Hence the metric is named `reference_chrf`.
"""

from __future__ import annotations

import functools
from typing import Any


def score(prediction: str, reference: str, language: str) -> dict[str, float]:
    """Sentence-level chrF (Popovic 2015; character 6-grams, beta 2) as sacrebleu computes it, over 100.

    Args:
        prediction: The model's reply.
        reference: A reply to compare with; without one there is no score.
        language: Not read: characters need no segmentation.

    Returns:
        `reference_chrf` from 0 to 1, or nothing when the reference is empty.
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
