"""The hub loader reads local copies with the layout and the columns of the real data sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from clt_ray.data import hub_rows as module
from clt_ray.data.hub import files_for, layouts, raw_rows
from clt_ray.data.hub_rows import NOT_JSON, Selected, hub_rows
from clt_ray.data.rows import Parsed, Row, templated
from clt_ray.data.sources import load_rows
from clt_ray.errors import DataError
from clt_ray.languages import LANGUAGES, Language
from clt_ray.sweep.sections import DataSource
from clt_ray.tasks import HubFiles

STUDY_LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
TRAINED = ("en", "es", "fr", "ja", "zh")
XLSUM, MCOT, TAGENGO = "csebuetnlp/xlsum", "laihuiyuan/mCoT-MATH", "lightblue/tagengo-gpt4"
SHAREGPT = "anon8231489123/ShareGPT_Vicuna_unfiltered"
TASK_OF = {XLSUM: "summarization", MCOT: "math", TAGENGO: "instruction", SHAREGPT: "instruction"}
SPANISH = "¿Cuántas manzanas le quedan a Ana después de regalar tres?"
JAPANESE = "アンナさんは三つあげたあと、りんごをいくつ持っていますか。"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Returns the folder of a local copy of a repository, which does not contain the cache."""
    return tmp_path / "copy"


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def lines(rows: Sequence[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def select(dataset: str, language: str, split: str, copy: Path) -> Selected[Parsed]:
    files = files_for(dataset, language, split)
    assert files is not None
    local = replace(files, dataset=str(copy), revision=None)
    task = TASK_OF[dataset]
    judged = task == "instruction" and split == "test"
    return hub_rows(local, task, language, needs_completion=not judged, training=split in ("train", "validation"))


def rows_from(dataset: str, language: str, split: str, copy: Path) -> list[Row]:
    return [templated(parsed, TASK_OF[dataset], language) for parsed in select(dataset, language, split, copy).rows]


def mcot(copy: Path, rows: list[Any]) -> None:
    text(copy / "lang-id/mcot-math.json", json.dumps(rows))


def test_every_language_of_the_study_has_its_files() -> None:
    for dataset in set(layouts()) - {SHAREGPT}:
        assert all(files_for(dataset, language, "train") for language in TRAINED), dataset
    for dataset in layouts():
        assert all(files_for(dataset, language, "test") for language in STUDY_LANGUAGES), dataset
    assert all(files_for(MCOT, language, "exemplars") for language in STUDY_LANGUAGES)


def test_xlsum(copy: Path) -> None:
    row = {"id": "news-1", "url": "u", "title": "t", "summary": "要約です", "text": "本文です"}
    parquet(copy / "japanese/train/0000.parquet", [row])
    parquet(copy / "japanese/test/0000.parquet", [{**row, "id": "news-2"}])
    (loaded,) = rows_from(XLSUM, "ja", "train", copy)
    assert loaded == Row("news-1", "summarization", "ja", "本文です\n要約：", "要約です")


def test_xlsum_over_several_files_with_malformed_rows(copy: Path) -> None:
    good = {"id": "1", "text": SPANISH, "summary": "Manzanas"}
    parquet(copy / "spanish/train/0000.parquet", [good, {**good, "text": "  "}, {**good, "summary": None}])
    parquet(copy / "spanish/train/0001.parquet", [{**good, "text": JAPANESE, "summary": JAPANESE}, good])
    selected = select(XLSUM, "es", "train", copy)
    assert [parsed.id for parsed in selected.rows] == ["1"] and selected.available == 5
    assert selected.dropped == {
        "empty 'text'": 1,
        "no column 'summary'": 1,
        "wrong language: fewer than 20% of the letters are Latin": 1,
        "duplicate": 1,
    }


def test_mcot_math_is_told_apart_by_language_and_item(copy: Path) -> None:
    mcot(copy, [{"question": f"q {code} {item}", "answer": "1", "lang-id": f"{code}-{item}"}
                for item in (7, 8) for code in ("en", "es")])  # fmt: skip
    loaded = rows_from(MCOT, "es", "train", copy)
    assert [(row.id, row.language) for row in loaded] == [("7", "es"), ("8", "es")]
    assert all("q es" in row.prompt for row in loaded)
    assert rows_from(MCOT, "th", "train", copy) == []


def test_mcot_math_counts_what_it_cannot_use(copy: Path) -> None:
    rows: list[Any] = [{"question": f"{n} + 1?", "answer": f"{n + 1}", "lang-id": f"es-{n}"} for n in range(3)]
    rows += [{"question": ["x"], "answer": "1", "lang-id": "es-9"}, {"answer": "1", "lang-id": "es-10"}, "oops"]
    rows += [{"question": JAPANESE, "answer": "答えは三つです。", "lang-id": "es-11"}, {"question": "?", "answer": "1"}]
    mcot(copy, rows)
    selected = select(MCOT, "es", "train", copy)
    assert len(selected.rows) == 3 and selected.available == 7
    assert selected.dropped == {
        "'question' is not text but list": 1,
        "no column 'question'": 1,
        NOT_JSON: 1,
        "wrong language: fewer than 20% of the letters are Latin": 1,
    }


def test_one_pass_serves_every_language_and_later_runs_read_the_cache(
    copy: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mcot(copy, [{"question": "q", "answer": "1", "lang-id": f"{code}-1"} for code in ("en", "es")])
    passes: list[Any] = []
    read = raw_rows

    def counting(*arguments: Any) -> Any:
        passes.append(arguments)
        return read(*arguments)

    monkeypatch.setattr(module, "raw_rows", counting)
    first = [select(MCOT, code, "train", copy) for code in ("en", "es", "en")]
    assert len(passes) == 1 and first[0] == first[2]
    (manifest,) = own_cache.glob("clt-ray/*/manifest.json")
    assert json.loads(manifest.read_text())["languages"]["es"] == {"available": 1, "dropped": {}}
    mcot(copy, [{"question": "edited", "answer": "1", "lang-id": "en-1"}])
    assert select(MCOT, "en", "train", copy).rows[0].text == "edited"


def test_a_large_set_is_sampled_by_content_alone(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"question": f"{n} + 1?", "answer": f"{n + 1}", "lang-id": f"es-{n}"} for n in range(200)]
    selections = []
    for limit, order in ((30, 1), (30, -1), (60, 1)):
        monkeypatch.setattr(module, "KEPT_ROWS", limit)
        mcot(copy, rows[::order])
        selected = select(MCOT, "es", "train", copy)
        assert (selected.available, len(selected.rows), selected.dropped[module.BEYOND]) == (200, limit, 200 - limit)
        selections.append({parsed.id for parsed in selected.rows})
    assert selections[0] == selections[1] < selections[2]


def test_a_failed_pass_leaves_no_cache_entry(copy: Path, own_cache: Path) -> None:
    copy.mkdir()
    for _ in range(2):
        with pytest.raises(DataError, match="no such file"):
            select(MCOT, "es", "train", copy)
    assert not list(own_cache.glob("clt-ray/*"))


def test_mgsm_takes_the_number_for_the_test_and_the_solution_for_exemplars(copy: Path) -> None:
    row = {"question": "¿?", "answer": None, "answer_number": 18, "equation_solution": None}
    solved = {**row, "answer": "Respuesta paso a paso: 5 + 6 = 11."}
    parquet(copy / "es/test/0000.parquet", [solved, row])
    parquet(copy / "es/train/0000.parquet", [solved])
    assert [row.completion for row in rows_from(MCOT, "es", "test", copy)] == ["18"]
    assert [row.completion for row in rows_from(MCOT, "es", "exemplars", copy)] == [
        "Respuesta paso a paso: 5 + 6 = 11."
    ]


@pytest.mark.parametrize(("split", "folder"), [("test", "test"), ("exemplars", "val")])
def test_p_mmeval_serves_what_mgsm_lacks(copy: Path, split: str, folder: str) -> None:
    text(copy / f"mgsm/{folder}/ko.jsonl", lines([{"question": "몇 개?", "answer": "3"}]) + "{torn")
    selected = select(MCOT, "ko", split, copy)
    assert [row.completion for row in selected.rows] == ["3"] and selected.dropped == {NOT_JSON: 1}


def test_tagengo_is_filtered_by_language_name(copy: Path) -> None:
    rows = [
        {
            "conversation_id": f"id {name}",
            "conversations": [{"from": "human", "value": name}, {"from": "gpt", "value": reply}],
            "language": name,
            "lang_detect_result": {"lang": "x", "score": 1.0},
            "response": ["ok", "stop"],
        }
        for name, reply in (("English", "ok"), ("Japanese", "ok"), ("Japanese", None), ("Chinese", "ok"))
    ]
    parquet(copy / "data/train-00000-of-00001.parquet", rows)
    (row,) = rows_from(TAGENGO, "ja", "train", copy)
    assert (row.id, row.prompt, row.completion) == ("id Japanese", "Japanese\n", "ok")
    assert select(TAGENGO, "ja", "train", copy).dropped == {"no column 'completion'": 1}


def test_sharegpt_is_one_array_of_conversations(copy: Path) -> None:
    talks = [
        {"id": "a", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
        {"id": "b", "conversations": [{"from": "gpt", "value": "hello"}]},
        {"id": "c", "conversations": []},
        {"id": "d", "conversations": [{"from": "human", "value": JAPANESE}, {"from": "gpt", "value": JAPANESE}]},
    ]
    text(copy / "ShareGPT_V3_unfiltered_cleaned_split.json", json.dumps(talks, indent=1))
    selected = select(SHAREGPT, "en", "train", copy)
    assert [(row.id, row.completion) for row in selected.rows] == [("a", "hello")]
    assert selected.dropped == {"no user turn": 2, "wrong language: fewer than 20% of the letters are Latin": 1}


def test_dolly_takes_edited_texts_where_there_are_some_and_simplified_chinese(copy: Path) -> None:
    def row(text: str, language: str, script: str) -> dict[str, Any]:
        return {"id": 1, "inputs": text, "targets": "t", "language": language, "script": script}

    machine = [row("简", "zho", "Hans"), row("繁", "zho", "Hant"), row("máquina", "spa", "Latn")]
    parquet(copy / "dolly_machine_translated/test-00000-of-00001.parquet", machine)
    edited = [row("editado", "spa", "Latn"), row("محرر", "arb", "Arab")]
    parquet(copy / "dolly_human_edited/test-00000-of-00001.parquet", edited)
    for language, shown in (("zh", "简"), ("es", "editado"), ("ar", "محرر")):
        (loaded,) = rows_from(TAGENGO, language, "test", copy)
        assert loaded.prompt == f"{shown}\n"


def unlisted(copy: Path) -> str:
    parquet(copy / "de/train-00000.parquet", [{"question": "?", "answer": "1"}])
    header = "---\nconfigs:\n- config_name: de\n  data_files:\n  - split: train\n    path: de/train-*\n---\n"
    (copy / "README.md").write_text(header)
    return str(copy)


def test_another_data_set_is_read_by_configuration(copy: Path) -> None:
    source = DataSource(dataset=unlisted(copy))
    assert [row.completion for row in load_rows(source, "math", "de", "train").rows] == ["1"]
    # A language without a configuration and a split that is not there have no rows, as in a local root.
    assert load_rows(source, "math", "fr", "train").rows == ()
    assert load_rows(source, "math", "de", "validation").rows == ()


def test_a_configuration_that_is_not_there_is_named(copy: Path) -> None:
    with pytest.raises(DataError, match="'socratic': it has de"):
        load_rows(DataSource(dataset=unlisted(copy), config="socratic"), "math", "de", "train")


def test_a_revision_applies_to_the_named_data_set_only() -> None:
    train = files_for(MCOT, "es", "train", revision="abc")
    test = files_for(MCOT, "es", "test", revision="abc")
    assert train is not None and train.revision == "abc"
    assert test is not None and test.revision == "refs/convert/parquet"


def test_a_directory_that_is_not_there_is_a_data_error(copy: Path) -> None:
    with pytest.raises(DataError, match=r"copy: not found on the hub"):
        load_rows(DataSource(dataset=str(copy)), "math", "es", "train")


@pytest.mark.parametrize("pattern", ["*.parquet", "*.json"])
def test_a_missing_data_set_is_a_data_error(copy: Path, pattern: str) -> None:
    copy.mkdir()
    with pytest.raises(DataError, match=r"\*\.(parquet|json)(.|\n)*set `revision`"):
        hub_rows(HubFiles(str(copy), {"es": "es"}, pattern), "math", "es", needs_completion=True, training=True)


def test_a_language_of_another_package_is_read_under_its_hub_name(monkeypatch: pytest.MonkeyPatch) -> None:
    welsh = Language("cy", "Welsh", "Cymraeg", "Latin", "Celtic", hub_names={"csebuetnlp/xlsum": "welsh"})
    assert files_for("csebuetnlp/xlsum", "cy", "test") is None
    monkeypatch.setattr(LANGUAGES, "_all", {**LANGUAGES.built_in, "cy": welsh})
    files = files_for("csebuetnlp/xlsum", "cy", "test")
    assert files is not None and files.names["cy"] == "welsh"
