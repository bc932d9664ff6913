"""Transform: turns a request into the dialect that its upstream speaks."""

from __future__ import annotations

import logging

from mitmproxy import http

from addons.context import RequestContext, is_open
from shared.domain.catalog import Model
from shared.wire.parsed_request import ParsedRequest
from shared.wire.requests import check_priced, read_translated
from shared.wire.translation.directions import translate_request
from shared.wire.translation.interfaces import TargetModel

logger = logging.getLogger(__name__)

MAX_LOGGED = 500


class Transform:
    """Decides what leaves: the client's own request, or its translation."""

    def request(self, flow: http.HTTPFlow) -> None:
        """Translate where client and upstream speak different dialects.

        Raises:
            GatewayError: 400, for what the upstream's dialect cannot carry.
        """
        context = RequestContext.of(flow)
        if not is_open(flow) or context.target is None or context.parsed is None:
            return
        context.outgoing = outgoing_request(context.parsed, context.target.model)


def outgoing_request(parsed: ParsedRequest, model: Model) -> ParsedRequest:
    """A request as its upstream will read it, checked anew where it was translated.

    Raises:
        GatewayError: 400.
    """
    if parsed.dialect is model.dialect:
        return parsed
    target = TargetModel(model.upstream_model, model.max_output_tokens)
    translated = translate_request(parsed, target)
    if translated.dropped:
        logger.debug("left out of the translation: %s", ", ".join(translated.dropped)[:MAX_LOGGED])
    outgoing = read_translated(parsed, model.dialect, translated.body)
    if model.price is not None:
        check_priced(outgoing, model.price)
    return outgoing
