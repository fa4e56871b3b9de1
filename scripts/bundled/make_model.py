"""Makes the tiny base model that the package ships: its tokenizer, its weights, and a manifest of how they were made.

    python -m scripts.bundled.make_model

A Llama model of about a million parameters is trained from scratch on the text of `pretraining_text`, on one core, in
about ten minutes. The same seed on the same machine gives the same bits.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from scripts.bundled.corpus import BUNDLED, corpus_fingerprint
from scripts.bundled.pretraining_text import documents, tokenizer_text

MODEL_FILES = ("model.safetensors", "tokenizer.json")
"""The files of the model that determine its outputs."""
BOS, EOS, PAD = "<s>", "</s>", "<pad>"
# Numbers are separate tokens without the space before them, so that "5" is the same token in every language. Text in
# scripts without spaces is split where the script changes.
_WORDS = (
    r"\p{N}{1,2}|\p{Han}+|\p{Hiragana}+|[\p{Katakana}ー]+|"
    r" ?[\p{L}\p{M}&&[^\p{Han}\p{Hiragana}\p{Katakana}ー]]+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s"
)


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the weights."""

    seed: int = 0
    vocabulary: int = 5120
    """Number of tokens, including the 256 bytes and the special tokens."""
    hidden_size: int = 128
    """Width of the residual stream."""
    intermediate_size: int = 384
    """Width of the feed-forward layers."""
    layers: int = 3
    heads: int = 4
    """Number of attention heads, each `hidden_size / heads` wide."""
    steps: int = 2800
    rows: int = 16
    """Number of sequences per step."""
    length: int = 80
    """Length of a sequence in tokens."""
    matrix_rate: float = 1e-2
    """Peak learning rate of the weight matrices of the layers."""
    embedding_rate: float = 8e-3
    """Peak learning rate of the embeddings and norms."""


def train_tokenizer(recipe: Recipe) -> Any:
    """Trains byte-level byte-pair encoding on the words of all languages."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(_WORDS), "isolated"), to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary, special_tokens=[BOS, EOS, PAD], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(tokenizer_text(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    special = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **special, model_max_length=2048, clean_up_tokenization_spaces=False
    )


def new_model(recipe: Recipe, tokenizer: Any) -> Any:
    """Returns the model with random weights."""
    torch.manual_seed(recipe.seed)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden_size,
            intermediate_size=recipe.intermediate_size,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def batches(recipe: Recipe, tokenizer: Any) -> Iterator[Tensor]:
    """Yields the concatenated documents as blocks of token ids of shape (rows, length)."""
    stream = documents(recipe.seed + 1)
    size = recipe.rows * recipe.length
    pending: list[int] = []
    while True:
        while len(pending) < size:
            for ids in tokenizer(list(islice(stream, 256)))["input_ids"]:
                pending += [*ids, tokenizer.eos_token_id]
        yield torch.tensor(pending[:size]).view(recipe.rows, recipe.length)
        pending = pending[size:]


def _rate(step: int, recipe: Recipe) -> float:
    """Returns the factor on the peak learning rates: linear warm-up over 50 steps, then linear decay to a tenth."""
    return min(1.0, (step + 1) / 50) * (1 - 0.9 * step / recipe.steps)


def _optimizers(recipe: Recipe, model: Any) -> list[torch.optim.Optimizer]:
    """Returns Muon for the weight matrices, which needs a third of AdamW's steps here, and AdamW for the rest."""
    inner = {name: weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name}
    outer = [weight for name, weight in model.named_parameters() if name not in inner]
    return [
        torch.optim.Muon(inner.values(), lr=recipe.matrix_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(outer, lr=recipe.embedding_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def pretrain(recipe: Recipe, tokenizer: Any) -> tuple[Any, float]:
    """Returns the trained model and its mean loss over the last 50 steps in nats per token."""
    model = new_model(recipe, tokenizer)
    optimizers = _optimizers(recipe, model)
    groups = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    losses: list[float] = []
    for step, ids in enumerate(islice(batches(recipe, tokenizer), recipe.steps)):
        for group, peak in groups:
            group["lr"] = peak * _rate(step, recipe)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()
        losses.append(loss.item())
        if (step + 1) % 200 == 0:
            print(f"step {step + 1} of {recipe.steps}  loss {sum(losses[-50:]) / 50:.3f}", flush=True)
    return model, sum(losses[-50:]) / min(50, len(losses))


def model_fingerprint(folder: Path) -> str:
    """Returns the SHA-256 hash in hexadecimal of the weights and the tokenizer in a folder."""
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in MODEL_FILES)).hexdigest()


def main() -> None:
    """Writes the model and its manifest into the package, or to another folder."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=BUNDLED, help="folder for model/ and MANIFEST.json")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = Recipe(seed=arguments.seed, steps=arguments.steps)
    folder = arguments.out / "model"
    started = time.perf_counter()
    tokenizer = train_tokenizer(recipe)
    model, loss = pretrain(recipe, tokenizer)
    seconds = time.perf_counter() - started
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    manifest = {
        "corpus_fingerprint": corpus_fingerprint(),
        "model_fingerprint": model_fingerprint(folder),
        "command": f"python -m scripts.bundled.make_model --seed {recipe.seed} --steps {recipe.steps}",
        "recipe": vars(recipe),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "model_files": list(MODEL_FILES),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "training_seconds": round(seconds, 1),
        "final_loss": round(loss, 4),
    }
    (arguments.out / "MANIFEST.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
