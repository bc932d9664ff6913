"""CreditGuard: sets money aside and makes the request durable, before any upstream hears of it."""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import endpoint_at
from addons.services import Services
from addons.settlement import opening_record
from shared.domain.accounts import HoldRefused, HoldRequest, OpenRequest
from shared.domain.catalog import Target
from shared.domain.pricing import Price, affordable_tokens, bound_nano
from shared.errors import JournalError
from shared.wire import errors as refusals
from shared.wire.requests import ParsedRequest


@dataclass(frozen=True, slots=True)
class Bound:
    """Upper bound of what a request can cost.

    Attributes:
        input_tokens: At most this many tokens go in.
        max_tokens: At most this many come out, per choice.
        full_nano: Cost of both, nano-USD.
        minimum_nano: Least that must be set aside; smaller than `full_nano` when the client
            left max_tokens open.
    """

    input_tokens: int
    max_tokens: int
    full_nano: int
    minimum_nano: int


def bound_of(parsed: ParsedRequest, target: Target, price: Price) -> Bound:
    """The bound of a parsed request on its target."""
    model = target.model
    inputs = parsed.input_bound(model.context_window)
    max_tokens = model.max_output_tokens if parsed.max_tokens is None else parsed.max_tokens

    def cost(tokens: int) -> int:
        output = parsed.output_bound(tokens)
        return bound_nano(inputs, output, parsed.choices, price, parsed.web_searches)

    full = cost(max_tokens)
    least = full if parsed.max_tokens is not None else cost(parsed.format.least_output_tokens)
    return Bound(inputs, max_tokens, full, least)


class CreditGuard:
    """Reserves the bound of a request on its account, then journals it as open."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def request(self, flow: http.HTTPFlow) -> None:
        """Reserve and journal.

        Raises:
            GatewayError: 401 for an inactive account, 402 for too little credit.
            StoreUnavailable: The outcome of the reserve is unknown.
            JournalError: Nothing can be made durable: nothing is admitted.
        """
        context = RequestContext.of(flow)
        target, parsed, principal = context.target, context.outgoing, context.principal
        if not is_open(flow) or target is None or parsed is None or principal is None:
            return
        endpoint = endpoint_at(context.endpoint)
        if endpoint is None or not endpoint.billed:
            return
        price = target.model.price
        if price is None:
            raise refusals.service_unavailable(f"The model {target.model.id} has no price yet.")
        bound = bound_of(parsed, target, price)
        context.max_tokens = bound.max_tokens
        if principal.billed:
            await self._reserve(context, bound, parsed, price)
        await self._open(context)

    async def _reserve(
        self, context: RequestContext, bound: Bound, parsed: ParsedRequest, price: Price
    ) -> None:
        assert context.principal is not None
        wanted = HoldRequest(
            context.request_id, context.principal.user_id, bound.full_nano, bound.minimum_nano
        )
        # Should its answer be lost, the ledger finds the hold and releases it.
        hold = await self._services.holds.reserve(wanted, self._services.worker_id)
        if isinstance(hold, HoldRefused):
            raise self._refusal(hold, bound, parsed, price)
        context.hold = hold
        if parsed.max_tokens is None and hold.amount_nano < bound.full_nano:
            context.max_tokens = _affordable(hold.amount_nano, bound, parsed, price)

    def _refusal(
        self, refused: HoldRefused, bound: Bound, parsed: ParsedRequest, price: Price
    ) -> Exception:
        if not refused.active:
            return refusals.invalid_api_key()
        affordable = _affordable(refused.free_nano, bound, parsed, price)
        settings = self._services.settings
        portal = settings.public_url or f"http://{settings.bind}:{settings.portal_port}"
        return refusals.insufficient_credits(affordable, f"{portal.rstrip('/')}/billing")

    async def _open(self, context: RequestContext) -> None:
        opening = OpenRequest(context.hold, opening_record(context))
        try:
            await self._services.ledger.open(opening)
        except JournalError:
            if context.hold is not None:
                await self._services.ledger.release(context.hold.user_id, context.request_id)
                context.hold = None
            raise
        context.opened = True


def _affordable(nano: int, bound: Bound, parsed: ParsedRequest, price: Price) -> int:
    tokens = affordable_tokens(nano, bound.input_tokens, parsed.choices, price, parsed.web_searches)
    return max(0, tokens - parsed.extra_output_tokens)
