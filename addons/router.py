"""ModelRouter: parses the body once, and finds the model and its upstream."""

from __future__ import annotations

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import endpoint_at
from addons.services import Services
from shared.domain.catalog import Dialect, Model, Target
from shared.wire import errors as refusals
from shared.wire.formats import WireFormat
from shared.wire.requests import ParsedRequest, check_priced, parse_request

LONG_CONTEXT_BETA = "context-1m"
STANDARD_WINDOW = 200_000


class ModelRouter:
    """Checks what is asked for, before money is set aside."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def request(self, flow: http.HTTPFlow) -> None:
        """Parse, resolve, and refuse what cannot be served.

        Raises:
            GatewayError: 400 for an unusable body, 404 for an unknown model, 503 for a model
                without a price.
        """
        if not is_open(flow):
            return
        context = RequestContext.of(flow)
        endpoint = endpoint_at(context.endpoint)
        if endpoint is None or endpoint.format is None:
            return
        parsed = parse_request(endpoint.format, flow.request.raw_content or b"")
        context.parsed = parsed
        target = self._target(parsed)
        if endpoint.billed:
            check_price(parsed, target.model, flow.request.headers.get("anthropic-beta", ""))
        context.target = target

    def _target(self, parsed: ParsedRequest) -> Target:
        target = self._services.catalog.resolve(parsed.model)
        if target is None:
            raise refusals.model_not_found(parsed.model)
        if parsed.format is WireFormat.RESPONSES and target.model.dialect is not Dialect.OPENAI:
            message = (
                f"The model {parsed.model} is not served at /v1/responses. It is served at "
                "/v1/messages and /v1/chat/completions."
            )
            raise refusals.invalid_request(message, "model")
        return target


def check_price(parsed: ParsedRequest, model: Model, beta: str) -> None:
    """Refuse what has no price.

    Args:
        parsed: The request.
        model: What it is for.
        beta: Its `anthropic-beta` header.

    Raises:
        GatewayError: 503 for a model without a price, 400 for what its price does not cover.
    """
    if model.price is None:
        raise refusals.service_unavailable(f"{model.id} has no price")
    check_priced(parsed, model.price)
    if parsed.format.dialect is model.dialect:  # translated requests go out without betas
        check_window(beta, model)


def check_window(beta: str, model: Model) -> None:
    """Refuse a longer context than the one that bounds the hold and that the price is for.

    Raises:
        GatewayError: 400.
    """
    if LONG_CONTEXT_BETA in beta and model.context_window <= STANDARD_WINDOW:
        message = (
            f"{model.id} has no price for the long context of anthropic-beta: {LONG_CONTEXT_BETA}. "
            "Leave that beta out."
        )
        raise refusals.invalid_request(message, "anthropic-beta")
