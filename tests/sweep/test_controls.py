"""Equal-volume controls replace the rows in other languages by as many English rows; they are separate runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clt_ray.sweep import Cell, RunSpec, cells, expand, parse_sweep
from tests.support.sweeps import problems_of, small_sweep


def grid(*groups: str, samples: tuple[int, ...] = (0, 100)) -> dict[str, Any]:
    axes: dict[str, Any] = small_sweep()["grid"]
    return axes | {"language_group": list(groups), "samples_per_language": list(samples)}


def planned(*groups: str, **changes: Any) -> tuple[Cell, ...]:
    return cells(parse_sweep(small_sweep(grid=grid(*groups), **changes)))


def test_a_control_has_the_rows_of_its_group_in_english_alone() -> None:
    _, treated, _, control = (cell.run for cell in planned("all", "english:all"))
    assert control.train_rows == treated.train_rows == 10_000 + 4 * 100
    assert control.steps == treated.steps
    assert control.train_languages == control.selection_languages == ("en",)
    assert (control.rows_in("en"), control.rows_in("es")) == (10_400, 0)
    assert (treated.rows_in("en"), treated.rows_in("es"), treated.rows_in("ko")) == (10_000, 100, 0)
    assert control.run_id != treated.run_id


def test_a_control_is_named_after_the_languages_that_it_controls_for() -> None:
    *_, control = planned("english:all")
    assert control.key.language_group == "english:all"
    assert control.title == "llama-3.1-8b math English control for es+fr+ja+zh n 100 seed 0"
    assert control.series == "llama-3.1-8b math English control for es+fr+ja+zh seed 0"
    assert control.run.name == "llama-3.1-8b math English control for 4 languages n 100 seed 0"
    assert control.run.language_group == "english:4"
    (run,) = expand(parse_sweep(small_sweep(grid=grid("english:es", samples=(100,)), language_groups={"es": ["es"]})))
    assert run.name == "llama-3.1-8b math English control for 1 language n 100 seed 0"


def test_controls_start_at_the_english_only_run() -> None:
    starts = [cell.run for cell in planned("all", "latin", "english:all", "english:latin") if not cell.key[3]]
    assert len({run.run_id for run in starts}) == 1
    assert {(run.language_group, run.train_languages, run.replaced_languages) for run in starts} == {("none", (), 0)}


def test_groups_with_the_same_number_of_languages_share_their_control() -> None:
    controls = planned("english:latin", "english:non_latin", "english:all")
    by_group = {cell.key.language_group: cell.run.run_id for cell in controls if cell.key.samples_per_language}
    assert by_group["english:latin"] == by_group["english:non_latin"] != by_group["english:all"]


def test_controls_with_equal_rows_but_different_samples_per_language_are_different_runs() -> None:
    spec = parse_sweep(small_sweep(grid=grid("english:latin", "english:all", samples=(100, 200))))
    runs = {(run.language_group, run.samples_per_language): run for run in expand(spec)}
    two, four = runs["english:2", 200], runs["english:4", 100]
    assert two.train_rows == four.train_rows
    assert two.run_id != four.run_id


@given(
    english=st.integers(0, 20_000),
    samples=st.integers(1, 7_000),
    languages=st.lists(st.sampled_from(["es", "fr", "ja", "zh", "de", "ru"]), min_size=1, unique=True),
    tasks=st.lists(st.sampled_from(["math", "summarization", "instruction"]), min_size=1, unique=True),
)
def test_rows_add_up_in_every_mixture(english: int, samples: int, languages: list[str], tasks: list[str]) -> None:
    axes = {"model": "tiny", "task": "+".join(tasks), "language_group": ["g", "english:g"]}
    spec = parse_sweep(
        small_sweep(
            grid=axes | {"samples_per_language": samples}, language_groups={"g": languages}, english_samples=english,
            data={task: {"bundled": True} for task in tasks},
        )
    )  # fmt: skip
    treated, control = expand(spec)
    assert treated.train_rows == control.train_rows == len(tasks) * (english + samples * len(languages))
    for run in (treated, control):
        assert run.train_rows == len(tasks) * sum(run.rows_in(code) for code in {"en", *languages})
    assert control.rows_in("en") - treated.rows_in("en") == sum(treated.rows_in(code) for code in languages)


def test_a_control_survives_json_and_runs_written_before_controls_existed_are_still_read() -> None:
    *_, control = (cell.run for cell in planned("english:all"))
    assert RunSpec.from_dict(control.to_dict()).run_id == control.run_id
    plain = expand(parse_sweep(small_sweep()))[-1]
    written_before = {name: value for name, value in plain.to_dict().items() if name != "replaced_languages"}
    assert RunSpec.from_dict(written_before).run_id == plain.run_id


def test_a_control_reads_the_same_hub_content_as_its_group() -> None:
    _, treated, _, control = (cell.run for cell in planned("all", "english:all"))
    assert control.inputs == treated.inputs
    assert replace(control, hardware=treated.hardware).run_id == control.run_id


@pytest.mark.parametrize("samples", [[100], [0, 100]])
def test_a_control_without_english_evaluation_could_not_select_a_checkpoint(
    samples: list[int],
) -> None:
    problems = problems_of(grid=grid("english:all", samples=tuple(samples)), eval_languages=["es", "ko"])
    assert [problem.key for problem in problems] == ["eval_languages"]
    assert "english:all" in problems[0].message


def test_include_and_exclude_name_controls_like_groups() -> None:
    spec = parse_sweep(
        small_sweep(
            grid=grid("all", samples=(0, 100, 200)),
            include=[{"language_group": "english:all"}],
            exclude=[{"language_group": "english:all", "samples_per_language": 200}],
        )
    )
    assert [cell.key[2:4] for cell in cells(spec)] == [
        ("all", 0), ("all", 100), ("all", 200), ("english:all", 0), ("english:all", 100),
    ]  # fmt: skip
