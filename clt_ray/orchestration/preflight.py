"""What the nodes of a cluster are asked before the first run starts: whether a run could train there.

Every node that has CPUs is asked at once, by a task that reserves nothing. Nodes that come later ask themselves, when
the first worker starts there; see `worker.agree`.
"""

import logging
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clt_ray.errors import ConfigurationError, Problem
from clt_ray.orchestration.slices import hosts_and_resources
from clt_ray.pipeline import package_versions
from clt_ray.store.probe import read_probe
from clt_ray.sweep.catalog import BUNDLED
from clt_ray.sweep.run import RunSpec
from clt_ray.sweep.sections import is_path
from clt_ray.training.model import parameter_count

log = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0
"""Longest wait for the answers. What a node that does not answer lacks, its workers find out."""
STATE_BYTES, WEIGHT_BYTES = 12, 4
"""Bytes per parameter of a resume point (fp32 weights, two moments of AdamW) and of exported weights."""


@dataclass(frozen=True)
class Needs:
    """What the runs of a sweep need on every node that trains them."""

    storage: str
    """URI of the store."""
    probe: str
    """Token of a file in the storage; see `write_probe`."""
    versions: Mapping[str, str]
    """Version of each package on the node that executes the sweep."""
    paths: tuple[str, ...] = ()
    """Local folders of models and rows."""
    models: tuple[tuple[str, str | None], ...] = ()
    """Name and revision of each model from the Hub."""
    disk_bytes: int = 0
    """Largest checkpoint that one process writes to the disk before it goes to the storage."""

    @classmethod
    def of(cls, runs: Sequence[RunSpec], storage: str, probe: str, versions: Mapping[str, str]) -> Self:
        """Returns what these runs need."""
        models = {run.model.name: run.model for run in runs}.values()
        hub = {(m.source, m.revision) for m in models if not is_path(m.source) and m.source != BUNDLED}
        roots = {source.root for run in runs for source in run.data.values() if source.root}
        paths = {model.source for model in models if is_path(model.source)} | roots
        disk = 0
        for place in {(run.model.name, place.hardware): place for run in runs for place in run.placements}.values():
            hosts = hosts_and_resources(place.hardware)[0] if place.hardware.is_tpu else 1
            disk = max(disk, round((parameter_count(place.model) or 0) * (STATE_BYTES / hosts + WEIGHT_BYTES)))
        return cls(storage, probe, versions, tuple(sorted(paths)), tuple(sorted(hub, key=str)), disk)


def differences(storage: str, probe: str, versions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields in what this node differs from the one that executes the sweep, as clauses, each with the remedy."""
    if not read_probe(storage, probe):
        remedy = "give a folder that all nodes share, or a bucket such as gs://BUCKET/clt-runs, as --storage"
        yield f"does not see the storage {storage} of the sweep", remedy
    here = package_versions()
    changed = [name for name, version in versions.items() if version != here[name]]
    if changed:
        pairs = ", ".join(f"{name} {here[name]} instead of {versions[name]}" for name in changed)
        yield f"has {pairs}", "install the same versions on all nodes"


def lacks(needs: Needs) -> list[tuple[str, str]]:
    """Returns what keeps runs from training on this node, as clauses, each with the remedy."""
    found = list(differences(needs.storage, needs.probe, needs.versions))
    for path in needs.paths:
        if not Path(path).expanduser().exists():
            found.append((f"does not have {path}", "put it into a folder that all nodes share"))
    for name, revision in needs.models:
        error = _unreadable(name, revision)
        if error:
            remedy = "accept its licence and set HF_TOKEN, download it beforehand, or give its folder as the source"
            found.append((f"cannot read the model {name} ({error})", remedy))
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < needs.disk_bytes:
        gigabytes = f"{free / 1e9:.1f} GB free in {folder}, and a checkpoint takes {needs.disk_bytes / 1e9:.1f} GB"
        found.append((f"has {gigabytes}", "make room, or set TMPDIR to a folder on a larger disk"))
    return found


def _unreadable(name: str, revision: str | None) -> str:
    """Why a model of the Hub cannot be read here, in one line; empty where it can."""
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(name, "config.json", revision=revision)
    except Exception as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
    return ""


def check_nodes(needs: Needs, is_local: bool) -> None:
    """Refuses a cluster of which some node could not train.

    Raises:
        ConfigurationError: For each such node, what it lacks and what to do.
    """
    answers = [(socket.gethostname(), lacks(needs))] if is_local else _answers(needs)
    problems = [Problem("node", node, None, *found) for node, lacking in answers for found in lacking]
    if problems:
        raise ConfigurationError(problems)


def _answers(needs: Needs) -> list[tuple[str, list[tuple[str, str]]]]:
    """The name of each node that answered, and what it lacks. Nodes may have equal names."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task: Any = ray.remote(num_cpus=0, max_retries=0)(lacks)
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("CPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[task.options(scheduling_strategy=there).remote(needs)] = node["NodeManagerHostname"]
    if not asked:
        return []
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_SECONDS)
    answers: list[tuple[str, list[tuple[str, str]]]] = []
    for answer in ready:
        node = asked[answer]
        try:
            answers.append((node, ray.get(answer)))
        except (ray.exceptions.RayTaskError, ray.exceptions.RuntimeEnvSetupError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            answers.append((node, [(f"cannot load clt-ray ({lines[-1]})", "install it there with the same extras")]))
        except ray.exceptions.RayError as error:
            log.warning("node %s did not answer: %s", node, error)
    for answer in late:
        log.warning("node %s has not answered in %.0f s", asked[answer], ANSWER_SECONDS)
    return answers
