"""The published scores of the reference study (arXiv 2504.16677) in the scores format of this package.

There are 1,728 scores of 152 runs: three tasks, eight languages, three models, single tasks and a mixture. The scores
are rounded to two decimals as printed. They have no item scores and one run per grid cell. The repository's
`scripts/convert_paper_scores.py` made the file and documents the decisions of the conversion.
"""

from pathlib import Path
from typing import Final

import pandas as pd

from clt_ray.analysis.loading import load_scores

RUN_PREFIX: Final = "paper-"
"""Prefix of the ids of the published runs."""
SCORES_FILE: Final = Path(__file__).parent / "paper_scores.csv"

CITATION: Final = (
    "L. Shimabucoro, A. Üstün, M. Fadaee, S. Ruder: A Post-trainer's Guide to Multilingual Training Data: Uncovering "
    "Cross-lingual Transfer Dynamics. arXiv 2504.16677, 2025. Scores of Tables 3 to 23. https://arxiv.org/abs/2504.16677"
)


def reference_scores() -> pd.DataFrame:
    """Returns the published scores as a scores frame (`loading.SCORE_COLUMNS`), one row per printed score.

    The models are named aya-23-7b, aya-23-35b and llama-3.1-8b, as in the paper. `n_items` is 250 per language for math
    and summarization and 200 for instruction following. `stderr` is binomial for math and empty for the other tasks.
    """
    return load_scores(SCORES_FILE)


def is_reference(scores: pd.DataFrame) -> bool:
    """Returns whether any of the scores are those of the reference study."""
    return bool(scores["run_id"].str.startswith(RUN_PREFIX).any())
