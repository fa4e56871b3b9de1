"""The published scores of the reference study, arXiv 2504.16677, as a scores frame.

1,728 scores of 152 runs: three tasks, eight languages, three models, single tasks and a mixture. They are
rounded to two decimals as printed, come without item scores and with one run per cell; `convert.py` says what else
was decided in the conversion.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from clt_ray.analysis.loading import load_scores

RUN_PREFIX: Final = "paper-"
"""What the ids of the published runs start with."""
SCORES_FILE: Final = Path(__file__).parent / "paper_scores.csv"

CITATION: Final = (
    "L. Shimabucoro, A. Üstün, M. Fadaee, S. Ruder: A Post-trainer's Guide to Multilingual Training Data: Uncovering "
    "Cross-lingual Transfer Dynamics. arXiv 2504.16677, 2025. Scores of Tables 3 to 23. https://arxiv.org/abs/2504.16677"
)


def reference_scores() -> pd.DataFrame:
    """The published scores in the tidy format, one row per printed score.

    Models are named as in the paper: aya-23-7b, aya-23-35b, llama-3.1-8b. `n_items` is 250 per language for math and
    summarization and 200 for instruction following; `stderr` is binomial for math and empty elsewhere.
    """
    return load_scores(SCORES_FILE)


def is_reference(scores: pd.DataFrame) -> bool:
    """Whether any of the scores are the reference study's."""
    return bool(scores["run_id"].str.startswith(RUN_PREFIX).any())
