"""How many tokens a model can attend to."""

from __future__ import annotations


def context_length(location: str, revision: str | None = None) -> int | None:
    """Positions of a model, as its configuration says; None when it names no limit.

    Args:
        location: Directory or hub name.
        revision: Branch, tag or commit of a hub model.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(location, revision=revision)
    positions = getattr(config, "max_position_embeddings", None)
    return int(positions) if positions else None
