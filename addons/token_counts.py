"""TokenCounts: counts the tokens of a message where its upstream has no endpoint for it."""

from __future__ import annotations

import orjson
from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.replies import local
from shared.domain.catalog import Dialect
from shared.wire.formats import WireFormat

ESTIMATED = "x-trollllm-estimated"


class TokenCounts:
    """Answers `/v1/messages/count_tokens` for models whose upstream cannot count."""

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer with an estimate, marked so; a count by an Anthropic upstream goes there."""
        context = RequestContext.of(flow)
        parsed, target = context.parsed, context.target
        if not is_open(flow) or parsed is None or target is None:
            return
        if parsed.format is not WireFormat.COUNT_TOKENS:
            return
        if target.model.dialect is Dialect.ANTHROPIC:
            return
        body = orjson.dumps({"input_tokens": parsed.input_estimate})
        flow.response = local(context, body)
        flow.response.headers[ESTIMATED] = "true"
