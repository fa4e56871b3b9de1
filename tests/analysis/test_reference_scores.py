"""Tests of numbers recomputed from the published scores against those that the paper prints."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from clt_ray.analysis import tables, transfer
from clt_ray.analysis.reference import SCORES_FILE, is_reference, reference_scores
from clt_ray.analysis.study import Curve, Study
from scripts.convert_paper_scores import convert, main


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.of(reference_scores())


def curve(study: Study, task: str, model: str = "aya-23-7b", group: str = "all", setting: str = "single") -> Curve:
    key = (task, model, group, setting)
    (match,) = [c for c in study.curves if (c.task, c.model, c.language_group, c.setting) == key]
    return match


def relative(study: Study, task_curve: Curve) -> dict[int, float]:
    return {
        point.samples_per_language: transfer.relative_to_english(study, task_curve, point).estimate
        for point in task_curve.points
    }


def test_all_published_scores_are_included() -> None:
    scores = reference_scores()
    assert len(scores) == 1728
    assert scores["run_id"].nunique() == 152
    assert set(scores["model"]) == {"aya-23-7b", "aya-23-35b", "llama-3.1-8b"}
    assert scores.groupby("task")["n_items"].unique().map(list).to_dict() == {
        "instruction": [200],
        "math": [250],
        "summarization": [250],
    }
    assert scores.loc[scores["task"] == "math", "stderr"].notna().all()
    assert scores.loc[scores["task"] != "math", "stderr"].isna().all()
    assert is_reference(scores)


def test_the_bundled_file_is_the_output_of_the_script(shared_data: Path, tmp_path: Path) -> None:
    main(shared_data / "reference" / "paper_scores.csv", tmp_path / "converted.csv")
    assert (tmp_path / "converted.csv").read_bytes() == SCORES_FILE.read_bytes()


@pytest.mark.parametrize(
    ("task", "model", "start", "peak", "at"),
    [
        ("instruction", "aya-23-7b", 0.8502, 0.9183, 400),
        ("summarization", "aya-23-7b", 0.8126, 0.9001, 400),
        ("math", "aya-23-7b", 0.434, 0.686, 5000),
        ("instruction", "aya-23-35b", 0.920, 0.951, 5000),
    ],
)
def test_relative_to_english_as_published(
    study: Study, task: str, model: str, start: float, peak: float, at: int
) -> None:
    by_size = relative(study, curve(study, task, model))
    # The paper divides unrounded scores, its tables have two decimals: at ROUGE-L 0.30 that moves the share by 0.005.
    rounding = 5e-3 if task == "summarization" else 2.5e-3
    assert by_size[0] == pytest.approx(start, abs=rounding)
    assert by_size[at] == pytest.approx(peak, abs=rounding)
    if at == 400:
        assert max(by_size, key=by_size.__getitem__) == at


def test_three_english_only_runs_stay_three_measurements(study: Study) -> None:
    groups = ("all", "latin", "non_latin")
    origins = [curve(study, "instruction", group=group).origin for group in groups]
    assert len({origin.run_ids for origin in origins if origin}) == 3
    starts = [relative(study, curve(study, "instruction", group=group))[0] for group in groups]
    assert starts == pytest.approx([0.850, 0.875, 0.855], abs=1e-3)


def test_script_ablation_peaks(study: Study) -> None:
    """Peak average over the seven other languages: 37.4, 36.6 and 38.4 points."""
    peaks = {}
    for group in ("latin", "non_latin", "all"):
        of = curve(study, "math", group=group)
        cells = study.task_scores["math"]
        others = [code for code in cells.languages if code != "en"]
        peaks[group] = max(cells.mean(point.run_ids, others).value for point in of.points)
    assert peaks == pytest.approx({"latin": 0.374, "non_latin": 0.366, "all": 0.384}, abs=6e-4)


def test_gaps_as_recomputed_from_the_tables(study: Study) -> None:
    of = curve(study, "summarization")
    gaps = {point.samples_per_language: transfer.seen_unseen(study, of, point)["gap"].estimate for point in of.points}
    assert gaps[0] == pytest.approx(0.046, abs=1e-3)
    mixed = curve(study, "instruction", setting="multi")
    gaps = {
        point.samples_per_language: transfer.seen_unseen(study, mixed, point)["gap"].estimate for point in mixed.points
    }
    assert gaps[0] == pytest.approx(-0.012, abs=2e-3)
    assert gaps[7000] == pytest.approx(0.178, abs=2e-3)


def test_math_gain_at_7b_excludes_zero_and_spanish_at_35b_drops(study: Study) -> None:
    gained = transfer.gain(study, curve(study, "math"), 5000, "seen")
    assert gained.excludes_zero and gained.method == "normal approximation"
    lost = transfer.gain(study, curve(study, "math", "aya-23-35b"), 5000, ["es"])
    assert lost.estimate == pytest.approx(-0.24) and lost.high < 0


def test_scores_of_zero_still_have_an_interval(study: Study) -> None:
    table = tables.per_language(study)
    zero = table[(table["task"] == "math") & (table["score"] == 0)]
    assert len(zero) > 0
    gains = tables.gain(study)
    assert gains.loc[gains["task"] == "math", "low"].notna().all()


def test_a_mixed_run_is_one_run_in_three_tasks() -> None:
    scores = reference_scores()
    mixed = scores[scores["setting"] == "multi"].groupby("run_id")["task"].nunique()
    assert (mixed == 3).all() and len(mixed) == 32


def test_conversion_of_one_row() -> None:
    published = {
        "task": "MR", "model": "Aya-7B", "setting": "single", "train_langs": "en+ja,zh", "eval_lang": "ko",
        "samples_per_non_en_lang_per_task": "400", "score": "0.36",
    }  # fmt: skip
    made = convert(published)
    assert made["run_id"] == "paper-aya-23-7b-math-non_latin-n400"
    assert made["train_languages"] == "ja+zh"
    assert float(made["stderr"]) == pytest.approx((0.36 * 0.64 / 250) ** 0.5, abs=1e-6)


def test_frame_types_survive_the_file() -> None:
    assert pd.api.types.is_integer_dtype(reference_scores()["samples_per_language"])
