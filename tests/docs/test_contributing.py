"""CONTRIBUTING.md names files that exist, and the import rules that are enforced."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_import_rules import DECLARATIONS, MAY_IMPORT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def section(heading: str) -> str:
    """Returns the text of a section, on one line for each paragraph and table row."""
    text = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.sub(r"\n(?![\n|])", " ", text.strip())


def test_the_reading_order_opens_every_file_once() -> None:
    files = re.findall(r"`(clt_ray/[^`]+)`", section("Read the code in this order"))
    assert files[0] == "clt_ray/cli.py" and len(files) > 40
    assert len(set(files)) == len(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_import_rules_are_those_that_are_enforced() -> None:
    text = section("Which part may import which")
    rules: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            parts, _, allowed = (cell.strip() for cell in line.strip("|").split("|"))
            names = set(re.findall(r"`(\w+)`", allowed)) | (DECLARATIONS if "declarations" in allowed else set())
            rules |= {part: names for part in re.findall(r"`(\w+)`", parts) if allowed != "everything"}
    assert rules == MAY_IMPORT
    listed = re.search(r"\*Declarations\* are (.*)\.", text)
    assert listed and set(re.findall(r"`(\w+)`", listed[1])) == DECLARATIONS


def test_files_and_folders_in_the_text_exist() -> None:
    paths = re.findall(r"`((?:clt_ray|tests|docs|benchmarks|scripts)/[\w/.]+)`", TEXT)
    assert [path for path in paths if not (ROOT / path).exists()] == []
