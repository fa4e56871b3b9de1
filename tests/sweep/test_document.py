"""Sweep files are read as YAML 1.2, with the line of every key."""

from __future__ import annotations

from pathlib import Path

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.sweep.document import Document, dotted, parse_document, read_document


def parsed(text: str) -> Document:
    return parse_document(text, "a.yaml", Path())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("true", True),
        ("1e-5", 1e-5),
        ("1.0e-5", 1e-5),
        ("-.5", -0.5),
        ("10_000", 10_000),
        ("007", 7),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("8x8", "8x8"),
        ("'1'", "1"),
        ("{a: null}", {"a": None}),
        ("[no, 1]", ["no", 1]),
    ],
)
def test_scalars_follow_yaml_1_2(written: str, value: object) -> None:
    read = parsed(f"key: {written}").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_the_line_of_every_key_is_recorded() -> None:
    document = parsed("a: 1\nb:\n  c: [x,\n      y]\n")
    assert document.where(("a",)) == "a.yaml:1"
    assert document.where(("b", "c", 1)) == "a.yaml:4"
    assert document.where(("b", "absent")) == "a.yaml:2"
    assert document.where(("absent",)) == "a.yaml"


def test_paths_are_shown_in_dotted_notation() -> None:
    assert dotted(("grid", "model", 0)) == "grid.model[0]"
    assert dotted(("hardware", "llama-3.1-8b", "mesh")) == "hardware.llama-3.1-8b.mesh"


def test_empty_sections_count_as_absent() -> None:
    assert parsed("a:\nb: 1\n").data == {"b": 1}
    assert parsed("").data == {}


def test_all_repeated_keys_are_reported_with_both_lines() -> None:
    problems = parsed("a: 1\nb: {c: 1, c: 2}\na: 2\n").problems
    assert [(problem.where, problem.key) for problem in problems] == [("a.yaml:2", "b.c"), ("a.yaml:3", "a")]
    assert "a.yaml:1" in problems[1].remedy


def test_anchors_and_merges_work_and_a_written_key_replaces_a_merged_one() -> None:
    document = parsed("base: &b {x: 1, y: 2}\nmerged: {<<: *b, y: 3}\n")
    assert document.data["merged"] == {"x": 1, "y": 3}
    assert not document.problems


def test_a_key_that_is_not_text_is_reported() -> None:
    (problem,) = parsed("groups: {1: [es]}").problems
    assert (problem.key, problem.message) == ("groups.1", "the key is not text")
    assert '"1"' in problem.remedy


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\nb: 3", "a.yaml:2"),
        ("a: 'x", "a.yaml:1"),
        ("a: 1\n b: 2", "a.yaml:2"),
        ("a:\n\t- x", "a.yaml:2:1"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1"),
        ("a: *nowhere", "a.yaml:1:4"),
        ("a: &x [*x]", "a.yaml:1"),
        ("a: !!python/object/apply:os.getcwd []", "a.yaml:1"),
        ("a: \x00", "a.yaml"),
        ("- 1", "a.yaml"),
        ("words", "a.yaml"),
    ],
)
def test_text_that_is_not_a_yaml_mapping_is_refused_with_its_line(text: str, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(text)
    (problem,) = caught.value.problems
    assert problem.where.startswith(place)


def test_the_message_about_a_missing_file_names_the_sweep_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "here.yaml").write_text("name: here")
    with pytest.raises(ConfigurationError, match=r"cannot be read: No such file.*\n.*here\.yaml"):
        read_document(tmp_path / "gone.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8 text"):
        read_document(path)
