"""Failover: what becomes of an upstream that fails before a byte went to the client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from mitmproxy import http

from addons.context import RequestContext
from addons.decoding import plain_body
from addons.departures import Departures
from addons.proxy.plan import Attempt
from addons.replies import answer, secrets_of
from addons.services import Services
from shared.domain.retries import (
    MAX_ATTEMPTS,
    RetryBudget,
    counts_in_budget,
    falls_back_first,
)
from shared.domain.upstream_keys import DISABLING, Fault
from shared.errors import GatewayError
from shared.wire import errors as wire
from shared.wire.translation.errors import translated_error
from shared.wire.upstream_errors import PASSED_ON, clean_upstream_error, is_account_fault
from shared.wire.upstream_faults import fault_of, retry_after_s

logger = logging.getLogger(__name__)

DEFAULT_RETRY_AFTER_S = 5
_TIMEOUTS = ("first_byte", "idle", "total")
# Of `total` nobody is to blame: it is also how a worker that leaves ends what is under way.
_FAULT_BEHIND = {
    "connect": Fault.CONNECT,
    "first_byte": Fault.TIMEOUT,
    "idle": Fault.TIMEOUT,
    "broken": Fault.BROKEN,
}


class Failover:
    """Tries another key, then another upstream; answers what no attempt is left for.

    Args:
        services: What the addons work with.
        live: How many requests are under way in this worker.
    """

    def __init__(self, services: Services, live: Callable[[], int]) -> None:
        self._services = services
        self._live = live
        self._budget = RetryBudget()
        self._departures = Departures(services)
        self._keys = services.upstream_keys

    async def upstream_attempt_failed(self, attempt: Attempt) -> None:
        """Tell the pool, then try elsewhere or let the client be answered."""
        context = RequestContext.of(attempt.flow)
        _log(context, attempt)
        _note(context, attempt)
        if _is_stale(attempt):
            attempt.retry = True
        else:
            fault = fault_behind(attempt)
            if fault is not None:
                self._report(context, fault, _asked_wait_s(attempt.response))
                attempt.retry = await self._try_elsewhere(attempt, context, fault)
        if attempt.retry:
            context.sent = context.failed_unanswered = False
            context.upstream_status = None
        elif not _is_told(attempt):
            self._give_up(attempt, context)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """The answer that is kept begins: a retry has come to its end."""
        self._retried(RequestContext.find(flow))

    def response(self, flow: http.HTTPFlow) -> None:
        """Replace an upstream's error by what its client may see; tell the pool what it took."""
        context = RequestContext.find(flow)
        self._retried(context)
        if context is None or flow.response is None or context.upstream_status is None:
            return
        status = context.upstream_status
        if 200 <= status < 300:
            self._report_answer(context)
        elif not context.end_reason and not context.faulted:
            self._replace_error(flow, flow.response, context, status)

    def error(self, flow: http.HTTPFlow) -> None:
        """A client that leaves while an upstream's error comes in pays nothing for it."""
        context = RequestContext.find(flow)
        self._retried(context)
        if context is None:
            return
        if context.upstream_status is None and context.sent and flow.response is not None:
            context.upstream_status = flow.response.status_code
        self._report_answer(context)

    async def _try_elsewhere(self, attempt: Attempt, context: RequestContext, fault: Fault) -> bool:
        """Whether another attempt is made; then request and plan of it are on the flow."""
        over = attempt.answered or attempt.reason == "total"
        if over or attempt.number >= MAX_ATTEMPTS or not self._may(context, fault):
            return False
        ways = [self._departures.other_key, self._departures.fall_back]
        if falls_back_first(fault, attempt.number):
            ways.reverse()
        for way in ways:
            if await way(attempt.flow):
                return True
        return False

    def _may(self, context: RequestContext, fault: Fault) -> bool:
        if context.retrying or not counts_in_budget(fault):
            return True
        context.retrying = self._budget.take(self._live())
        return context.retrying

    def _retried(self, context: RequestContext | None) -> None:
        if context is not None and context.retrying:
            context.retrying = False
            self._budget.give_back()

    def _give_up(self, attempt: Attempt, context: RequestContext) -> None:
        error = _error_of(attempt)
        context.end_reason = error.code
        attempt.flow.response = answer(attempt.flow, error)

    def _report_answer(self, context: RequestContext) -> None:
        """A key whose upstream took the request is good, unless its answer broke off."""
        status = context.upstream_status
        if status is None or not 200 <= status < 300 or context.failed_unanswered:
            return
        if context.end_reason in ("upstream_error", "upstream_timeout"):
            broken = Fault.TIMEOUT if context.end_reason == "upstream_timeout" else Fault.BROKEN
            self._report(context, broken)
        else:
            self._report(context, None)

    def _report(
        self, context: RequestContext, fault: Fault | None, wait_s: float | None = None
    ) -> None:
        """Tell the pool what became of an attempt, once."""
        if not context.judged:
            context.judged = True
            self._keys.report(context.key_id, fault, wait_s)

    def _replace_error(
        self, flow: http.HTTPFlow, response: http.Response, context: RequestContext, status: int
    ) -> None:
        context.failed_unanswered = True
        context.end_reason = "upstream_error"
        body = _body_of(response)
        fault = fault_of(status, body)
        if fault is None:  # else the pool was told before another attempt was thought of
            self._report(context, None)
        error = shown_error(status, body, self._wait_s(context, response, fault), secrets_of(flow))
        if context.translates and error.status in PASSED_ON:
            error = translated_error(error, context.dialect)
        if self._services.content_filter is not None:
            shown = self._services.content_filter.text(error.message)
            error = replace(error, message=shown)
        flow.response = answer(flow, error)

    def _wait_s(
        self, context: RequestContext, response: http.Response, fault: Fault | None
    ) -> int | None:
        """When to come back where limits are what is wrong, None where they are not."""
        if fault not in (*DISABLING, Fault.RATE_LIMITED) or context.target is None:
            return None
        wait_s = self._keys.wait_s(context.target.upstream)
        if wait_s is None and fault is Fault.RATE_LIMITED:
            asked_s = _asked_wait_s(response)
            return DEFAULT_RETRY_AFTER_S if asked_s is None else int(asked_s)
        return wait_s


