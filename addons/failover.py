"""Failover: what becomes of an upstream that fails before a byte went to the client."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from mitmproxy import http

from addons.context import RequestContext
from addons.decoding import plain_body
from addons.proxy.plan import Attempt
from addons.replies import answer
from addons.services import Services
from shared.errors import GatewayError
from shared.wire import errors as wire
from shared.wire.translation.errors import translated_error
from shared.wire.upstream_errors import PASSED_ON, clean_upstream_error, is_account_fault

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 2
DEFAULT_RETRY_AFTER_S = 5
_RETRY_AFTER_DIGITS = 6
_TIMEOUTS = ("first_byte", "idle", "total")


class Failover:
    """Answers for failed attempts, and turns an upstream's errors into ours."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def upstream_attempt_failed(self, attempt: Attempt) -> None:
        """Try a connection that had gone stale once more; answer every other failure."""
        context = RequestContext.of(attempt.flow)
        logger.warning(
            "request %s: upstream attempt %d failed (%s): %s",
            context.request_id,
            attempt.number,
            attempt.reason,
            attempt.message,
        )
        stale = attempt.reused and attempt.reason == "broken" and not attempt.answered
        if stale and attempt.number < MAX_ATTEMPTS:
            attempt.retry = True
            return
        context.failed_unanswered = not attempt.answered
        error = _error_of(attempt)
        context.end_reason = error.code
        attempt.flow.response = answer(attempt.flow, error)

    def response(self, flow: http.HTTPFlow) -> None:
        """Replace an upstream's error by what its client may see."""
        context = RequestContext.find(flow)
        response = flow.response
        if context is None or response is None or context.end_reason or context.faulted:
            return
        status = context.upstream_status
        if status is None or 200 <= status < 300:
            return
        context.failed_unanswered = True
        context.end_reason = "upstream_error"
        upstream = context.target.upstream if context.target else None
        secrets = (upstream.host, upstream.api_key or "") if upstream else ()
        retry_after = response.headers.get("retry-after", "")
        error = shown_error(status, _body_of(response), retry_after, secrets)
        if context.translates and error.status in PASSED_ON:
            error = translated_error(error, context.dialect)
        if self._services.content_filter is not None:
            shown = self._services.content_filter.text(error.message)
            error = replace(error, message=shown)
        logger.warning("request %s: upstream answered %d", context.request_id, status)
        flow.response = answer(flow, error)


def shown_error(
    status: int, body: bytes, retry_after: str, secrets: Sequence[str] = ()
) -> GatewayError:
    """What a client is told of an upstream's error.

    Args:
        status: The upstream's status, not 2xx.
        body: The upstream's body.
        retry_after: Its `retry-after`, empty when it sent none.
        secrets: Words that must not be shown: the upstream's host and key.
    """
    if is_account_fault(status, body):
        return wire.upstream_failed(f"our account at the upstream: {status}")
    if status in PASSED_ON:
        return clean_upstream_error(status, body, secrets)
    if status == 429:
        return wire.upstream_rate_limited(_seconds(retry_after))
    if status == 529:
        return wire.upstream_overloaded()
    return wire.upstream_failed(f"the upstream answered {status}")


def _seconds(retry_after: str) -> int:
    if not retry_after.isdecimal() or len(retry_after) > _RETRY_AFTER_DIGITS:
        return DEFAULT_RETRY_AFTER_S
    return int(retry_after)


def _body_of(response: http.Response) -> bytes:
    try:
        return plain_body(response)
    except GatewayError:
        return b""


def _error_of(attempt: Attempt) -> GatewayError:
    if attempt.reason in _TIMEOUTS:
        return wire.upstream_timed_out()
    if attempt.reason == "journal":
        return wire.service_unavailable(attempt.message)
    return wire.upstream_failed(attempt.message)
