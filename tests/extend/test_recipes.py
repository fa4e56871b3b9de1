"""The recipes of docs/extend.md, installed as packages, in one sweep from its first run to its report."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import clt_ray
from tests.support.recipes import install_recipes
from tests.support.sweeps import sweep, write
from tests.support.tiny_models import save_tiny

pytestmark = pytest.mark.serial

PACKAGES = (
    "clt-ray-topic", "clt-ray-welsh", "clt-ray-repetition", "clt-ray-harness", "clt-ray-qwen3", "clt-ray-gemma3",
)  # fmt: skip

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


@dataclass(frozen=True)
class Reported:
    """A sweep that uses every recipe, from its first run to its report."""

    page: str
    scores: list[dict[str, str]]
    storage: Path


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Reported:
    """The bundled model and two families train on a task of a package and math, in a language of another package."""
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    folder = tmp_path_factory.mktemp("recipes")
    site = install_recipes(folder / "packages", *PACKAGES)
    write_all_rows(folder / "rows")
    models = {
        "tiny-qwen3": {"source": str(save_tiny("qwen3", folder / "qwen3")), "architecture": "qwen3"},
        "tiny-gemma3": {"source": str(save_tiny("gemma3_text", folder / "gemma3")), "architecture": "gemma3"},
    }
    grid = {
        "model": ["tiny", *models],
        "task": ["topic+math"],
        "language_group": ["celtic"],
        "samples_per_language": [8],
    }
    document = sweep(
        models=models,
        grid=grid,
        english_samples=16,
        eval_languages=["en", "cy"],
        training={"max_steps": 2},
        validation={"generate": {"samples_per_language": 2}},
        evaluation={"scorers": ["repetition", "sums"]},
    )
    document["language_groups"] = {"celtic": ["cy"]}
    document["data"] = {task: {"root": str(folder / "rows")} for task in ("topic", "math")}
    path, storage = write(folder / "sweep.yaml", document), folder / "store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [site, os.environ.get("PYTHONPATH")])))
        patch.setenv("HF_HUB_OFFLINE", "1")
        for verb in (("run", path, "--address", "local"), ("report", path)):
            finished = clt_ray(*verb, storage=storage)
            assert finished.returncode == 0, finished.stdout + finished.stderr
    report = storage / "reports" / "test"
    with (report / "scores.csv").open() as file:
        return Reported((report / "index.html").read_text(), list(csv.DictReader(file)), storage)


def test_a_task_a_language_and_a_scorer_are_in_the_report(reported: Reported) -> None:
    page = reported.page
    assert "Topic classification" in page and "--task-topic: #cc79a7" in page and "Welsh" in page
    measured = {(row["task"], row["eval_language"], row["metric"]) for row in reported.scores if row["task"] != "sums"}
    assert {
        (task, code, metric)
        for task, own in (("topic", "topic_accuracy"), ("math", "accuracy"))
        for code in ("en", "cy")
        for metric in (own, "repetition", "fidelity")
    } == measured
    prompts = reported.storage.rglob("generations/math.cy.jsonl")
    assert all(json.loads(line)["prompt"].startswith("Cwestiwn:") for line in next(prompts).open())


def test_a_task_of_the_harness_scores_the_chosen_checkpoint(reported: Reported) -> None:
    rows = [row for row in reported.scores if row["task"] == "sums"]
    assert {row["eval_language"] for row in rows} == {"en", "cy"} and "sums" in reported.page.lower()
    for row in rows:
        assert row["metric"] == "sums_accuracy" and row["n_items"] == "16" and 0 <= float(row["score"]) <= 1
        assert float(row["stderr"]) > 0 or float(row["score"]) in (0, 1)


def test_both_families_are_in_the_report(reported: Reported) -> None:
    assert {row["model"] for row in reported.scores} == {"tiny", "tiny-qwen3", "tiny-gemma3"}
    assert all(name in reported.page for name in ("tiny-qwen3", "tiny-gemma3"))
