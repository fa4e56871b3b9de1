"""`Task`: everything that the package needs to know about a task, in one declaration."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

from pydantic import with_config

ScoreFunction = Callable[[str, str, str], Mapping[str, float]]
"""Scores one output: (prediction, reference, language code) -> {metric: value}. A metric that the reference allows no
value for is left out; the item then enters no mean of it."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


class TaskLanguage(NamedTuple):
    """A task in a language: rows, losses and scores are kept for each of these pairs."""

    task: str
    language: str
    """ISO 639-1 code of the language."""


@dataclass(frozen=True)
class Metric:
    """A score of outputs: its range, its direction, and how it is shown."""

    name: str
    """Name in score files, in MLflow and in `selection.metric`."""
    label: str
    """Name in figures and tables."""
    low: float = 0.0
    """Smallest possible value, as stored."""
    high: float = 1.0
    """Largest possible value, as stored."""
    shown_factor: float = 100.0
    """Number that a stored value is multiplied by to be shown; fractions are shown as points from 0 to 100."""
    unit: str = "points"
    """Unit of the shown value."""
    digits: int = 1
    """Number of decimals that are shown."""
    better: Literal["max", "min"] = "max"
    """Whether the largest or the smallest value is best. The analysis compares gains, so a task's primary metrics must
    be best at their largest value."""

    @property
    def span(self) -> float:
        """Largest possible difference of two values, as stored."""
        return self.high - self.low


FIDELITY = Metric("fidelity", "language fidelity")
"""Share of outputs that are in the language they should be in; scored for every task."""


@dataclass(frozen=True)
class HubFiles:
    """The files of one split of a data set on the Hugging Face hub, for some languages."""

    dataset: str
    """Repository on the hub, or a local directory of the same layout."""
    names: Mapping[str, str] = field(default_factory=dict)
    """ISO 639-1 code -> the data set's own name of the language, which replaces `{name}` in `files`. A declaration
    leaves it empty: the names come from `languages` and from `Language.hub_names`."""
    files: str | None = None
    """Glob inside the repository; None takes the repository's default configuration."""
    split: str = "train"
    """Split to ask for when `files` is None; explicit files always form one split."""
    revision: str | None = None
    """Branch, tag or commit; None is the main branch."""
    config: str | None = None
    """Configuration to ask for when `files` is None; None is the one named like the language."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The task's column -> the data set's column, where they differ."""
    language_column: str | None = None
    """Column that names the language in files that mix languages; its value is compared up to the first hyphen."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Further columns and the value that a row must have there."""
    languages: tuple[str, ...] | None = None
    """ISO 639-1 codes that these files serve; None is every language with a name in `Language.hub_names`."""


