"""Copies of the bundled tokenizer that write conversations as well-known instruct models do."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer

from clt_ray.sweep.sections import ModelSpec
from clt_ray.training.model import location

LLAMA = """\
{%- if not date_string is defined %}{% set date_string = strftime_now("%d %b %Y") %}{% endif -%}
{{ bos_token }}<|start_header_id|>system<|end_header_id|>

Today Date: {{ date_string }}

<|eot_id|>
{%- for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>

{{ message.content | trim }}<|eot_id|>{% endfor %}
{%- if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}"""
"""Llama 3: role headers and an end-of-turn token that is not the tokenizer's end of text in the base release."""

AYA = """\
{{ bos_token }}{% for message in messages %}<|START_OF_TURN_TOKEN|>
{%- if message.role == "user" %}<|USER_TOKEN|>{% else %}<|CHATBOT_TOKEN|>{% endif %}
{{- message.content.strip() }}<|END_OF_TURN_TOKEN|>{% endfor %}
{%- if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"""
"""Command and Aya: turns between two tokens, the speaker a third."""

CHATML = """\
{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
"""Qwen and others: a line end behind the end-of-turn token, and no start of text."""

FORMATS = {
    "llama": (LLAMA, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"], "<|eot_id|>"),
    "aya": (
        AYA,
        ["<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|END_OF_TURN_TOKEN|>"],
        "<|END_OF_TURN_TOKEN|>",
    ),
    "chatml": (CHATML, ["<|im_start|>", "<|im_end|>"], "<|im_end|>"),
}
"""Name -> (template, its special tokens, the one that ends a turn)."""


def chat_tokenizer(name: str, *, own_end: bool = True) -> Any:
    """The bundled tokenizer with a chat format.

    Args:
        name: A key of `FORMATS`.
        own_end: Whether the tokenizer calls the format's end of turn its end of text, as instruct releases do.
    """
    template, tokens, end = FORMATS[name]
    tokenizer = AutoTokenizer.from_pretrained(location(ModelSpec(name="tiny", source="bundled")))
    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    tokenizer.chat_template = template
    if own_end:
        tokenizer.eos_token = end
    return tokenizer
