"""Our own answers, in the dialect of the endpoint that was called."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mitmproxy import http

from addons.context import RequestContext
from addons.gatekeeper import dialect_of
from addons.proxy.plan import UpstreamPlan
from addons.request_id import new_request_id
from shared.domain.accounts import RateState
from shared.domain.catalog import Dialect
from shared.errors import GatewayError, JournalError, StoreError
from shared.wire import errors as wire

JSON = "application/json"


def answer(flow: http.HTTPFlow, error: GatewayError) -> http.Response:
    """The response for an error."""
    context = RequestContext.find(flow)
    if context is None:
        dialect = dialect_of(flow.request.path.partition("?")[0], flow.request.headers)
        return _response(error, dialect, new_request_id(), {})
    headers = own_headers(context)
    return _response(error, context.dialect, context.request_id, headers)


def answer_head(head: bytes, error: GatewayError) -> http.Response:
    """The response for a head that could not be read; its path is guessed for the dialect."""
    path = head[:200].split(b" ")[1:2]
    dialect = dialect_of(path[0].decode("ascii", "replace") if path else "/", http.Headers())
    return _response(error, dialect, new_request_id(), {})


def secrets_of(flow: http.HTTPFlow) -> tuple[str, ...]:
    """Words that no answer may show: the upstream's host and our key there."""
    plan = UpstreamPlan.of(flow)
    return () if plan is None else (plan.host, plan.credential[1].removeprefix("Bearer "))


def local(context: RequestContext, body: bytes, status: int = 200) -> http.Response:
    """A JSON answer of ours."""
    return http.Response.make(status, body, {"content-type": JSON, **own_headers(context)})


def own_headers(context: RequestContext) -> dict[str, str]:
    """Headers of every answer: the request id twice, and the rate limit of a keyed request.

    Also `connection: close` for a client that asked for it.
    """
    headers = {"x-request-id": context.request_id, "request-id": context.request_id}
    if context.closes:
        headers["connection"] = "close"
    if context.rate is not None:
        headers.update(rate_headers(context.rate, datetime.now(UTC)))
    return headers


def rate_headers(rate: RateState, now: datetime) -> dict[str, str]:
    """The window of a key as both providers write it: seconds for OpenAI, a time for Anthropic."""
    limit, remaining = str(rate.limit), str(rate.remaining)
    reset_at = (now + timedelta(seconds=rate.reset_s)).isoformat(timespec="seconds")[:19] + "Z"
    return {
        "x-ratelimit-limit-requests": limit,
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": f"{rate.reset_s}s",
        "anthropic-ratelimit-requests-limit": limit,
        "anthropic-ratelimit-requests-remaining": remaining,
        "anthropic-ratelimit-requests-reset": reset_at,
    }


def as_gateway_error(error: Exception) -> GatewayError:
    """What a client is told about an exception: never its text, unless it was meant for it."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, StoreError | JournalError):
        return wire.service_unavailable(repr(error))
    return wire.internal_error(repr(error))


def _response(
    error: GatewayError, dialect: Dialect, request_id: str, headers: Mapping[str, str]
) -> http.Response:
    body = wire.error_body(error, dialect, request_id)
    ids = {"x-request-id": request_id, "request-id": request_id}
    return http.Response.make(
        error.status, body, {"content-type": JSON, **ids, **headers, **error.headers}
    )
