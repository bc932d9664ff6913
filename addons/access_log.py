"""AccessLog: one line and one record for every request. Never a prompt, an answer or a key."""

from __future__ import annotations

import logging
import time

from mitmproxy import http

from addons.context import RequestContext
from addons.gatekeeper import ENDPOINTS, MODELS
from addons.services import Services
from addons.settlement import closing_record

logger = logging.getLogger(__name__)


class AccessLog:
    """Writes the access line; records the refusals, which the ledger does not."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def response(self, flow: http.HTTPFlow) -> None:
        """Log an answered request."""
        if flow.response is not None:
            self._log(flow, flow.response.status_code)

    def error(self, flow: http.HTTPFlow) -> None:
        """Log a request whose client has left."""
        self._log(flow, 499)

    def _log(self, flow: http.HTTPFlow, status: int) -> None:
        context = RequestContext.find(flow)
        if context is None:
            return
        model = context.target.model.id if context.target else "-"
        logger.info(
            "%s %s %s %d %s %s %dms",
            context.request_id,
            context.principal.username if context.principal else "-",
            shown_path(context.endpoint),
            status,
            model,
            context.end_reason or "complete",
            int((time.monotonic() - context.started_s) * 1000),
        )
        refused = context.end_reason.startswith("refused:") and not context.opened
        if refused and context.principal is not None:
            self._services.ledger.log(closing_record(context, status))


def shown_path(path: str) -> str:
    """A path that may stand in a log: whatever follows a known one may be a key."""
    if path in ENDPOINTS:
        return path
    return f"{MODELS}/…" if path.startswith(f"{MODELS}/") else "(unknown path)"
