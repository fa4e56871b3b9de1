"""The training step: no reads between logs, bf16 with fp32 masters, remat, and the tripwire."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch_xla
import torch_xla.runtime as runtime

from clt_ray.training.backends.xla import attention
from clt_ray.training.backends.xla.graphs import Computation, GraphBook, RecompilationError
from clt_ray.training.backends.xla.model import load
from clt_ray.training.backends.xla.optimizer import AdamW, AdamWSettings
from clt_ray.training.backends.xla.plan import MeshShape
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.backends.xla.step import TrainStep
from tests.support.transfers import device_reads

runtime.use_spmd()
SETTINGS = AdamWSettings(beta1=0.9, beta2=0.999, weight_decay=0.0, max_norm=1.0)


def make_step(path: Path, dtype: torch.dtype, *, rematerialise: bool = False) -> TrainStep:
    chips = Slice(MeshShape(2, 2))
    attention.register(chips, kernel=False)
    model = load(str(path), None, dtype, chips, rematerialise=rematerialise)
    optimizer = AdamW(model.parameters(), model.plan, [], SETTINGS, chips)
    optimizer.create(model.masters())
    return TrainStep(model, optimizer, GraphBook())


def batch(width: int = 64, seed: int = 0) -> dict[str, torch.Tensor]:
    ids = torch.randint(3, 512, (4, width), generator=torch.Generator().manual_seed(seed), dtype=torch.int32)
    labels = ids.clone()
    labels[:, :10] = -100
    return {"input_ids": ids, "labels": labels}


def losses(step: TrainStep, count: int = 4, rate: float = 1e-3) -> list[float]:
    values = []
    for number in range(1, count + 1):
        step(batch(seed=number), 4 * 54, rate, number)
        values.append(step.read().loss)
        step.restart_mean()
    return values


def test_nothing_is_read_from_the_device_until_asked(checkpoints: dict[str, Path]) -> None:
    step = make_step(checkpoints["llama"], torch.float32)
    # The second step compares its graph, and the numbers in it, with those of the first.
    losses(step, 2)
    before = device_reads()
    for number in range(3, 8):
        step(batch(seed=number), 4 * 54, 1e-3, number)
    assert device_reads() == before
    assert step.read().updates == 7
    assert device_reads() == before + 1


def test_the_mean_of_the_log_window_is_that_of_its_steps(checkpoints: dict[str, Path]) -> None:
    single = losses(make_step(checkpoints["llama"], torch.float32), 3)
    step = make_step(checkpoints["llama"], torch.float32)
    for number in range(1, 4):
        step(batch(seed=number), 4 * 54, 1e-3, number)
    assert step.read().loss == pytest.approx(sum(single) / 3, rel=1e-6)


def test_recomputed_activations_change_nothing(checkpoints: dict[str, Path]) -> None:
    plain = losses(make_step(checkpoints["cohere"], torch.float32))
    again = losses(make_step(checkpoints["cohere"], torch.float32, rematerialise=True))
    assert again == pytest.approx(plain, rel=1e-5)


def test_small_updates_of_bf16_parameters_add_up_in_their_masters(checkpoints: dict[str, Path]) -> None:
    step = make_step(checkpoints["llama"], torch.bfloat16)
    name = "model.layers.0.mlp.up_proj.weight"
    chips, parameter = step.model.chips, step.model.parameters()[name]
    start = chips.whole(step.optimizer.state[name].master)
    rate = 1e-6  # Far below the resolution of bf16 at the size of a weight.
    losses(step, 8, rate)
    master = chips.whole(step.optimizer.state[name].master)
    moved = (master - start).abs().mean().item()
    assert rate < moved < 9 * rate
    assert parameter.dtype == torch.bfloat16 and master.dtype == torch.float32
    assert torch.equal(chips.whole(parameter.detach()), master.to(torch.bfloat16))


def test_another_learning_rate_needs_no_graph_and_another_width_needs_one(checkpoints: dict[str, Path]) -> None:
    step = make_step(checkpoints["llama"], torch.float32)
    for number, rate in enumerate((1e-3, 0.0, 1.0, 3e-4), start=1):
        step(batch(), 4 * 54, rate, number)
    step(batch(width=128), 4 * 118, 1e-3, 5)
    assert list(step.graphs.programs) == ["train (4, 64)", "train (4, 128)"]


def test_steps_are_recorded_twice_and_then_repeated(
    checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = make_step(checkpoints["llama"], torch.float32), 0
    hidden_states = step.model.hidden_states

    def counted(ids: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return hidden_states(ids)

    monkeypatch.setattr(step.model, "hidden_states", counted)
    repeated = losses(step, 6)
    assert calls == 2
    # A new book for every step, so that each is recorded.
    recorded = make_step(checkpoints["llama"], torch.float32)
    for number, loss in enumerate(repeated, start=1):
        recorded.graphs = GraphBook()
        recorded(batch(seed=number), 4 * 54, 1e-3, number)
        assert recorded.read().loss == loss
        recorded.restart_mean()


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (lambda value: value * 3.0, "a number in it was 2.0 before and is 3.0"),
        (lambda value: value * 2.0 + value, "its operations differ"),
    ],
)
def test_a_value_that_became_part_of_the_graph_is_an_error(
    second: Callable[[torch.Tensor], torch.Tensor], why: str
) -> None:
    graphs, value = GraphBook(), Slice(MeshShape(2, 2)).put(torch.ones(4))
    graphs.run(Computation("scale (4,)", 1, lambda: [value * 2.0], [value]))
    with pytest.raises(RecompilationError, match=rf"scale \(4,\) at step 2: {why}"):
        graphs.run(Computation("scale (4,)", 2, lambda: [second(value)], [value]))


def test_a_tensor_that_the_program_would_keep_is_an_error(checkpoints: dict[str, Path]) -> None:
    graphs, chips = GraphBook(), Slice(MeshShape(2, 2))
    given, forgotten = chips.put(torch.ones(4)), chips.put(torch.ones(4))

    def add() -> list[torch.Tensor]:
        return [given + forgotten]

    graphs.run(Computation("add", 1, add, [given]))
    with pytest.raises(RecompilationError, match=r"add at step 2: it reads a tensor of shape \(4,\) that is not given"):
        graphs.run(Computation("add", 2, add, [given]))


def test_what_a_step_replaces_takes_no_second_copy_on_the_chips(checkpoints: dict[str, Path]) -> None:
    graphs, chips = GraphBook(), Slice(MeshShape(2, 2))
    total, one = chips.put(torch.zeros(4, 4), ("fsdp", None)), chips.put(torch.ones(4, 4), ("fsdp", None))
    (old,) = torch_xla._XLAC._get_tensors_xla_device_data_node([total])[1]
    for number in range(1, 5):
        graphs.run(Computation("add", number, lambda: [total.add_(one).sum()], [one], [total]))
    assert torch.equal(chips.whole(total), torch.full((4, 4), 4.0))
    with pytest.raises(RuntimeError, match="HasValue"):
        old.cpu()


def test_an_optimizers_state_is_split_like_its_parameters(checkpoints: dict[str, Path]) -> None:
    step = make_step(checkpoints["cohere"], torch.bfloat16)
    losses(step, 2)
    parameters = step.model.parameters()
    for name, moments in step.optimizer.state.items():
        expected = torch_xla._XLAC._get_xla_sharding_spec(parameters[name])
        for tensor in (moments.master, moments.mean, moments.square):
            assert torch_xla._XLAC._get_xla_sharding_spec(tensor) == expected, name
