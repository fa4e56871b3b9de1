"""The context length of a model."""


def context_length(location: str, revision: str | None = None) -> int | None:
    """Returns the number of positions in a model's configuration; None when it has no limit."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(location, revision=revision)
    positions = getattr(config, "max_position_embeddings", None)
    return int(positions) if positions else None
