"""Turns a judge's replies into ratings and scores, and writes them to the run directory.

    judge/<judge key>.jsonl    every item: ratings, the reply, tokens, why there is no rating
    judge/items.csv            ratings in the columns of items.csv
    judge/scores.csv           mean ratings in the columns of scores.csv
    judge/judge.json           the judge, the items without a rating, tokens; written last

Another judge adds its own `.jsonl` file and replaces the other files, so the scores are always those of one judge.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from clt_ray.errors import DataError
from clt_ray.evaluation.evaluate import ITEM_COLUMNS, SCORE_COLUMNS, Generation, csv_text, summarise
from clt_ray.evaluation.scorers import fidelity
from clt_ray.judging.endpoint import Endpoint
from clt_ray.judging.protocol import LOW, PROTOCOL_SHA256, parse
from clt_ray.judging.replies import Reply, Settings
from clt_ray.store import JudgeDocument, JudgeTokens, RunDir
from clt_ray.sweep.run import RunSpec

TASK = "instruction"
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
        id=generation.id, language=generation.language, judge_rating=verdict.rating,
        judge_rating_switch_aware=verdict.rating if in_language else LOW, in_language=in_language,
        why_unparsable=verdict.why, reply=reply.text, request=request, **facts,
    )  # fmt: skip


def unparsable(items: Iterable[JudgedItem]) -> dict[str, dict[str, int]]:
    """Returns the number of items without a rating by language and reason."""
    counts: dict[str, Counter[str]] = {}
    for item in items:
        if item.why_unparsable:
            counts.setdefault(item.language, Counter())[item.why_unparsable] += 1
    return {language: dict(reasons) for language, reasons in counts.items()}


FOLDER = "judge"
SCORES, ITEMS = f"{FOLDER}/scores.csv", f"{FOLDER}/items.csv"

_SLUG_CHARACTERS = 60


def judge_key(settings: Settings) -> str:
    """Returns the name of a judge: its model, and a hash of everything that determines its ratings."""
    content = json.dumps([asdict(settings), PROTOCOL_SHA256], sort_keys=True)
    name = settings.model.rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:_SLUG_CHARACTERS]
    return f"{slug or 'judge'}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def recorded(directory: RunDir, settings: Settings, requests: Sequence[str]) -> JudgeDocument | None:
    """Returns the content of judge.json if it is the outcome of exactly these requests to this judge."""
    facts = directory.judge()
    if facts is None or (facts.judge, facts.requests_sha256) != (judge_key(settings), _digest(requests)):
        return None
    return facts


def write(
    run: RunSpec, directory: RunDir, answers: Sequence[Generation], items: Sequence[JudgedItem], facts: JudgeDocument
) -> None:
    """Writes the outcome of judging a run: the ratings of its answers in the same order, and `facts` as judge.json."""
    lines = (json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in items)
    directory.write_text(f"{FOLDER}/{facts.judge}.jsonl", "".join(lines))
    ratings = ((item, *rating) for item in items for rating in item.ratings.items())
    rows = [(run.run_id, TASK, item.language, metric, item.id, value) for item, metric, value in ratings]
    directory.write_text(ITEMS, _table(ITEM_COLUMNS, rows))
    # Means are over the items that have a rating, whose number is `n_items`.
    rated = [replace(answer, scores=item.ratings) for answer, item in zip(answers, items, strict=True)]
    means = [asdict(score) for score in summarise(run, rated)]
    directory.write_text(SCORES, _table(SCORE_COLUMNS, [row.values() for row in means]))
    directory.write_judge(facts)


def describe(endpoint: Endpoint, settings: Settings, items: Sequence[JudgedItem], now: float) -> JudgeDocument:
    """Returns the content of judge.json: the judge, its settings, and the outcome; `now` is in Unix seconds."""
    return JudgeDocument(
        judge=judge_key(settings), **asdict(settings), answered_by=dict(Counter(item.model for item in items)),
        fingerprints=dict(Counter(item.fingerprint for item in items if item.fingerprint)),
        host=endpoint.host, prompt_sha256=PROTOCOL_SHA256, items=len(items),
        rated=sum(item.judge_rating is not None for item in items), unparsable=unparsable(items),
        wrong_language=sum(not item.in_language for item in items),
        tokens=spent({item.request: item for item in items}.values()),
        requests_sha256=_digest([item.request for item in items]), judged=now,
        versions={name: version(name) for name in ("clt-ray", "openai")},
    )  # fmt: skip


def spent(replies: Collection[Reply | JudgedItem]) -> JudgeTokens:
    """Returns the tokens of replies as the servers counted them."""
    return JudgeTokens(
        prompt=sum(reply.prompt_tokens or 0 for reply in replies),
        completion=sum(reply.completion_tokens or 0 for reply in replies),
        uncounted=sum(None in (reply.prompt_tokens, reply.completion_tokens) for reply in replies),
    )


def _digest(requests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(requests).encode()).hexdigest()


def _table(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Returns CSV text in which an unknown number is an empty field."""
    cells = [["" if isinstance(item, float) and math.isnan(item) else item for item in row] for row in rows]
    return csv_text(header, cells)
