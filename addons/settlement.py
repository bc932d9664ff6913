"""What a request is billed and logged as. Pure decisions."""

from __future__ import annotations

import time
from dataclasses import replace

from addons.context import RequestContext
from shared.domain.accounts import RequestRecord
from shared.domain.pricing import cost_nano
from shared.domain.usage import Usage

CLIENT_DISCONNECTED = "client_disconnected"

_UPSTREAM_FAULTS = ("upstream_error", "upstream_timeout")


def opening_record(context: RequestContext) -> RequestRecord:
    """The record of a request that is about to leave: its usage is the input estimate."""
    parsed, target, principal = context.parsed, context.target, context.principal
    read = context.outgoing or parsed
    price = target.model.price if target else None
    return RequestRecord(
        request_id=context.request_id,
        username=principal.username if principal else "",
        user_id=principal.user_id if principal else "",
        key_id=principal.key_id if principal else "",
        endpoint=context.endpoint,
        model=target.model.id if target else "",
        upstream=target.upstream.name if target else "",
        upstream_key_id=context.key_id,
        status=0,
        end_reason="",
        stream=parsed.stream if parsed else False,
        usage=Usage(input=read.input_estimate if read else 0, estimated=True),
        cost_nano=0,
        price_version=price.version if price else "",
        attempts=context.attempts,
        ttft_ms=None,
        duration_ms=0,
        created_at=context.arrived_at,
    )


def closing_record(context: RequestContext, status: int) -> RequestRecord:
    """The record of a request that has ended, with its cost."""
    usage = billed_usage(context)
    return replace(
        opening_record(context),
        status=status,
        end_reason=context.end_reason or "complete",
        usage=usage,
        cost_nano=cost_of(context, usage),
        ttft_ms=_ttft_ms(context),
        duration_ms=int((time.monotonic() - context.started_s) * 1000),
    )


def fallback_record(context: RequestContext, status: int) -> RequestRecord:
    """The record of a request whose real one cannot be made: the input estimate, if it was sent."""
    opening = opening_record(context)
    usage = opening.usage if context.sent else Usage()
    return replace(
        opening,
        status=status,
        end_reason=context.end_reason or "internal_error",
        usage=usage,
        cost_nano=cost_of(context, usage),
    )


def billed_usage(context: RequestContext) -> Usage:
    """What the upstream did for a request, as far as it is known.

    Nothing before it was sent; nothing when the upstream refused, or failed before it had produced
    or reported anything; the input estimate when the client left an upstream that was at work, be
    it in the midst of a body that is not streamed; else what the upstream reported, or was seen to
    produce.
    """
    read = context.outgoing or context.parsed
    if not context.sent or read is None or context.failed_unanswered:
        return Usage()
    if context.meter is not None:
        failed_empty = context.end_reason in _UPSTREAM_FAULTS and not context.meter.usage(0).total
        return Usage() if failed_empty else context.meter.usage(read.input_estimate)
    if context.upstream_status is None or _left_in_the_body(context):
        return Usage(input=read.input_estimate, estimated=True)
    return Usage()


def _left_in_the_body(context: RequestContext) -> bool:
    """Whether the client left while the upstream was sending a good answer."""
    good = context.upstream_status is not None and 200 <= context.upstream_status < 300
    return good and context.end_reason == CLIENT_DISCONNECTED


def cost_of(context: RequestContext, usage: Usage) -> int:
    """Cost in nano-USD; an estimate never costs more than was set aside."""
    price = context.target.model.price if context.target else None
    if price is None or not usage.total:
        return 0
    cost = cost_nano(usage, price)
    if usage.estimated and context.hold is not None:
        return min(cost, context.hold.amount_nano)
    return cost


def _ttft_ms(context: RequestContext) -> int | None:
    if context.first_byte_s is None:
        return None
    return int((context.first_byte_s - context.started_s) * 1000)
