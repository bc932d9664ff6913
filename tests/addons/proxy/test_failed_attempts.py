"""Failover over real sockets: what the client got, what was billed, what the pool was told."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import pytest

from shared.domain.catalog import Dialect
from shared.domain.upstream_keys import Fault
from tests.support import streams
from tests.support.gateway_errors import check_error
from tests.support.gateway_worker import (
    COST_NANO,
    MAX_ERROR,
    POOLED_KEYS,
    RunningWorker,
    named,
)
from tests.support.raw_client import RawClient
from tests.support.raw_upstream import (
    Do,
    Pause,
    RawUpstream,
    Received,
    Step,
    chunk,
    response,
    stream_head,
)

DIALECTS = list(Dialect)
LIMIT, SERVER = Fault.RATE_LIMITED, Fault.SERVER
Told = list[tuple[str, Fault | None, float | None]]
ERROR_HEAD = b"HTTP/1.1 500 No\r\ncontent-type: application/json\r\n"


def error(status: int, text: str = "no", *headers: str) -> bytes:
    """An upstream's error in JSON."""
    data = json.dumps({"error": {"type": "some_error", "message": text}}).encode()
    return response(data, status, *headers)


def good(dialect: Dialect, stream: bool) -> tuple[Step, ...]:
    """A complete answer."""
    if not stream:
        return (response(streams.body(dialect)),)
    return (stream_head(), *map(chunk, streams.events(dialect)), chunk(b""))


def key_of(received: Received) -> str:
    headers = received.headers
    return headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ")


def settle_down(worker: RunningWorker, upstream: RawUpstream) -> None:
    """No connection of a request that is over stays open."""
    worker.wait_for(lambda: not worker.worker.master.proxyserver.connections)
    upstream.wait_for(lambda one: one.live == 0)


@pytest.fixture
def pooled(worker: RunningWorker) -> RunningWorker:
    """A worker with three keys for `pooled`."""
    worker.pools.add("pooled", *POOLED_KEYS)
    return worker


@dataclasses.dataclass(frozen=True)
class Case:
    """Attempts of which the last one is good.

    Attributes:
        failing: What the upstream does in the attempts that reach it, but for the last.
        told: Of keys of the pool.
        opened: Connections to the raw upstream.
        places: Model and fallbacks, less the dialect.
        attempts: How many are made.
        only_streamed: An answer in one piece has as much time as the whole.
    """

    failing: tuple[tuple[Step, ...], ...]
    told: Told
    opened: int = 1
    places: tuple[str, ...] = ("pooled",)
    attempts: int = 2
    only_streamed: bool = False


def once(fault: Fault, wait_s: float | None = None) -> Told:
    """The first key failed, the second one did not."""
    return [("uk_1", fault, wait_s), ("uk_2", None, None)]


CHUNKED = ERROR_HEAD + b"transfer-encoding: chunked\r\n\r\n"
LARGE = b"x" * (MAX_ERROR + 50_000)
ACCOUNT = "Your credit balance is too low to go on."

