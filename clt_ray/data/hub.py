"""Data sets of the study on the Hugging Face hub: where each split is, and under which names.

A sweep file names the training set (`data: {math: {dataset: laihuiyuan/mCoT-MATH}}`); `KNOWN` says where that
set's own splits, the task's test set and its few-shot exemplars are. Every entry gives files inside a repository,
so no loading script runs and a local copy with the same layout reads the same way (`clt_ray.data.hub_rows`). A data
set that is not listed must carry the task's own column names (`clt_ray.data.rows.COLUMNS`) in splits called train,
validation and test, with one configuration per language or one that the sweep file names.

Revisions are branches, because a commit that nobody checked would be worse than none. `hub_rows` records the commit
it read; put that into `revision` to pin it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class HubFiles:
    """One split of one data set, for some languages."""

    dataset: str
    """Repository on the hub, or a local directory of the same layout."""
    names: Mapping[str, str]
    """ISO code -> the data set's own name of the language; replaces `{name}` in `files`."""
    files: str | None = None
    """Glob inside the repository; None takes its default configuration."""
    split: str = "train"
    """Split to ask for when `files` is None; explicit files always form one split."""
    revision: str | None = None
    """Branch, tag or commit; None is the main branch."""
    config: str | None = None
    """Configuration to ask for when `files` is None; None is the one named like the language."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our column -> theirs, where they differ."""
    language_column: str | None = None
    """Column that tells languages apart in a file that mixes them; its value is compared up to the first hyphen."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Further columns and the value a row must have there."""


CONVERTED = "refs/convert/parquet"
"""Branch on which the hub keeps a parquet copy of data sets that are published as loading scripts."""

_XLSUM_NAMES = {
    "en": "english", "es": "spanish", "fr": "french", "ja": "japanese", "zh": "chinese_simplified",
    "ar": "arabic", "ko": "korean", "pt": "portuguese", "ru": "russian", "bn": "bengali", "sw": "swahili",
    "te": "telugu", "th": "thai",
}  # fmt: skip
_LANGUAGE_NAMES = {
    "en": "English", "es": "Spanish", "fr": "French", "ja": "Japanese", "zh": "Chinese", "ar": "Arabic",
    "ko": "Korean", "pt": "Portuguese", "de": "German", "ru": "Russian",
}  # fmt: skip
_MCOT_LANGUAGES = ("en", "es", "fr", "ja", "zh", "de", "ru", "bn", "sw", "te", "th")
_MCOT_NAMES = {code: code for code in _MCOT_LANGUAGES}
# MGSM has no Arabic, Korean and Portuguese; P-MMEval has expert-reviewed translations of the same items.
_P_MMEVAL_NAMES = {code: code for code in ("ar", "ko", "pt")}
_DOLLY_COLUMNS = {"prompt": "inputs", "completion": "targets"}


def _xlsum(split: str) -> tuple[HubFiles, ...]:
    return (HubFiles("csebuetnlp/xlsum", _XLSUM_NAMES, f"{{name}}/{split}/*.parquet", revision=CONVERTED),)


def _dolly(variant: str, names: Mapping[str, str], **only: str) -> HubFiles:
    return HubFiles(
        "CohereLabs/aya_evaluation_suite", names, f"{variant}/test-*.parquet",
        columns=_DOLLY_COLUMNS, language_column="language", only=only,
    )  # fmt: skip


_DOLLY = (
    _dolly("dolly_human_edited", {"ar": "arb", "es": "spa", "fr": "fra", "ru": "rus"}),
    _dolly("dolly_machine_translated", {"zh": "zho"}, script="Hans"),
    _dolly(
        "dolly_machine_translated",
        {"en": "eng", "ja": "jpn", "ko": "kor", "pt": "por", "de": "deu", "bn": "ben", "te": "tel"},
    ),
)
_MGSM = {
    "test": (
        HubFiles(
            "juletxara/mgsm", _MCOT_NAMES, "{name}/test/*.parquet", revision=CONVERTED,
            columns={"answer": "answer_number"},
        ),
        HubFiles("Qwen/P-MMEval", _P_MMEVAL_NAMES, "mgsm/test/{name}.jsonl"),
    ),
    # The answers of these are worked out in words, as an exemplar's must be.
    "exemplars": (
        HubFiles("juletxara/mgsm", _MCOT_NAMES, "{name}/train/*.parquet", revision=CONVERTED),
        HubFiles("Qwen/P-MMEval", _P_MMEVAL_NAMES, "mgsm/val/{name}.jsonl"),
    ),
}  # fmt: skip

KNOWN: Mapping[str, Mapping[str, tuple[HubFiles, ...]]] = {
    "csebuetnlp/xlsum": {split: _xlsum(split) for split in ("train", "validation", "test")},
    "laihuiyuan/mCoT-MATH": {
        # The older file beside it, mcot_math.json, does not say which row is in which language.
        "train": (
            HubFiles("laihuiyuan/mCoT-MATH", _MCOT_NAMES, "lang-id/mcot-math.json", language_column="lang-id"),
        ),
        **_MGSM,
    },
    "lightblue/tagengo-gpt4": {
        "train": (
            HubFiles("lightblue/tagengo-gpt4", _LANGUAGE_NAMES, "**/*.parquet", language_column="language"),
        ),
        "test": _DOLLY,
    },
    "anon8231489123/ShareGPT_Vicuna_unfiltered": {
        "train": (
            HubFiles(
                "anon8231489123/ShareGPT_Vicuna_unfiltered", {"en": "en"}, "ShareGPT_V3_unfiltered_cleaned_split.json"
            ),
        ),
        "test": _DOLLY,
    },
}  # fmt: skip
"""Data set named in a sweep file -> split -> files; the first entry that lists a language serves it."""


def files_for(
    dataset: str, language: str, split: str, *, config: str | None = None, revision: str | None = None
) -> HubFiles | None:
    """Where a split of a data set is; None when the data set has no such split in that language.

    Args:
        dataset: Repository named in the sweep file.
        language: ISO code.
        split: train, validation, test or exemplars.
        config: Configuration of a data set that is not in `KNOWN`; the language code by default.
        revision: Replaces the revision of files that come from `dataset` itself.
    """
    if dataset not in KNOWN:
        return HubFiles(dataset, {language: language}, None, split, revision, config)
    for files in KNOWN[dataset].get(split, ()):
        if language in files.names:
            own = files.dataset == dataset and revision is not None
            return HubFiles(**{**vars(files), "revision": revision}) if own else files
    return None