@with_config(extra="forbid")
@dataclass(frozen=True)
class Task:
    """A task: its rows, its prompts, its scores and its appearance."""

    name: str
    """Name in sweep files, in folders of rows and in MLflow: lower-case letters, digits and `_`."""
    label: str
    """Name in figures and tables."""
    input_column: str
    """Column of a row that holds the input, and the placeholder of it in prompt templates."""
    target_column: str
    """Column of a row that holds the target."""
    scorer: ScoreFunction | str
    """Function that scores an output, or where it is: `module:function`, which is imported at the first score."""
    metrics: tuple[Metric, ...]
    """Metrics that `scorer` returns, the most important first. `fidelity` is added for every task."""
    later_metrics: tuple[Metric, ...] = ()
    """Metrics that are scored after a run is finished, such as a judge's ratings."""
    primary: tuple[str, ...] = ()
    """Names of the metrics that the analysis may use for the task, in order of preference; empty is the first of
    `metrics`."""
    target_may_be_number: bool = False
    """Whether the target of a row may be a JSON number instead of text."""
    test_needs_reference: bool = True
    """Whether a test row must have a target; a judge rates outputs without one."""
    conversations: bool = False
    """Whether a row may be a conversation in `messages` or `conversations`, of which the first exchange is used."""
    bundled: bool = False
    """Whether the corpus that the package ships has rows of the task."""
    dataset: str | None = None
    """Training set on the hub that is used where a sweep file names no source; None requires one."""
    revision: str | None = None
    """Branch, tag or commit of `dataset`; None is the main branch."""
    hub_layouts: Mapping[str, Mapping[str, tuple[HubFiles, ...]]] = field(default_factory=dict)
    """Training set on the hub -> split (train, validation, test, exemplars) -> files; the first entry that serves a
    language is used. A data set that is not listed has the task's own columns in splits of these names, with one
    configuration per language."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """ISO 639-1 code -> prompt template with the placeholder `{<input_column>}`. A language without a template uses
    the English one. The templates of built-in tasks are in data/templates.yaml, whose hash enters every run id."""
    chat_instructions: Mapping[str, str] = field(default_factory=dict)
    """ISO 639-1 code -> instruction that a chat model is given before the prompt; a language without one uses the
    English one. Those of built-in tasks are in data/templates.yaml."""
    max_new_tokens: int = 256
    """Default length limit of an output, in tokens of a large multilingual tokenizer."""
    hub_shots: int = 0
    """Default number of worked examples in a test prompt when the rows come from the hub; bundled and local rows have
    none by default."""
    tokens_per_row: int = 300
    """Assumed mean tokens of a training row, prompt and completion, for estimates of cost."""
    colour: str = "#cc79a7"
    """Colour in figures, as `#rrggbb` in lower case; those of built-in tasks are Okabe and Ito's."""
    dark_colour: str = ""
    """Colour on a dark page; empty is `colour`."""
    version: int = 1
    """Number that enters the run ids of a plug-in task: raise it when the scorer gives other scores."""

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.all_metrics]
        best_at_low = {metric.name for metric in self.all_metrics if metric.better == "min"}
        errors = [
            (not _NAME.fullmatch(self.name), f"the name {self.name!r} is not lower-case letters, digits and _"),
            (not self.metrics, "a task needs at least one metric"),
            (len(set(names)) < len(names), f"two metrics have one name: {', '.join(names)}"),
            (not set(self.primary) <= set(names), f"primary names a metric that is not declared: {self.primary}"),
            (not _COLOUR.fullmatch(self.colour), f"the colour {self.colour!r} is not #rrggbb in lower case"),
            (best_at_low & set(self.primary_metrics), "a primary metric must be best at its largest value"),
        ]
        wrong = [message for is_wrong, message in errors if is_wrong]
        if wrong:
            raise ValueError(f"task {self.name}: {'; '.join(wrong)}")

    @property
    def scored_metrics(self) -> tuple[Metric, ...]:
        """Metrics that evaluation, and validation by generation, record: those of the scorer, then `fidelity`."""
        return (*self.metrics, FIDELITY)

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """All metrics that the outputs of the task can have."""
        return (*self.scored_metrics, *self.later_metrics)

    @property
    def primary_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that the analysis may use for the task, in order of preference."""
        return self.primary or tuple(metric.name for metric in self.metrics[:1])

    def content(self, languages: Collection[str]) -> dict[str, object]:
        """Returns what of the declaration can change the rows or scores of a run in some languages, as plain values."""
        return {
            "columns": [self.input_column, self.target_column],
            "metrics": [metric.name for metric in self.metrics],
            "target_may_be_number": self.target_may_be_number,
            "test_needs_reference": self.test_needs_reference,
            "conversations": self.conversations,
            "hub_layouts": {
                dataset: {split: [asdict(files) for files in entries] for split, entries in splits.items()}
                for dataset, splits in self.hub_layouts.items()
            },
            "prompts": _in_languages(self.prompts, languages),
            "chat_instructions": _in_languages(self.chat_instructions, languages),
            "version": self.version,
        }


def _in_languages(texts: Mapping[str, str], languages: Collection[str]) -> dict[str, str]:
    return {code: texts[code] for code in sorted({"en", *languages}) if code in texts}
