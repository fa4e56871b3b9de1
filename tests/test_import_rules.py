"""Which part of the package may import which, and who alone may import Ray, MLflow and PyTorch.

A new import that breaks a rule either belongs elsewhere or needs the rule changed here, with a reason.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "clt_ray"

MAY_IMPORT = {
    "errors": set(),
    "suggest": set(),
    "redaction": set(),
    "plugins": {"errors"},
    "languages": {"errors", "plugins", "suggest"},
    "tasks": {"errors", "plugins"},
    "families": {"errors", "plugins"},
    "scorers": {"errors", "plugins", "tasks"},
    "sweep": {"errors", "suggest", "languages", "scorers", "tasks"},
    "data": {"errors", "languages", "tasks", "sweep"},
    "training": {"errors", "families", "tasks", "data", "sweep"},
    "evaluation": {"errors", "plugins", "scorers", "languages", "tasks", "data", "sweep"},
    "store": {"errors", "sweep"},
    # Ratings of outputs that evaluation wrote and the store keeps; nothing of training.
    "judge": {"errors", "languages", "tasks", "sweep", "store", "evaluation"},
    # MLflow is a projection of run directories, so the tracker reads the store.
    "tracking": {"errors", "redaction", "languages", "tasks", "sweep", "store"},
    "pipeline": {"errors", "sweep", "data", "training", "evaluation", "store"},
    "orchestration": {"errors", "families", "sweep", "data", "training", "evaluation", "store", "tracking", "pipeline"},
    "analysis": {"errors", "suggest", "languages", "scorers", "tasks"},
    "report": {"errors", "redaction", "languages", "tasks", "analysis"},
}
"""The front (cli, display, api) may import everything."""

ONLY_IN = {"ray": {"orchestration"}, "mlflow": {"tracking"}, "torch_xla": {"training"}, "openai": {"judge"}}
NEVER_IN = {
    "sweep": {"torch", "ray", "mlflow", "transformers", "pandas", "numpy"},
    "analysis": {"torch", "ray", "mlflow", "transformers"},
    "report": {"torch", "ray", "mlflow", "transformers"},
}


XLA = PACKAGE / "training" / "backends" / "xla"
"""The one folder of training that may import torch_xla."""


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_rules(path: Path) -> None:
    part = part_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "clt_ray" and part in MAY_IMPORT and rest:
            target = rest.split(".")[0]
            assert target in MAY_IMPORT[part] | {part}, f"{part} may not import {target}"
        assert part in ONLY_IN.get(top, {part}), f"{part} may not import {top}"
        assert top != "torch_xla" or path.is_relative_to(XLA), "torch_xla belongs into training/backends/xla"
        assert top not in NEVER_IN.get(part, set()), f"{part} may not import {top}"


@pytest.mark.parametrize("module", ["clt_ray.cli", "clt_ray.sweep", "clt_ray.api"])
def test_commands_that_only_plan_load_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "ray", "mlflow", "transformers", "pandas", "matplotlib"} & set(loaded)
