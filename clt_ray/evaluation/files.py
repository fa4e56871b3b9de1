"""The files that the evaluation of a run leaves: answers, scores of single items, and mean scores.

generations/math.es.jsonl    one answer per line, with its prompt, reference and scores
items.csv                    one score of one item per row
scores.csv                   one mean score per row, in the columns that all analysis reads
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from clt_ray.evaluation.evaluate import Generation, Score, generations_jsonl
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks import TaskLanguage

ITEM_COLUMNS = ("run_id", "task", "eval_language", "metric", "item_id", "score")
SCORE_COLUMNS = tuple(field.name for field in fields(Score))


def evaluation_files(run: RunSpec, generations: Sequence[Generation], scores: Sequence[Score]) -> dict[str, str]:
    """Returns the content of every file by its name in the run directory, in the order of writing."""
    answers: dict[TaskLanguage, list[Generation]] = {}
    for generation in generations:
        answers.setdefault(TaskLanguage(generation.task, generation.language), []).append(generation)
    files = {
        f"generations/{pair.task}.{pair.language}.jsonl": generations_jsonl(of_pair)
        for pair, of_pair in answers.items()
    }
    items = [
        (run.run_id, item.task, item.language, metric, item.id, value)
        for item in generations
        for metric, value in item.scores.items()
    ]
    rows = [tuple(asdict(score).values()) for score in scores]
    return files | {"items.csv": csv_text(ITEM_COLUMNS, items), "scores.csv": csv_text(SCORE_COLUMNS, rows)}


def csv_text(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns CSV text; floats have the shortest form that reads back as the same number."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
