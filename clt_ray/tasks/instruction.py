"""Instruction following: single-turn replies, compared with a reference and rated by a judge."""

from clt_ray.tasks.declaration import HubFiles, Metric, Task

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

_RATING = {"low": 1.0, "high": 5.0, "shown_factor": 1.0, "digits": 2}

INSTRUCTION = Task(
    name="instruction",
    label="Instruction following",
    input_column="prompt",
    target_column="completion",
    scorer="clt_ray.evaluation.scorers.chrf:score",
    metrics=(Metric("reference_chrf", "chrF against the reference"),),
    later_metrics=(
        Metric("judge_rating", "judge rating", unit="on the 1–5 scale", **_RATING),  # type: ignore[arg-type]
        Metric("judge_rating_switch_aware", "switch-aware judge rating", unit="on the 1–5 scale", **_RATING),  # type: ignore[arg-type]
    ),
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
