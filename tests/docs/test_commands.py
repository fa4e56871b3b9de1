"""Commands that the README and the documentation show: their verbs and options exist, and their sweep files too."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from clt_ray.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GROUP: Any = typer.main.get_command(app)
PROSE = {"VERB", "SWEEP", "FILE"}
"""What stands for a verb or a file in a sentence."""


def commands(page: Path) -> list[list[str]]:
    """Returns the words of every `clt-ray` command on a page, in code blocks and within sentences."""
    text = re.sub(r"\\\n\s*", " ", page.read_text("utf-8"))
    lines = re.findall(r"^(?: {4}|\$ ?)?(?:ray job submit .* -- )?clt-ray (.+)$", text, flags=re.MULTILINE)
    lines += re.findall(r"`clt-ray ([^`]+)`", text)
    return [shlex.split(" ".join(line.split()), comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    for verb, *words in commands(page):
        if verb in PROSE:
            continue
        assert verb in GROUP.commands, f"clt-ray {verb}"
        _, command, _ = GROUP.resolve_command(typer.Context(GROUP), [verb])
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert [word for word in words if word.startswith("--") and word not in options] == [], f"clt-ray {verb}"
        files = [word for word in words if re.fullmatch(r"sweeps/[\w/*]+\.yaml", word)]
        assert [file for file in files if not list(ROOT.glob(file))] == []


def test_commands_are_found() -> None:
    assert len(commands(ROOT / "README.md")) > 12
