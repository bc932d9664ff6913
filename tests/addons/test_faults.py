"""A fault planted in every hook of every addon: nothing leaks, nothing is free, nothing hangs."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.test import tflow

from addons import gateway_addons
from addons.faults import FaultGuard
from addons.lifecycle import Lifecycle
from addons.proxy.plan import Attempt
from shared.domain.catalog import Dialect
from shared.errors import JournalError, StoreUnavailable
from tests.support import streams
from tests.support.gateway_worker import CRASHES, RunningWorker, make_services, named
from tests.support.raw_client import Answer
from tests.support.raw_upstream import Do, RawUpstream, chunk, response, stream_head

BEFORE = ("requestheaders", "request")
HOOKS = (*BEFORE, "upstream_attempt_failed", "responseheaders", "response", "error")
CHAIN = gateway_addons(make_services(Path("nowhere"), {"raw": 1}), Lifecycle(1))
PLACES = [(type(addon).__name__, hook) for hook in HOOKS for addon in CHAIN if hasattr(addon, hook)]
WHEN = ["first", "last"]
DIALECTS = list(Dialect)


class Planted(RuntimeError):
    """A fault that no addon expects."""


def faulty(original: Callable[[Any], Any], when: str) -> Callable[[Any], Any]:
    """A hook that raises before or after it has done its work."""

    async def hook(data: Any) -> None:
        if when == "first":
            raise Planted(when)
        result = original(data)
        if inspect.isawaitable(result):
            await result
        raise Planted(when)

    return hook


@contextlib.contextmanager
def planted(worker: RunningWorker, addon: str, hook: str, when: str) -> Iterator[None]:
    """A worker with a fault in one hook."""
    original = getattr(worker.addon(addon), hook)
    with worker.replaced(addon, hook, faulty(original, when)):
        yield
    assert any("Planted" in line for line in worker.records.lines), "the fault never happened"
    if addon == "Lifecycle":
        worker.run(worker.worker.lifecycle._live.clear)
    if addon == "ApiKeyAuth":
        worker.spy.seen.clear()  # without it the client's key stays on the flow


def check_500(answer: Answer, dialect: Dialect) -> None:
    """Our own error, in the dialect, that tells nothing."""
    assert answer.status == 500, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert (answer.json.get("type") == "error") == (dialect is Dialect.ANTHROPIC)
    assert b"Planted" not in answer.body


def whole(dialect: Dialect, *, stream: bool) -> tuple[bytes, ...]:
    """Steps of an upstream that answers well."""
    if stream:
        return (stream_head(), *map(chunk, streams.events(dialect)), chunk(b""))
    return (response(streams.body(dialect)),)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(("addon", "hook"), [place for place in PLACES if place[1] in BEFORE])
def test_a_fault_before_dispatch_lets_nothing_out(
    worker: RunningWorker,
    raw_upstream: RawUpstream,
    addon: str,
    hook: str,
    when: str,
    stream: bool,
    dialect: Dialect,
) -> None:
    with planted(worker, addon, hook, when), worker.client() as client:
        check_500(client.ask(worker.post(dialect, named("raw", dialect), stream=stream)), dialect)
    assert raw_upstream.opened == 0
    ends = worker.ledger.settled
    assert len(ends) == len([step for step, _ in worker.ledger.steps if step == "open"])
    assert all(record.cost_nano == 0 for record in ends)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("addon", "hook"), [place for place in PLACES if place[1] in ("responseheaders", "response")]
)
def test_a_fault_in_a_whole_answer_is_told_and_settled(
    worker: RunningWorker,
    raw_upstream: RawUpstream,
    addon: str,
    hook: str,
    when: str,
    dialect: Dialect,
) -> None:
    raw_upstream.script(*whole(dialect, stream=False))
    with planted(worker, addon, hook, when), worker.client() as client:
        check_500(client.ask(worker.post(dialect, named("raw", dialect))), dialect)
        worker.settled()
    raw_upstream.script(*whole(dialect, stream=False))
    assert worker.ask(worker.post(dialect, named("raw", dialect))).body == streams.body(dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("addon", [addon for addon, hook in PLACES if hook == "responseheaders"])
def test_a_fault_before_a_stream_is_told_and_settled(
    worker: RunningWorker, raw_upstream: RawUpstream, addon: str, when: str, dialect: Dialect
) -> None:
    raw_upstream.script(*whole(dialect, stream=True))
    with planted(worker, addon, "responseheaders", when), worker.client() as client:
        check_500(client.ask(worker.post(dialect, named("raw", dialect), stream=True)), dialect)
        worker.settled()
    raw_upstream.wait_for(lambda upstream: upstream.live == 0)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("addon", [addon for addon, hook in PLACES if hook == "response"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_fault_at_the_end_of_a_stream_is_settled(
    worker: RunningWorker,
    raw_upstream: RawUpstream,
    addon: str,
    when: str,
    cut: bool,
    dialect: Dialect,
) -> None:
    """What was sent stays sent; the fault is told behind it, unless the cut was told already."""
    steps = whole(dialect, stream=True)
    raw_upstream.script(*(steps[:3] if cut else steps), *([Do.RESET] if cut else []))
    with planted(worker, addon, "response", when), worker.client() as client:
        answer = client.ask(worker.post(dialect, named("raw", dialect), stream=True))
        record = worker.settled()
    assert answer.status == 200
    assert (streams.last_word(dialect) in answer.body) != cut
    assert b'"error"' in answer.events[-1]
    assert answer.body.count(b'"error"') == (2 if dialect is Dialect.ANTHROPIC else 1)
    assert record.cost_nano > 0


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    ("addon", "hook"),
    [place for place in PLACES if place[1] in ("upstream_attempt_failed", "response")],
)
def test_a_fault_about_a_failed_upstream_is_told_and_free(
    worker: RunningWorker,
    raw_upstream: RawUpstream,
    addon: str,
    hook: str,
    when: str,
    dialect: Dialect,
) -> None:
    raw_upstream.script(Do.RESET)
    with planted(worker, addon, hook, when), worker.client() as client:
        check_500(client.ask(worker.post(dialect, named("raw", dialect))), dialect)
        record = worker.settled()
    assert record.cost_nano == 0 or (hook, when) == ("upstream_attempt_failed", "first")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("addon", [addon for addon, hook in PLACES if hook == "error"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_after_a_client_has_left_is_settled(
    worker: RunningWorker,
    raw_upstream: RawUpstream,
    addon: str,
    when: str,
    stream: bool,
    dialect: Dialect,
) -> None:
    raw_upstream.script(*(whole(dialect, stream=True)[:3] if stream else ()), Do.STALL)
    with planted(worker, addon, "error", when):
        with worker.client() as client:
            client.send(worker.post(dialect, named("raw", dialect), stream=stream))
            if stream:
                client.read_until(b"\n\n\r\n")
            raw_upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
        assert worker.settled().cost_nano > 0
        raw_upstream.wait_for(lambda upstream: upstream.live == 0)


def test_every_place_is_tried() -> None:
    """A hook that is added to an addon is planted too; this fails when the hooks change name."""
    assert {hook for _, hook in PLACES} == set(HOOKS)
    hooks = {name for addon in CHAIN for name, _ in inspect.getmembers(addon, inspect.ismethod)}
    assert {name for name in hooks if not name.startswith("_")} - set(HOOKS) == {
        "arrived",
        "idle",
        "overloaded",
        "start_draining",
    }


# Stores and the ledger


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("method", ["open", "sent"])
def test_a_journal_that_cannot_be_written_admits_nothing(
    worker: RunningWorker, raw_upstream: RawUpstream, method: str, dialect: Dialect
) -> None:
    worker.ledger.errors[method] = JournalError("disk full")
    answer = worker.ask(worker.post(dialect, named("raw", dialect)))
    assert answer.status in (502, 503)
    assert answer.json["error"]["message"]
    assert raw_upstream.requests == []
    assert worker.holds.held == {}


def test_an_unknown_outcome_of_a_reserve_is_503(
    worker: RunningWorker, raw_upstream: RawUpstream
) -> None:
    worker.holds.error = StoreUnavailable("no answer")
    answer = worker.ask(worker.post(Dialect.OPENAI, named("raw", Dialect.OPENAI)))
    assert answer.status == 503
    assert raw_upstream.opened == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("leaves", [False, True])
def test_a_settlement_that_raises_leaves_nobody_waiting(
    worker: RunningWorker, raw_upstream: RawUpstream, stream: bool, leaves: bool
) -> None:
    dialect = Dialect.OPENAI
    worker.ledger.errors["settle"] = JournalError("disk full")
    steps = whole(dialect, stream=stream)
    raw_upstream.script(*(() if leaves else steps), Do.STALL)
    original = worker.addon("Billing").response
    with worker.replaced("Billing", "response", faulty(original, "first")):
        with worker.client() as client:
            client.send(worker.post(dialect, named("raw", dialect), stream=stream))
            raw_upstream.wait_for(lambda upstream: len(upstream.requests) == 1)
            if not leaves:
                assert client.read().status == (200 if stream else 500)
        worker.wait_for(lambda: not worker.worker.master.proxyserver.connections)
    # The ledger did not take the end: a real one keeps it for the next to recover.
    worker.ledger.open_requests.clear()
    worker.holds.held.clear()


# The guard by itself


def guard() -> FaultGuard:
    return FaultGuard(make_services(Path("nowhere"), {"raw": 1}))


@pytest.mark.parametrize("data", [None, 5, tflow.tclient_conn()])
def test_what_is_no_flow_is_left_alone(data: object) -> None:
    guard().hook_failed("client_connected", data, Planted())
    assert guard().hook_done("client_connected", data) is None


def test_a_flow_without_a_context_is_answered_by_its_path() -> None:
    flow = tflow.tflow()
    flow.request.path = "/v1/messages?x=y"
    guard().hook_failed("requestheaders", flow, Planted("secret detail"))
    assert flow.response is not None
    assert flow.response.status_code == 500
    content = json.loads(flow.response.content or b"")
    assert content["type"] == "error"
    assert "secret" not in str(content)


def test_an_attempt_is_answered_on_its_flow() -> None:
    flow = tflow.tflow()
    guard().hook_failed("upstream_attempt_failed", Attempt(flow, 1, "broken", ""), Planted())
    assert flow.response is not None


def test_a_refused_request_is_not_told_to_go_on() -> None:
    flow = tflow.tflow()
    flow.request.headers["expect"] = "100-continue"
    guard().hook_failed("requestheaders", flow, Planted())
    assert "expect" not in flow.request.headers


def test_a_fault_in_the_error_hook_makes_no_answer() -> None:
    flow = tflow.tflow(err=True)
    guard().hook_failed("error", flow, Planted())
    assert flow.response is None


def test_crashes_of_the_layer_would_be_seen() -> None:
    assert "layers failed" in CRASHES