def fault_behind(attempt: Attempt) -> Fault | None:
    """What a failed attempt says about its key and upstream; None when it says nothing."""
    if attempt.response is not None:
        fault = fault_of(attempt.response.status_code, _body_of(attempt.response))
        if fault is not None:
            return fault
    return _FAULT_BEHIND.get(attempt.reason)


def shown_error(
    status: int, body: bytes, wait_s: int | None = None, secrets: Sequence[str] = ()
) -> GatewayError:
    """What a client is told of an upstream's error after all attempts.

    Args:
        status: The upstream's status, not 2xx.
        body: The upstream's body.
        wait_s: When limits of ours at the upstream are over; None when they are not what is wrong.
        secrets: Words that must not be shown: the upstream's host and key.
    """
    if wait_s is not None:
        return wire.upstream_rate_limited(wait_s, f"the upstream answered {status}")
    if is_account_fault(status, body):
        return wire.upstream_failed(f"our account at the upstream: {status}")
    if status in PASSED_ON:
        return clean_upstream_error(status, body, secrets)
    if status == 529:
        return wire.upstream_overloaded()
    return wire.upstream_failed(f"the upstream answered {status}")


def _note(context: RequestContext, attempt: Attempt) -> None:
    """What has failed is free, also for a client that leaves before it is answered."""
    context.attempts = max(context.attempts, attempt.number)
    if attempt.response is not None:
        context.upstream_status = attempt.response.status_code
    elif not attempt.answered:
        context.failed_unanswered = True


def _is_stale(attempt: Attempt) -> bool:
    """Whether a kept connection had been closed before the request reached anybody."""
    unheard = attempt.response is None and not attempt.answered
    stale = attempt.reused and attempt.reason == "broken" and unheard
    return stale and attempt.number < MAX_ATTEMPTS


def _is_told(attempt: Attempt) -> bool:
    """Whether the upstream's own error says what is wrong; half a 400 does not."""
    whole = attempt.reason == "status"
    return attempt.response is not None and (whole or attempt.status != 400)


def _asked_wait_s(response: http.Response | None) -> float | None:
    return None if response is None else retry_after_s(response.headers.get("retry-after", ""))


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


def _log(context: RequestContext, attempt: Attempt) -> None:
    logger.warning(
        "request %s: upstream attempt %d failed (%s): %s",
        context.request_id,
        attempt.number,
        attempt.reason,
        attempt.message,
    )
