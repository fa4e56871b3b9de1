"""All mistakes of a sweep file are reported at once, with file, key, value and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clt_ray.errors import ConfigurationError
from clt_ray.sweep import SweepSpec, expand, load_sweep, parse_sweep
from clt_ray.sweep.sections import HardwareSpec
from tests.support.sweeps import TPU, problems_of, small_sweep

GRID = small_sweep()["grid"]


def test_a_short_file_is_enough(write_sweep: Callable[..., Path]) -> None:
    spec = load_sweep(write_sweep())
    assert spec.eval_languages == ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
    assert spec.hardware_of("llama-3.1-8b") == (HardwareSpec(),)
    assert spec.data_source("math").dataset == "laihuiyuan/mCoT-MATH"
    assert spec.evaluation.tokens_for("math") == 512
    assert [run.task for run in expand(spec)] == ["math", "math"]


def test_python_and_file_give_the_same_sweep(write_sweep: Callable[..., Path]) -> None:
    assert parse_sweep(small_sweep(hardware=TPU)) == load_sweep(write_sweep(hardware=TPU))


def grid(**changes: Any) -> dict[str, Any]:
    return {"grid": {**GRID, **changes}}


SLICE = {"accelerator": "TPU-V5LITEPOD", "topology": "8x8"}

MISTAKES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"name": "two words"}, "name", "may hold only letters", "choose another name"),
    ({"name": None}, "name", "is missing", "add it"),
    ({"grid": None}, "grid", "is missing", "add it"),
    ({"gird": {}}, "gird", "unknown key", "'grid'"),
    ({"training": {"batchsize": 1}}, "training.batchsize", "unknown key", "'batch_size'"),
    ({"training": {"batch_size": 0}}, "training.batch_size", "not greater than 0", "above 0"),
    ({"training": {"batch_size": "64"}}, "training.batch_size", "not a whole number", "without quotes"),
    ({"training": {"batch_size": True}}, "training.batch_size", "not a whole number", ""),
    ({"training": {"learning_rate": float("nan")}}, "training.learning_rate", "not a finite number", ""),
    ({"training": {"schedule": "step"}}, "training.schedule", "not one of the choices", "'constant'"),
    ({"training": {"adam_beta1": 1.0}}, "training.adam_beta1", "is not less than 1", "below 1"),
    ({"training": 3}, "training", "is not a section", ""),
    (grid(model=["llama-3-8b"]), "grid.model[0]", "unknown model", "'llama-3.1-8b'"),
    (grid(model="llama"), "grid.model", "unknown model", "'llama-3.1-8b'"),
    (grid(task=["maths"]), "grid.task[0]", "unknown task", "'math'"),
    (grid(task=["math+math"]), "grid.task[0]", "names a task twice", "write math"),
    (grid(task=["math+summarization", "summarization+math"]), "grid.task[1]", "repeats grid.task[0]", ""),
    (grid(language_group=["latn"]), "grid.language_group[0]", "unknown language group", "'latin'"),
    (grid(language_group=["english:latn"]), "grid.language_group[0]", "unknown language group", "'english:latin'"),
    (
        {"language_groups": {"all": ["fr"], "english:all": ["es"]}},
        "language_groups.english:all",
        "may hold only letters",
        "",
    ),
    (grid(samples_per_language=[]), "grid.samples_per_language", "is empty", "at least one"),
    (grid(samples_per_language=[-1]), "grid.samples_per_language[0]", "less than 0", "0 or more"),
    (grid(samples_per_language=[100, 0]), "grid.samples_per_language[1]", "ascending", "sort"),
    (grid(samples_per_language=[1, 1]), "grid.samples_per_language[1]", "repeats", ""),
    (grid(samples_per_language=[0.5]), "grid.samples_per_language[0]", "not a whole number", ""),
    ({"seeds": []}, "seeds", "is empty", "at least one seed"),
    ({"seeds": [1, 1]}, "seeds[1]", "repeats seeds[0]", ""),
    ({"seeds": [-1]}, "seeds[0]", "less than 0", ""),
    ({"language_groups": {"all": ["es", "en"]}}, "language_groups.all[1]", "belongs to no group", "remove"),
    ({"language_groups": {"all": ["es", "jp"]}}, "language_groups.all[1]", "unknown language", "'ja'"),
    ({"language_groups": {"all": ["es", "es"]}}, "language_groups.all[1]", "repeats", ""),
    ({"language_groups": {"latin": ["es"]}}, "grid.language_group", "unknown language group", "latin"),
    ({"language_groups": {"all": []}}, "language_groups.all", "has no language", ""),
    ({"language_groups": {"all": ["es"], "one": ["es"]}}, "language_groups.one", "same languages", "keep one"),
    ({"language_groups": {"all": ["es"], "none": ["fr"]}}, "language_groups.none", "without a group", "another"),
    ({"eval_languages": ["en", "portugese"]}, "eval_languages[1]", "unknown language", "'pt'"),
    ({"eval_languages": []}, "eval_languages", "is empty", "list"),
    ({"eval_languages": ["es"]}, "eval_languages", "could not choose", "add en"),
    ({"english_samples": 0}, "english_samples", "no training rows", "remove 0"),
    ({"include": [{"seed": 0}]}, "include[0]", "adds no cell", ""),
    ({"include": [{"task": "poetry"}]}, "include[0].task", "unknown task", "tasks"),
    ({"include": {"task": "math"}}, "include", "is not a list", ""),
    ({"exclude": [{"samples_per_language": 7}]}, "exclude[0]", "matches no cell", ""),
    ({"exclude": [{"model": "llama-3.1-8b"}]}, "exclude", "removes every cell", "exclude less"),
    ({"exclude": [{"sed": 1}]}, "exclude[0].sed", "unknown key", "'seed'"),
    ({"selection": {"metric": "loss"}}, "selection.metric", "not a validation metric", "val/loss"),
    ({"selection": {"metric": "val/maths/loss"}}, "selection.metric", "not a validation metric", "'val/math/loss'"),
    (
        {"selection": {"metric": "val/math/f1"}},
        "selection.metric",
        "not a validation metric",
        "val/math/<language>/loss",
    ),
    (
        {"selection": {"metric": "val/instruction/en/loss"}},
        "selection.metric",
        "not logged by runs of math",
        "val/math/loss",
    ),
    ({"selection": {"metric": "val/math/de/loss"}}, "selection.metric", "'de' is not an eval", "eval_languages"),
    ({"selection": {"metric": "val/math/accuracy"}}, "selection.metric", "only with validation.generate", "generate:"),
    (
        {
            "selection": {"metric": "val/math/es/accuracy", "mode": "max"},
            "validation": {"generate": {"tasks": ["instruction"]}},
        },
        "selection.metric",
        "needs math among validation.generate.tasks",
        "add math",
    ),
    ({"selection": {"mode": "max"}}, "selection.mode", "largest loss", "min"),
    (
        {"selection": {"metric": "val/math/accuracy"}, "validation": {"generate": {}}},
        "selection.mode",
        "smallest accuracy",
        "max",
    ),
    ({"validation": {"generate": {"tasks": []}}}, "validation.generate.tasks", "is empty", "list tasks"),
    ({"validation": {"generate": {"tasks": ["math", "math"]}}}, "validation.generate.tasks[1]", "repeats", ""),
    (
        {"validation": {"generate": {"tasks": ["maths"]}}},
        "validation.generate.tasks[0]",
        "not one of the choices",
        "math",
    ),
    (
        {"validation": {"generate": {"every": 75}}},
        "validation.generate.every",
        "multiple of training.eval_every",
        "50 or 100",
    ),
    ({"validation": {"generate": {"every": 0}}}, "validation.generate.every", "not greater than 0", ""),
    (
        {"validation": {"samples_per_language": 8, "generate": {}}},
        "validation.generate.samples_per_language",
        "more than the 8 validation rows",
        "write 8 or less",
    ),
    (
        {"validation": {"generate": {"sample": 8}}},
        "validation.generate.sample",
        "unknown key",
        "'samples_per_language'",
    ),
    ({"selection": {"languages": ["de"]}}, "selection.languages[0]", "not an evaluation language", ""),
    ({"selection": {"languages": "seen"}}, "selection.languages", "not one of the choices", "'trained'"),
    ({"selection": {"languages": ["en", 1]}}, "selection.languages[1]", "is not text", ""),
    ({"evaluation": {"max_new_tokens": "9"}}, "evaluation.max_new_tokens", "not a whole number", ""),
    ({"evaluation": {"max_new_tokens": {"mth": 9}}}, "evaluation.max_new_tokens.mth", "unknown key", "'math'"),
    ({"hardware": {"accelerator": "TPU-V5E"}}, "hardware.accelerator", "unknown accelerator", "'TPU-V5LITEPOD'"),
    ({"hardware": {"worker": 2}}, "hardware.worker", "unknown key", "'workers'"),
    ({"hardware": {"workers": 3}}, "training.batch_size", "multiple of the 3 workers", "63 or 66"),
    ({"hardware": {"workers": 128}}, "training.batch_size", "multiple of the 128 workers", "write 128"),
    ({"hardware": {"accelerator": "GPU", "mesh": "2x1"}}, "hardware.mesh", "is for TPU", "remove"),
    ({"hardware": {"accelerator": "TPU-V5LITEPOD"}}, "hardware.topology", "needs one", "8x8"),
    ({"hardware": {**SLICE, "topology": "8x7"}}, "hardware.topology", "is not a slice", "8x16"),
    ({"hardware": {**SLICE, "mesh": "32x1"}}, "hardware.mesh", "covers 32 chips", "64x1"),
    ({"hardware": {**SLICE, "mesh": "8x8x1"}}, "hardware.mesh", "is not a mesh", "64x1"),
    ({"hardware": {**SLICE, "workers": 2}}, "hardware.workers", "one process per host", "remove"),
    ({"hardware": {**SLICE, "topology": "16x16"}}, "training.batch_size", "multiple of the 256 chips", "write 256"),
    ({"hardware": {"accelerator": "TPU-V4", "topology": "8x8"}}, "hardware.topology", "2 dimensions", "4x4x4"),
    ({"hardware": {"accelerator": "TPU-V4", "topology": "8xx"}}, "hardware.topology", "not a topology", "4x4x4"),
    ({"hardware": [SLICE, {"accelerator": "TPU-V5E"}]}, "hardware[1].accelerator", "unknown accelerator", "LITEPOD"),
    ({"hardware": [SLICE, {**SLICE, "topology": "8x7"}]}, "hardware[1].topology", "is not a slice", "8x16"),
    ({"hardware": [{"workers": 2}, {"workers": 3}]}, "training.batch_size", "workers of hardware[1]", "63 or 66"),
    ({"hardware": {"*": [SLICE, SLICE]}}, "hardware.*[1]", "is listed twice", "remove"),
    ({"hardware": []}, "hardware", "is empty", "at least one"),
    ({"hardware": {"llama-3.1-8": SLICE}}, "hardware.llama-3.1-8", "unknown model", "'llama-3.1-8b'"),
    ({"data": {"maths": {"bundled": True}}}, "data.maths", "unknown key", "'math'"),
    ({"data": {"math": {}}}, "data.math", "names no source", "bundled"),
    ({"data": {"math": {"bundled": True, "dataset": "a/b"}}}, "data.math", "bundled and dataset", "exactly one"),
    ({"data": {"math": {"bundled": True, "config": "c"}}}, "data.math.config", "only a hub", "remove"),
    ({"data": {"math": {"root": "/does/not/exist"}}}, "data.math.root", "there is no folder", "<language>.jsonl"),
    ({"data": {"math": {"root": "gs://b/x"}}}, "data.math.root", "is a URI", "mount"),
    ({"models": {"local": {"source": "./no"}}}, "models.local.source", "not a directory", "config.json"),
    ({"models": {"local": {}}}, "models.local.source", "is missing", "add it"),
    ({"models": {"a b": {"source": "a/b"}}}, "models.a b", "may hold only letters", ""),
    ({"models": {"local": {"source": "bundled", "revision": "r"}}}, "models.local.revision", "only a hub", "remove"),
]


@pytest.mark.parametrize(
    ("changes", "key", "message", "remedy"), MISTAKES, ids=[f"{key}-{message}" for _, key, message, _ in MISTAKES]
)
def test_a_mistake_is_one_problem_with_key_and_remedy(
    changes: dict[str, Any], key: str, message: str, remedy: str
) -> None:
    (problem,) = problems_of(**changes)
    assert problem.key == key
    assert message in problem.message
    assert remedy in problem.remedy
    assert "Input should" not in str(problem)


def test_all_problems_come_at_once_in_the_order_of_the_file(load_text: Callable[..., SweepSpec]) -> None:
    text = """name: small
