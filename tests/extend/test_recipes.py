"""The recipes of docs/extend.md, installed as packages, from a sweep to its report with the bundled model."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import clt_ray
from tests.support.recipes import install_recipes
from tests.support.sweeps import sweep, write

WELSH = {
    "question": "Mae gan Megan {first} afal ac mae hi’n prynu {second} afal arall. Faint o afalau sydd ganddi hi nawr?",
    "answer": "Mae ganddi hi {first} + {second} = {sum} afal. Yr ateb yw {sum}.",
}
ENGLISH = {
    "question": "Megan has {first} apples and buys {second} apples more. How many apples does she have now?",
    "answer": "She has {first} + {second} = {sum} apples. The answer is {sum}.",
}
TOPICS = {
    "en": {"sport": "The home team won match {n} of the season.", "weather": "It will rain on day {n} of the month."},
    "cy": {"sport": "Enillodd y tîm cartref gêm {n} y tymor.", "weather": "Bydd hi’n bwrw glaw ar ddiwrnod {n} y mis."},
}


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Installs packages of the page for the processes that a test starts."""
    site = install_recipes(folder, *packages)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])))


def write_rows(root: Path, task: str, split: str, language: str, rows: list[dict[str, str]]) -> None:
    path = root / task / split / f"{language}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_all_rows(root: Path) -> None:
    """Writes small training and test splits of math and topics in English and Welsh."""
    for split, first in (("train", 2), ("test", 40)):
        for language, texts in (("en", ENGLISH), ("cy", WELSH)):
            values = [{"first": first + n // 8, "second": 2 + n % 8} for n in range(24)]
            rows = [
                {name: text.format(**pair, sum=pair["first"] + pair["second"]) for name, text in texts.items()}
                for pair in values
            ]
            write_rows(root, "math", split, language, rows)
            topics = [
                {"text": text.format(n=first + n), "category": category}
                for n in range(12)
                for category, text in TOPICS[language].items()
            ]
            write_rows(root, "topic", split, language, topics)


def scores_of(storage: Path) -> list[dict[str, str]]:
    """Returns the rows of the report's scores."""
    with (storage / "reports" / "test" / "scores.csv").open() as file:
        return list(csv.DictReader(file))


def run_to_report(path: str, storage: Path) -> str:
    """Runs a sweep and its report, and returns the page."""
    for verb in (("run", path, "--address", "local"), ("report", path)):
        finished = clt_ray(*verb, storage=storage)
        assert finished.returncode == 0, finished.stdout + finished.stderr
    return (storage / "reports" / "test" / "index.html").read_text()


@pytest.mark.serial
def test_a_task_a_language_and_a_scorer_run_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "packages", monkeypatch, "clt-ray-topic", "clt-ray-welsh", "clt-ray-repetition")
    write_all_rows(tmp_path / "rows")
    source = {"root": str(tmp_path / "rows")}
    document = sweep(
        grid={"task": ["topic+math"], "language_group": ["celtic"], "samples_per_language": [0, 8]},
        language_groups={"all": ["cy"]},
        english_samples=16,
        eval_languages=["en", "cy"],
        training={"max_steps": 2},
        validation={"generate": {"samples_per_language": 2}},
        evaluation={"scorers": ["repetition"]},
    )
    document["language_groups"] = {"celtic": ["cy"]}
    document["data"] = {"topic": source, "math": source}
    page = run_to_report(write(tmp_path / "sweep.yaml", document), tmp_path / "store")
    assert "Topic classification" in page and "--task-topic: #cc79a7" in page and "Welsh" in page
    measured = {(row["task"], row["eval_language"], row["metric"]) for row in scores_of(tmp_path / "store")}
    assert {
        (task, code, metric)
        for task, own in (("topic", "topic_accuracy"), ("math", "accuracy"))
        for code in ("en", "cy")
        for metric in (own, "repetition", "fidelity")
    } == measured
    prompts = (tmp_path / "store").rglob("generations/math.cy.jsonl")
    assert all(json.loads(line)["prompt"].startswith("Cwestiwn:") for line in next(prompts).open())


@pytest.mark.serial
def test_a_task_of_the_harness_scores_the_chosen_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    install(tmp_path / "packages", monkeypatch, "clt-ray-harness")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    changes: dict[str, Any] = {"grid": {"samples_per_language": [8]}, "training": {"max_steps": 2}}
    document = sweep(**changes, evaluation={"scorers": ["sums"]}, eval_languages=["en", "es"])
    page = run_to_report(write(tmp_path / "sweep.yaml", document), tmp_path / "store")
    rows = {row["eval_language"]: row for row in scores_of(tmp_path / "store") if row["task"] == "sums"}
    assert set(rows) == {"en", "es"} and "sums" in page.lower()
    for row in rows.values():
        assert row["metric"] == "sums_accuracy" and row["n_items"] == "16" and 0 <= float(row["score"]) <= 1
        assert float(row["stderr"]) > 0 or float(row["score"]) in (0, 1)
