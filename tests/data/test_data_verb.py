"""`clt-ray data`: its counts, its problems and its output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clt_ray.data.mixture import build_run_data
from clt_ray.data.scripts import writing
from clt_ray.data.summary import SplitSummary
from clt_ray.opened import open_sweep
from clt_ray.sweep.grid import expand
from clt_ray.sweep.load import load_sweep
from clt_ray.sweep.sections import ModelSpec
from clt_ray.tasks import TaskLanguage
from clt_ray.training.model import location
from clt_ray.verbs.data import DataSummary, summarize_data
from tests.support.chat_formats import chat_tokenizer
from tests.support.commands import clt_ray
from tests.support.local_rows import problems, write_split
from tests.support.sweeps import sweep, write

LANGUAGES = ("en", "es", "ja", "ko")
JAPANESE = "アンナさんは三つあげたあと、りんごをいくつ持っていますか。"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "rows"
    for code in LANGUAGES:
        if code != "ko":
            write_split(root, "math", "train", code, problems(code, range(80)))
        write_split(root, "math", "test", code, problems(code, range(1000, 1020)))
    return root


def local(tmp_path: Path, root: Path, **changes: Any) -> str:
    return write(tmp_path / "sweep.yaml", sweep(data={"math": {"root": str(root)}}, **changes))


def data(path: str) -> DataSummary:
    return summarize_data(open_sweep(path))


def of(summary: DataSummary, language: str, split: str) -> SplitSummary:
    (match,) = [each for each in summary.splits if (each.language, each.split) == (language, split)]
    return match


def test_counts_are_those_of_the_largest_run(tmp_path: Path, root: Path) -> None:
    path = local(tmp_path, root)
    summary = data(path)
    run = expand(load_sweep(path))[-1]
    rows = build_run_data(run)
    assert summary.problems == () and summary.origins == (f"local root {root}",)
    for code in LANGUAGES:
        used = sum(row.language == code for row in rows.train)
        assert [each.used for each in summary.splits if (each.language, each.split) == (code, "train")] == [used][
            : used > 0
        ]
        for split, cells in (("validation", rows.validation), ("test", rows.test)):
            used_rows = [each.used for each in summary.splits if (each.language, each.split) == (code, split)]
            assert used_rows == ([len(cells[TaskLanguage("math", code)])] if ("math", code) in cells else [])
    train = of(summary, "es", "train")
    assert (train.available, train.usable, train.used) == (80, 74, 8)
    assert train.dropped == {"held out for validation": 6}


def test_lengths_are_those_of_the_rows_that_are_trained_on(tmp_path: Path, root: Path) -> None:
    from clt_ray.data.formatting import encode
    from clt_ray.training.model import load_tokenizer

    path = local(tmp_path, root, training={"max_length": 16})
    run = expand(load_sweep(path))[-1]
    tokenizer = load_tokenizer(run.model)
    trained = [row for row in build_run_data(run).train if row.language == "ja"]
    lengths = sorted(len(encode(row, tokenizer, 9_999).input_ids) for row in trained)
    (stats,) = of(data(path), "ja", "train").tokens
    assert (stats.p50, stats.p90, stats.p99, stats.max) == (lengths[3], lengths[7], lengths[7], lengths[7])
    assert stats.limit == 16 and stats.over_limit == sum(length > 16 for length in lengths) > 0


def test_bad_rows_are_told_with_their_reasons(tmp_path: Path, root: Path) -> None:
    bad = [{"question": "1 + 1?"}, {"question": "", "answer": "1"}, {"question": JAPANESE, "answer": JAPANESE}]
    write_split(root, "math", "train", "es", [*problems("es", range(80)), *problems("es", [3, 1003]), *bad])
    summary = data(local(tmp_path, root))
    assert of(summary, "es", "train").available == 85
    assert of(summary, "es", "train").dropped == {
        "no column 'answer'": 1,
        "empty 'question'": 1,
        "wrong language: fewer than 20% of the letters are Latin": 1,
        "duplicate": 1,
        "prompt also in test": 1,
        "held out for validation": 6,
    }


def test_test_rows_in_another_script_are_flagged(tmp_path: Path, root: Path) -> None:
    asked: list[dict[str, Any]] = [{"question": f"{JAPANESE}{n}", "answer": n} for n in range(18)]
    strange = [{"question": f"How many apples does Anna have left of her {n}?", "answer": n} for n in (1, 2)]
    write_split(root, "math", "test", "ja", [*asked, *strange])
    summary = data(local(tmp_path, root, evaluation={"samples_per_language": 20}))
    check = of(summary, "ja", "test").script
    assert check is not None and (check.script, check.suspicious, check.flagged) == ("Japanese", 2, True)
    english = of(summary, "en", "train").script
    assert english is not None and (english.share, english.suspicious, english.flagged) == (1.0, 0, False)
    assert writing(asked[0]["question"], "ja").share == 1


def test_what_would_stop_a_run_is_a_problem(tmp_path: Path, root: Path) -> None:
    write_split(root, "math", "train", "es", problems("es", range(5)))
    write_split(root, "math", "train", "ja", [{"problem": "1 + 1?", "answer": "2"}])
    summary = data(local(tmp_path, root, evaluation={"shots": {"math": 8}}))
    text = "\n".join(summary.problems)
    assert "math/es: the sweep needs 8 training rows, and 4 are usable" in text
    assert "math/ja: " in text and "no column 'question'" in text
    assert "math/exemplars/ko: 8 worked examples are needed and 0 are there" in text
    # The languages that are fine are shown all the same.
    assert of(summary, "en", "test").shots == 8


def test_prompts_with_exemplars_that_do_not_fit_are_a_problem(tmp_path: Path, root: Path) -> None:
    for code in LANGUAGES:
        write_split(root, "math", "exemplars", code, [{"question": "1 + 1? " * 300, "answer": "2"}])
    summary = data(local(tmp_path, root, evaluation={"shots": 1}))
    (tokens,) = of(summary, "ko", "test").tokens
    assert tokens.limit == 2048 - 12 and tokens.over_limit == of(summary, "ko", "test").used
    assert len(summary.problems) == len(LANGUAGES) and "tiny has room for 2,036" in summary.problems[0]


def test_examples_are_what_the_model_sees(tmp_path: Path, root: Path) -> None:
    chat = tmp_path / "chat"
    shutil.copytree(location(ModelSpec(name="tiny", source="bundled")), chat)
    chat_tokenizer("aya").save_pretrained(chat)
    path = local(
        tmp_path, root, models={"chat": {"source": str(chat)}}, grid={"model": ["tiny", "chat"]},
        evaluation={"shots": 1}, eval_languages=["en", "es", "ja"],
    )  # fmt: skip
    summary = data(path)
    assert summary.problems == ()
    plain, talked = (
        [each for each in of(summary, "es", "train").examples if each.model == model] for model in ("tiny", "chat")
    )
    assert len(plain) == len(talked) == 3
    assert plain[0].prompt.startswith("<s>Pregunta: ") and plain[0].completion.endswith("</s>")
    assert "<|USER_TOKEN|>Resuelve este problema" in talked[0].prompt
    assert talked[0].prompt.endswith("<|CHATBOT_TOKEN|>") and talked[0].completion.endswith("<|END_OF_TURN_TOKEN|>")
    asked = next(each for each in of(summary, "es", "test").examples if each.model == "chat")
    assert asked.prompt.count("<|USER_TOKEN|>") == 2
    assert [each.model for each in of(summary, "es", "train").tokens] == ["tiny", "chat"]


def test_a_model_that_cannot_be_had_hides_nothing_else(tmp_path: Path, root: Path) -> None:
    summary = data(local(tmp_path, root, grid={"model": ["tiny", "llama-3.1-8b"]}))
    assert [problem[:21] for problem in summary.problems] == ["model llama-3.1-8b: n"]
    assert [each.model for each in of(summary, "es", "train").tokens] == ["tiny"]


def test_the_command_prints_tables_and_json(tmp_path: Path, root: Path) -> None:
    path = local(tmp_path, root)
    shown = clt_ray("data", path)
    assert shown.returncode == 0 and shown.stderr == ""
    assert max(map(len, shown.stdout.splitlines())) <= 100 + len(str(root))
    assert "validation" in shown.stdout and "train/es as tiny sees it" in shown.stdout
    assert shown.stdout.rstrip().endswith(f"next: clt-ray plan {path}")
    document = json.loads(clt_ray("data", path, "--json").stdout)
    assert document == json.loads(json.dumps(data(path).to_json()))
    assert {each["split"] for each in document["splits"]} == {"train", "validation", "test"}


def test_the_command_fails_where_a_run_would(tmp_path: Path, root: Path) -> None:
    path = local(tmp_path, root)
    shown = clt_ray("data", path, "--set", "english_samples=500")
    assert shown.returncode == 1
    assert "problem: math/en: the sweep needs 500 training rows, and 74 are usable" in shown.stdout
    assert clt_ray("data", str(tmp_path / "none.yaml")).returncode == 2


def test_real_rows(tmp_path: Path, shared_data: Path) -> None:
    path = local(
        tmp_path, shared_data, language_groups={"all": ["es", "fr", "ja", "zh"]}, training={"max_length": 2048},
        eval_languages=["en", "es", "fr", "ja", "zh", "de", "ru", "th"], evaluation={"samples_per_language": 250},
    )  # fmt: skip
    summary = data(path)
    assert summary.problems == ()
    assert all(each.script is not None and not each.script.flagged for each in summary.splits)
    assert {each.used for each in summary.splits if each.split == "test"} == {250}
    assert not [reason for each in summary.splits for reason in each.dropped if reason != "held out for validation"]
