"""Judges runs: reads their answers, sends the requests that have no reply yet, and writes the ratings."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from clt_ray.evaluation.evaluate import Generation
from clt_ray.judging.endpoint import Endpoint
from clt_ray.judging.protocol import Message, messages
from clt_ray.judging.record import describe, judged_item, read_generations, recorded, spent, write
from clt_ray.judging.replies import Ask, Cache, Reply, Settings, ask_all, request_key
from clt_ray.store import JudgeDocument, JudgeTokens, RunDir, Store
from clt_ray.sweep.run import RunSpec

BYTES_PER_TOKEN = 4.0
"""Approximate number of UTF-8 bytes per token of large multilingual models, in every script: Latin, Arabic, Korean and
Chinese characters have 1, 2, 3 and 3 bytes, and tokens have fewer characters the more bytes each of them has."""
REPLY_TOKENS = 150
"""Approximate length in tokens of a reply: an explanation of a few sentences and the rating."""


@dataclass(frozen=True)
class JudgedRun:
    """Outcome of judging one run."""

    run_id: str
    name: str
    items: int
    requests: int
    """Number of distinct requests that had no reply yet and were sent, or in a preview would be sent."""
    rated: int
    unparsable: Mapping[str, Mapping[str, int]]
    """Number of items whose reply has no rating, by language and reason."""
    unanswered: Mapping[str, int]
    """Number of requests without a reply, by reason; if there are any, no scores are written."""
    tokens: JudgeTokens
    """Tokens of the requests that were sent; in a preview, an estimate."""

    @property
    def complete(self) -> bool:
        """Whether the scores of the run are written."""
        return not self.unanswered

    @property
    def unparsable_items(self) -> int:
        return sum(count for reasons in self.unparsable.values() for count in reasons.values())


@dataclass(frozen=True)
class _Material:
    """A run's answers and the requests to judge them."""

    run: RunSpec
    directory: RunDir
    generations: Sequence[Generation]
    keys: Sequence[str]
    """Key of the request of each answer; equal questions with equal answers share a request."""
    requests: Mapping[str, Sequence[Message]]
    """Messages by key of the request."""


@dataclass(frozen=True)
class Judge:
    """A judge of the runs in a storage, with the settings of its requests."""

    store: Store
    endpoint: Endpoint
    settings: Settings

    @cached_property
    def _cache(self) -> Cache:
        return Cache(self.store.uri)

    def preview(self, runs: Sequence[RunSpec], show: Callable[[JudgedRun], None]) -> tuple[JudgedRun, ...]:
        """Returns what judging would send; a request that several runs share counts for the first of them."""
        previews: list[JudgedRun] = []
        planned: set[str] = set()
        for run in runs:
            material = self._material(run)
            is_judged = recorded(material.directory, self.settings, material.keys)
            known = set(material.keys if is_judged else self._cache.get(material.requests))
            new = material.requests.keys() - known - planned
            planned |= new
            sizes = [sum(len(message["content"].encode()) for message in material.requests[key]) for key in new]
            prompt_tokens = sum(round(size / BYTES_PER_TOKEN) for size in sizes)
            tokens = JudgeTokens(prompt=prompt_tokens, completion=REPLY_TOKENS * len(new), uncounted=0)
            previews.append(JudgedRun(run.run_id, run.name, len(material.keys), len(new), 0, {}, {}, tokens))
            show(previews[-1])
        return tuple(previews)

    async def judge(self, run: RunSpec, ask: Ask, concurrency: int) -> JudgedRun:
        """Sends a finished run's requests that have no reply yet, and writes the ratings when all have one.

        Raises:
            DataError: The run's generations are missing or malformed.
            JudgeStopped: The judge refuses every request; replies until then are stored.
        """
        material = self._material(run)
        facts = recorded(material.directory, self.settings, material.keys)
        if facts is not None:
            return self._outcome(material, facts, {}, {})
        known = self._cache.get(material.requests)
        missing = {key: prompt for key, prompt in material.requests.items() if key not in known}
        replies, failures = await ask_all(missing, ask, self._cache.put, concurrency)
        answered, pairs = known | replies, zip(material.generations, material.keys, strict=True)
        items = [judged_item(generation, key, answered[key]) for generation, key in pairs if key in answered]
        facts = describe(self.endpoint, self.settings, items, time.time())
        if len(items) == len(material.keys):
            write(material.run, material.directory, material.generations, items, facts)
        return self._outcome(material, facts, replies, failures)

    def _outcome(
        self, material: _Material, facts: JudgeDocument, replies: Mapping[str, Reply], failures: Mapping[str, str]
    ) -> JudgedRun:
        return JudgedRun(
            run_id=material.run.run_id, name=material.run.name, items=len(material.keys),
            requests=len(replies) + len(failures), rated=facts.rated, unparsable=facts.unparsable,
            unanswered=dict(Counter(failures.values())), tokens=spent(replies.values()),
        )  # fmt: skip

    def _material(self, run: RunSpec) -> _Material:
        directory = self.store.run_dir(run.run_id)
        generations = read_generations(run, directory)
        prompts = [messages(generation.prompt, generation.output) for generation in generations]
        keys = [request_key(self.settings, prompt) for prompt in prompts]
        return _Material(run, directory, generations, keys, dict(zip(keys, prompts, strict=True)))
