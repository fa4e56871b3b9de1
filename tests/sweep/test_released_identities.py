"""Run ids of earlier releases do not change, so that a finished run is not trained again because the code changed.

Each file in `identity/` was written by the release that it is named after: sweep file -> cell -> run id. If this test
fails, either the change is a mistake, or it changes what a run computes; then raise `IDENTITY_VERSION`, say why in
CHANGELOG.md, and freeze the new ids in a file of the next release.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clt_ray.sweep.grid import cells
from clt_ray.sweep.load import load_sweep

ROOT = Path(__file__).parents[2]
RELEASES = sorted(Path(__file__).with_name("identity").glob("*.json"))


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_run_ids_of_a_release_are_unchanged(release: Path) -> None:
    for sweep, frozen in json.loads(release.read_text()).items():
        assert {cell.title: cell.run.run_id for cell in cells(load_sweep(ROOT / sweep))} == frozen, sweep
