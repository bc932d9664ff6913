"""Transform: turns a request into the dialect that its upstream speaks."""

from __future__ import annotations

import logging
from dataclasses import replace

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.services import Services
from shared.domain.catalog import Model, ThinkingMode
from shared.wire.content_filter import ContentFilter
from shared.wire.filtering.requests import check_thinking_mode, omit_thinking
from shared.wire.parsed_request import ParsedRequest
from shared.wire.requests import check_priced, read_translated
from shared.wire.translation.directions import translate_request
from shared.wire.translation.interfaces import TargetModel

logger = logging.getLogger(__name__)

MAX_LOGGED = 500


class Transform:
    """Decides what leaves: the client's own request, or its translation."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def request(self, flow: http.HTTPFlow) -> None:
        """Translate where client and upstream speak different dialects.

        Raises:
            GatewayError: 400, for what the upstream's dialect cannot carry, and for tools where
                thinking is left out of answers.
        """
        context = RequestContext.of(flow)
        if not is_open(flow) or context.target is None or context.parsed is None:
            return
        content_filter = self._services.content_filter
        if content_filter is not None:
            check_thinking_mode(content_filter.thinking, context.parsed.body)
        context.outgoing = outgoing_for(context.parsed, context.target.model, content_filter)


def outgoing_for(
    parsed: ParsedRequest, model: Model, content_filter: ContentFilter | None
) -> ParsedRequest:
    """What leaves for a model: the request in its upstream's dialect, as the filter wants it.

    Raises:
        GatewayError: 400, for what the upstream's dialect cannot carry.
    """
    outgoing = outgoing_request(parsed, model)
    if content_filter is not None and content_filter.thinking is ThinkingMode.BLANK:
        outgoing = replace(outgoing, body=omit_thinking(outgoing.format, outgoing.body))
    return outgoing


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
