"""Declarations of other packages: found through entry points, checked, and refused with the package's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.plugins import Registry, UnknownNameError


@dataclass(frozen=True)
class Fruit:
    """A declaration for these tests."""

    name: str


Install = Callable[[str, str, dict[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package with one module and entry points of the group `test.fruits`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(module: str, source: str, entry_points: dict[str, str]) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (metadata / "entry_points.txt").write_text("\n".join(["[test.fruits]", *lines]) + "\n")

    return write


FRUIT_MODULE = f"from {__name__} import Fruit\n"


def registry() -> Registry[Fruit]:
    return Registry("test.fruits", Fruit, [Fruit("pear"), Fruit("apple")])


def test_built_in_declarations_come_first_and_plugins_follow_by_name(install: Install) -> None:
    install(
        "fruit_bowl", FRUIT_MODULE + "A, B = Fruit('quince'), Fruit('fig')", {"a": "fruit_bowl:A", "b": "fruit_bowl:B"}
    )
    fruits = registry()
    assert list(fruits) == ["pear", "apple", "fig", "quince"]
    assert fruits["fig"] == Fruit("fig") and "fig" in fruits and len(fruits) == 4
    assert "melon" not in fruits and fruits.get("melon") is None


def test_a_built_in_name_needs_no_plugin(install: Install) -> None:
    install("broken_fruit", "raise RuntimeError('rotten')", {"a": "broken_fruit:A"})
    assert registry()["pear"] == Fruit("pear")


def test_a_declaration_is_found_by_its_aliases_and_an_unknown_name_is_reported_with_the_closest_one() -> None:
    fruits = Registry("test.fruits", Fruit, [Fruit("pear"), Fruit("apple")], aliases=lambda fruit: [fruit.name + "s"])
    assert fruits.find("apples") == fruits.require("apple") == Fruit("apple")
    assert fruits.find("pea") is None and "apples" not in fruits
    with pytest.raises(UnknownNameError, match="declares 'pea' among the fruits\\n    did you mean 'pear'") as caught:
        fruits.require("pea")
    assert "install the package that declares it in the group test.fruits" in str(caught.value)


def test_every_bad_entry_point_is_named_with_its_package_and_a_remedy(install: Install) -> None:
    source = FRUIT_MODULE + "TAKEN = Fruit('pear')\nTEXT = 'fig'\n"
    install("bad_fruit", source, {"taken": "bad_fruit:TAKEN", "text": "bad_fruit:TEXT", "gone": "bad_fruit:GONE"})
    with pytest.raises(ConfigurationError) as caught:
        list(registry())
    messages = {problem.key: str(problem) for problem in caught.value.problems}
    assert set(messages) == {f"entry point test.fruits: {name}" for name in ("taken", "text", "gone")}
    assert all("package bad_fruit 1.0" in text and "uninstall the package" in text for text in messages.values())
    assert "'pear', which clt-ray itself declares already" in messages["entry point test.fruits: taken"]
    assert "gives a str, not a Fruit" in messages["entry point test.fruits: text"]
    assert "cannot be loaded: AttributeError" in messages["entry point test.fruits: gone"]
