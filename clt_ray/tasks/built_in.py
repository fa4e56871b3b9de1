"""The built-in tasks: summarization of news articles, instruction following, and math word problems."""

from dataclasses import replace

from clt_ray.tasks.declaration import HubFiles, Metric, Task

XLSUM = "csebuetnlp/xlsum"
CONVERTED = "refs/convert/parquet"
"""Branch on which the hub keeps a parquet copy of data sets that are published as loading scripts."""


def _files(split: str) -> tuple[HubFiles, ...]:
    return (HubFiles(XLSUM, files=f"{{name}}/{split}/*.parquet", revision=CONVERTED),)


SUMMARIZATION = Task(
    name="summarization",
    label="Summarization",
    input_column="text",
    target_column="summary",
    scorer="clt_ray.evaluation.scorers.rouge:score",
    metrics=(Metric("rougeL", "ROUGE-L"), Metric("rouge1", "ROUGE-1"), Metric("rouge2", "ROUGE-2")),
    bundled=True,
    dataset=XLSUM,
    # The main branch is a loading script, which current versions of `datasets` refuse; this branch has the same rows.
    revision=CONVERTED,
    hub_layouts={XLSUM: {split: _files(split) for split in ("train", "validation", "test")}},
    max_new_tokens=128,
    # An XL-Sum article has about 430 words.
    tokens_per_row=900,
    colour="#d55e00",
    dark_colour="#f0884a",
)

TAGENGO = "lightblue/tagengo-gpt4"
SHAREGPT = "anon8231489123/ShareGPT_Vicuna_unfiltered"
AYA = "CohereLabs/aya_evaluation_suite"


def _dolly(variant: str, languages: tuple[str, ...] | None, **only: str) -> HubFiles:
    return HubFiles(
        AYA,
        files=f"{variant}/test-*.parquet",
        columns={"prompt": "inputs", "completion": "targets"},
        language_column="language",
        only=only,
        languages=languages,
    )


_TEST = (
    _dolly("dolly_human_edited", ("ar", "es", "fr", "ru")),
    _dolly("dolly_machine_translated", ("zh",), script="Hans"),
    _dolly("dolly_machine_translated", None),
)

_RATING = Metric("judge_rating", "judge rating", low=1.0, high=5.0, shown_factor=1.0, unit="on the 1–5 scale", digits=2)

INSTRUCTION = Task(
    name="instruction",
    label="Instruction following",
    input_column="prompt",
    target_column="completion",
    scorer="clt_ray.evaluation.scorers.chrf:score",
    metrics=(Metric("reference_chrf", "chrF against the reference"),),
    later_metrics=(_RATING, replace(_RATING, name="judge_rating_switch_aware", label="switch-aware judge rating")),
    # The published ratings of arXiv 2504.16677 count a reply in the wrong language as 1, under the plain name.
    primary=("judge_rating_switch_aware", "judge_rating", "reference_chrf"),
    # A judge rates replies to prompts that have no reference.
    test_needs_reference=False,
    conversations=True,
    bundled=True,
    dataset=TAGENGO,
    hub_layouts={
        TAGENGO: {"train": (HubFiles(TAGENGO, files="**/*.parquet", language_column="language"),), "test": _TEST},
        SHAREGPT: {
            "train": (HubFiles(SHAREGPT, files="ShareGPT_V3_unfiltered_cleaned_split.json", languages=("en",)),),
            "test": _TEST,
        },
    },
    max_new_tokens=512,
    # About 800 characters in Latin script, at 3 characters a token and fewer in other scripts.
    tokens_per_row=400,
    colour="#009e73",
    dark_colour="#34c79e",
)

MCOT = "laihuiyuan/mCoT-MATH"
MGSM = "juletxara/mgsm"
P_MMEVAL = "Qwen/P-MMEval"

_MGSM_LANGUAGES = ("en", "es", "fr", "ja", "zh", "de", "ru", "bn", "sw", "te", "th")
# MGSM has no Arabic, Korean and Portuguese; P-MMEval has translations of the same items that experts have reviewed.
_P_MMEVAL_LANGUAGES = ("ar", "ko", "pt")

MATH = Task(
    name="math",
    label="Math",
    input_column="question",
    target_column="answer",
    scorer="clt_ray.evaluation.scorers.math:score",
    metrics=(Metric("accuracy", "accuracy"),),
    target_may_be_number=True,
    bundled=True,
    dataset=MCOT,
    hub_layouts={
        MCOT: {
            # The older file beside it, mcot_math.json, does not name the language of a row.
            "train": (
                HubFiles(MCOT, files="lang-id/mcot-math.json", language_column="lang-id", languages=_MGSM_LANGUAGES),
            ),
            "test": (
                HubFiles(
                    MGSM,
                    files="{name}/test/*.parquet",
                    revision=CONVERTED,
                    columns={"answer": "answer_number"},
                    languages=_MGSM_LANGUAGES,
                ),
                HubFiles(P_MMEVAL, files="mgsm/test/{name}.jsonl", languages=_P_MMEVAL_LANGUAGES),
            ),
            # The answers of these rows are worked out in words, as a worked example requires.
            "exemplars": (
                HubFiles(MGSM, files="{name}/train/*.parquet", revision=CONVERTED, languages=_MGSM_LANGUAGES),
                HubFiles(P_MMEVAL, files="mgsm/val/{name}.jsonl", languages=_P_MMEVAL_LANGUAGES),
            ),
        }
    },
    max_new_tokens=512,
    # arXiv 2504.16677 evaluates MGSM with 8 worked examples.
    hub_shots=8,
    # Step-by-step solutions have about 400 characters in Latin script, at 3 characters a token.
    tokens_per_row=250,
    colour="#0072b2",
    dark_colour="#56a8e0",
)
