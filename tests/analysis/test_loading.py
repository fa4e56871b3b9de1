"""Tests that scores become typed tidy frames, or are refused with every problem named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clt_ray.analysis.loading import ITEM_COLUMNS, SCORE_COLUMNS, load_items, load_scores
from clt_ray.analysis.metrics import primary_scores
from clt_ray.errors import ConfigurationError

ROW = {
    "run_id": "a1", "model": "tiny", "setting": "single", "task": "math", "language_group": "all",
    "train_languages": "es+ja", "samples_per_language": 200, "seed": 0, "eval_language": "es",
    "metric": "accuracy", "score": 0.5, "stderr": 0.05, "n_items": 100,
}  # fmt: skip


def row(**changes: object) -> dict[str, object]:
    return ROW | changes


def refusal(rows: Any) -> str:
    """Returns the message with which scores are refused."""
    with pytest.raises(ConfigurationError) as caught:
        load_scores(rows)
    return str(caught.value)


def test_text_and_typed_rows_give_the_same_frame(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    rows = [row(), row(eval_language="en", stderr="")]
    pd.DataFrame(rows).to_csv(path, index=False)
    from_file, from_rows = load_scores(path), load_scores(rows)
    pd.testing.assert_frame_equal(from_file, from_rows)
    assert list(from_file.columns) == list(SCORE_COLUMNS)
    assert from_file["samples_per_language"].dtype == "int64"
    assert from_file["stderr"].isna().tolist() == [False, True]
    pd.testing.assert_frame_equal(load_scores(from_file), from_file)


def test_every_problem_is_named_with_file_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    rows = [row(), row(eval_language="en", score="high"), row(eval_language="fr", n_items=0, seed=1.5)]
    pd.DataFrame(rows).to_csv(path, index=False)
    text = refusal(path)
    assert f"{path}: row 3, column score = 'high'" in text
    assert "row 4, column n_items = '0'" in text
    assert "row 4, column seed = '1.5'" in text


def test_missing_and_misspelt_columns() -> None:
    renamed = {("eval_lang" if key == "eval_language" else key): value for key, value in ROW.items()}
    text = refusal([renamed])
    assert "eval_language: this column is missing" in text
    assert "did you mean eval_language?" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"score": 41.0}, "divide percentages by 100"),
        ({"metric": "judge_rating", "score": 0.8}, "judge_rating goes from 1 to 5"),
        ({"setting": "joint"}, "one of single, multi"),
        ({"train_languages": "es,ja"}, "join codes with +"),
        ({"train_languages": "en+es"}, "lists English"),
        ({"train_languages": ""}, "name the languages"),
        ({"samples_per_language": 0}, "leave it empty for n = 0"),
        ({"score": float("nan")}, "is not a number"),
        ({"score": float("inf")}, "is not a number"),
        ({"stderr": -0.1}, "at least 0"),
        ({"run_id": "  "}, "column run_id"),
    ],
)
def test_wrong_values(changes: dict[str, object], words: str) -> None:
    assert words in refusal([row(**changes)])


def test_many_invalid_rows_are_counted_instead_of_listed() -> None:
    text = refusal([row(eval_language=f"l{index}", score="x") for index in range(50)])
    assert "the same in 47 more rows" in text
    assert text.count("row ") < 10


def test_equal_rows_are_kept_once_and_contradicting_rows_are_refused() -> None:
    assert len(load_scores([row(), row()])) == 1
    assert "second, different score" in refusal([row(), row(score=0.6)])


def test_rows_that_describe_a_run_differently_are_refused() -> None:
    assert "run_id a1, column samples_per_language" in refusal(
        [row(), row(eval_language="fr", samples_per_language=400)]
    )


@pytest.mark.parametrize("rows", [[], pd.DataFrame(columns=list(SCORE_COLUMNS))])
def test_no_rows(rows: object) -> None:
    assert "holds no scores" in refusal(rows)


def test_unreadable_files(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nowhere.csv")
    (tmp_path / "empty.csv").write_text("")
    assert "the file is empty" in refusal(tmp_path / "empty.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    assert "not a readable CSV file" in refusal(tmp_path / "picture.csv")


def test_items() -> None:
    items = [
        {"run_id": "a1", "task": "math", "eval_language": "es", "metric": "accuracy", "item_id": "7", "score": "1"}
    ]
    assert load_items(items)["score"].tolist() == [1.0]
    assert list(load_items([]).columns) == list(ITEM_COLUMNS)
    with pytest.raises(ConfigurationError, match="second, different score"):
        load_items([*items, items[0] | {"score": "0"}])


def test_primary_metric_is_the_best_that_all_runs_share() -> None:
    rated = [row(run_id=name, task="instruction", metric="judge_rating", score=3) for name in ("a", "b")]
    overlap = [row(run_id=name, task="instruction", metric="reference_chrf", score=0.3) for name in ("a", "b", "c")]
    assert set(primary_scores(load_scores(rated + overlap))["metric"]) == {"reference_chrf"}
    assert set(primary_scores(load_scores(rated + overlap[:2]))["metric"]) == {"judge_rating"}


def test_runs_without_a_shared_metric_are_refused() -> None:
    rows = load_scores(
        [
            row(run_id="a", task="instruction", metric="judge_rating", score=3),
            row(run_id="b", task="instruction", metric="reference_chrf", score=0.3),
        ]
    )
    with pytest.raises(ConfigurationError, match=r"judge_rating \(1 runs\), reference_chrf \(1 runs\)"):
        primary_scores(rows)
