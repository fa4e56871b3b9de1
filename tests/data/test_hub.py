"""The hub loader on local copies with the layout and the columns of the real data sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from clt_ray.data.hub import CONVERTED, KNOWN, HubFiles, files_for, read
from clt_ray.data.rows import Row, to_row
from clt_ray.errors import DataError

STUDY_LANGUAGES = ("en", "es", "fr", "ja", "zh", "ar", "ko", "pt")
TRAINED = ("en", "es", "fr", "ja", "zh")
TASK_OF = {
    "csebuetnlp/xlsum": "summarization",
    "lightblue/tagengo-gpt4": "instruction",
    "laihuiyuan/mCoT-MATH": "math",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def rows_from(dataset: str, language: str, split: str, copy: Path) -> list[Row]:
    files = files_for(dataset, language, split)
    assert files is not None
    local = replace(files, dataset=str(copy), revision=None)
    return [to_row(raw, TASK_OF[dataset], language, default_id="?") for raw in read(local, language)]


def test_every_language_of_the_study_has_its_files() -> None:
    for dataset in KNOWN:
        assert all(files_for(dataset, language, "train") for language in TRAINED), dataset
        assert all(files_for(dataset, language, "test") for language in STUDY_LANGUAGES), dataset


def test_xlsum(tmp_path: Path) -> None:
    row = {"id": "news-1", "url": "u", "title": "t", "summary": "要約です", "text": "本文です"}
    parquet(tmp_path / "japanese/train/0000.parquet", [row])
    parquet(tmp_path / "japanese/test/0000.parquet", [{**row, "id": "news-2"}])
    (loaded,) = rows_from("csebuetnlp/xlsum", "ja", "train", tmp_path)
    assert loaded == Row("news-1", "summarization", "ja", "本文です\n要約：", "要約です")


def test_mcot_math_is_told_apart_by_language_and_item(tmp_path: Path) -> None:
    rows = [{"question": f"q {code}", "answer": "1", "lang-id": f"{code}-{item}"}
            for item in (7, 8) for code in ("en", "es")]  # fmt: skip
    (tmp_path / "lang-id").mkdir()
    (tmp_path / "lang-id/mcot-math.json").write_text(json.dumps(rows))
    loaded = rows_from("laihuiyuan/mCoT-MATH", "es", "train", tmp_path)
    assert [(row.id, row.language) for row in loaded] == [("7", "es"), ("8", "es")]
    assert all("q es" in row.prompt for row in loaded)


def test_mgsm_takes_the_number_column(tmp_path: Path) -> None:
    row = {"question": "¿?", "answer": None, "answer_number": 18, "equation_solution": None}
    parquet(tmp_path / "es/test/0000.parquet", [{**row, "answer": "Paso a paso: 17"}, row])
    assert [row.completion for row in rows_from("laihuiyuan/mCoT-MATH", "es", "test", tmp_path)] == ["18", "18"]


def test_p_mmeval_serves_what_mgsm_lacks(tmp_path: Path) -> None:
    path = tmp_path / "mgsm/test/ko.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"question": "몇 개?", "answer": "3"}))
    (row,) = rows_from("laihuiyuan/mCoT-MATH", "ko", "test", tmp_path)
    assert row.completion == "3"


def test_tagengo_is_filtered_by_language_name(tmp_path: Path) -> None:
    rows = [
        {
            "conversation_id": name,
            "conversations": [{"from": "human", "value": name}, {"from": "gpt", "value": "ok"}],
            "language": name,
            "lang_detect_result": {"lang": "x", "score": 1.0},
            "response": ["ok", "stop"],
        }
        for name in ("English", "Japanese", "Chinese")
    ]
    parquet(tmp_path / "data/train-00000-of-00001.parquet", rows)
    (row,) = rows_from("lightblue/tagengo-gpt4", "ja", "train", tmp_path)
    assert (row.prompt, row.completion) == ("Japanese\n", "ok")


def test_dolly_takes_edited_texts_where_there_are_some_and_simplified_chinese(tmp_path: Path) -> None:
    def row(text: str, language: str, script: str) -> dict[str, Any]:
        return {"id": 1, "inputs": text, "targets": "t", "language": language, "script": script}

    machine = [row("简", "zho", "Hans"), row("繁", "zho", "Hant"), row("máquina", "spa", "Latn")]
    parquet(tmp_path / "dolly_machine_translated/test-00000-of-00001.parquet", machine)
    parquet(tmp_path / "dolly_human_edited/test-00000-of-00001.parquet", [row("editado", "spa", "Latn")])
    for language, text in (("zh", "简"), ("es", "editado")):
        (loaded,) = rows_from("lightblue/tagengo-gpt4", language, "test", tmp_path)
        assert loaded.prompt == f"{text}\n"


def test_another_data_set_is_read_by_configuration(tmp_path: Path) -> None:
    parquet(tmp_path / "de/train-00000.parquet", [{"question": "?", "answer": "1"}])
    header = "---\nconfigs:\n- config_name: de\n  data_files:\n  - split: train\n    path: de/train-*\n---\n"
    (tmp_path / "README.md").write_text(header)
    files = files_for(str(tmp_path), "de", "train")
    assert files is not None and [row["question"] for row in read(files, "de")] == ["?"]


def test_a_revision_applies_to_the_named_data_set_only() -> None:
    train = files_for("laihuiyuan/mCoT-MATH", "es", "train", revision="abc")
    test = files_for("laihuiyuan/mCoT-MATH", "es", "test", revision="abc")
    assert train is not None and train.revision == "abc"
    assert test is not None and test.revision == CONVERTED


def test_a_missing_data_set_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="es train"):
        list(read(HubFiles(str(tmp_path / "nothing"), {"es": "es"}, "*.parquet"), "es"))
