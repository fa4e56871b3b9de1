"""Evaluation shows worked examples, and scores the answer without further examples that the model invents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from clt_ray.data.mixture import build_run_data
from clt_ray.evaluation.evaluate import evaluate
from clt_ray.sweep.sections import DataSource, EvaluationSpec, ModelSpec
from clt_ray.training.model import location
from tests.support.local_rows import math_root, problems, run_on, write_split

INVENTED = " The answer is 1001.\n\nQuestion: 4 + 4?\nAnswer: The answer is 8."


class Talkative:
    """A generator that answers every prompt with the same text."""

    def __init__(self, tokenizer: Any) -> None:
        self.answer = tokenizer(INVENTED, add_special_tokens=False)["input_ids"]
        self.prompts: list[list[int]] = []

    def generate(
        self, model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int
    ) -> list[list[int]]:
        self.prompts += [list(prompt) for prompt in prompts]
        return [self.answer for _ in prompts]


def test_exemplars_in_and_continuation_out(tmp_path: Path) -> None:
    root = math_root(tmp_path)
    for code in ("en", "es", "ja", "ko"):
        write_split(root, "math", "exemplars", code, problems(code, range(2000, 2002)))
        write_split(root, "math", "test", code, problems(code, [1000]))
    evaluation = EvaluationSpec.model_validate({"samples_per_language": 5, "shots": {"math": 2}})
    run = run_on(DataSource(root=str(root)), evaluation=evaluation)
    tokenizer = AutoTokenizer.from_pretrained(location(ModelSpec(name="tiny", source="bundled")))
    generator = Talkative(tokenizer)
    generations = evaluate(run, build_run_data(run).test, None, tokenizer, generator)
    assert [generation.output for generation in generations] == ["The answer is 1001."] * 4
    assert [generation.scores["accuracy"] for generation in generations] == [1.0] * 4
    for generation, prompt in zip(generations, generator.prompts, strict=True):
        text = str(tokenizer.decode(prompt))
        assert text.count(f"{generation.language}: 200") == 2 and text.endswith(generation.prompt)