CASES = {
    "429": Case(((error(429, "slow", "retry-after: 7"),),), once(LIMIT, 7)),
    "429 without a time": Case(((error(429),),), once(LIMIT)),
    "429 twice": Case(
        ((error(429),), (error(429),)),
        [("uk_1", LIMIT, None), ("uk_2", LIMIT, None), ("uk_3", None, None)],
        attempts=3,
    ),
    "401": Case(((error(401),),), once(Fault.AUTH)),
    "402": Case(((error(402),),), once(Fault.BUDGET)),
    "403": Case(((error(403),),), once(Fault.AUTH)),
    "408": Case(((error(408),),), once(Fault.TIMEOUT)),
    "500": Case(((error(500),),), once(SERVER)),
    "529": Case(((error(529),),), once(SERVER)),
    "our account": Case(((error(400, ACCOUNT),),), once(Fault.BUDGET)),
    "500 without a body": Case(((response(b"", 500),),), once(SERVER)),
    "500 in chunks": Case(
        ((CHUNKED, chunk(b"{"), Pause(0.05), chunk(b"}"), chunk(b"")),), once(SERVER)
    ),
    "500 byte by byte": Case((tuple(bytes([one]) for one in error(500)),), once(SERVER)),
    "500 and close": Case(((error(500, "no", "connection: close"),),), once(SERVER), 2),
    "500 without an end": Case(((b"HTTP/1.0 500 No\r\n\r\nno", Do.CLOSE),), once(SERVER), 2),
    "500 cut off": Case(((CHUNKED + chunk(b"{"), Do.CLOSE),), once(SERVER), 2),
    "500 reset": Case(((CHUNKED + chunk(b"{"), Do.RESET),), once(SERVER), 2),
    "500 broken": Case(((CHUNKED + b"zz\r\n",),), once(SERVER), 2),
    "429 too large": Case(((response(LARGE, 429, "retry-after: 3"),),), once(LIMIT, 3), 2),
    "500 too large and broken": Case(((CHUNKED + chunk(LARGE) + b"zz\r\n",),), once(SERVER), 2),
    "400 cut off": Case(
        ((ERROR_HEAD.replace(b"500", b"400") + b"content-length: 9\r\n\r\n{", Do.CLOSE),),
        once(Fault.BROKEN),
        2,
    ),
    "429 with bad headers": Case(
        ((b"HTTP/1.1 429 No\r\nbad header: x\r\ncontent-length: 2\r\n\r\n{}",),),
        once(Fault.BROKEN),
        2,
    ),
    "reset": Case(((Do.RESET,),), once(Fault.BROKEN), 2),
    "closed": Case(((Do.CLOSE,),), once(Fault.BROKEN), 2),
    "interim 103": Case(
        ((b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + response(b"{}"),),),
        once(Fault.BROKEN),
        2,
    ),
    "no first byte": Case(
        ((Do.STALL,),), [("uk_1", None, None)], 2, ("hasty", "pooled"), only_streamed=True
    ),
    "an error that stalls": Case(
        ((CHUNKED, Do.STALL),), [("uk_1", None, None)], 2, ("hasty", "pooled")
    ),
    "refused": Case((), [("uk_1", None, None)], 1, ("dead", "pooled")),
    "queue full": Case((), [("uk_1", None, None)], 1, ("deaf", "pooled")),
    "TLS hangs": Case((), [("uk_1", None, None)], 2, ("mute", "pooled")),
    "refused, then 429": Case(((error(429),),), once(LIMIT), 1, ("dead", "pooled"), attempts=3),
    "TLS hangs, then queue full": Case(
        (), [("uk_1", None, None)], 2, ("mute", "deaf", "pooled"), attempts=3
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("name", "stream"),
    [
        (name, stream)
        for name, case in CASES.items()
        for stream in (False, True)
        if stream or not case.only_streamed
    ],
)
def test_a_client_sees_nothing_of_what_failed(
    pooled: RunningWorker, raw_upstream: RawUpstream, name: str, stream: bool, dialect: Dialect
) -> None:
    case = CASES[name]
    for steps in case.failing:
        raw_upstream.script(*steps)
    raw_upstream.script(*good(dialect, stream))
    first, *others = case.places
    model = named(first, dialect, "m", *(f"{place}-{dialect.value}/m" for place in others))
    with pooled.client() as client:
        answer = client.ask(pooled.post(dialect, model, stream=stream))
        assert answer.status == 200
        whole = b"".join(streams.events(dialect)) if stream else streams.body(dialect)
        assert streams.last_word(dialect) in answer.body if stream else answer.body == whole
        record = pooled.settled()
        assert (record.cost_nano, record.status) == (COST_NANO, 200)
        assert (record.attempts, record.end_reason) == (case.attempts, "complete")
        pooled.wait_for(lambda: len(pooled.pools.told) >= len(case.told))
        assert pooled.pools.told == case.told
        assert record.upstream_key_id == case.told[-1][0]
        assert raw_upstream.opened == case.opened
        # The client's connection is as good as new, and so is the upstream's.
        raw_upstream.script(*good(dialect, stream))
        assert client.ask(pooled.post(dialect, named("raw", dialect), stream=stream)).status == 200
        assert raw_upstream.opened == case.opened
    settle_down(pooled, raw_upstream)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_each_attempt_is_made_with_its_own_key(
    pooled: RunningWorker, raw_upstream: RawUpstream, stream: bool, dialect: Dialect
) -> None:
    for status in (429, 500):
        raw_upstream.script(error(status))
    raw_upstream.script(*good(dialect, stream))
    model = named("pooled", dialect, "m")
    assert pooled.ask(pooled.post(dialect, model, stream=stream)).status == 200
    assert [key_of(one) for one in raw_upstream.requests] == list(POOLED_KEYS)
    first, *others = [one.body for one in raw_upstream.requests]
    assert others == [first, first]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_of_the_other_dialect_answers_in_the_client_s(
    pooled: RunningWorker, raw_upstream: RawUpstream, stream: bool, dialect: Dialect
) -> None:
    other = next(each for each in Dialect if each is not dialect)
    raw_upstream.script(error(500))
    raw_upstream.script(*good(other, stream))
    model = named("raw", dialect, "m", f"pooled-{other.value}/theirs")
    answer = pooled.ask(pooled.post(dialect, model, stream=stream))
    assert answer.status == 200
    if stream:
        assert streams.last_word(dialect) in answer.body
    record = pooled.settled()
    assert (record.cost_nano, record.attempts) == (COST_NANO, 2)
    assert (record.upstream, record.upstream_key_id) == (other.value, "uk_1")
    assert record.model == model
    sent = raw_upstream.requests[1]
    assert json.loads(sent.body)["model"] == "theirs"
    assert key_of(sent) == POOLED_KEYS[0]
    settle_down(pooled, raw_upstream)


# What is told in the end


FINAL: dict[str, tuple[list[bytes], int, Told]] = {
    "429": (
        [error(429, "slow", f"retry-after: {wait_s}") for wait_s in (90, 40, 70)],
        429,
        [("uk_1", LIMIT, 90), ("uk_2", LIMIT, 40), ("uk_3", LIMIT, 70)],
    ),
    "401": ([error(401)] * 3, 502, [(f"uk_{one}", Fault.AUTH, None) for one in (1, 2, 3)]),
    "402": ([error(402)] * 3, 502, [(f"uk_{one}", Fault.BUDGET, None) for one in (1, 2, 3)]),
    "our account": (
        [error(400, ACCOUNT)] * 3,
        502,
        [(f"uk_{one}", Fault.BUDGET, None) for one in (1, 2, 3)],
    ),
    "500": ([error(500)] * 3, 502, [(f"uk_{one}", SERVER, None) for one in (1, 2, 3)]),
    "529": ([error(529)] * 3, 529, [(f"uk_{one}", SERVER, None) for one in (1, 2, 3)]),
    "429 and 500": (
        [error(429), error(429), error(500)],
        502,
        [("uk_1", LIMIT, None), ("uk_2", LIMIT, None), ("uk_3", SERVER, None)],
    ),
    "400": ([error(400)], 400, [("uk_1", None, None)]),
    "a large 400": ([response(LARGE, 400)], 400, [("uk_1", None, None)]),
    "404": ([error(404)], 404, [("uk_1", None, None)]),
    "422": ([error(422)], 422, [("uk_1", None, None)]),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FINAL)
def test_what_no_attempt_is_left_for(
    pooled: RunningWorker, raw_upstream: RawUpstream, name: str, stream: bool, dialect: Dialect
) -> None:
    errors, status, told = FINAL[name]
    for each in errors:
        raw_upstream.script(each)
    answer = pooled.ask(pooled.post(dialect, named("pooled", dialect), stream=stream))
    check_error(answer, status, dialect)
    if name == "429":
        assert 35 <= int(answer.headers["retry-after"]) <= 40
    record = pooled.settled()
    assert (record.cost_nano, record.attempts) == (0, len(errors))
    assert pooled.pools.told == told
    assert len(raw_upstream.requests) == len(errors)
    settle_down(pooled, raw_upstream)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("state", ["cooling", "out", "none"])
def test_without_a_usable_key_nothing_leaves_and_it_is_said_at_once(
    worker: RunningWorker, raw_upstream: RawUpstream, state: str, dialect: Dialect
) -> None:
    if state != "none":
        worker.pools.add("pooled", *POOLED_KEYS)
    if state == "out":
        worker.pools.out = {"uk_1", "uk_2", "uk_3"}
    if state == "cooling":
        for number, wait_s in enumerate((90, 40, 70), start=1):
            worker.pools.cool(f"uk_{number}", wait_s)
    began_s = time.monotonic()
    answer = worker.ask(worker.post(dialect, named("pooled", dialect)))
    assert time.monotonic() - began_s < 1
    check_error(answer, 429 if state == "cooling" else 503, dialect)
    record = worker.settled()
    assert (record.cost_nano, record.attempts) == (0, 0)
    assert not worker.holds.held
    assert raw_upstream.opened == 0
    if state == "cooling":
        assert 35 <= int(answer.headers["retry-after"]) <= 40


def test_nothing_is_tried_again_once_an_answer_has_begun(
    pooled: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.ANTHROPIC
    raw_upstream.script(stream_head(), chunk(streams.events(dialect)[0]), Do.RESET)
    answer = pooled.ask(pooled.post(dialect, named("pooled", dialect), stream=True))
    assert b"event: error" in answer.body
    assert len(raw_upstream.requests) == 1
    assert pooled.settled().cost_nano > 0
    assert pooled.pools.told == [("uk_1", Fault.BROKEN, None)]


def test_a_body_that_breaks_off_is_not_tried_again(
    pooled: RunningWorker, raw_upstream: RawUpstream
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
    raw_upstream.script(head, Do.CLOSE)
    dialect = Dialect.OPENAI
    answer = pooled.ask(pooled.post(dialect, named("pooled", dialect)))
    check_error(answer, 502, dialect)
    assert len(raw_upstream.requests) == 1
    assert pooled.pools.told == [("uk_1", Fault.BROKEN, None)]


def test_the_whole_time_runs_from_the_first_attempt(
    pooled: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(Pause(0.25), error(500))
    raw_upstream.script(Pause(0.3), error(500))
    model = named("hurried", dialect, "a", "hurried-openai/b", "raw-openai/c")
    answer = pooled.ask(pooled.post(dialect, model, stream=True))
    check_error(answer, 504, dialect)
    assert [json.loads(one.body)["model"] for one in raw_upstream.requests] == ["a", "b"]


@pytest.mark.parametrize("fails", ["hook", "pick"])
def test_a_fault_of_ours_between_attempts_is_answered_and_free(
    pooled: RunningWorker, raw_upstream: RawUpstream, fails: str
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(error(500))

    def fail(*_: Any) -> None:
        raise ValueError("planted")

    with pytest.MonkeyPatch.context() as patch:
        if fails == "pick":
            patch.setattr(pooled.pools, "report", fail)
            answer = pooled.ask(pooled.post(dialect, named("pooled", dialect)))
        else:
            with pooled.replaced("Failover", "upstream_attempt_failed", fail):
                answer = pooled.ask(pooled.post(dialect, named("pooled", dialect)))
    check_error(answer, 500, dialect)
    assert len(raw_upstream.requests) == 1


# Clients that leave


def leave(client: RawClient, upstream: RawUpstream, requests: int) -> None:
    """Leave once so many requests have reached the upstream."""
    upstream.wait_for(lambda one: len(one.requests) == requests)
    time.sleep(0.05)
    client.close()


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_during_a_retry_ends_it(
    pooled: RunningWorker, raw_upstream: RawUpstream, stream: bool, dialect: Dialect
) -> None:
    raw_upstream.script(error(429))
    raw_upstream.script(Do.STALL)
    with pooled.client() as client:
        client.send(pooled.post(dialect, named("pooled", dialect), stream=stream))
        leave(client, raw_upstream, 2)
    settle_down(pooled, raw_upstream)
    record = pooled.settled()
    assert (record.status, record.end_reason) == (499, "client_disconnected")
    assert (record.attempts, record.upstream_key_id) == (2, "uk_2")
    # The second upstream is at work on it: its input is paid for, once.
    assert record.cost_nano == record.usage.input * 3000 > 0
    assert pooled.pools.told == [("uk_1", LIMIT, None)]
    assert len(raw_upstream.requests) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_that_leaves_while_an_error_comes_pays_nothing(
    pooled: RunningWorker, raw_upstream: RawUpstream, dialect: Dialect
) -> None:
    raw_upstream.script(CHUNKED, chunk(b"{"), Do.STALL)
    with pooled.client() as client:
        client.send(pooled.post(dialect, named("pooled", dialect)))
        leave(client, raw_upstream, 1)
    settle_down(pooled, raw_upstream)
    assert pooled.settled().cost_nano == 0
    assert len(raw_upstream.requests) == 1


def test_a_client_that_leaves_while_a_key_is_chosen_ends_it(
    pooled: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(error(500))
    with pooled.client() as client:
        pooled.pools.pause_s = 0.2
        client.send(pooled.post(dialect, named("pooled", dialect)))
        leave(client, raw_upstream, 1)
    settle_down(pooled, raw_upstream)
    assert pooled.settled().cost_nano == 0
    assert len(raw_upstream.requests) == 1


def test_a_client_that_leaves_while_another_upstream_is_dialled_pays_nothing(
    pooled: RunningWorker, raw_upstream: RawUpstream
) -> None:
    dialect = Dialect.OPENAI
    raw_upstream.script(error(500))
    with pooled.client() as client:
        model = named("raw", dialect, "m", "deaf-openai/m", "pooled-openai/m")
        client.send(pooled.post(dialect, model))
        leave(client, raw_upstream, 1)
    settle_down(pooled, raw_upstream)
    assert pooled.settled().cost_nano == 0
    assert len(raw_upstream.requests) == 1


def test_permits_come_back(pooled: RunningWorker, raw_upstream: RawUpstream) -> None:
    dialect = Dialect.OPENAI
    for _ in range(5):
        raw_upstream.script(error(500))
        raw_upstream.script(*good(dialect, stream=False))
        assert pooled.ask(pooled.post(dialect, named("pooled", dialect))).status == 200
    assert pooled.addon("Failover")._budget.under_way == 0
