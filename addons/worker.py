"""One gateway worker: recovers, serves, drains."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from addons import gateway_addons
from addons.faults import FaultGuard
from addons.lifecycle import Lifecycle
from addons.master import GatewayMaster, quiet_logs
from addons.proxy.mode import Listening
from addons.proxy.plan import LayerPolicy
from addons.replies import answer, answer_head
from addons.services import Services

logger = logging.getLogger(__name__)

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
DRAIN_S = 30.0
CUT_S = 3.0


class Worker:
    """Serves one listening socket until it is told to leave."""

    def __init__(self, services: Services, listener: socket.socket) -> None:
        settings = services.settings
        quiet_logs()
        self.lifecycle = Lifecycle(settings.max_live)
        policy = LayerPolicy(settings.max_body, MAX_RESPONSE_BYTES, answer, answer_head)
        conf_dir = settings.home / "mitmproxy"
        conf_dir.mkdir(parents=True, exist_ok=True)
        self.master = GatewayMaster(
            Listening(listener, policy),
            gateway_addons(services, self.lifecycle),
            FaultGuard(services),
            conf_dir,
            asyncio.get_running_loop(),
        )
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Start to drain; `run` returns when that is done."""
        self._leaving.set()

    async def run(self) -> None:
        """Serve until `leave`, then let live requests finish, at most `DRAIN_S` seconds."""
        draining = asyncio.create_task(self._drain())
        # What exists now lives as long as the process: not worth looking at in every collection.
        gc.collect()
        gc.freeze()
        try:
            await self.master.run()
        finally:
            draining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await draining

    async def _drain(self) -> None:
        await self._leaving.wait()
        self.lifecycle.start_draining()
        await self.master.stop_accepting()
        await self.master.close_idle_connections()
        if not await self.lifecycle.idle(DRAIN_S):
            logger.warning("%d requests are cut: they outlived the drain", self.lifecycle.live)
            await self.master.cut_requests()
            await self.lifecycle.idle(CUT_S)
        self.master.shutdown()


@asynccontextmanager
async def leaving_on_signals(worker: Worker, alive: int | None) -> AsyncIterator[None]:
    """Leave on SIGTERM or SIGINT, and when the supervisor is gone (`alive` reads its pipe)."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.leave)
    if alive is not None:
        loop.add_reader(alive, _supervisor_gone, loop, alive, worker)
    try:
        yield
    finally:
        if alive is not None:
            loop.remove_reader(alive)


def _supervisor_gone(loop: asyncio.AbstractEventLoop, alive: int, worker: Worker) -> None:
    loop.remove_reader(alive)
    worker.leave()
