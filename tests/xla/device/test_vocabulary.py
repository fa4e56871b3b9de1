"""Embedding and loss in chunks of the vocabulary equal torch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch
import torch_xla
import torch_xla.runtime as runtime

from clt_ray.training.backends.xla import vocabulary
from clt_ray.training.backends.xla.plan import BATCH, HIDDEN, MeshShape
from clt_ray.training.backends.xla.slice import Slice
from clt_ray.training.backends.xla.vocabulary import look_up, nll_per_row, summed_nll

runtime.use_spmd()
ROWS, TOKENS, HIDDEN_SIZE, WORDS, SCALE = 4, 12, 8, 40, 0.5
MESHES = pytest.mark.parametrize("mesh", [MeshShape(4, 1), MeshShape(2, 2)], ids=str)


@pytest.fixture(autouse=True)
def several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "CHUNK_TOKENS", ROWS * 4)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def draw_labels() -> torch.Tensor:
    labels = torch.randint(0, WORDS, (ROWS, TOKENS), generator=torch.Generator().manual_seed(2))
    labels[:, :3] = -100
    labels[2] = -100
    return labels


def expected(hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    logits = hidden[:, :-1] @ head.T * SCALE
    return torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), labels[:, 1:], ignore_index=-100, reduction="none"
    ).sum(dim=1)


@MESHES
def test_the_loss_and_its_gradients(mesh: MeshShape) -> None:
    chips, labels = Slice(mesh), draw_labels()
    hidden, head = draw(ROWS, TOKENS, HIDDEN_SIZE).requires_grad_(), draw(WORDS, HIDDEN_SIZE).requires_grad_()
    (expected(hidden, head, labels).sum() * 3).backward()
    hidden_on_chips = chips.put(hidden.detach(), HIDDEN).requires_grad_()
    head_on_chips = chips.put(head.detach()).requires_grad_()
    total = summed_nll(chips, hidden_on_chips, head_on_chips, chips.put(labels, BATCH), SCALE)
    (total * 3).backward()
    torch_xla.sync()
    torch.testing.assert_close(total.cpu(), expected(hidden, head, labels).sum(), rtol=1e-5, atol=1e-5)
    assert hidden_on_chips.grad is not None and head_on_chips.grad is not None
    torch.testing.assert_close(hidden_on_chips.grad.cpu(), hidden.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(head_on_chips.grad.cpu(), head.grad, rtol=1e-4, atol=1e-6)


@MESHES
def test_the_loss_of_each_row(mesh: MeshShape) -> None:
    chips, labels = Slice(mesh), draw_labels()
    hidden, head = draw(ROWS, TOKENS, HIDDEN_SIZE), draw(WORDS, HIDDEN_SIZE)
    rows = nll_per_row(chips, chips.put(hidden, HIDDEN), chips.put(head), chips.put(labels, BATCH), SCALE)
    assert rows.cpu().tolist() == pytest.approx(expected(hidden, head, labels).tolist(), rel=1e-5)
    assert rows.cpu()[2] == 0


@MESHES
def test_looking_up_is_exact_and_its_gradient_adds_up_over_tokens(mesh: MeshShape) -> None:
    chips, table = Slice(mesh), draw(WORDS, HIDDEN_SIZE).requires_grad_()
    ids = torch.randint(0, WORDS, (ROWS, TOKENS), generator=torch.Generator().manual_seed(5))
    weights = draw(ROWS, TOKENS, HIDDEN_SIZE)
    vectors_on_host = torch.nn.functional.embedding(ids, table)
    (vectors_on_host * weights).sum().backward()
    table_on_chips = chips.put(table.detach()).requires_grad_()
    vectors = look_up(chips, table_on_chips, chips.put(ids, BATCH))
    (vectors * chips.put(weights, HIDDEN)).sum().backward()
    torch_xla.sync()
    assert torch.equal(vectors.detach().cpu(), vectors_on_host.detach())
    assert table_on_chips.grad is not None
    torch.testing.assert_close(table_on_chips.grad.cpu(), table.grad, rtol=1e-5, atol=1e-6)


def test_chunks_cover_all_tokens_in_equal_parts() -> None:
    assert vocabulary.chunks(ROWS, TOKENS) == [slice(0, 4), slice(4, 8), slice(8, 12)]
    assert vocabulary.chunks(1, 7) == [slice(0, 7)]
    assert vocabulary.chunks(100, 5) == [slice(start, start + 1) for start in range(5)]
