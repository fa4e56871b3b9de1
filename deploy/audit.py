"""Audits the installed packages without a network: versions, files, licences, and a list of all components.

    make audit                  # or: python deploy/audit.py [CONSTRAINTS] [--sbom FILE]

It fails when a package has another version than constraints.txt pins, when a requirement of a package is not met, or
when an installed file differs from the one that its package was shipped with. It cannot know of vulnerabilities: for
that, give the list (CycloneDX) to a scanner that has a database, or run pip-audit where there is a network.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COPYLEFT = re.compile(r"\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)


def main() -> int:
    """Prints the findings and returns 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("constraints", nargs="?", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--sbom", type=Path, default=ROOT / "build" / "sbom.json")
    arguments = parser.parse_args()
    installed = {canonical(package.name): package for package in distributions()}
    problems = [*wrong_versions(installed, pins(arguments.constraints)), *unmet_requirements()]
    for package in installed.values():
        problems += changed_files(package)
    for problem in problems:
        print(f"problem: {problem}")
    unpinned = sorted(set(installed) - set(pins(arguments.constraints)) - {"clt-ray"})
    if unpinned:
        print(f"not in {arguments.constraints.name}: {', '.join(unpinned)}")
    licences = {name: licence(package) for name, package in installed.items()}
    for name, text in sorted(licences.items()):
        if COPYLEFT.search(text) or not text:
            print(f"licence to look at: {name}: {text or 'none stated'}")
    arguments.sbom.parent.mkdir(parents=True, exist_ok=True)
    arguments.sbom.write_text(json.dumps(components(installed, licences), indent=1))
    common = ", ".join(f"{count} {text or 'none stated'}" for text, count in Counter(licences.values()).most_common(5))
    print(f"{len(installed)} packages, {len(problems)} problems; most frequent licences: {common}")
    print(f"components: {arguments.sbom}; vulnerabilities were not looked up, which needs a network: pip-audit")
    return 1 if problems else 0


def canonical(name: str) -> str:
    """Returns a package name as pip compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(constraints: Path) -> dict[str, str]:
    """Returns the pinned versions of a constraints file, by canonical name."""
    lines = (line.partition("#")[0].strip() for line in constraints.read_text().splitlines())
    return {canonical(name): version.strip() for line in lines if "==" in line for name, version in [line.split("==")]}


def wrong_versions(installed: Mapping[str, Distribution], pinned: Mapping[str, str]) -> Iterator[str]:
    """Yields the packages that have another version than is pinned; builds such as 2.9.0+cpu are the same version."""
    for name, package in installed.items():
        if name in pinned and package.version.partition("+")[0] != pinned[name].partition("+")[0]:
            yield f"{name} is {package.version}, and {pinned[name]} is pinned"


def unmet_requirements() -> list[str]:
    """Returns what `pip check` finds."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    return check.stdout.splitlines() if check.returncode else []


def changed_files(package: Distribution) -> Iterator[str]:
    """Yields the files of a package that are missing or differ from the hashes in its RECORD."""
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        if file.hash is None or file.hash.mode != "sha256" or path.suffix == ".pyc":
            continue
        if not path.is_file():
            yield f"{package.name}: {file} is missing"
            continue
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != file.hash.value.rstrip("="):
            yield f"{package.name}: {file} differs from the file that the package was shipped with"


def licence(package: Distribution) -> str:
    """Returns the licence that a package states: an SPDX expression, classifiers, or the first line of a text."""
    metadata = package.metadata
    classifiers = [text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or () if "License ::" in text]
    text = metadata.get("License-Expression") or ", ".join(classifiers) or metadata.get("License") or ""
    return next(iter(text.strip().splitlines()), "")[:80]


def components(installed: Mapping[str, Distribution], licences: Mapping[str, str]) -> dict[str, Any]:
    """Returns the packages as a CycloneDX document."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [
            {
                "type": "library",
                "name": name,
                "version": package.version,
                "purl": f"pkg:pypi/{name}@{package.version}",
                "licenses": [{"license": {"name": licences[name]}}] if licences[name] else [],
            }
            for name, package in sorted(installed.items())
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
