"""Converts the scores published in arXiv 2504.16677 to the scores format of this package.

    python -m scripts.convert_paper_scores TABLES.csv clt_ray/analysis/reference/paper_scores.csv

`TABLES.csv` holds Tables 3 to 23 of the paper, one row per printed score, with columns `paper_table, task (IF|SM|MR),
model, setting, train_langs, samples_per_non_en_lang_per_task, eval_lang, seen, score`.

The paper reports training on English alone once per table, so there can be three runs at n = 0 of the same model. These
are separate measurements: each keeps the language group of its table and is the point at n = 0 of that group's curve.
Standard errors of accuracies are binomial. The paper publishes neither standard errors nor item scores.
"""

import csv
import sys
from math import sqrt
from pathlib import Path
from typing import Final

from clt_ray.analysis.loading import SCORE_COLUMNS
from clt_ray.analysis.reference import RUN_PREFIX

TASKS: Final = {
    "IF": ("instruction", "judge_rating", 200),
    "SM": ("summarization", "rougeL", 250),
    "MR": ("math", "accuracy", 250),
}
"""Task, metric and number of test items per language (section 3 of the paper), by the paper's name of the task."""
GROUPS: Final = {
    "en+es,fr,ja,zh": ("all", "es+fr+ja+zh"),
    "en+es,fr": ("latin", "es+fr"),
    "en+ja,zh": ("non_latin", "ja+zh"),
}
MODELS: Final = {"Aya-7B": "aya-23-7b", "Aya-35B": "aya-23-35b", "Llama-3.1-8B": "llama-3.1-8b"}


def convert(published: dict[str, str]) -> dict[str, str | int]:
    """Returns one printed score as a row of the scores format.

    A run of setting "multi" has the same id in all three tasks, since it is one model that was evaluated in each.
    """
    task, metric, n_items = TASKS[published["task"]]
    group, languages = GROUPS[published["train_langs"]]
    model, setting = MODELS[published["model"]], published["setting"]
    samples = int(published["samples_per_non_en_lang_per_task"])
    score = float(published["score"])
    stderr = f"{sqrt(score * (1 - score) / n_items):.6f}" if metric == "accuracy" else ""
    trained_on = task if setting == "single" else "mixed"
    return {
        "run_id": f"{RUN_PREFIX}{model}-{trained_on}-{group}-n{samples}", "model": model, "setting": setting,
        "task": task, "language_group": group, "train_languages": languages if samples else "",
        "samples_per_language": samples, "seed": 0, "eval_language": published["eval_lang"], "metric": metric,
        "score": published["score"], "stderr": stderr, "n_items": n_items,
    }  # fmt: skip


def main(tables: Path, out: Path) -> None:
    """Converts the file of tables and writes the scores file."""
    with tables.open(encoding="utf-8", newline="") as source, out.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, SCORE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(convert(row) for row in csv.DictReader(source))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
