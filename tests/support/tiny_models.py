"""Tiny checkpoints of several architectures, untrained, with the tokenizer of the bundled model."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

BUNDLED = Path(str(resources.files("clt_ray.data.bundled"))) / "model"
SIZES: dict[str, Any] = {
    "vocab_size": 5120, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip
SLIDING = ["sliding_attention", "full_attention"]
"""One layer with a sliding window, one without."""
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "llama": {},
    "cohere": {"logit_scale": 0.25},
    "qwen3": {"head_dim": 32, "tie_word_embeddings": True, "initializer_range": 0.1},
    "gemma3_text": {
        "head_dim": 32, "query_pre_attn_scalar": 64, "sliding_window": 12, "layer_types": SLIDING,
        "initializer_range": 0.1,
    },
}  # fmt: skip
"""Per architecture (`model_type`), its differences from `SIZES`.

The larger initial weights of the last two let every part of the architecture show in the loss: leaving out Gemma 3's
embedding scale, sliding window or attention scale changes it by 7e-3, 2e-3 and 7e-4 of its value.
"""


def save_tiny(architecture: str, folder: Path, **changes: Any) -> Path:
    """Writes a checkpoint and returns its folder.

    Args:
        architecture: One of `CONFIGURATIONS`.
        folder: Created.
        changes: Further differences from `SIZES`.
    """
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    torch.manual_seed(0)
    config = CONFIG_MAPPING[architecture](**{**SIZES, **CONFIGURATIONS[architecture], **changes})
    model = AutoModelForCausalLM.from_config(config)
    # Norms start at 0 or 1 everywhere; other values show whether each is applied, and in the right way.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(BUNDLED / name, folder / name)
    return folder
