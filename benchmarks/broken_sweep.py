"""Breaks a sweep on an autoscaled cluster, and prints what happened as a transcript and as JSON.

    unshare -n bash -c 'ip link set lo up; exec .venv/bin/python benchmarks/broken_sweep.py'

Ray's autoscaler grows a cluster of this machine from no workers to two. Meanwhile the command that executes the sweep
is killed three times with everything that it has started (SIGKILL), and two nodes are killed while runs train on them.
In the end the scores of every run are compared with those of a sweep that nobody disturbed. Nodes are processes, so
the disks and clocks of the machines that a cloud takes away are missing here, and a new node starts within seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import ray

sys.path.insert(0, str(Path(__file__).parents[1]))

from _result import emit
from clt_ray.store import Store
from tests.support.autoscaled import ADDRESS, start_head, workers
from tests.support.sweeps import sweep, write

COMMAND_KILLS, NODE_KILLS, NODES = 3, 2, 2
SIZES = (0, 2, 4, 6, 8, 10)
CLT_RAY = [sys.executable, "-m", "clt_ray"]
PAUSE = threading.Event()


class Transcript:
    """Lines with the time since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        seconds = int(time.monotonic() - self._began)
        for line in text.splitlines():
            print(f"{seconds // 60:2d}:{seconds % 60:02d}  {line}", file=sys.stderr, flush=True)


def nodes_with_work() -> list[int]:
    """Returns the processes of the worker nodes (raylets) that execute a worker of Ray Train."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if entry.name.isdigit():
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    busy = {parents[process] for process, command in commands.items() if "RayTrainWorker" in command}
    return [process for process in busy if "raylet" in commands.get(process, "")]


class Sweep:
    """The sweep that is broken, as `clt-ray status` sees it."""

    def __init__(self, path: str, storage: Path) -> None:
        self.path, self.storage = path, storage

    def runs(self) -> list[dict[str, Any]]:
        command = [*CLT_RAY, "status", self.path, "--storage", str(self.storage), "--json"]
        answer = subprocess.run(command, capture_output=True, text=True).stdout
        return list(json.loads(answer)["runs"]) if answer else []

    def count(self, state: str) -> int:
        return sum(run["state"] == state for run in self.runs())

    def trains(self) -> bool:
        store = Store(str(self.storage))
        documents = [store.run_dir(run["run_id"]).status() for run in self.runs() if run["state"] == "running"]
        return any(document.step > 0 for document in documents if document)

    def __str__(self) -> str:
        states = [run["state"] for run in self.runs()]
        return ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))


def end(process: subprocess.Popen[str]) -> None:
    """Kills the command and every process that it has started on this machine, as a lost machine does."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == process.pid:
                os.kill(int(entry.name), signal.SIGKILL)
    process.wait()


def wait(condition: Callable[[], Any], process: subprocess.Popen[str]) -> bool:
    """Waits until the condition holds; returns False when the command ended before."""
    while process.poll() is None:
        if condition():
            return True
        PAUSE.wait(0.5)
    return False


def execute(sweep: Sweep, transcript: Transcript) -> dict[str, int]:
    """Executes the sweep until it ends by itself; returns what was killed, and the exit status."""
    done = {"commands_killed": 0, "nodes_killed": 0}
    while True:
        command = [*CLT_RAY, "run", sweep.path, "--storage", str(sweep.storage), "--address", ADDRESS]
        transcript.say(f"$ clt-ray run {Path(sweep.path).name} --storage STORAGE --address {ADDRESS}")
        before = sweep.count("finished")
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
            if done["nodes_killed"] < NODE_KILLS and wait(lambda: nodes_with_work() and sweep.trains(), process):
                transcript.say(f"[{workers()} nodes; runs: {sweep}]")
                os.kill(nodes_with_work()[0], signal.SIGKILL)
                done["nodes_killed"] += 1
                transcript.say("[killed a node on which a run trains]")
            if done["commands_killed"] < COMMAND_KILLS and wait(partial(has_more, sweep, before), process):
                transcript.say(f"[{workers()} nodes; runs: {sweep}]")
                end(process)
                done["commands_killed"] += 1
                transcript.say("[killed the command and every process that it has started]")
                continue
            code = process.wait()
            log.seek(0)
            text = log.read().replace(str(sweep.storage), "STORAGE").replace(sweep.path, Path(sweep.path).name)
            transcript.say(text)
            transcript.say(f"[exit status {code}]")
            return done | {"exit_status": code}


def has_more(sweep: Sweep, before: int) -> bool:
    """Returns whether a run has finished, and another one trains."""
    return sweep.count("finished") > before and sweep.trains()


def scores(storage: Path) -> pd.DataFrame:
    frame = pd.concat(pd.read_csv(file, dtype=str, keep_default_na=False) for file in storage.glob("runs/*/scores.csv"))
    return frame.sort_values(list(frame.columns)).reset_index(drop=True)


def main() -> None:
    transcript = Transcript()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        changes = {"grid": {"samples_per_language": list(SIZES)}, "english_samples": 64, "training": {"epochs": 3}}
        path = write(folder / "sweep.yaml", sweep(name="broken", **changes))
        # Ray prints the end of the log of every node that dies on the standard output, which is for the figures.
        with contextlib.redirect_stdout(io.StringIO()):
            head = start_head(folder, NODES)
            began = time.monotonic()
            transcript.say(f"[a head without CPUs, an autoscaler that may start {NODES} nodes, {workers()} nodes]")
            done = execute(Sweep(path, folder / "store"), transcript)
            seconds = time.monotonic() - began
            deadline = time.monotonic() + 120
            while workers() and time.monotonic() < deadline:
                PAUSE.wait(0.5)
            transcript.say(f"[{workers()} nodes: the autoscaler has taken them back]")
            ray.shutdown()
            head.terminate()
            head.wait()
        alone = [*CLT_RAY, "run", path, "--storage", str(folder / "alone")]
        subprocess.run(
            alone, check=True, capture_output=True, env={k: v for k, v in os.environ.items() if "RAY" not in k}
        )
        broken, unbroken = scores(folder / "store"), scores(folder / "alone")
        different = int((broken != unbroken).any(axis=1).sum()) if len(broken) == len(unbroken) else len(unbroken)
        transcript.say(f"[{len(unbroken)} rows of scores, {different} differ from a sweep that nobody disturbed]")
        figures = {"runs": len(SIZES), **done, "seconds": round(seconds)}
        emit("broken_sweep", figures | {"rows_of_scores": len(unbroken), "rows_that_differ": different})


if __name__ == "__main__":
    main()
