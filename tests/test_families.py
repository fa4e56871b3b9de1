"""Model families: found by name and by model type, and the facts about tokenizers that they declare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clt_ray.errors import ConfigurationError
from clt_ray.families import COHERE, FAMILIES, LLAMA, Family, attention_heads, find_family, require_family
from clt_ray.sweep.inputs import plugin_contents
from clt_ray.sweep.sections import ModelSpec
from clt_ray.training.model import load_tokenizer, with_variables
from tests.support.tiny_models import BUNDLED

QWEN3 = Family("qwen3", ("qwen3",), "transformers.models.qwen3.modeling_qwen3", chat_arguments={"thinking": False})


@pytest.fixture
def qwen3(monkeypatch: pytest.MonkeyPatch) -> Family:
    """A family as if another package had declared it."""
    monkeypatch.setattr(FAMILIES, "_all", {**FAMILIES.built_in, QWEN3.name: QWEN3})
    return QWEN3


def tokenizer_of(folder: Path, model_type: str, architecture: str | None = None, **changes: Any) -> Any:
    """Loads the bundled tokenizer, with changes to its configuration, as that of a model of some architecture."""
    folder.mkdir()
    shutil.copy(BUNDLED / "tokenizer.json", folder)
    declared = json.loads((BUNDLED / "tokenizer_config.json").read_text()) | changes
    (folder / "tokenizer_config.json").write_text(json.dumps(declared))
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return load_tokenizer(ModelSpec(name="local", source=str(folder), architecture=architecture))


def test_a_family_is_found_by_its_name_and_by_its_model_types() -> None:
    assert find_family("llama") is LLAMA and find_family("cohere") is COHERE


def test_families_of_other_packages_follow_those_of_clt_ray(qwen3: Family) -> None:
    assert list(FAMILIES) == ["llama", "cohere", "qwen3"]
    assert require_family("qwen3", "small") is qwen3


def test_an_unknown_architecture_is_reported_with_the_known_families_and_the_page_to_read(qwen3: Family) -> None:
    assert find_family("mamba") is None
    with pytest.raises(ConfigurationError) as caught:
        require_family("mamba", "small")
    (problem,) = caught.value.problems
    assert (problem.key, problem.value) == ("small.architecture", "mamba")
    assert "llama, cohere, qwen3" in problem.remedy and "docs/extend.md" in problem.remedy


def test_key_value_heads_default_to_the_query_heads() -> None:
    from transformers import LlamaConfig

    heads = attention_heads(LlamaConfig(num_attention_heads=8, num_key_value_heads=None))
    assert (heads.query, heads.key_value) == (8, 8)


def test_only_the_family_that_reserves_a_padding_token_gets_it(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"pad_token": None}
    llama = tokenizer_of(tmp_path / "llama", "llama", **changes)
    assert llama.pad_token == llama.eos_token, "the bundled vocabulary has no reserved token"
    with_reserved = {**changes, "extra_special_tokens": {"reserved": LLAMA.padding_token}}
    assert tokenizer_of(tmp_path / "reserved", "llama", **with_reserved).pad_token == LLAMA.padding_token
    other = tokenizer_of(tmp_path / "other", "gpt2", **with_reserved)
    assert other.pad_token == other.eos_token


def test_the_chat_format_gets_the_variables_of_the_family_that_the_sweep_names(qwen3: Family, tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{% if thinking %}<think>{% endif %}"
    for architecture, expected in (("qwen3", "hello"), (None, "hello<think>"), ("llama", "hello<think>")):
        tokenizer = tokenizer_of(tmp_path / f"{architecture}", "qwen3", architecture, chat_template=template)
        turns = [{"role": "user", "content": "hello"}]
        assert tokenizer.apply_chat_template(turns, tokenize=False, thinking=True) == expected


def test_what_a_family_of_another_package_changes_in_the_rows_enters_the_run_id(qwen3: Family) -> None:
    assert set(plugin_contents([], [], [], "qwen3")) == {"family qwen3"}
    assert plugin_contents([], [], [], "llama") == plugin_contents([], [], [], None) == {}


def test_no_variables_leave_a_template_as_it_is() -> None:
    assert with_variables("{{ x }}", {}) == "{{ x }}"
    assert with_variables("{{ x }}", {"x": "a"}) == '{%- set x = "a" -%}\n{{ x }}'
