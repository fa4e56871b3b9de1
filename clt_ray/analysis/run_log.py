"""What one run recorded while it trained, and the facts by which runs are compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clt_ray.analysis.metrics import task_order
from clt_ray.analysis.study import ENGLISH

Points = tuple[tuple[int, Mapping[str, float]], ...]
"""(optimizer step, metrics), ascending, one per step."""

RUN_COLUMNS: Final = (
    "run_id", "model", "setting", "mixture", "language_group", "train_languages", "samples_per_language", "seed",
)  # fmt: skip
"""Columns that say which run a row is about, named as in the scores file."""


@dataclass(frozen=True)
class RunLog:
    """One run. Made by `run_log`."""

    run_id: str
    model: str
    tasks: tuple[str, ...]
    """Trained together, in the usual order."""
    language_group: str
    train_languages: tuple[str, ...]
    """Non-English; empty at n = 0; `en` alone for an equal-volume control."""
    samples_per_language: int
    seed: int
    train_rows: int
    """Rows of one epoch, over all tasks."""
    batch_size: int
    """Rows per optimizer step; the last step of an epoch may have fewer."""
    settings: str
    """Everything else about its training, as canonical text: what twins share."""
    validation: Points
    """Losses under `val/<task>/<language>/loss`."""
    interference: Points
    """Cosines and norms of gradients; empty where they were not measured."""

    @property
    def mixture(self) -> str:
        """The tasks, joined by "+"."""
        return "+".join(self.tasks)

    @property
    def setting(self) -> str:
        """`single` or `multi`."""
        return "single" if len(self.tasks) == 1 else "multi"

    @property
    def training_languages(self) -> tuple[str, ...]:
        """What its non-English rows are in, whatever a sweep calls the group; a control by how many it replaces."""
        return (self.language_group,) if self.train_languages == (ENGLISH,) else self.train_languages

    def columns(self) -> dict[str, Any]:
        """The columns of `RUN_COLUMNS`."""
        return {name: getattr(self, name) for name in RUN_COLUMNS} | {"train_languages": "+".join(self.train_languages)}

    def exposure(self, language: str) -> str:
        """english, seen or unseen."""
        if language == ENGLISH:
            return "english"
        return "seen" if language in self.train_languages else "unseen"

    def task_rows(self, step: int) -> float:
        """Rows of each of its tasks seen in that many steps, on average: all its tasks have equally many."""
        per_epoch = -(-self.train_rows // self.batch_size)
        epochs, rest = divmod(step, per_epoch)
        return (epochs * self.train_rows + rest * self.batch_size) / len(self.tasks)


def group_columns(columns: Iterable[str], key: object) -> dict[str, Any]:
    """The columns that a frame was grouped by, from the key of one group."""
    return dict(zip(columns, key, strict=True))  # type: ignore[call-overload]


def run_log(
    described: Mapping[str, Any],
    run_id: str,
    validation: Iterable[tuple[int, Mapping[str, float]]],
    interference: Iterable[tuple[int, Mapping[str, float]]] = (),
) -> RunLog:
    """A run's log from what its directory holds.

    Args:
        described: Content of run.json.
        run_id: Of the run.
        validation: Points of validation.jsonl; a step that is there twice counts as last recorded.
        interference: Points of interference.jsonl.
    """
    languages, samples = tuple(described["train_languages"]), int(described["samples_per_language"])
    ways = int(described.get("replaced_languages", 0)) or len(languages)
    tasks = tuple(sorted(described["tasks"], key=task_order))
    training = dict(described["training"])
    settings = {"english_samples": described["english_samples"], "training": training}
    # How often something is measured does not make another training.
    training = {name: value for name, value in training.items() if not name.endswith("_every")}
    return RunLog(
        run_id=run_id,
        model=str(described["model"]["name"]),
        tasks=tasks,
        language_group=str(described["language_group"]),
        train_languages=languages,
        samples_per_language=samples,
        seed=int(described["seed"]),
        train_rows=(int(described["english_samples"]) + samples * ways) * len(tasks),
        batch_size=int(training["batch_size"]),
        settings=json.dumps(settings | {"training": training}, sort_keys=True),
        validation=tuple(sorted(dict(validation).items())),
        interference=tuple(sorted(dict(interference).items())),
    )
