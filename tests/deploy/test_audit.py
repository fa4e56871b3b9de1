"""`make audit` finds a wrong version, a changed file and a missing file, and lists the components."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from importlib.metadata import Distribution
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "deploy" / "audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(tmp_path: Path) -> Distribution:
    """An installed package with the files code.py and data.txt."""
    folder = tmp_path / "Some_Package-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.4\nName: Some_Package\nVersion: 1.2\nLicense: MIT\n")
    record = []
    for name in ("code.py", "data.txt"):
        (tmp_path / name).write_text(name)
        digest = base64.urlsafe_b64encode(hashlib.sha256(name.encode()).digest()).decode().rstrip("=")
        record.append(f"{name},sha256={digest},{len(name)}\n")
    (folder / "RECORD").write_text("".join(record))
    return Distribution.at(folder)


def test_files_are_those_that_were_shipped(audit: ModuleType, package: Distribution, tmp_path: Path) -> None:
    assert list(audit.changed_files(package)) == []
    (tmp_path / "code.py").write_text("other")
    (tmp_path / "data.txt").unlink()
    changed, missing = audit.changed_files(package)
    assert "code.py differs" in changed and "data.txt is missing" in missing


def test_versions_are_those_that_are_pinned(audit: ModuleType, package: Distribution, tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("# comment\nsome-package==1.2   # why\nother==3\n")
    installed = {audit.canonical(package.name): package}
    assert list(audit.wrong_versions(installed, audit.pins(constraints))) == []
    constraints.write_text("some-package==1.3\n")
    assert list(audit.wrong_versions(installed, audit.pins(constraints))) == ["some-package is 1.2, and 1.3 is pinned"]


def test_components_have_version_and_licence(audit: ModuleType, package: Distribution) -> None:
    document = audit.components({"some-package": package}, {"some-package": audit.licence(package)})
    assert document["bomFormat"] == "CycloneDX"
    assert document["components"][0]["purl"] == "pkg:pypi/some-package@1.2"
    assert document["components"][0]["licenses"] == [{"license": {"name": "MIT"}}]
