"""What the gateway knows about one request, kept in `flow.metadata`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mitmproxy import http

from shared.domain.accounts import Hold, Principal, RateState
from shared.domain.catalog import Dialect, Fallback, Target
from shared.wire.formats import WireFormat

if TYPE_CHECKING:
    from addons.metering import Meter
    from shared.wire.requests import ParsedRequest

CONTEXT_KEY = "trollllm.context"


@dataclass(slots=True)
class RequestContext:
    """State of one request, filled in by the addons in their order.

    Attributes:
        request_id: `req_…`, unique; also the name of its hold and of its ledger row.
        endpoint: Path without its query.
        dialect: Dialect of the endpoint, for errors.
        arrived_at: UTC.
        http_1_0: The client speaks HTTP/1.0: no chunked answers.
        closes: The client wants its connection closed after the answer.
        started_s: Monotonic clock at arrival.
        principal: Who asks; None until authenticated.
        rate: The key's window after this request.
        parsed: The checked body.
        target: Model and upstream.
        outgoing: What leaves: `parsed` itself, or its translation.
        client: What the client sent, less its credentials; without its body once parsed.
        fallbacks: Of the model, those that were not tried yet.
        key_id: Which upstream key the last attempt was made with; empty before.
        tried: Ids of the keys that were tried at the present target.
        judged: The pool was told what became of the last attempt.
        retrying: A retry is under way that counts in the budget.
        max_tokens: Output tokens that the hold covers.
        hold: Money set aside; None for the fixed proxy key.
        opened: The journal knows this request: it must be ended exactly once.
        ended: It was ended.
        meter: Reads usage from the upstream's bytes.
        attempts: Upstream attempts so far.
        sent: The request left for the upstream that is to answer it.
        first_byte_s: Monotonic clock at the upstream's first byte.
        upstream_status: What the upstream answered; None before.
        failed_unanswered: The upstream failed before its answer began: free.
        end_reason: Why it ended, for the log.
        faulted: A hook raised.
    """

    request_id: str
    endpoint: str
    dialect: Dialect
    arrived_at: datetime
    http_1_0: bool = False
    closes: bool = False
    started_s: float = field(default_factory=time.monotonic)
    principal: Principal | None = None
    rate: RateState | None = None
    parsed: ParsedRequest | None = None
    target: Target | None = None
    outgoing: ParsedRequest | None = None
    client: http.Request | None = None
    fallbacks: tuple[Fallback, ...] = ()
    key_id: str = ""
    tried: set[str] = field(default_factory=set)
    judged: bool = False
    retrying: bool = False
    max_tokens: int = 0
    hold: Hold | None = None
    opened: bool = False
    ended: bool = False
    meter: Meter | None = None
    attempts: int = 0
    sent: bool = False
    first_byte_s: float | None = None
    upstream_status: int | None = None
    failed_unanswered: bool = False
    end_reason: str = ""
    faulted: bool = False

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self.parsed is not None and self.parsed.stream

    @property
    def format(self) -> WireFormat:
        """What its client speaks; the plain one of its dialect until the body was read."""
        return self.parsed.format if self.parsed is not None else WireFormat.of(self.dialect)

    @property
    def upstream_format(self) -> WireFormat:
        """What its upstream speaks; the client's own until that is known."""
        return self.outgoing.format if self.outgoing is not None else self.format

    @property
    def upstream_dialect(self) -> Dialect:
        """The dialect of what its upstream speaks."""
        return self.upstream_format.dialect

    @property
    def translates(self) -> bool:
        """Whether client and upstream speak different dialects."""
        return self.upstream_dialect is not self.dialect

    @classmethod
    def of(cls, flow: http.HTTPFlow) -> RequestContext:
        """The context of a flow.

        Raises:
            LookupError: The flow never passed the gatekeeper.
        """
        context = flow.metadata.get(CONTEXT_KEY)
        if not isinstance(context, cls):
            raise LookupError("the flow has no request context")  # noqa: TRY004 - it is missing
        return context

    @classmethod
    def find(cls, flow: http.HTTPFlow) -> RequestContext | None:
        """The context of a flow, None when it never passed the gatekeeper."""
        context = flow.metadata.get(CONTEXT_KEY)
        return context if isinstance(context, cls) else None

    def attach(self, flow: http.HTTPFlow) -> None:
        """Put this context on a flow."""
        flow.metadata[CONTEXT_KEY] = self


def is_open(flow: http.HTTPFlow) -> bool:
    """Whether a flow still wants an answer: nobody refused, answered or lost it."""
    return flow.response is None and flow.error is None
