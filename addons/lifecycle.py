"""Arrivals and Lifecycle: count live requests, and let them finish before the worker leaves.

Two addons, since a request is live from its head, before anything is awaited for it, to the end of
its settlement, behind all others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mitmproxy import http

from shared.wire import errors as refusals

SERVED_WHILE_DRAINING_S = 5.0


class Lifecycle:
    """Knows what is under way in this worker.

    While draining, connections are told to close. Requests that still arrive on open connections
    are served for a moment, so that a rolling restart fails none, then refused.
    """

    def __init__(self, max_live: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_live = max_live
        self._clock = clock
        self._live: set[str] = set()
        self._draining_since: float | None = None

    @property
    def live(self) -> int:
        """Requests under way."""
        return len(self._live)

    @property
    def draining(self) -> bool:
        """Whether the worker is about to leave."""
        return self._draining_since is not None

    def overloaded(self) -> bool:
        """Whether another request would be one too many."""
        return len(self._live) >= self._max_live

    def start_draining(self) -> None:
        """From now on nothing new is welcome."""
        self._draining_since = self._clock()

    async def idle(self, timeout_s: float) -> bool:
        """Wait until nothing is under way; False when the time ran out first."""
        deadline = self._clock() + timeout_s
        while self._live:
            if self._clock() >= deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def arrived(self, flow: http.HTTPFlow) -> None:
        """Count a request.

        Raises:
            GatewayError: 503 late in a drain.
        """
        self._live.add(flow.id)
        since = self._draining_since
        if since is not None and self._clock() - since > SERVED_WHILE_DRAINING_S:
            raise refusals.service_unavailable("The gateway is shutting down.")

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Tell the connection to close while draining."""
        self._close_if_draining(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        """A request was answered."""
        self._close_if_draining(flow)
        # The last bytes are written after this hook.
        asyncio.get_running_loop().call_soon(self._live.discard, flow.id)

    def error(self, flow: http.HTTPFlow) -> None:
        """A request was lost."""
        self._live.discard(flow.id)

    def _close_if_draining(self, flow: http.HTTPFlow) -> None:
        if self.draining and flow.response is not None:
            flow.response.headers["connection"] = "close"


class Arrivals:
    """Counts requests as they come.

    It stands before every addon that waits: a request whose key is being looked up is not forgotten
    by a worker that leaves, and counts when load is shed.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Count a request.

        Raises:
            GatewayError: 503 late in a drain.
        """
        self._lifecycle.arrived(flow)
