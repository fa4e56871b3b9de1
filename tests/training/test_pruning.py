"""Pruning keeps what a run needs to go back to either of its last two resume points."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from clt_ray.store import Store
from clt_ray.training.checkpoints import (
    best_until,
    keep_only,
    latest_resume_point,
    prune,
    resume_tree,
    steps_of,
    weights_tree,
)
from tests.support.trained import last_run

LOSSES = {50: 1.0, 100: 2.0, 150: 2.0, 200: 0.5}


@pytest.mark.parametrize("states_alone", [False, True])
def test_a_new_best_does_not_cost_the_resume_point_before_it(tmp_path: Path, states_alone: bool) -> None:
    run = last_run(tmp_path)
    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    for step, loss in LOSSES.items():
        directory.append_metrics("validation", step, {run.selection.metric: loss, "val/loss": loss})
        trees = [resume_tree(step)]
        if not states_alone or best_until(directory, step, run) == step:
            trees.append(weights_tree(step))
        for tree in trees:
            (tmp_path / "staging").mkdir()
            (tmp_path / "staging" / "file").write_text(tree)
            directory.commit_tree(tmp_path / "staging", tree)
        prune(directory, run, states_alone=states_alone)
    assert steps_of(directory, "resume") == {150, 200}
    # 50 is the best up to 150, 200 the best of all.
    assert steps_of(directory, "weights") == ({50, 200} if states_alone else {50, 150, 200})

    (directory.open_tree(resume_tree(200)) / "file").write_text("damage of the newest")
    files = ["file"] if states_alone else None
    point = latest_resume_point(directory, partial(best_until, directory, run=run), files=files)
    assert point is not None and point.step == 150 and (point.weights is None) == states_alone

    keep_only(directory, 200)
    assert directory.complete_trees("checkpoints/") == [weights_tree(200)]
