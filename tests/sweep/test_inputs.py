"""Local content is identified by its bytes, not by its path."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from clt_ray.errors import DataError
from clt_ray.sweep import RunSpec
from clt_ray.sweep.inputs import directory_sha256, manifest, model_content, templates_sha256
from clt_ray.sweep.sections import ModelSpec
from tests.support.sweeps import runs_of

LANGUAGES = {"all": ["es"]}
WEIGHTS_BYTES = 65 << 20
"""Size of a file that is large enough to be sampled instead of read whole."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A local data root of math in four languages."""
    for split in ("train", "test"):
        folder = tmp_path / "rows" / "math" / split
        folder.mkdir(parents=True)
        for code in ("en", "es", "ko", "th"):
            (folder / f"{code}.jsonl").write_text(json.dumps({"question": code, "answer": split}))
    return tmp_path / "rows"


def runs(root: Path) -> tuple[RunSpec, ...]:
    return runs_of(data={"math": {"root": str(root)}}, language_groups=LANGUAGES, eval_languages=["en", "es", "ko"])


def ids(root: Path) -> list[str]:
    return [run.run_id for run in runs(root)]


def test_a_moved_root_is_the_same_root(root: Path, tmp_path: Path) -> None:
    before = ids(root)
    shutil.copytree(root, tmp_path / "moved")
    assert ids(tmp_path / "moved") == before
    assert runs(root)[0].data["math"].root == str(root)


@pytest.mark.parametrize("file", ["math/train/en.jsonl", "math/test/ko.jsonl", "math/train/ko.jsonl"])
def test_a_changed_file_changes_the_runs_that_read_it(root: Path, file: str) -> None:
    before = ids(root)
    (root / file).write_text("{}")
    after = ids(root)
    assert not set(before) & set(after)


def test_a_file_that_no_run_reads_does_not_matter(root: Path) -> None:
    before = ids(root)
    (root / "math" / "train" / "th.jsonl").write_text("{}")
    (root / "math" / "README.md").write_text("notes")
    (root / "summarization").mkdir()
    assert ids(root) == before


def test_a_new_validation_split_matters(root: Path) -> None:
    before = ids(root)
    (root / "math" / "validation").mkdir()
    (root / "math" / "validation" / "en.jsonl").write_text("{}")
    assert not set(before) & set(ids(root))


def test_english_only_runs_do_not_depend_on_training_languages_that_are_not_evaluated(root: Path) -> None:
    def ids_evaluated_in(*codes: str) -> list[str]:
        content = {"data": {"math": {"root": str(root)}}, "language_groups": LANGUAGES}
        return [run.run_id for run in runs_of(**content, eval_languages=list(codes))]

    before = ids_evaluated_in("en", "ko")
    (root / "math" / "train" / "es.jsonl").write_text("{}")
    after = ids_evaluated_in("en", "ko")
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser reads everything")
def test_an_unreadable_file_is_named(root: Path) -> None:
    file = root / "math" / "train" / "en.jsonl"
    file.chmod(0)
    with pytest.raises(DataError, match=f"{file}: cannot be read"):
        ids(root)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A local model with empty configuration and large weights."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    (directory / "tokenizer.json").write_text("{}")
    with (directory / "model.safetensors").open("wb") as file:
        file.truncate(WEIGHTS_BYTES)
    return directory


def write_at(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"changed")


def test_a_copied_model_is_the_same_model(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "copy")
    original, copied = (ModelSpec(name="local", source=str(path)) for path in (model, tmp_path / "copy"))
    assert model_content(original) == model_content(copied)
    assert model_content(original).startswith("sha256:")


@pytest.mark.parametrize("offset", [0, WEIGHTS_BYTES - 7])
def test_changed_weights_are_another_model(model: Path, offset: int) -> None:
    before = directory_sha256(model)
    write_at(model / "model.safetensors", offset)
    assert directory_sha256(model) != before


def test_weights_of_another_size_are_another_model(model: Path) -> None:
    before = directory_sha256(model)
    with (model / "model.safetensors").open("r+b") as file:
        file.truncate(WEIGHTS_BYTES + 1)
    assert directory_sha256(model) != before


def test_a_changed_tokenizer_is_another_model_and_a_readme_is_not(model: Path) -> None:
    before = directory_sha256(model)
    (model / "README.md").write_text("notes")
    assert directory_sha256(model) == before
    (model / "tokenizer.json").write_text("[]")
    assert directory_sha256(model) != before


def test_hub_content_is_identified_by_name_and_revision() -> None:
    assert model_content(ModelSpec(name="a", source="org/a")) == "hub:org/a@main"
    assert model_content(ModelSpec(name="a", source="org/a", revision="r")) == "hub:org/a@r"
    (run, _) = runs_of(data={"math": {"dataset": "org/d", "config": "c", "revision": "r"}})
    assert run.inputs.data == {"math": "hub:org/d/c@r"}
    assert run.inputs.templates == templates_sha256()


def test_bundled_content_is_identified_by_its_manifest() -> None:
    (run, _) = runs_of(data={"math": {"bundled": True}}, models={"local": {"source": "bundled"}},
                       grid={"model": "local", "task": "math", "samples_per_language": [0, 1]})  # fmt: skip
    assert run.inputs.model == f"bundled:{manifest()['model_fingerprint']}"
    assert run.inputs.data == {"math": f"bundled:{manifest()['corpus_fingerprint']}"}
