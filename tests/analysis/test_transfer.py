"""Tests of the measures on small frames computed by hand, and on a constructed sweep with known truth."""

from __future__ import annotations

from math import isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clt_ray.analysis import rank_correlation, tables, transfer
from clt_ray.analysis.loading import load_items, load_scores
from clt_ray.analysis.study import Study
from clt_ray.errors import ConfigurationError
from tests.support.scores import smoke_sweep


def scores(*runs: tuple[str, int, int, dict[str, float]], trained: str = "es+ja") -> pd.DataFrame:
    """Rows of runs given as (language group, n, seed, score per language)."""
    return load_scores(
        [
            {
                "run_id": f"{group}-{n}-{seed}", "model": "m", "setting": "single", "task": "math",
                "language_group": group, "train_languages": trained if n else "", "samples_per_language": n,
                "seed": seed, "eval_language": language, "metric": "accuracy", "score": score, "stderr": 0.02,
                "n_items": 100,
            }
            for group, n, seed, by_language in runs
            for language, score in by_language.items()
        ]
    )  # fmt: skip


START = {"en": 0.8, "es": 0.3, "ja": 0.1, "ko": 0.2}
END = {"en": 0.8, "es": 0.5, "ja": 0.5, "ko": 0.3}


def test_measures_computed_by_hand() -> None:
    study = Study.of(scores(("none", 0, 0, START), ("all", 100, 0, END)))
    (curve,) = study.curves
    assert curve.train_languages == ("es", "ja") and curve.origin is not None
    before = transfer.seen_unseen(study, curve, curve.origin)
    assert (before["seen"].estimate, before["unseen"].estimate) == pytest.approx((0.2, 0.2))
    after = transfer.seen_unseen(study, curve, curve.largest)
    assert after["gap"].estimate == pytest.approx(0.2)
    assert after["english"].estimate == 0.8
    assert transfer.relative_to_english(study, curve, curve.largest).estimate == pytest.approx(1.3 / 3 / 0.8)
    assert transfer.gain(study, curve, 100, "seen").estimate == pytest.approx(0.3)
    assert transfer.gain(study, curve, 100, "unseen").estimate == pytest.approx(0.1)
    assert transfer.gain(study, curve, 100, ["ja"]).estimate == pytest.approx(0.4)
    assert transfer.gain(study, curve, 100, "seen").run_ids == ("all-100-0", "none-0-0")


def test_one_run_at_n_0_belongs_to_every_group() -> None:
    frame = pd.concat(
        [
            scores(("none", 0, 0, START), ("all", 100, 0, END)),
            scores(("asia", 100, 0, END), trained="ja"),
        ]
    )
    study = Study.of(frame)
    assert {curve.language_group: curve.origin.run_ids for curve in study.curves if curve.origin} == {
        "all": ("none-0-0",),
        "asia": ("none-0-0",),
    }
    asia = next(curve for curve in study.curves if curve.language_group == "asia")
    assert asia.exposure("es") == "unseen"


def test_gain_pairs_the_seeds_that_both_points_have() -> None:
    better = {language: score + 0.1 for language, score in START.items()}
    study = Study.of(scores(("none", 0, 0, START), ("none", 0, 1, better), ("all", 100, 1, END)))
    gain = transfer.gain(study, study.curves[0], 100, "seen")
    assert gain.estimate == pytest.approx(0.2)
    assert gain.run_ids == ("all-100-1", "none-0-1")


def test_gain_uses_languages_scored_at_both_points() -> None:
    study = Study.of(scores(("none", 0, 0, {"en": 0.8, "es": 0.3}), ("all", 100, 0, END)))
    assert transfer.gain(study, study.curves[0], 100, "seen").estimate == pytest.approx(0.2)
    assert isnan(transfer.gain(study, study.curves[0], 100, "unseen").estimate)


def test_a_curve_without_n_0_has_no_gain() -> None:
    study = Study.of(scores(("all", 100, 0, END)))
    with pytest.raises(ValueError, match="no run with n = 0"):
        transfer.gain(study, study.curves[0], 100, "seen")
    assert tables.gain(study).empty


def test_english_score_of_zero_has_no_ratio() -> None:
    study = Study.of(scores(("all", 100, 0, END | {"en": 0.0})))
    ratio = transfer.relative_to_english(study, study.curves[0], study.curves[0].largest)
    assert isnan(ratio.estimate) and not ratio.has_interval


def test_english_only_runs_have_no_seen_and_unseen() -> None:
    study = Study.of(scores(("none", 0, 0, START)))
    means = transfer.seen_unseen(study, study.curves[0], study.curves[0].largest)
    assert isnan(means["seen"].estimate) and means["english"].estimate == 0.8
    assert set(tables.per_language(study)["exposure"]) == {"english", "non-English"}


def test_different_mixtures_are_different_curves() -> None:
    math_only = scores(("all", 100, 0, END)).assign(setting="multi")
    mixed_math = math_only.assign(run_id="other")
    mixed_summaries = mixed_math.assign(task="summarization", metric="rougeL")
    study = Study.of(pd.concat([math_only, mixed_math, mixed_summaries]))
    assert sorted(curve.mixture for curve in study.curves if curve.task == "math") == ["math", "summarization+math"]


