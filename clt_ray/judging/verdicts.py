"""Turns stored generations and a judge's replies into ratings of items, and into scores."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from clt_ray.errors import DataError
from clt_ray.evaluation.evaluate import Generation, Score, summarise
from clt_ray.evaluation.scorers import fidelity
from clt_ray.judging.cache import Reply
from clt_ray.judging.rating import LOW, parse
from clt_ray.store import RunDir
from clt_ray.sweep.run import RunSpec
from clt_ray.tasks.built_in import INSTRUCTION

TASK = INSTRUCTION.name
RATING, SWITCH_AWARE = "judge_rating", "judge_rating_switch_aware"


@dataclass(frozen=True)
class JudgedItem:
    """A test item with the judge's rating and reply."""

    id: str
    language: str
    """Language that the answer should be in."""
    judge_rating: int | None
    """Rating from 1 to 5; None when the reply has none."""
    judge_rating_switch_aware: int | None
    """1 when the answer fails language fidelity, whatever the judge's rating; else the rating."""
    in_language: bool
    """Whether the answer passes language fidelity."""
    why_unparsable: str
    """Why the reply has no rating; empty when it has one."""
    reply: str
    """Text of the judge's reply; the five fields below are those of the same names in `Reply`."""
    finish_reason: str
    model: str
    fingerprint: str
    prompt_tokens: int | None
    completion_tokens: int | None
    request: str
    """Key of the request in the cache."""

    @property
    def ratings(self) -> dict[str, float]:
        """Returns the available ratings by metric."""
        ratings = {RATING: self.judge_rating, SWITCH_AWARE: self.judge_rating_switch_aware}
        return {metric: float(value) for metric, value in ratings.items() if value is not None}


def read_generations(run: RunSpec, directory: RunDir) -> list[Generation]:
    """Returns a finished run's stored answers; raises `DataError` where a file is missing or malformed."""
    names = [f"generations/{TASK}.{code}.jsonl" for code in run.eval_languages]
    texts = directory.read_texts(names)
    generations = []
    for name in names:
        where = f"{directory.uri}/{name}"
        if name not in texts:
            raise DataError(f"{where}: the run is finished, but this file is missing; it cannot be judged")
        # `splitlines` would also split at other line separators, which outputs may contain.
        for number, line in enumerate(texts[name].rstrip("\n").split("\n"), start=1):
            try:
                generations.append(Generation(**json.loads(line)))
            except (ValueError, TypeError) as error:
                problem = f"line {number}: not a stored generation ({error}); it cannot be judged"
                raise DataError(f"{where}, {problem}") from error
    return generations


def judged_item(generation: Generation, request: str, reply: Reply) -> JudgedItem:
    """Returns an answer's ratings; the reference study's switch-aware one is 1 unless all is in its language."""
    verdict = parse(reply.text, generation.output, reply.finish_reason)
    facts = {name: value for name, value in asdict(reply).items() if name != "text"}
    in_language = bool(fidelity.score(generation.output, generation.language)["fidelity"])
    return JudgedItem(
        id=generation.id,
        language=generation.language,
        judge_rating=verdict.rating,
        judge_rating_switch_aware=verdict.rating if in_language else LOW,
        in_language=in_language,
        why_unparsable=verdict.why,
        reply=reply.text,
        request=request,
        **facts,
    )


def scores(run: RunSpec, generations: Sequence[Generation], items: Sequence[JudgedItem]) -> list[Score]:
    """Returns the mean ratings per language over the items that have a rating, whose number is `n_items`."""
    pairs = zip(generations, items, strict=True)
    return summarise(run, [replace(generation, scores=item.ratings) for generation, item in pairs])


def unparsable(items: Iterable[JudgedItem]) -> dict[str, dict[str, int]]:
    """Returns the number of items without a rating by language and reason."""
    counts: dict[str, Counter[str]] = {}
    for item in items:
        if item.why_unparsable:
            counts.setdefault(item.language, Counter())[item.why_unparsable] += 1
    return {language: dict(reasons) for language, reasons in counts.items()}
