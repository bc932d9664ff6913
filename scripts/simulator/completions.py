"""Requests for completions: a behaviour, an answer, a reply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.simulator.answer import Answer, Prompt, answer_to
from scripts.simulator.behaviour import (
    Behaviour,
    Fail,
    FailKeys,
    Flaky,
    Plain,
    Replay,
    Short,
    behaviour_of,
)
from scripts.simulator.dialects import Dialect
from scripts.simulator.errors import Refusal, Refused, encoded, html_page
from scripts.simulator.http_message import Reply, Request
from scripts.simulator.plans import JSON_TYPE, body_plan, stream_plan
from scripts.simulator.replay import CaseFolder, CaseNotFound
from scripts.simulator.usage import PromptCache

UNTOLD = {"nousage", "garbage", "empty"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a completion, with all that its reply depends on."""

    dialect: Dialect
    request: Request
    body: Mapping[str, Any]
    model: str
    number: int

    def refused(self, status: int, variant: str = "") -> Refused:
        """The provider's error of a status."""
        refusal = self.dialect.failure(status, variant, self.model, self.request.key)
        return Refused(refusal)


class Completions:
    """Answers requests for completions and counts of tokens.

    Args:
        cases: Where recordings are found.
        split: Bytes a piece of a recorded body; 0 is whole.
        clock: Seconds since the epoch.
    """

    def __init__(self, cases: CaseFolder, split: int, clock: Callable[[], float]) -> None:
        self._cases = cases
        self._split = split
        self._clock = clock
        self._cache = PromptCache()
        self._seen: Counter[str] = Counter()

    def clear(self) -> None:
        """Forgets prompt caches and counts."""
        self._cache.clear()
        self._seen.clear()

    def reply(self, call: Call) -> Reply:
        """Decides the reply.

        Raises:
            Refused: with the provider's error.
        """
        behaviour = behaviour_of(call.model)
        if isinstance(behaviour, Replay):
            return self._replayed(behaviour, call)
        prompt = call.dialect.prompt(call.body, call.request)
        if behaviour is None:
            raise call.refused(404)
        behaviour = self._settled(behaviour, call)
        if isinstance(behaviour, Fail):
            return _failed(behaviour, call)
        if call.request.path.endswith("/count_tokens"):
            return _counted(prompt, call)
        return self._answered(prompt, behaviour, call)

    def _settled(self, behaviour: Behaviour, call: Call) -> Behaviour:
        """What a behaviour that depends on the key or on time comes to for this request."""
        match behaviour:
            case FailKeys(failures=failures):
                for suffix, status in failures:
                    if call.request.key.endswith(suffix):
                        return Fail(status)
                return Plain("echo")
            case Flaky(count=times, status=status):
                self._seen[call.model] += 1
                return Fail(status) if self._seen[call.model] <= times else Plain("echo")
        return behaviour

    def _answered(self, prompt: Prompt, behaviour: Behaviour, call: Call) -> Reply:
        dialect, now = call.dialect, self._clock()
        scope = f"{call.request.key}\n{call.model}"
        tokens = dialect.input_tokens(self._cache, scope, prompt.units, now)
        answer = answer_to(prompt, behaviour, tokens)
        writer = dialect.writer(prompt, answer, call.number, now)
        headers = dialect.headers(call.number)
        if prompt.is_stream:
            reply = stream_plan(writer, behaviour, headers, dialect.error_event(call.number))
        elif isinstance(behaviour, Short) and behaviour.how == "break":
            raise call.refused(500)
        else:
            reply = body_plan(writer, behaviour, headers)
        reply.usage = _told(dialect, answer, behaviour, is_stream=prompt.is_stream)
        return reply

    def _replayed(self, replay: Replay, call: Call) -> Reply:
        try:
            return self._cases.reply(replay, self._split)
        except CaseNotFound as error:
            missing = call.refused(404).refusal
            message = f"{missing.message} ({error})"
            raise Refused(Refusal(404, missing.kind, message, missing.code)) from None


def _told(
    dialect: Dialect, answer: Answer, behaviour: Behaviour, *, is_stream: bool
) -> Mapping[str, Any] | None:
    """The usage that the client gets to read."""
    if isinstance(behaviour, Plain) and behaviour.kind in UNTOLD:
        return None
    if isinstance(behaviour, Short):
        is_started = is_stream and behaviour.count > 0
        return dialect.early_usage(answer) if is_started else None
    return dialect.usage(answer)


def _counted(prompt: Prompt, call: Call) -> Reply:
    total = sum(unit.tokens for unit in prompt.units)
    headers = [JSON_TYPE, *call.dialect.headers(call.number)]
    return Reply.whole(200, headers, encoded({"input_tokens": total}))


def refusal_reply(dialect: Dialect, refusal: Refusal, number: int) -> Reply:
    """An error as the provider sends it."""
    headers = [JSON_TYPE, *dialect.headers(number)]
    if refusal.retry_after_s is not None:
        headers.append(("retry-after", str(refusal.retry_after_s)))
    return Reply.whole(refusal.status, headers, dialect.error(refusal, number))


def _failed(fail: Fail, call: Call) -> Reply:
    headers = call.dialect.headers(call.number)
    if fail.variant == "html":
        return Reply.whole(
            fail.status, [("content-type", "text/html"), *headers], html_page(fail.status)
        )
    if fail.variant == "empty":
        return Reply.whole(fail.status, headers, b"")
    refusal = call.refused(fail.status, fail.variant).refusal
    return refusal_reply(call.dialect, refusal, call.number)
