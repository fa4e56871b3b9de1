"""Scores of the chosen checkpoint by the scorers of other packages that take it as a whole."""

from collections.abc import Sequence
from pathlib import Path

from clt_ray.errors import RunError
from clt_ray.evaluation.evaluate import Score, score_row
from clt_ray.plugins import resolved
from clt_ray.scorers import CheckpointScore, CheckpointScorer, scorer_of
from clt_ray.sweep.run import RunSpec


def checkpoint_scores(run: RunSpec, directory: Path, scores: Sequence[Score]) -> list[Score]:
    """Returns the rows that the checkpoint scorers of a run add to its scores.

    Args:
        directory: The chosen checkpoint as a Hugging Face directory.

    Raises:
        RunError: A scorer returned a metric that it does not declare, a value outside its range, or a row that exists.
    """
    added: list[Score] = []
    taken = {(score.task, score.eval_language, score.metric) for score in scores}
    for name in run.evaluation.scorers:
        scorer = scorer_of(name)
        if not isinstance(scorer, CheckpointScorer):
            continue
        for measured in resolved(scorer.score)(directory, run):
            place = (measured.task, measured.language, measured.metric)
            problem = _problem(scorer, measured) or ("is there already" if place in taken else None)
            if problem:
                raise RunError(f"scorer {name}: {'/'.join(place)} = {measured.score}: {problem}")
            taken.add(place)
            added.append(score_row(run, *place, (measured.score, measured.stderr), measured.n_items))
    return added


def _problem(scorer: CheckpointScorer, measured: CheckpointScore) -> str | None:
    declared = {metric.name: metric for metric in scorer.metrics}
    metric = declared.get(measured.metric)
    if metric is None:
        return f"the scorer declares no such metric; it declares {', '.join(declared)}"
    if not metric.low <= measured.score <= metric.high:
        return f"is outside the declared range from {metric.low:g} to {metric.high:g}"
    return None
