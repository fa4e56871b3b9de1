"""Measures how long it takes to plan a sweep of 10,000 runs: expansion, content hashes, identities, actions and JSON.

    python benchmarks/plan.py > benchmarks/results/plan.json

The baseline derives every identity from the run's complete document, without reusing the text of equal sections.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from _result import emit
from clt_ray.sweep import Plan, RunSpec, cells, expand, identity, make_plan, parse_sweep
from clt_ray.sweep.identity import canonical_json

REPEATS = 5

SWEEP = {
    "name": "scale",
    "seeds": list(range(100)),
    "grid": {"model": ["llama-3.1-8b"], "task": ["math"], "samples_per_language": list(range(100))},
    "hardware": {"accelerator": "TPU-V5LITEPOD", "topology": "8x8", "mesh": "64x1"},
}


def main() -> None:
    spec = parse_sweep(SWEEP)
    runs = expand(spec)

    def planned() -> Plan:
        return make_plan([(spec.name, cells(spec))], {})

    figures = {
        "runs": float(len(runs)),
        "expand_and_hash_seconds": median_seconds(lambda: expand(spec)),
        "plan_seconds": median_seconds(planned),
        "plan_to_json_text_seconds": median_seconds(lambda: json.dumps(planned().to_json())),
        "hash_seconds": median_seconds(lambda: [identity.run_id(run) for run in runs]),
    }
    emit("plan", figures, {"hash_seconds": median_seconds(lambda: [hash_whole(run) for run in runs])})


def hash_whole(run: RunSpec) -> str:
    """Returns the identity of a run as the hash of its complete canonical document."""
    return sha256(canonical_json(run.to_dict()).encode()).hexdigest()[:16]


def median_seconds(work: Callable[[], Any]) -> float:
    """Returns the median wall time of several executions, in seconds."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
