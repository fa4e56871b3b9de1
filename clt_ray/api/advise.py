"""The verb `advise`: how many samples per language to buy, from the reference study, a scores file or own sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clt_ray.api.locations import Locations
from clt_ray.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    import pandas as pd

    from clt_ray.analysis.advice import Advice


def advise(
    task: str,
    model: str,
    locations: Locations,
    *,
    sweeps: Sequence[str] = (),
    scores: str | None = None,
    setting: str | None = None,
    target: float | None = None,
    budget: int | None = None,
    tolerance: float | None = None,
    overrides: Sequence[str] = (),
) -> Advice:
    """Advice on a task and a model.

    Args:
        task: Task name.
        model: Model name, as in the scores.
        locations: Store and tracker of the sweeps.
        sweeps: Sweep files whose finished runs are the evidence.
        scores: A CSV file in the tidy scores format, instead; with neither, the published scores of the reference
            study.
        setting: Consider "single" or "multi" alone.
        target: Score to reach, in the unit of the scores (accuracy 0.35, not 35).
        budget: Non-English rows of the task that can be had, instead of a target.
        tolerance: What counts as no difference, in the unit of the scores.
        overrides: As given to `run`.

    Raises:
        ConfigurationError: Wrong usage, a malformed scores file, or sweeps without a finished run.
        ThinEvidence: The runs cannot answer; names those that would.
    """
    from clt_ray.analysis.advice import advise as advise_on
    from clt_ray.analysis.study import Study

    found, items = _evidence(locations, sweeps, scores, overrides)
    # Other tasks and models have no say in this one, and may lack a metric in common.
    own = found[found["run_id"].isin(found.loc[found["task"] == task, "run_id"])]
    study = Study.of(own if len(own) else found, items)
    return advise_on(study, task, model, setting=setting, target=target, budget=budget, tolerance=tolerance)


def _evidence(
    locations: Locations, sweeps: Sequence[str], scores: str | None, overrides: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Scores, and item scores where they are known."""
    if sweeps and scores:
        raise ConfigurationError(
            [Problem("advise", "--scores", scores, "is given beside sweeps", "ask of one of the two")]
        )
    from clt_ray.analysis.loading import load_items, load_scores
    from clt_ray.analysis.reference import reference_scores
    from clt_ray.api.evidence import sweep_rows

    if scores:
        return load_scores(scores), None
    if not sweeps:
        return reference_scores(), None
    rows, items = sweep_rows(sweeps, locations, overrides)
    if not rows:
        raise ConfigurationError(
            [Problem(" ".join(sweeps), "", None, "no run of it is finished", f"clt-ray run {sweeps[0]}")]
        )
    return load_scores(rows), load_items(items)
