"""One gateway worker: recovers, serves, drains."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

from addons import gateway_addons
from addons.faults import FaultGuard
from addons.lifecycle import Lifecycle
from addons.master import GatewayMaster, quiet_logs
from addons.proxy.intake import Intake
from addons.proxy.mode import Listening
from addons.proxy.plan import LayerPolicy
from addons.proxy.waiting import surplus
from addons.replies import answer, answer_head
from addons.services import Services
from shared.periodic import repeat

logger = logging.getLogger(__name__)

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
DRAIN_S = 30.0
CUT_S = 3.0
# Request bodies that one worker holds at once, in bodies of the largest size.
MAX_BODIES = 8
# Connections without a request that one address may keep in one worker.
MAX_WAITING = 256
# A client that has just been answered or has just connected is about to ask.
ABOUT_TO_ASK_S = 1.0
SWEEP_S = 1.0
POLL_S = 0.02


class Worker:
    """Serves one listening socket until it is told to leave.

    Args:
        services: What its addons work with.
        listener: The socket.
        started: Called once it accepts connections.
    """

    def __init__(
        self,
        services: Services,
        listener: socket.socket,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        settings = services.settings
        quiet_logs()
        self.lifecycle = Lifecycle(settings.max_live)
        intake = Intake(MAX_BODIES * settings.max_body)
        policy = LayerPolicy(
            settings.max_body, MAX_RESPONSE_BYTES, answer, answer_head, intake=intake
        )
        self._proxies = [ip_network(network) for network in settings.trusted_proxies]
        conf_dir = settings.home / "mitmproxy"
        conf_dir.mkdir(parents=True, exist_ok=True)
        self.master = GatewayMaster(
            Listening(listener, policy, started=started),
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
        tasks = [
            asyncio.create_task(self._drain()),
            asyncio.create_task(repeat("closing of idle connections", SWEEP_S, self._sweep)),
        ]
        # What exists now lives as long as the process: not worth looking at in every collection.
        gc.collect()
        gc.freeze()
        try:
            await self.master.run()
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _sweep(self) -> None:
        """Close what one address keeps open beyond its share; proxies of ours speak for many."""
        waiting = [one for one in self.master.waiting() if not self._is_proxy(one.address)]
        until_s = time.monotonic() - ABOUT_TO_ASK_S
        await self.master.close(surplus(waiting, MAX_WAITING, until_s))

    def _is_proxy(self, address: str) -> bool:
        client = ip_address(address)
        return any(client in network for network in self._proxies)

    async def _drain(self) -> None:
        await self._leaving.wait()
        self.lifecycle.start_draining()
        await self.master.stop_accepting()
        if not await self._finish(time.monotonic() + DRAIN_S):
            logger.warning("%d requests are cut: they outlived the drain", self.lifecycle.live)
            await self.master.cut_requests()
            await self.lifecycle.idle(CUT_S)
        self.master.shutdown()

    async def _finish(self, deadline_s: float) -> bool:
        """Let requests end, and those begin that are on their way; False when time ran out.

        A connection that is closed just as its client asks is a failed request. So one that was
        in use a moment ago is kept for as long: its client is told to close with its next answer.
        """
        while True:
            now = time.monotonic()
            waiting = [one for one in self.master.waiting() if not one.head_begun]
            recent = [one for one in waiting if one.since_s > now - ABOUT_TO_ASK_S]
            await self.master.close(one for one in waiting if one not in recent)
            if not self.lifecycle.live and not recent:
                return True
            if now >= deadline_s:
                return not self.lifecycle.live
            await asyncio.sleep(POLL_S)


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
