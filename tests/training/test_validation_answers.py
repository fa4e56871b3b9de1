"""Validation by generated answers: the best score is chosen, and generating does not change training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clt_ray.data.fewshot import exemplars
from clt_ray.data.mixture import build_run_data
from clt_ray.data.rows import Row
from clt_ray.evaluation.evaluate import answer_scorer
from clt_ray.pipeline import execute
from clt_ray.store import RunDir, Store
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.selection import logged_metrics
from clt_ray.tasks import TaskLanguage
from clt_ray.training.backends import select_backend
from clt_ray.training.checkpoints import weights_tree
from clt_ray.training.model import load_tokenizer
from tests.support.sweeps import TINY, sweep, write
from tests.support.trained import Interrupted, interrupt_at, last_run, recorded, train_run

METRIC = "val/summarization/rougeL"
GENERATE = {"samples_per_language": 3, "every": 4}


def summarizing(folder: Path, **changes: Any) -> RunSpec:
    return last_run(folder, grid={**TINY["grid"], "task": ["summarization"]}, **changes)


def scored_run(folder: Path) -> RunSpec:
    return summarizing(folder, validation={"generate": GENERATE}, selection={"metric": METRIC, "mode": "max"})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSpec, RunDir]:
    folder = tmp_path_factory.mktemp("scored")
    run, store = scored_run(folder), Store(str(folder / "store"))
    assert execute(run, store) == "finished"
    return run, store.run_dir(run.run_id)


def test_scores_join_the_losses_at_their_steps(finished: tuple[RunSpec, RunDir]) -> None:
    run, directory = finished
    points = recorded(directory, "validation")
    assert [step for step, _ in points] == [2, 4, 6, 8]
    for step, metrics in points:
        scored_tasks = run.tasks if step % 4 == 0 else ()
        assert set(metrics) == set(logged_metrics(run.tasks, run.eval_languages, scored_tasks))
        if scored_tasks:
            scores = [metrics[f"val/summarization/{code}/rougeL"] for code in ("en", "es", "ja")]
            assert metrics[METRIC] == pytest.approx(sum(scores) / 3)


def test_the_largest_score_is_chosen_and_the_result_says_so(finished: tuple[RunSpec, RunDir]) -> None:
    _, directory = finished
    scores = {step: metrics[METRIC] for step, metrics in recorded(directory, "validation") if METRIC in metrics}
    result = directory.result()
    assert result is not None
    selection = result.selection
    assert (selection.metric, selection.mode) == (METRIC, "max")
    assert selection.chosen.value == max(scores.values()) > 0
    assert {selection.chosen.step, *(candidate.step for candidate in selection.runners_up)} == {4, 8}
    assert directory.complete_trees("checkpoints/") == [weights_tree(selection.chosen.step)]


def test_the_chosen_weights_have_the_score_that_chose_them(finished: tuple[RunSpec, RunDir]) -> None:
    run, directory = finished
    result = directory.result()
    assert result is not None
    chosen = result.selection.chosen
    backend, tokenizer = select_backend(run), load_tokenizer(run.model)
    score = answer_scorer(run, build_run_data(run).validation, tokenizer, backend)
    assert score is not None
    model = backend.load_model(str(directory.open_tree(weights_tree(chosen.step))), None, run.training.precision)
    again = score(model)
    assert sum(again[TaskLanguage("summarization", code)]["rougeL"] for code in ("en", "es", "ja")) / 3 == chosen.value


@pytest.mark.parametrize("step", [4, 6, 8])
def test_a_run_interrupted_between_scores_equals_an_uninterrupted_one(
    finished: tuple[RunSpec, RunDir], tmp_path: Path, step: int
) -> None:
    run, whole = finished
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "a", interrupt_at(step))
    resumed = train_run(run, directory, tmp_path / "b", lambda **_: None)
    assert recorded(directory, "validation") == recorded(whole, "validation")
    assert recorded(directory, "train") == recorded(whole, "train")
    result = whole.result()
    assert result is not None
    chosen = weights_tree(resumed.chosen.step)
    assert resumed == result.selection
    expected = load_file(whole.open_tree(chosen) / "model.safetensors")
    actual = load_file(directory.open_tree(chosen) / "model.safetensors")
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_scoring_answers_does_not_change_training(finished: tuple[RunSpec, RunDir], tmp_path: Path) -> None:
    _, scored = finished
    silent = summarizing(tmp_path)
    directory = Store(str(tmp_path / "store")).run_dir(silent.run_id)
    train_run(silent, directory, tmp_path / "staging", lambda **_: None)
    assert recorded(directory, "train") == recorded(scored, "train")
    for (_, plain), (_, with_scores) in zip(
        recorded(directory, "validation"), recorded(scored, "validation"), strict=True
    ):
        assert plain == {name: with_scores[name] for name in plain}
        assert all(name.endswith("loss") for name in plain)


class CountingGenerator:
    """Gives the same answer to every prompt and counts the prompts."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def generate(self, model: Any, tokenizer: Any, prompts: Any, max_new_tokens: int, batch_size: int) -> Any:
        self.asked.append(len(prompts))
        return [tokenizer("11", add_special_tokens=False)["input_ids"] for _ in prompts]


def rows(language: str, count: int) -> tuple[Row, ...]:
    return tuple(Row(f"{language}-{n}", "math", language, f"{language} {n} + 1?", f"{n + 1}") for n in range(count))


def test_the_same_first_rows_of_every_pair_are_asked_each_time(tmp_path: Path) -> None:
    run = expand(load_sweep(write(tmp_path / "s.yaml", sweep(validation={"generate": {"samples_per_language": 4}}))))[
        -1
    ]
    generator = CountingGenerator()
    score = answer_scorer(run, {TaskLanguage("math", "en"): rows("en", 20), TaskLanguage("math", "ko"): rows("ko", 2)},
                          load_tokenizer(run.model), generator)  # fmt: skip
    assert score is not None
    first = score(None)
    wrong = {"accuracy": 0.0, "fidelity": 1.0}
    assert first == score(None) == {TaskLanguage("math", "en"): wrong, TaskLanguage("math", "ko"): wrong}
    assert generator.asked == [6, 6]


def test_a_worked_example_is_not_asked(tmp_path: Path) -> None:
    document = sweep(validation={"generate": {"samples_per_language": 4}}, evaluation={"shots": {"math": 2}})
    run = expand(load_sweep(write(tmp_path / "s.yaml", document)))[-1]
    examples = exemplars(run.data["math"], "math", "en", 2)
    generator = CountingGenerator()
    score = answer_scorer(
        run, {TaskLanguage("math", "en"): (*examples, *rows("en", 1))}, load_tokenizer(run.model), generator
    )
    assert score is not None
    score(None)
    assert generator.asked == [1]


def test_no_answers_are_asked_for_without_the_section(tmp_path: Path) -> None:
    run = summarizing(tmp_path)
    assert answer_scorer(run, {}, None, CountingGenerator()) is None