seeds: [0, 0]
grid:
  model: [llama-3.1-8]
  task: [math]
  samples_per_language: [100, 0]
training: {batch_sise: 64, learning_rate: 0}
hardware: {workers: 5}
language_groups: {all: [es, en]}
"""
    with pytest.raises(ConfigurationError) as caught:
        load_text(text, "eval_languages=[en, xx]")
    places = [(problem.where.rsplit("/", 1)[-1], problem.key) for problem in caught.value.problems]
    assert places == [
        ("--set eval_languages=[en, xx]", "eval_languages[1]"),
        ("text.yaml:2", "seeds[1]"),
        ("text.yaml:4", "grid.model[0]"),
        ("text.yaml:6", "grid.samples_per_language[1]"),
        ("text.yaml:7", "training.learning_rate"),
        ("text.yaml:7", "training.batch_sise"),
        ("text.yaml:7", "training.batch_size"),
        ("text.yaml:9", "language_groups.all[1]"),
    ]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"eval_languages": ["en", 3, "jp", "en"]}, ["eval_languages[1]", "eval_languages[2]", "eval_languages[3]"]),
        ({"eval_languages": [3, "en"]}, ["eval_languages[0]"]),
        (grid(samples_per_language=["x", 100, 50]), ["grid.samples_per_language[0]", "grid.samples_per_language[2]"]),
        ({**grid(model="a b"), "models": {"a b": {"source": "org/x"}}}, ["grid.model", "models.a b"]),
        (grid(model=3, task="maths", modl="x"), ["grid.model", "grid.modl", "grid.task"]),
        ({"training": {"batch_size": "x"}, "hardware": {"workers": 3}}, ["training.batch_size"]),
        ({"hardware": {"accelerator": 3, "topology": "8x7", "worker": 2}}, ["hardware.accelerator", "hardware.worker"]),
        ({"language_groups": {"all": 3}, **grid(task="maths")}, ["grid.task", "language_groups.all"]),
        ({"validation": {"generate": 3}, "selection": {"metric": "val/math/accuracy"}}, ["validation.generate"]),
        ({"data": {"math": {"root": 3}}}, ["data.math.root"]),
        ({"hardware": {"*": 3, "llama-3.1-8b": "GPU"}}, ["hardware.*", "hardware.llama-3.1-8b"]),
        ({"include": [{"seed": "x"}], "exclude": [{"seed": 7}], "name": 3}, ["include[0].seed", "name"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_value_hides_no_other_and_causes_no_further_problem(changes: dict[str, Any], keys: list[str]) -> None:
    assert sorted(problem.key for problem in problems_of(**changes)) == keys


COMPLETE = small_sweep(
    seeds=[0],
    language_groups={"all": ["es", "fr"], "latin": ["es"]},
    eval_languages=["en", "es"],
    training={"batch_size": 64, "eval_every": 50},
    validation={"samples_per_language": 8, "generate": {"samples_per_language": 4, "every": 100, "tasks": ["math"]}},
    selection={"metric": "val/math/accuracy", "mode": "max", "languages": ["en"]},
    evaluation={"max_new_tokens": {"math": 5}, "shots": 3},
    hardware={"llama-3.1-8b": [TPU, {"workers": 4}], "*": {"workers": 2}},
    models={"local": {"source": "bundled"}},
    data={"math": {"bundled": True}},
    include=[{"task": "math", "seed": [1]}],
    exclude=[{"samples_per_language": 100}],
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, -1, 0, 2, 0.5, "", "x", "en", "math", "all"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "a b", "all", "math"]), inner),
    max_leaves=3,
)


def replaced_values(value: Any, replacements: st.DataObject) -> Any:
    """Replaces each value inside a sweep with a small probability."""
    if not replacements.draw(st.integers(0, 30)):
        return replacements.draw(VALUES)
    if isinstance(value, dict):
        return {key: replaced_values(item, replacements) for key, item in value.items()}
    return [replaced_values(item, replacements) for item in value] if isinstance(value, list) else value


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_values_are_reported_or_make_runs(data: st.DataObject) -> None:
    content = {key: replaced_values(value, data) for key, value in COMPLETE.items()}
    try:
        runs = expand(parse_sweep(content))
    except ConfigurationError as error:
        assert all(problem.message and problem.remedy for problem in error.problems)
    else:
        assert runs


@pytest.mark.parametrize(
    "changes",
    [
        {"hardware": TPU},
        {"hardware": {"llama-3.1-8b": TPU, "*": {"workers": 2}}},
        {"hardware": [TPU, {"workers": 2}]},
        {"hardware": {"llama-3.1-8b": [TPU, {"workers": 4}], "*": {"workers": 2}}},
        {"hardware": {"aya-23-8b": {"workers": 7}}},
        {"hardware": {**SLICE, "topology": "16x16", "mesh": "64x4"}},
        {"evaluation": {"max_new_tokens": 5}},
        {"selection": {"languages": ["en", "es"]}},
        {"selection": {"metric": "val/math/en/loss"}},
        {"eval_languages": ["es"], "selection": {"languages": "all"}},
        {"language_groups": {"all": ["no", "sv"]}},
        {"english_samples": 0, "grid": {**GRID, "samples_per_language": [10]}},
        {"include": None, "exclude": None, "data": None},
        {"models": {"hub": {"source": "org/hub", "revision": "abc", "parameters": 7}}, **grid(model="hub")},
    ],
    ids=str,
)
def test_valid_sweeps_are_accepted(changes: dict[str, Any]) -> None:
    assert problems_of(**changes) == ()


def test_a_root_needs_training_and_test_files_of_the_languages_in_use(tmp_path: Path) -> None:
    for split, codes in (("train", ("en", "es", "fr")), ("test", ("en", "es", "ja"))):
        (tmp_path / "math" / split).mkdir(parents=True)
        for code in codes:
            (tmp_path / "math" / split / f"{code}.jsonl").write_text("")
    latin = {
        "grid": {**GRID, "language_group": ["latin"]},
        "data": {"math": {"root": str(tmp_path)}},
        "eval_languages": ["en", "es", "ja"],
    }
    assert problems_of(**latin) == ()
    no_rows = {"language_groups": {"latin": ["es", "ko"], "unused": ["th"]}}
    (problem,) = problems_of(**latin | no_rows)
    assert problem.message == "lacks math/train/ko.jsonl"
    (problem,) = problems_of(**latin | {"eval_languages": ["en", "fr", "ar"]})
    assert problem.message == "lacks math/test/fr.jsonl, math/test/ar.jsonl"
    english_only = {"grid": {**GRID, "samples_per_language": [0]}, "language_groups": {"all": ["ko"]}}
    assert problems_of(**latin | english_only) == ()


def test_rows_may_be_parquet(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / "math" / split).mkdir(parents=True)
        (tmp_path / "math" / split / "en.parquet").write_bytes(b"")
    changes = {"grid": {**GRID, "samples_per_language": [0]}, "eval_languages": ["en"]}
    assert problems_of(**changes, data={"math": {"root": str(tmp_path)}}) == ()


def test_a_local_model_has_configuration_and_safetensors(tmp_path: Path) -> None:
    changes = {**grid(model="local"), "models": {"local": {"source": str(tmp_path)}}}
    (problem,) = problems_of(**changes)
    assert problem.message == "has no config.json"
    (tmp_path / "config.json").write_text("{}")
    (problem,) = problems_of(**changes)
    assert problem.message == "has no safetensors files"
    (tmp_path / "model.safetensors").write_bytes(b"0")
    assert problems_of(**changes) == ()


def test_real_rows_are_a_valid_root(shared_data: Path) -> None:
    languages = ["en", "es", "fr", "ja", "zh", "de", "ru"]
    assert problems_of(eval_languages=languages, data={"math": {"root": str(shared_data)}}) == ()
