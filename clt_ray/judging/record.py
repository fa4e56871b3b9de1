"""Writes a judge's ratings, scores and settings to the run directory.

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
from dataclasses import asdict, fields
from importlib.metadata import version

from clt_ray.evaluation.evaluate import Generation, Score, csv_text
from clt_ray.judging.cache import Reply, Settings
from clt_ray.judging.endpoint import Endpoint
from clt_ray.judging.protocol import PROTOCOL_SHA256
from clt_ray.judging.verdicts import TASK, JudgedItem, scores, unparsable
from clt_ray.store import JudgeDocument, JudgeTokens, RunDir
from clt_ray.sweep.run import RunSpec

FOLDER = "judge"
SCORES, ITEMS = f"{FOLDER}/scores.csv", f"{FOLDER}/items.csv"

_SLUG_CHARACTERS = 60
_ITEM_COLUMNS = ("run_id", "task", "eval_language", "metric", "item_id", "score")


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
    directory.write_text(ITEMS, _table(_ITEM_COLUMNS, rows))
    means = [asdict(score) for score in scores(run, answers, items)]
    directory.write_text(SCORES, _table([field.name for field in fields(Score)], [row.values() for row in means]))
    directory.write_judge(facts)


def describe(endpoint: Endpoint, settings: Settings, items: Sequence[JudgedItem], now: float) -> JudgeDocument:
    """Returns the content of judge.json: the judge, its settings, and the outcome; `now` is in Unix seconds."""
    return JudgeDocument(
        judge=judge_key(settings),
        model=settings.model,
        answered_by=dict(Counter(item.model for item in items)),
        fingerprints=dict(Counter(item.fingerprint for item in items if item.fingerprint)),
        host=endpoint.host,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        prompt_sha256=PROTOCOL_SHA256,
        items=len(items),
        rated=sum(item.judge_rating is not None for item in items),
        unparsable=unparsable(items),
        wrong_language=sum(not item.in_language for item in items),
        tokens=spent({item.request: item for item in items}.values()),
        requests_sha256=_digest([item.request for item in items]),
        judged=now,
        versions={name: version(name) for name in ("clt-ray", "openai")},
    )


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