def test_items_of_another_evaluation_are_refused() -> None:
    frame, items = smoke_sweep(items_per_language=10)
    items["score"] = items["score"] * 0.9
    with pytest.raises(ConfigurationError, match="must come from the same evaluation"):
        Study.of(load_scores(frame), load_items(items))


@pytest.fixture(scope="module")
def sweep() -> Study:
    frame, items = smoke_sweep(seeds=(0, 1), items_per_language=120)
    return Study.of(load_scores(frame), load_items(items))


def test_known_gains_are_recovered(sweep: Study) -> None:
    means = tables.gain(sweep).query("eval_language == 'mean' and samples_per_language == 200")
    seen = means[means["exposure"] == "seen"]
    assert len(seen) == 6
    assert (seen["low"] > 0).all()
    assert ((seen["low"] - 0.02 < 0.3) & (seen["high"] + 0.02 > 0.3)).all()
    assert (means["method"] == "paired item bootstrap").all()
    assert (means["seed"] == "0+1").all()


def test_numbers_do_not_depend_on_other_runs() -> None:
    frame, items = smoke_sweep(items_per_language=20)
    scored, known = load_scores(frame), load_items(items)
    few = scored[(scored["task"] == "math") & (scored["setting"] == "single") & (scored["language_group"] != "latin")]
    columns = ["samples_per_language", "eval_language", "exposure", "gain", "low", "high"]
    everything = tables.gain(Study.of(scored, known)).query("task == 'math' and language_group == 'all'")[columns]
    alone = tables.gain(Study.of(few, known))[columns]
    pd.testing.assert_frame_equal(everything.reset_index(drop=True), alone, check_exact=False)


def test_table_columns(sweep: Study) -> None:
    series = ["model", "setting", "task", "language_group", "train_languages", "samples_per_language", "seed"]
    for table in (tables.relative_to_english, tables.seen_unseen, tables.gain, tables.per_language):
        assert set(series) | {"n", "method", "run_ids"} <= set(table(sweep).columns)
    correlation = tables.transfer_correlation(sweep)
    assert list(correlation.columns)[:9] == [
        "model", "task", "setting", "language_group", "n", "spearman", "p", "low", "high",
    ]  # fmt: skip
    assert (correlation.query("language_group == 'all'")["n"] == 6).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=9, max_size=25))
def test_spearman_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    seen, unseen = zip(*pairs, strict=True)
    if len(set(seen)) < 2 or len(set(unseen)) < 2:
        return
    by_language = [{"en": 0.5, "es": a / 10, "ko": b / 10} for a, b in pairs]
    study = Study.of(scores(*(("all", n + 1, 0, row) for n, row in enumerate(by_language)), trained="es"))
    correlation, _ = transfer.transfer_correlation(study, study.curves[0])
    expected = stats.spearmanr(seen, unseen)
    assert correlation.spearman == pytest.approx(expected.statistic)
    assert correlation.p == pytest.approx(expected.pvalue, abs=1e-9)
    assert correlation.low <= correlation.spearman + 1e-12 and correlation.spearman <= correlation.high + 1e-12


def test_few_runs_cannot_be_significant() -> None:
    rows = [("all", n, 0, {"en": 0.5, "es": 0.1 * n, "ko": 0.05 * n}) for n in (1, 2, 3)]
    study = Study.of(scores(*rows, trained="es"))
    correlation, _ = transfer.transfer_correlation(study, study.curves[0])
    assert (correlation.spearman, correlation.p, correlation.n) == pytest.approx((1.0, 1 / 3, 3))
    assert (correlation.low, correlation.high) == (-1.0, 1.0)


def test_exact_p_matches_the_permutation_distribution() -> None:
    left, right = [1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 4, 6]
    # Orders of 6 with a sum of squared differences of at most 2: the order itself and its 5 neighbour swaps.
    assert rank_correlation.spearman_p(left, right) == pytest.approx(2 * 6 / 720)


@given(st.floats(-1, 1), st.integers(4, 100))
def test_correlation_interval_holds_its_estimate(rho: float, n: int) -> None:
    low, high = rank_correlation.spearman_interval(rho, n)
    assert -1 <= low <= high <= 1
    assert (low <= rho + 1e-9 and rho <= high + 1e-9) or abs(rho) > 1 - 12 / (n * (n * n - 1))
    assert np.isfinite([low, high]).all()


def test_english_is_in_no_mean() -> None:
    study = Study.of(scores(("none", 0, 0, START), ("all", 100, 0, END | {"en": 0.1})))
    (curve,) = study.curves
    assert transfer.gain(study, curve, 100, "seen").estimate == pytest.approx(0.3)
    assert transfer.gain(study, curve, 100, "unseen").estimate == pytest.approx(0.1)
    assert transfer.gain(study, curve, 100, "english").estimate == pytest.approx(-0.7)
