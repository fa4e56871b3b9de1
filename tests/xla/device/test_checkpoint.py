"""Checkpoints are written while training goes on: killed halfway, failing, and never with the device."""

from __future__ import annotations

import math
import signal
import threading
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_xla
import torch_xla.debug.metrics as metrics
import torch_xla.distributed.spmd as spmd
import torch_xla.runtime as runtime
from safetensors.torch import load_file
from torch.distributed.checkpoint.filesystem import FileSystemReader

from clt_ray.errors import TornTreeError
from clt_ray.store import RunDir, Store
from clt_ray.store.files import Files
from clt_ray.store.objects import open_files
from clt_ray.training.backends.xla import attention, checkpoint
from clt_ray.training.backends.xla.graphs import compiled
from clt_ray.training.backends.xla.model import ShardedModel, load
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import MeshShape
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.checkpoints import best_until, latest_resume_point, resume_tree, weights_tree
from tests.support.slice_runs import make_run, start
from tests.support.tiny_models import save_tiny
from tests.support.trained import Interrupted, interrupt_at, quiet, recorded, train_run
from tests.support.transfers import device_reads

runtime.use_spmd()
PROGRAM = Path(__file__).parent / "halting.py"
STABLE = {"learning_rate": 1e-5}


def test_killed_while_writing_the_run_goes_on_from_the_checkpoint_before(tmp_path: Path) -> None:
    run = make_run(tmp_path, "4x1", training=STABLE)
    reference = Store(str(tmp_path / "reference")).run_dir(run.run_id)
    selection = train_run(run, reference, tmp_path / "staging", quiet)

    with start(PROGRAM, 4, str(tmp_path), "4x1", "4") as process:
        assert process.stdout is not None
        printed = (line.strip() for line in process.stdout)
        lines = list(takewhile(lambda line: line != "6", printed))
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    # Step 6 was reached with the checkpoint of step 4 half written: writing did not hold training up.
    assert lines == ["2", "4", "half"]

    directory = Store(str(tmp_path / "store")).run_dir(run.run_id)
    assert directory.names(resume_tree(4)) and resume_tree(4) not in directory.complete_trees("checkpoints/")
    point = latest_resume_point(directory, lambda step: best_until(directory, step, run))
    assert point is not None and point.step == 2
    assert train_run(run, directory, tmp_path / "staging", quiet) == selection
    for log in ("train", "validation"):
        assert recorded(directory, log) == recorded(reference, log)
    actual, expected = (
        load_file(where.open_tree(weights_tree(selection.chosen.step)) / "model.safetensors")
        for where in (directory, reference)
    )
    assert actual.keys() == expected.keys() and all(torch.equal(actual[name], expected[name]) for name in expected)


@dataclass(frozen=True)
class Full:
    """Files of a disk that has no room for one tree."""

    files: Files
    tree: str

    def __getattr__(self, name: str) -> Any:
        return getattr(self.files, name)

    def put_tree(self, staging: Path, path: str) -> None:
        if path == self.tree:
            raise OSError(28, "No space left on device")
        self.files.put_tree(staging, path)


@pytest.mark.parametrize("step", [4, 8], ids=["next save or step", "end"])
def test_a_write_that_failed_ends_the_run(tmp_path: Path, step: int) -> None:
    run = make_run(tmp_path, "4x1", training=STABLE)
    files = open_files(str(tmp_path / "store")).under(f"runs/{run.run_id}")
    directory = RunDir(Full(files, resume_tree(step)))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="No space left"):
        train_run(run, directory, tmp_path / "staging", quiet)
    assert resume_tree(step) not in directory.complete_trees("checkpoints/")
    assert resume_tree(step - 2) in directory.complete_trees("checkpoints/")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("checkpoint")]


def bytes_sent() -> float:
    """Returns the number of bytes that the host has sent to the chips so far."""
    sent = metrics.metric_data("OutboundData")
    return float(sent[1]) if sent else 0.0


def sharded(path: Path) -> tuple[ShardedModel, AdamW]:
    chips = Slice(MeshShape(2, 2))
    attention.register(chips, kernel=False)
    model = load(str(path), None, torch.bfloat16, chips, rematerialise=False)
    settings = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)
    return model, AdamW(model.parameters(), model.plan, [], settings, chips)


