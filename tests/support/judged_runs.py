"""Makes a small sweep whose finished runs have answers for a judge to rate, without the training."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clt_ray.evaluation.evaluate import Generation, csv_text, generations_jsonl, summarise
from clt_ray.opened import open_sweep
from clt_ray.store import StageSeconds, StatusDocument, Store
from clt_ray.sweep.run import RunSpec
from tests.support.run_dirs import result
from tests.support.sweeps import sweep, write

QUESTIONS = {
    "en": "Where does the sun rise?",
    "es": "¿Por dónde sale el sol?",
    "ko": "해는 어디에서 뜨나요?",
}
ANSWERS = {
    "en": ["The sun rises every morning in the east.", "The sun rises in the west, as everybody knows."],
    "es": ["El sol sale todas las mañanas por el este.", "The sun rises every morning in the east."],
    "ko": ["해는 매일 아침 동쪽에서 떠오릅니다.", ""],
}
ITEMS = sum(map(len, ANSWERS.values()))


class JudgedSweep:
    """A small sweep in a storage, whose runs `finish` makes finished ones."""

    def __init__(self, folder: Path, task: str = "instruction", answers: dict[str, list[str]] | None = None) -> None:
        document = sweep(
            name="judged",
            grid={"task": [task], "samples_per_language": [0, 8]},
            language_groups={"all": ["es"]},
            eval_languages=list(QUESTIONS),
        )
        self.path = write(folder / "sweep.yaml", document)
        self.storage = folder / "storage"
        self.store = Store(str(self.storage))
        self.sweep = open_sweep(self.path, storage=str(self.storage), tracking_uri=f"sqlite:///{folder}/mlflow.db")
        self.locations, self.runs = self.sweep.locations, self.sweep.runs
        self.answers = answers or ANSWERS

    def finish(self, run: RunSpec) -> None:
        """Writes the files of a finished run; the answers of different runs differ."""
        directory = self.store.run_dir(run.run_id)
        generations = [
            Generation(f"{language}-{index}", "instruction", language, QUESTIONS[language], "", text, 9,
                       {"reference_chrf": 0.5, "fidelity": 1.0})
            for language, texts in self.answers.items()
            for index, text in enumerate([*texts[:-1], texts[-1] + "!" * run.samples_per_language])
        ]  # fmt: skip
        for language in self.answers:
            in_language = [generation for generation in generations if generation.language == language]
            directory.write_text(f"generations/instruction.{language}.jsonl", generations_jsonl(in_language))
        means = [asdict(score) for score in summarise(run, generations)]
        directory.write_text("scores.csv", csv_text(list(means[0]), [list(row.values()) for row in means]))
        directory.write_text("items.csv", "run_id,task,eval_language,metric,item_id,score\n")
        directory.write_status(
            StatusDocument(state="finished", attempt=1, updated=1.7e9, stage="evaluate", step=4, total_steps=4)
        )
        directory.write_result(result(run, 4, StageSeconds(train=2.0, evaluate=1.0)))

    def lines(self, run: RunSpec) -> list[dict[str, Any]]:
        """Returns the items of a run as its only judge rated them."""
        (file,) = (self.storage / "runs" / run.run_id / "judge").glob("*.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]


def judged_sweep(folder: Path, **choices: object) -> JudgedSweep:
    """Returns a sweep of two finished runs."""
    made = JudgedSweep(folder, **choices)  # type: ignore[arg-type]
    for run in made.runs:
        made.finish(run)
    return made
