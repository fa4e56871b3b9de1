"""Measures whether a sweep of very many runs becomes slower or takes more memory as it goes on.

    PYTHONPATH=. python benchmarks/many_runs.py > benchmarks/results/many_runs.json

The runs are trivial: everything around them is real, but a trial writes the records of a finished run itself, instead
of starting a Ray Train run. `tests/support/trivial_runs.py` says what is not seen that way. Two runs are executed at a
time, on the local cluster that `clt-ray run` starts. The baseline is an earlier hundred of the same sweep: the second
one, since processes still load modules in the first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from _result import emit
from tests.support.trivial_runs import Observed, execute

PART = 100


def figures(observed: Observed, first: int) -> dict[str, float]:
    """Returns what a hundred runs took, and the memory at their end."""
    last = observed.at(first + PART)
    return {
        "seconds_per_run": observed.seconds_per_run(first, first + PART),
        "cpu_seconds_per_run_of_supervisor_and_driver": sum(observed.cpu_seconds_per_run(first, first + PART)),
        "supervisor_megabytes": last.supervisor_bytes / 1e6,
        "driver_megabytes": last.driver_bytes / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    count = parser.parse_args().runs
    with TemporaryDirectory() as folder:
        observed = execute(Path(folder), count)
    emit("many_runs", {"runs": float(count)} | figures(observed, count - PART), figures(observed, PART))


if __name__ == "__main__":
    main()
