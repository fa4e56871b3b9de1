"""The model families of docs/extend.md with the chat formats of the released models."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import pytest
from transformers import AutoTokenizer

from clt_ray.data.formatting import IGNORED, encode, encode_prompt, end_of_turn_id
from clt_ray.training.model import with_variables
from tests.support.local_rows import to_row
from tests.support.recipes import recipe_files
from tests.support.tiny_models import BUNDLED


def released_tokenizer(template: str, markers: list[str], variables: Mapping[str, bool | str]) -> Any:
    """Returns the bundled tokenizer with a released chat format, as TRL keeps it, and variables of a family."""
    tokenizer = AutoTokenizer.from_pretrained(BUNDLED)
    tokenizer.add_special_tokens({"additional_special_tokens": markers})
    text = (resources.files("trl") / "chat_templates" / template).read_text()
    tokenizer.chat_template = with_variables(text, variables)
    return tokenizer


def declared_family(package: str, module: str, name: str) -> Any:
    """Executes the module of a package on the page and returns the family that it declares."""
    namespace: dict[str, Any] = {}
    exec(recipe_files(package)[module], namespace)
    return namespace[name]


QWEN3 = declared_family("clt-ray-qwen3", "clt_ray_qwen3.py", "QWEN3")
GEMMA3 = declared_family("clt-ray-gemma3", "clt_ray_gemma3.py", "GEMMA3")


@pytest.mark.parametrize(
    ("template", "markers", "variables", "opening"),
    [
        ("qwen3.jinja", ["<|im_start|>", "<|im_end|>"], QWEN3.chat_arguments, "assistant\n<think>\n\n</think>\n\n"),
        ("gemma3.jinja", ["<start_of_turn>", "<end_of_turn>"], GEMMA3.chat_arguments, "model\n"),
    ],
    ids=["qwen3", "gemma3"],
)
def test_a_row_in_the_released_chat_format_trains_on_the_answer_alone(
    template: str, markers: list[str], variables: Mapping[str, bool | str], opening: str
) -> None:
    tokenizer = released_tokenizer(template, markers, variables)
    row = to_row({"question": "2 + 2?", "answer": "The answer is 4."}, "math", "en", default_id="0")
    prompt, encoded = encode_prompt(row, tokenizer), encode(row, tokenizer, 1_000)
    assert tokenizer.decode(prompt).endswith(opening)
    assert encoded.input_ids[: len(prompt)] == prompt
    learned = tokenizer.decode([label for label in encoded.labels if label != IGNORED])
    assert learned.rstrip() == f"The answer is 4.{markers[1]}"
    assert end_of_turn_id(tokenizer) == tokenizer.convert_tokens_to_ids(markers[1])


def test_without_the_family_qwen_3_would_train_on_an_empty_reasoning_block() -> None:
    tokenizer = released_tokenizer("qwen3.jinja", ["<|im_start|>", "<|im_end|>"], {})
    row = to_row({"question": "2 + 2?", "answer": "The answer is 4."}, "math", "en", default_id="0")
    learned = [label for label in encode(row, tokenizer, 1_000).labels if label != IGNORED]
    assert tokenizer.decode(learned).startswith("<think>")
