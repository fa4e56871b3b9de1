"""In fp32 every mesh gives the torch backend's losses, for 50 steps of each architecture, with a graph per width."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.support.slice_runs import chips, elsewhere

PROGRAM = Path(__file__).parent / "losses.py"
TOLERANCE = 1e-4
"""Relative; rounding alone gives about 1e-6."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The bundled Llama, and a Cohere with its tokenizer."""
    import torch
    from transformers import CohereConfig, CohereForCausalLM

    folder = tmp_path_factory.mktemp("cohere")
    bundled = Path(str(resources.files("clt_ray.data.bundled"))) / "model"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bundled / name, folder / name)
    torch.manual_seed(0)
    config = CohereConfig(
        vocab_size=5120, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, pad_token_id=2,
        logit_scale=0.25,
    )  # fmt: skip
    CohereForCausalLM(config).save_pretrained(folder)
    return {"llama": [], "cohere": [str(folder)]}


@pytest.fixture(scope="module")
def on_cpu(models: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the torch backend records."""
    return {
        name: elsewhere(PROGRAM, 1, str(tmp_path_factory.mktemp(name)), "cpu", *arguments)
        for name, arguments in models.items()
    }


@pytest.mark.parametrize("mesh", ["1x1", "4x1", "2x2", "8x1"])
@pytest.mark.parametrize("name", ["llama", "cohere"])
def test_losses_equal_the_torch_backends_with_one_graph_per_width(
    models: dict[str, list[str]], on_cpu: dict[str, Any], name: str, mesh: str, tmp_path: Path
) -> None:
    found = elsewhere(PROGRAM, chips(mesh), str(tmp_path), mesh, *models[name])
    # All rows are shorter than 128 tokens: one width for training, one for validation.
    assert found["graphs"] == 2
    for log in ("train", "validation"):
        points = on_cpu[name][log]
        assert len(points) == {"train": 10, "validation": 2}[log]
        for (_, point), (_, expected) in zip(found[log], points, strict=True):
            compared = {key: value for key, value in expected.items() if key.endswith("loss")}
            assert {key: point[key] for key in compared} == pytest.approx(compared, rel=TOLERANCE)
