"""`RunLog`: what one run recorded during training, with the axis values by which runs are compared."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from clt_ray.analysis.labels import language_order
from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.study import ENGLISH, exposure

Points = tuple[tuple[int, Mapping[str, float]], ...]
"""Optimizer step and metrics of each measurement, ascending, one per step."""

RUN_COLUMNS: Final = (
    "run_id", "model", "setting", "mixture", "language_group", "train_languages", "samples_per_language", "seed",
)  # fmt: skip
"""Columns that identify the run of a row, named as in the scores file."""


@dataclass(frozen=True)
class RunLog:
    """Axis values and recorded metrics of one run. Made by `run_log`."""

    run_id: str
    model: str
    tasks: tuple[str, ...]
    """Tasks that the run trains on, in canonical order."""
    language_group: str
    train_languages: tuple[str, ...]
    """Non-English training languages; empty at n = 0, `en` alone for an equal-volume control."""
    samples_per_language: int
    seed: int
    train_rows: int
    """Rows of one epoch over all tasks."""
    batch_size: int
    """Rows per optimizer step; the last step of an epoch may have fewer."""
    settings: str
    """All other training settings as canonical JSON; equal for a mixed run and its twin."""
    validation: Points
    """Validation losses under the names `val/<task>/<language>/loss`."""
    interference: Points
    """Cosines and norms of gradients; empty where they were not measured."""

    @property
    def mixture(self) -> str:
        """Tasks joined by "+"."""
        return "+".join(self.tasks)

    @property
    def setting(self) -> str:
        """`single` or `multi`."""
        return "single" if len(self.tasks) == 1 else "multi"

    @property
    def training_languages(self) -> tuple[str, ...]:
        """Languages of the non-English rows; for a control the group's name, with the number that English replaces."""
        return (self.language_group,) if self.train_languages == (ENGLISH,) else self.train_languages

    def columns(self) -> dict[str, Any]:
        """Returns the values of `RUN_COLUMNS`."""
        return {name: getattr(self, name) for name in RUN_COLUMNS} | {"train_languages": "+".join(self.train_languages)}

    @cached_property
    def validated(self) -> dict[tuple[str, str], list[str]]:
        """Languages in reading order in which each metric of a task was measured, by task and metric."""
        languages: dict[tuple[str, str], set[str]] = {}
        for name in {name for _, metrics in self.validation for name in metrics}:
            parts = name.split("/")
            if len(parts) == 4 and parts[0] == "val" and parts[1] in self.tasks:
                languages.setdefault((parts[1], parts[3]), set()).add(parts[2])
        return {key: sorted(codes, key=language_order) for key, codes in languages.items()}

    def exposure(self, language: str) -> str:
        """Returns "english", "seen" (a training language) or "unseen"."""
        return exposure(language, self.train_languages)

    def task_rows(self, step: int) -> float:
        """Returns the average number of rows of each task seen after a number of steps; all tasks have equally many."""
        per_epoch = -(-self.train_rows // self.batch_size)
        epochs, rest = divmod(step, per_epoch)
        return (epochs * self.train_rows + rest * self.batch_size) / len(self.tasks)


def group_columns(columns: Iterable[str], key: object) -> dict[str, Any]:
    """Returns the columns by which a frame was grouped with their values in one group."""
    return dict(zip(columns, key, strict=True))  # type: ignore[call-overload]


def run_log(
    run_document: Mapping[str, Any],
    run_id: str,
    validation: Iterable[tuple[int, Mapping[str, float]]],
    interference: Iterable[tuple[int, Mapping[str, float]]] = (),
) -> RunLog:
    """Returns the log of a run from its directory; of a validation step that occurs twice, the last record counts."""
    languages, samples = tuple(run_document["train_languages"]), int(run_document["samples_per_language"])
    groups_of_rows = int(run_document.get("replaced_languages", 0)) or len(languages)
    tasks = tuple(sorted(run_document["tasks"], key=task_order))
    # The intervals of measurements do not change the training, so runs that differ in them can be twins.
    training = {name: value for name, value in run_document["training"].items() if not name.endswith("_every")}
    settings = {"english_samples": run_document["english_samples"], "training": training}
    return RunLog(
        run_id=run_id, model=str(run_document["model"]["name"]), tasks=tasks,
        language_group=str(run_document["language_group"]), train_languages=languages, samples_per_language=samples,
        seed=int(run_document["seed"]),
        train_rows=(int(run_document["english_samples"]) + samples * groups_of_rows) * len(tasks),
        batch_size=int(training["batch_size"]), settings=json.dumps(settings, sort_keys=True),
        validation=tuple(sorted(dict(validation).items())), interference=tuple(sorted(dict(interference).items())),
    )  # fmt: skip
