"""The Dockerfiles of deploy/, as far as a machine without a container engine can check them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "deploy").rglob("Dockerfile*"))
TITLES = [str(path.relative_to(ROOT)) for path in DOCKERFILES]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line]


@pytest.mark.parametrize("path", DOCKERFILES, ids=TITLES)
def test_hadolint_finds_nothing(path: Path) -> None:
    # DL3008 asks to pin Debian's packages, which Debian removes when it replaces them.
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None
    result = subprocess.run(
        [hadolint, "--ignore", "DL3008", "--failure-threshold", "warning", str(path)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("path", DOCKERFILES, ids=TITLES)
def test_what_is_copied_exists_and_is_sent_to_the_build(path: Path) -> None:
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    for instruction, arguments in instructions(path):
        if instruction == "COPY":
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists() and source in sent


@pytest.mark.parametrize("path", DOCKERFILES, ids=TITLES)
def test_the_extras_exist_and_versions_are_constrained(path: Path) -> None:
    installs = [arguments for instruction, arguments in instructions(path) if "pip install" in arguments]
    assert len(installs) == 1 and "--constraint" in installs[0]
    for extras in re.findall(r"'\.\[(.*?)\]'", installs[0]):
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_python_of_the_images_is_one_that_the_package_supports() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.13"
    bases = {
        arguments for path in DOCKERFILES for instruction, arguments in instructions(path) if instruction == "FROM"
    }
    assert bases == {"python:3.11-slim-bookworm"}


def test_the_constraints_of_the_tpu_image_name_every_package_once(tmp_path: Path) -> None:
    """The command that composes them is taken from the Dockerfile."""
    for name in ("constraints.txt", "constraints-tpu.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (command,) = (arguments for _, arguments in instructions(ROOT / "deploy/Dockerfile.tpu") if "sed" in arguments)
    subprocess.run(["sh", "-c", command.rsplit("&&", 1)[0]], cwd=tmp_path, check=True)
    lines = (tmp_path / "constraints-image.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines if "==" in line]
    assert len(names) == len(set(names)) and "torch==2.9.0" in "\n".join(lines)
