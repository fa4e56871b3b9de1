"""The recipes of docs/extend.md as packages: what the page shows is what the tests install.

A code block of the page whose title is a path, such as `title="clt-ray-qwen3/pyproject.toml"`, is a file of the
package that the first part of the path names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "extend.md"
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def recipe_files(package: str) -> dict[str, str]:
    """Returns the files of a package on the page, by name."""
    blocks = {title.partition("/"): text for title, text in BLOCK.findall(PAGE.read_text())}
    files = {name: text for (folder, _, name), text in blocks.items() if folder == package}
    assert "pyproject.toml" in files, f"docs/extend.md has no package {package}"
    assert len(files) <= 2, f"{package} has more files than a recipe may have: {sorted(files)}"
    return files


def install_recipes(target: Path, *packages: str) -> str:
    """Installs packages of the page, and them alone, into a folder, and returns the folder for `PYTHONPATH`."""
    sources = []
    for package in packages:
        folder = target / "sources" / package
        folder.mkdir(parents=True)
        for name, text in recipe_files(package).items():
            (folder / name).write_text(text)
        sources.append(str(folder))
    site = str(target / "site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    finished = subprocess.run([*command, "--target", site, *sources], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return site
