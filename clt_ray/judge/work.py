"""Judges runs: what is there to ask, what is known already, what to send, what to keep."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from clt_ray.evaluation.evaluate import Generation
from clt_ray.judge.cache import Cache, Reply, Settings, request_key
from clt_ray.judge.endpoint import Endpoint
from clt_ray.judge.judging import Ask, ask_all
from clt_ray.judge.protocol import Message, messages
from clt_ray.judge.record import describe, recorded, write
from clt_ray.judge.spending import Tokens, estimate, spent
from clt_ray.judge.verdicts import judged_item, read_generations
from clt_ray.store import JudgeDocument, RunDir, Store
from clt_ray.sweep.run import RunSpec


@dataclass(frozen=True)
class JudgedRun:
    """What became of one run."""

    run_id: str
    name: str
    items: int
    """Test items of all languages."""
    requests: int
    """Distinct requests that had no reply yet, and so were sent; in a preview, that would be."""
    rated: int
    """Items with a rating."""
    unparsable: Mapping[str, Mapping[str, int]]
    """Items whose reply holds no rating, by language and reason."""
    unanswered: Mapping[str, int]
    """Requests that the judge left without a reply, by reason; if there are any, no scores are written."""
    tokens: Tokens
    """Spent on the requests now sent; in a preview, a rough estimate of it."""

    @property
    def complete(self) -> bool:
        """Whether the run has its scores."""
        return not self.unanswered

    @property
    def unparsable_items(self) -> int:
        return sum(count for reasons in self.unparsable.values() for count in reasons.values())


@dataclass(frozen=True)
class _Material:
    """What a run holds for a judge."""

    run: RunSpec
    directory: RunDir
    generations: Sequence[Generation]
    keys: Sequence[str]
    """Request of each generation; equal questions and answers share one."""
    requests: Mapping[str, Sequence[Message]]
    """Messages by request."""


@dataclass(frozen=True)
class Judge:
    """One judge at work in one storage."""

    store: Store
    endpoint: Endpoint
    settings: Settings

    @cached_property
    def _cache(self) -> Cache:
        return Cache(self.store.uri)

    def preview(self, runs: Sequence[RunSpec], show: Callable[[JudgedRun], None]) -> tuple[JudgedRun, ...]:
        """What judging some runs would send; a request that several share counts with the first."""
        told: list[JudgedRun] = []
        planned: set[str] = set()
        for run in runs:
            material = self._material(run)
            known = set(material.keys) if self._recorded(material) else set(self._cache.get(material.requests))
            new = material.requests.keys() - known - planned
            planned |= new
            tokens = sum((estimate(material.requests[key]) for key in new), Tokens())
            told.append(JudgedRun(run.run_id, run.name, len(material.keys), len(new), 0, {}, {}, tokens))
            show(told[-1])
        return tuple(told)

    async def judge(self, run: RunSpec, ask: Ask, concurrency: int) -> JudgedRun:
        """Ask for what has no reply yet, and when all is answered, write the run's ratings.

        Args:
            run: A finished run.
            ask: Sends one request.
            concurrency: Requests on their way at a time.

        Raises:
            DataError: The run's generations are missing or malformed.
            JudgeStopped: The judge refuses every request; replies until then are kept.
        """
        material = self._material(run)
        facts = self._recorded(material)
        if facts is not None:
            return self._told(material, facts, {}, {})
        known = self._cache.get(material.requests)
        missing = {key: asked for key, asked in material.requests.items() if key not in known}
        replies, failures = await ask_all(missing, ask, self._cache.put, concurrency)
        return self._told(material, self._conclude(material, known | replies), replies, failures)

    def _conclude(self, material: _Material, replies: Mapping[str, Reply]) -> JudgeDocument:
        """The facts of judging a run; they and its ratings are written if every request has a reply."""
        pairs = zip(material.generations, material.keys, strict=True)
        items = [judged_item(one, key, replies[key]) for one, key in pairs if key in replies]
        facts = describe(self.endpoint, self.settings, items, time.time())
        if len(items) == len(material.keys):
            write(material.run, material.directory, material.generations, items, facts)
        return facts

    def _told(
        self, material: _Material, facts: JudgeDocument, replies: Mapping[str, Reply], failures: Mapping[str, str]
    ) -> JudgedRun:
        return JudgedRun(
            run_id=material.run.run_id,
            name=material.run.name,
            items=len(material.keys),
            requests=len(replies) + len(failures),
            rated=facts.rated,
            unparsable=facts.unparsable,
            unanswered=dict(Counter(failures.values())),
            tokens=spent(replies.values()),
        )

    def _material(self, run: RunSpec) -> _Material:
        directory = self.store.run_dir(run.run_id)
        generations = read_generations(run, directory)
        asked = [messages(one.prompt, one.output) for one in generations]
        keys = [request_key(self.settings, one) for one in asked]
        return _Material(run, directory, generations, keys, dict(zip(keys, asked, strict=True)))

    def _recorded(self, material: _Material) -> JudgeDocument | None:
        return recorded(material.directory, self.settings, material.keys)