def test_a_copy_is_of_its_moment_and_is_written_without_the_device(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model, optimizer = sharded(checkpoints["llama"])
    optimizer.create(model.masters())
    image = checkpoint.take(model, optimizer, tmp_path)
    assert not list(tmp_path.iterdir()), "only copied yet"
    with torch.no_grad():
        for value in (*model.parameters().values(), *optimizer.tensors().values()):
            value.add_(1.0)
    torch_xla.sync()
    reads = device_reads()
    image.write_state(tmp_path)
    image.write_weights(tmp_path)
    assert device_reads() == reads
    assert not image.weights, "each is let go of once it is in a file"
    expected = load_file(checkpoints["llama"] / "model.safetensors")
    written = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(written[name], value.to(torch.bfloat16)) for name, value in expected.items())

    _, restored = sharded(checkpoints["llama"])
    restored.create_empty()
    checkpoint.restore(restored, tmp_path)
    for name, value in expected.items():
        assert torch.equal(model.chips.whole(restored.state[name].master), value)
        assert not model.chips.whole(restored.state[name].mean).any()


def test_a_tensor_with_equal_parts_on_several_chips_is_saved_once_and_restored(tmp_path: Path) -> None:
    # Two axes together do not divide 514 words, so one splits the head, and two chips hold each half of it.
    folder = save_tiny("llama", tmp_path / "model", vocab_size=514)
    model, optimizer = sharded(folder)
    assert model.plan["lm_head.weight"][0] in ("fsdp", "tensor")
    optimizer.create(model.masters())
    image = checkpoint.take(model, optimizer, None)
    image.write_state(tmp_path)
    saved: dict[str, Any] = FileSystemReader(tmp_path).read_metadata().state_dict_metadata
    for name, value in optimizer.tensors().items():
        parts = [math.prod(chunk.sizes) for chunk in saved[name].chunks]
        assert sum(parts) == value.numel()
    _, restored = sharded(folder)
    restored.create_empty()
    checkpoint.restore(restored, tmp_path)
    for name, value in load_file(folder / "model.safetensors").items():
        assert torch.equal(model.chips.whole(restored.state[name].master), value)


def test_a_host_needs_the_parts_of_its_chips_alone(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = sharded(checkpoints["llama"])
    optimizer.create(model.masters())
    checkpoint.take(model, optimizer, None).write_state(tmp_path)
    everything = of_hosts(optimizer, tmp_path, [[0, 1, 2, 3]], monkeypatch)
    hosts = of_hosts(optimizer, tmp_path, [[0, 1], [2, 3]], monkeypatch)
    assert everything[0] == hosts[0] | hosts[1]
    # Both hosts need what every chip has whole, such as norms, and half of the rest.
    split = sum(value.nbytes for name, value in optimizer.tensors().items() if optimizer.is_split(name))
    sizes = [sum(stop - start for _, start, stop in host) for host in (*hosts, hosts[0] & hosts[1], everything[0])]
    assert max(sizes[:2]) < 0.6 * sizes[3] and sizes[2] < sizes[3] - split


def of_hosts(
    optimizer: AdamW, folder: Path, hosts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> list[set[tuple[str, int, int]]]:
    """Returns the ranges of files that hosts need, each with some of the chips of this process."""
    of_all_chips, found = Slice.local_parts, []
    for chips in hosts:
        with monkeypatch.context() as patch:
            patch.setattr(Slice, "local_parts", partial(some_parts, of_all_chips, chips))
            ranges = checkpoint.needed_ranges(optimizer, folder)
        assert ranges.pop(".metadata", []) is None
        found.append({(path, *part) for path, parts in ranges.items() for part in parts or ()})
    return found


def some_parts(of_all_chips: Any, chips: list[int], value: torch.Tensor) -> list[tuple[slice, ...]]:
    parts = of_all_chips(None, value)
    return [parts[chip] for chip in chips]


def misread(of: RunDir, name: str, ranges: Any = None) -> Path:
    """Opens a tree on a host that sees damage in whatever its chips need, though the files are whole."""
    file = next((path for path, parts in (ranges or {}).items() if parts), None)
    if file is not None:
        raise TornTreeError(of.uri, file, "as this host sees it")
    return open_tree(of, name, ranges)


open_tree = RunDir.open_tree


def test_a_damaged_state_ends_one_attempt_and_the_next_goes_on_from_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, "4x1", training=STABLE)
    whole, directory = (Store(str(tmp_path / name)).run_dir(run.run_id) for name in ("whole", "store"))
    selection = train_run(run, whole, tmp_path / "staging", quiet)
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "staging", interrupt_at(6))
    with monkeypatch.context() as patch, pytest.raises(TornTreeError, match="as this host sees it"):
        patch.setattr(RunDir, "open_tree", misread)
        train_run(run, directory, tmp_path / "staging", quiet)
    assert resume_tree(4) in directory.complete_trees("checkpoints/"), "process 0 has found it whole"

    (file,) = directory.open_tree(resume_tree(4)).glob("*.distcp")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(TornTreeError, match="its marker says"):
        train_run(run, directory, tmp_path / "staging", quiet)
    assert resume_tree(4) not in directory.complete_trees("checkpoints/")
    assert train_run(run, directory, tmp_path / "staging", quiet) == selection
    for log in ("train", "validation"):
        assert recorded(directory, log) == recorded(whole, log)


