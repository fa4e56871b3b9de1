"""The bundled base model has the fingerprint and size of its manifest and has not been trained on the tasks."""

from __future__ import annotations

import json
from importlib import resources
from itertools import islice
from typing import Any

import pytest
import yaml

from scripts.bundled.corpus import BUNDLED, TASKS, corpus_fingerprint, frames, raw_rows
from scripts.bundled.lexicon import LANGUAGES
from scripts.bundled.make_model import model_fingerprint
from scripts.bundled.pretraining_text import documents

MODEL = BUNDLED / "model"


@pytest.fixture(scope="module")
def manifest() -> Any:
    return json.loads((BUNDLED / "MANIFEST.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


def test_the_manifest_names_what_is_there(manifest: Any) -> None:
    remedy = "the corpus or the model changed: run `python -m scripts.bundled.make_model` and commit its files"
    assert manifest["corpus_fingerprint"] == corpus_fingerprint(), remedy
    assert manifest["model_fingerprint"] == model_fingerprint(MODEL), remedy
    assert manifest["command"].startswith("python -m scripts.bundled.make_model")


def test_the_weights_are_small_safetensors() -> None:
    assert (MODEL / "model.safetensors").stat().st_size <= 8 * 1024 * 1024
    assert not list(MODEL.glob("*.bin"))


def test_it_loads_as_a_llama_and_continues_text(manifest: Any, tokenizer: Any) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    assert model.config.model_type == "llama"
    assert sum(parameter.numel() for parameter in model.parameters()) == manifest["parameters"]
    prompt = tokenizer("4 + 3 = 7\n2 + 6 =", return_tensors="pt")
    with torch.no_grad():
        output = model.generate(**prompt, max_new_tokens=3, do_sample=False)
    assert tokenizer.decode(output[0, prompt["input_ids"].shape[1] :]).strip().startswith("8")


def test_the_tokenizer_takes_any_text(tokenizer: Any) -> None:
    assert tokenizer.chat_template is None
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, None}) == 4
    for text in ("Ünïcödé 😀", "ไทย বাংলা తెలుగు", "x = f(3.5) % 1,024\n\t#"):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


@pytest.mark.parametrize("task", TASKS)
def test_rows_are_short_in_every_language(task: str, tokenizer: Any) -> None:
    for language in LANGUAGES:
        texts = [" ".join(list(row.values())[1:]) for row in raw_rows(task, language, "validation")]
        lengths = sorted(len(ids) for ids in tokenizer(texts)["input_ids"])
        assert lengths[len(lengths) // 2] <= 56
        assert lengths[-1] <= 80


def test_a_number_is_one_token_wherever_it_stands(tokenizer: Any) -> None:
    for number in range(100):
        token = tokenizer(str(number), add_special_tokens=False)["input_ids"]
        assert len(token) == 1
        for text in (f"has {number} apples", f"有{number}个", f"لدى {number} كتب"):
            assert token[0] in tokenizer(text)["input_ids"]


def test_the_base_model_read_no_task(tokenizer: Any) -> None:
    text = "\n".join(islice(documents(1), 20_000))
    path = resources.files("clt_ray.data").joinpath("templates.yaml")
    for by_language in yaml.safe_load(path.read_text(encoding="utf-8")).values():
        for template in by_language.values():
            around = [part.strip() for part in template.replace("}", "{").split("{")[::2]]
            assert not [part for part in around if part and part in text]
    for language in LANGUAGES:
        announcement = frames(language)["math"]["answer"].split("{n}")[1].strip(" .。")
        assert announcement not in text


def test_the_base_model_read_no_test_row() -> None:
    text = "\n".join(islice(documents(1), 20_000))
    for language in LANGUAGES:
        for task in TASKS:
            assert not [row for row in raw_rows(task, language, "test") if list(row.values())[1] in text]
