"""Math word problems with worked solutions: mCoT-MATH and MGSM, scored by exact match of the final number."""

from clt_ray.tasks.declaration import HubFiles, Metric, Task
from clt_ray.tasks.summarization import CONVERTED

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
