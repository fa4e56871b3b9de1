"""Which part of the package may import which, who alone may import Ray, MLflow and PyTorch, and no import cycles.

A new import that breaks a rule either belongs elsewhere, or needs the rule changed here and in CONTRIBUTING.md, with
a reason.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "clt_ray"

DECLARATIONS = {"errors", "suggest", "plugins", "tasks", "languages", "families", "scorers"}
"""What a task, a language and a model family are: they import nothing else of the package."""
SWEEP = {*DECLARATIONS, "sweep"}

MAY_IMPORT = {
    "errors": set(),
    "redaction": set(),
    "locations": {"errors"},
    "suggest": set(),
    "plugins": {"errors", "suggest"},
    "tasks": {"errors", "suggest", "plugins"},
    "languages": {"errors", "suggest", "plugins"},
    "families": {"errors", "suggest", "plugins"},
    "scorers": {"errors", "suggest", "plugins", "tasks"},
    "sweep": DECLARATIONS,
    "data": SWEEP,
    "training": {*SWEEP, "data"},
    "evaluation": {*SWEEP, "data"},
    "store": SWEEP,
    # The judge rates answers that evaluation wrote and the store keeps, so it may read both; training it may not.
    "judging": {*SWEEP, "store", "evaluation", "redaction"},
    # MLflow shows what run directories hold, so tracking reads the store.
    "tracking": {*SWEEP, "store", "redaction"},
    "supervision": {*SWEEP, "store"},
    "pipeline": {*SWEEP, "data", "training", "evaluation", "store", "supervision"},
    "orchestration": {*SWEEP, "data", "training", "evaluation", "store", "tracking", "pipeline", "redaction"},
    "analysis": DECLARATIONS,
    "html_report": {*DECLARATIONS, "analysis", "redaction"},
    "pilot": {*SWEEP, "store", "opened"},
    "opened": {*SWEEP, "store", "tracking", "pilot", "locations", "redaction"},
    "evidence": {*SWEEP, "store", "opened", "analysis"},
    "run_order": {*SWEEP, "store", "evidence", "analysis"},
}
"""Parts of the package that each part may import, beside itself. `verbs` and `cli` may import everything."""

ONLY_IN = {"ray": {"orchestration"}, "mlflow": {"tracking"}, "torch_xla": {"training"}, "openai": {"judging"}}
NEVER_IN = {
    "sweep": {"torch", "ray", "mlflow", "transformers", "pandas", "numpy"},
    "analysis": {"torch", "ray", "mlflow", "transformers"},
    "html_report": {"torch", "ray", "mlflow", "transformers"},
}
HEAVY = {"torch", "ray", "mlflow", "transformers", "pandas", "matplotlib"}

XLA = PACKAGE / "training" / "backends" / "xla"
"""The one folder of training that may import torch_xla."""
FREE = {"verbs", "cli", "__init__", "__main__"}

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(node: ast.AST) -> Iterator[str]:
    """Names of modules, and of what may be modules, that an import statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported, without those for type checkers."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If) and "TYPE_CHECKING" not in ast.dump(statement.test):
            yield from at_import([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from at_import(statement.body)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_rules(path: Path) -> None:
    part = part_of(path)
    for name in (name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node)):
        top, _, rest = name.partition(".")
        if top == "clt_ray" and rest and part not in FREE:
            target = rest.split(".")[0]
            assert target in MAY_IMPORT[part] | {part}, f"{part} may not import {target}"
        assert part in ONLY_IN.get(top, {part}), f"{part} may not import {top}"
        assert top != "torch_xla" or path.is_relative_to(XLA), "torch_xla belongs into training/backends/xla"
        assert top not in NEVER_IN.get(part, set()), f"{part} may not import {top}"


def test_no_module_imports_itself_through_others() -> None:
    """Imports inside functions and for type checkers do not count: only what runs at import can deadlock."""
    modules = {module_of(path): path for path in FILES}
    edges = {
        module: {
            name
            for statement in at_import(ast.parse(path.read_text()).body)
            for name in imported(statement)
            if name in modules and name != module and modules[name].name != "__init__.py"
        }
        for module, path in modules.items()
    }
    finished: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in finished:
            for target in sorted(edges[module]):
                visit(target, (*trail, module))
            finished.add(module)

    for module in sorted(modules):
        visit(module, ())


@pytest.mark.parametrize("module", ["clt_ray", "clt_ray.cli", "clt_ray.sweep", "clt_ray.opened"])
def test_commands_that_only_plan_load_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)
