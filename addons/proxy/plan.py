"""What the rest of the gateway tells the proxy layer about one flow.

The layer opens an upstream connection only for a flow that carries an `UpstreamPlan`, and only to
the origin that the plan names. Nothing else can make it leave the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mitmproxy import http

from addons.proxy.intake import Intake
from shared.domain.catalog import Timeouts
from shared.errors import GatewayError

PLAN_KEY = "trollllm.plan"


@dataclass(frozen=True, slots=True)
class UpstreamPlan:
    """Where a request may go, decided by Dispatch.

    Attributes:
        scheme: `http` or `https`.
        host: Upstream host.
        port: Upstream port.
        credential: Header that carries the upstream key; put on a copy as the request is sent.
        timeouts: Patience with this upstream.
        on_sent: Called once connected, right before the first byte leaves; when it raises, the
            request does not leave.
    """

    scheme: str
    host: str
    port: int
    credential: tuple[str, str] = field(repr=False)
    timeouts: Timeouts
    on_sent: Callable[[], None] = field(repr=False)

    @classmethod
    def of(cls, flow: http.HTTPFlow) -> UpstreamPlan | None:
        """The plan of a flow, None while nothing was decided."""
        plan = flow.metadata.get(PLAN_KEY)
        return plan if isinstance(plan, cls) else None

    def allows(self, request: http.Request) -> bool:
        """Whether a request still points where the plan says."""
        return (request.scheme, request.host, request.port) == (self.scheme, self.host, self.port)


class StreamRelay(Protocol):
    """The stream callable of a response that is relayed as it arrives."""

    failed: bool

    def __call__(self, data: bytes) -> list[bytes]:
        """Chunks to send for what arrived; `b""` means that the upstream has ended."""

    def fail(self, error: GatewayError) -> list[bytes]:
        """End the stream with an error event: chunks to send, none when it ended already."""

    def report(self, error: GatewayError) -> list[bytes]:
        """An error event even behind the end, for a fault of ours; none if one was sent."""


@dataclass(slots=True)
class Attempt:
    """An upstream attempt that failed before a byte went to the client.

    Attributes:
        flow: Its flow; for a retry the hook may give it another request and plan. Without one, the
            answer is `flow.response` if the hook sets it, else the upstream's own error.
        number: 1 for the first.
        reason: `refused`, `connect`, `journal`, `first_byte`, `idle`, `total`, `broken`, or
            `status`: the upstream answered with an error.
        message: For the log.
        reused: The connection had served before: the upstream may just have closed it.
        answered: A good answer had begun.
        response: The upstream's error with its body, which is cut where the upstream broke off
            or sent too much; None when it sent none.
        retry: Set by the hook to try again.
    """

    flow: http.HTTPFlow
    number: int
    reason: str
    message: str
    reused: bool = False
    answered: bool = False
    response: http.Response | None = None
    retry: bool = False

    @property
    def status(self) -> int | None:
        """Status of the upstream's error, None when it sent none."""
        return None if self.response is None else self.response.status_code


@dataclass(frozen=True, slots=True)
class LayerPolicy:
    """Limits and answers of the proxy layer.

    Attributes:
        max_body: Largest request body, bytes.
        max_response: Largest buffered response body, bytes.
        head_s: Patience with a request head.
        body_s: Patience between two pieces of a request body.
        upload_s: Patience with a request body as a whole, however steadily it drips.
        idle_s: How long an idle client connection is kept.
        intake: Counts the request bodies of this worker.
        answer: Makes the response for an error, in the dialect of the flow's endpoint.
        answer_head: The same for a head that could not be read; gets the raw head.
        max_error: How much is read of an upstream's error, bytes.
    """

    max_body: int
    max_response: int
    answer: Callable[[http.HTTPFlow, GatewayError], http.Response]
    answer_head: Callable[[bytes, GatewayError], http.Response]
    head_s: float = 10.0
    body_s: float = 30.0
    upload_s: float = 600.0
    idle_s: float = 120.0
    intake: Intake = field(default_factory=Intake)
    max_error: int = 256 * 1024
