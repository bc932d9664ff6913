"""Flows and contexts as addons see them, without a proxy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from mitmproxy import http
from mitmproxy.test import tflow, tutils

from addons.context import RequestContext
from addons.metering import BodyMeter
from addons.services import Services
from addons.settlement import opening_record
from addons.upstream_keys import CONFIG_KEY_ID
from shared.domain.accounts import Hold, OpenRequest, Purse
from shared.domain.catalog import Dialect, Target
from shared.wire.requests import parse_request
from tests.support import streams
from tests.support.gateway_fakes import BOB, FakeGate, FakeLedger, FakePools
from tests.support.gateway_worker import PATHS, body, make_services, named

REQUEST_ID = "req_00000000000000000000000001"
HOLD_NANO = 10_000_000
ARRIVED_AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def services() -> Services:
    """Services on fakes; upstreams `raw` and its like at ports that nobody listens on."""
    return make_services(Path("nowhere"), {"raw": 1, "dead": 2})


def ledger_of(made: Services) -> FakeLedger:
    """The fake behind services."""
    return cast(FakeLedger, made.ledger)


def pools_of(made: Services) -> FakePools:
    """The fake behind services."""
    return cast(FakePools, made.pools)


def gate_of(made: Services) -> FakeGate:
    """The fake behind services."""
    return cast(FakeGate, made.gate)


def bare_context(dialect: Dialect = Dialect.OPENAI, **fields: Any) -> RequestContext:
    """A context as the gatekeeper makes it."""
    made = RequestContext(REQUEST_ID, PATHS[dialect], dialect, ARRIVED_AT)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def routed_context(
    made: Services, dialect: Dialect = Dialect.OPENAI, place: str = "raw", **fields: Any
) -> RequestContext:
    """A context as the router leaves it; `fields` are of the body, `place` may name a model."""
    context = bare_context(dialect, principal=BOB)
    asked = place if "/" in place else named(place, dialect)
    context.parsed = parse_request(dialect, body(dialect, asked, **fields))
    context.target = cast(Target, made.catalog.resolve(context.parsed.model))
    context.outgoing = context.parsed
    return context


def sent_context(
    made: Services, dialect: Dialect = Dialect.OPENAI, place: str = "raw", **fields: Any
) -> RequestContext:
    """A context of a request that waits for its upstream; the ledger knows it as open."""
    context = routed_context(made, dialect, place, **fields)
    context.hold = Hold(REQUEST_ID, BOB.user_id, BOB.username, HOLD_NANO, Purse.MAIN)
    context.opened = context.sent = True
    context.key_id = CONFIG_KEY_ID
    context.tried = {CONFIG_KEY_ID}
    context.attempts = 1
    context.max_tokens = 100
    ledger = ledger_of(made)
    ledger.holds.held[REQUEST_ID] = context.hold
    ledger.open_requests[REQUEST_ID] = OpenRequest(context.hold, opening_record(context))
    return context


def answered_context(made: Services, dialect: Dialect = Dialect.OPENAI) -> RequestContext:
    """A context of a request that was answered in one piece."""
    context = sent_context(made, dialect)
    context.upstream_status = 200
    context.meter = BodyMeter(dialect, streams.body(dialect))
    return context


def flow_of(
    context: RequestContext | None = None,
    *,
    response: http.Response | None = None,
    error: bool = False,
    **request: Any,
) -> http.HTTPFlow:
    """A flow of a context."""
    path = context.endpoint.encode() if context else b"/v1/chat/completions"
    fields: dict[str, Any] = {"method": b"POST", "path": path, "headers": http.Headers()}
    flow = tflow.tflow(req=tutils.treq(**(fields | request)), err=error)
    flow.response = response
    if context is not None:
        context.attach(flow)
    return flow


def answer_of(
    status: int = 200, content: bytes = b"{}", kind: str = "application/json", **headers: str
) -> http.Response:
    """An upstream's answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.Response.make(status, content, {"content-type": kind, **names})


async def run(hook: Callable[[Any], Any], data: Any) -> None:
    """Run a hook, whether it waits or not."""
    result = hook(data)
    if inspect.isawaitable(result):
        await result
