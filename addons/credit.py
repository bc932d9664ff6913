"""CreditGuard: sets money aside and makes the request durable, before any upstream hears of it."""

from __future__ import annotations

from dataclasses import dataclass

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import endpoint_at
from addons.services import Services
from addons.settlement import opening_record
from shared.domain.accounts import Hold, HoldRefused, HoldRequest, OpenRequest
from shared.domain.catalog import Target
from shared.domain.pricing import Price, affordable_tokens, bound_nano
from shared.errors import JournalError
from shared.wire import errors as refusals
from shared.wire.requests import ParsedRequest

# A translation grows by less: of recorded requests none by more than 6 % or 100 bytes.
_ROOM_SHARE = 10
_ROOM_TOKENS = 256


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


def roomy_nano(bound: Bound, parsed: ParsedRequest, target: Target, price: Price) -> int:
    """What to set aside where a fallback may take the request in the other dialect."""
    room = bound.input_tokens // _ROOM_SHARE + _ROOM_TOKENS
    inputs = max(bound.input_tokens, min(bound.input_tokens + room, target.model.context_window))
    output = parsed.output_bound(bound.max_tokens)
    return bound_nano(inputs, output, parsed.choices, price, parsed.web_searches)


def covered_tokens(
    hold: Hold | None, parsed: ParsedRequest, target: Target, max_tokens: int
) -> int | None:
    """Output tokens per choice that a hold covers at another target, None if too few.

    Args:
        hold: None where nothing has to be set aside.
        parsed: The request as that target would get it.
        target: Where it would go.
        max_tokens: What the hold was made for.
    """
    price = target.model.price
    if hold is None or price is None:
        return max_tokens
    bound = bound_of(parsed, target, price)
    if parsed.max_tokens is not None:
        return bound.max_tokens if bound.full_nano <= hold.amount_nano else None
    tokens = min(max_tokens, _affordable(hold.amount_nano, bound, parsed, price))
    return tokens if bound.minimum_nano <= hold.amount_nano else None


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
        full_nano = bound.full_nano
        if context.target is not None and self._may_be_translated_anew(context.target):
            full_nano = roomy_nano(bound, parsed, context.target, price)
        wanted = HoldRequest(
            context.request_id, context.principal.user_id, full_nano, bound.minimum_nano
        )
        # Should its answer be lost, the ledger finds the hold and releases it.
        hold = await self._services.holds.reserve(wanted, self._services.worker_id)
        if isinstance(hold, HoldRefused):
            raise self._refusal(hold, bound, parsed, price)
        context.hold = hold
        if parsed.max_tokens is None and hold.amount_nano < bound.full_nano:
            context.max_tokens = _affordable(hold.amount_nano, bound, parsed, price)

    def _may_be_translated_anew(self, target: Target) -> bool:
        """Whether a fallback speaks another dialect: its request is not the one bounded here."""
        upstreams = self._services.catalog.upstreams
        places = (upstreams.get(fallback.upstream) for fallback in target.model.fallbacks)
        return any(one is not None and one.dialect is not target.model.dialect for one in places)

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