def test_only_the_best_weights_are_exported_and_a_run_resumes_without_those_of_its_step(
    tmp_path: Path,
) -> None:
    # The loss falls, so by the largest loss, which a sweep file may not ask for, the first validation stays the best.
    run = make_run(tmp_path, "4x1", training=STABLE)
    run = replace(run, selection=run.selection.model_copy(update={"mode": "max"}))
    whole, directory = (Store(str(tmp_path / name)).run_dir(run.run_id) for name in ("whole", "store"))
    selection = train_run(run, whole, tmp_path / "staging", quiet)
    assert selection.chosen.step == 2
    with pytest.raises(Interrupted):
        train_run(run, directory, tmp_path / "staging", interrupt_at(6))
    assert directory.complete_trees("checkpoints/") == [resume_tree(2), resume_tree(4), weights_tree(2)]
    assert train_run(run, directory, tmp_path / "staging", quiet) == selection
    assert directory.complete_trees("checkpoints/") == [weights_tree(2)]
    for log in ("train", "validation"):
        assert recorded(directory, log) == recorded(whole, log)


def test_gathering_compiles_a_graph_for_each_shape_and_partition_once(checkpoints: dict[str, Path]) -> None:
    model, _ = sharded(checkpoints["llama"])
    kinds = {(tuple(value.shape), model.plan[name]) for name, value in model.parameters().items()}
    before = compiled()
    gathered = {name: model.chips.gather(value) for name, value in model.parameters().items()}
    assert compiled() - before == len(kinds) < len(gathered)
    for name, value in model.parameters().items():
        assert torch.equal(model.chips.gather(value), gathered[name])
    assert compiled() - before == len(kinds)
    expected = load_file(checkpoints["llama"] / "model.safetensors")
    assert all(torch.equal(value, expected[name].to(torch.bfloat16)) for name, value in gathered.items())


def test_the_state_starts_as_zeros_that_the_host_never_has(checkpoints: dict[str, Path]) -> None:
    model, optimizer = sharded(checkpoints["llama"])
    sent = bytes_sent()
    optimizer.create_empty()
    # The number zero in fp32 for each of the four chips, unless this process has sent it before.
    assert bytes_sent() - sent <= 4 * 4
    for name, value in optimizer.tensors().items():
        assert not model.chips.whole(value).any()
        parts = {str(shard.indices) for shard in spmd.wrap_if_sharded(value).local_shards}
        assert (len(parts) > 1) == optimizer.is_split(name)


def test_only_the_host_that_writes_the_weights_keeps_them(checkpoints: dict[str, Path]) -> None:
    model, optimizer = sharded(checkpoints["cohere"])
    optimizer.create(model.masters())
    assert checkpoint.take(model, optimizer, None).weights == {}


def test_without_room_for_a_copy_the_weights_are_written_as_they_are_gathered(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    model, optimizer = sharded(checkpoints["llama"])
    optimizer.create(model.masters())
    image = checkpoint.take(model, optimizer, tmp_path, available=1000)
    assert not image.weights
    expected = load_file(checkpoints["llama"] / "model.safetensors")
    written = load_file(tmp_path / "model.safetensors")
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[name], value.to(torch.bfloat16)) for name, value in expected.items())
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    image.write_weights(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before
