"""Serves one client connection: layers in, writes out, with as few turns of the loop as possible.

mitmproxy starts a task for every hook and writes every piece of data at once. Here hooks that have
nothing to wait for run in place, and what one event makes is written in one call for each peer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import Any

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import ConnectionIO

from addons.proxy.hooks import HookTable
from addons.proxy.layer import GatewayHttpLayer

logger = logging.getLogger(__name__)


class GatewayConnectionHandler(ProxyConnectionHandler):
    """The connection of one client, and those to its upstreams.

    Events are handled strictly one after the other: what happens during one waits in a queue.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._events: deque[events.Event] = deque()
        self._busy = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[commands.RequestWakeup, asyncio.TimerHandle] = {}
        # The master's, typed there as the class that a HookTable extends.
        self._hooks: HookTable = self.master.addons  # type: ignore[assignment]
        self._unsent: dict[Connection, list[bytes]] = {}

    async def server_event(self, event: events.Event) -> None:
        """Handle an event, and all that follows from it at once; never suspends."""
        self._process(event)

    def _process(self, event: events.Event) -> None:
        self._events.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._busy = False
            self._flush()

    def _handle(self, event: events.Event) -> None:
        self.timeout_watchdog.register_activity()
        try:
            for command in self.layer.handle_event(event):
                self._carry_out(command)
        except Exception:  # the boundary of the layers: a fault in them must not stall the worker
            logger.exception("the proxy layers failed; the connection is closed")
            self._events.clear()
            self._close(self.client)
            self._end_requests()

    def _carry_out(self, command: commands.Command) -> None:
        match command:
            case commands.SendData():
                if command.connection in self.transports:
                    self._unsent.setdefault(command.connection, []).append(command.data)
            case commands.StartHook():
                self._run_hook(command)
            case commands.OpenConnection():
                self._open(command)
            case commands.RequestWakeup():
                self._wake_later(command)
            case commands.CloseTcpConnection():
                self._close(command.connection, half_close=command.half_close)
            case commands.CloseConnection():
                self._close(command.connection)
            case commands.Log():
                self.log(command.message, command.level)
            case _:
                raise RuntimeError(f"unexpected command: {command}")

    # Hooks

    def _run_hook(self, hook: commands.StartHook) -> None:
        rest = self._hooks.begin(hook)
        if rest is not None:
            self._start(self._finish_hook(hook, rest))
        elif hook.blocking:
            self._events.append(events.HookCompleted(hook))

    async def _finish_hook(self, hook: commands.StartHook, rest: Awaitable[None]) -> None:
        try:
            with self.timeout_watchdog.disarm():
                await rest
        except Exception:
            # Whoever waits for this hook must not wait for ever.
            logger.exception("hook %s failed beyond its addons", hook.name)
        if hook.blocking:
            self._process(events.HookCompleted(hook))

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Run the hook of a connection's own life."""
        with self.timeout_watchdog.disarm():
            await self._hooks.handle_lifecycle(hook)

    def _end_requests(self) -> None:
        """Let the addons settle what no layer will bring to its end any more.

        A hook that is still running finds its flow killed, and ends it once more when it is done.
        """
        flows = self.layer.unfinished if isinstance(self.layer, GatewayHttpLayer) else []
        for flow in flows:
            flow.kill()
            hook = HttpErrorHook(flow)
            hook.blocking = False
            self._run_hook(hook)

    # Sockets

    async def handle_client(self) -> None:
        """Serve the client to its end, then let go of all that it sent."""
        try:
            await super().handle_client()
        finally:
            if isinstance(self.layer, GatewayHttpLayer):
                self.layer.release()

    async def drain_writers(self) -> None:
        """Wait for peers that read slowly; most often there is nothing to wait for.

        A body whose head is still being looked at waits in the kernel, not in our memory.
        """
        while self._tasks and self._holds_upload_back():
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if any(io.writer is not None and _is_behind(io.writer) for io in self.transports.values()):
            await super().drain_writers()

    def _holds_upload_back(self) -> bool:
        return isinstance(self.layer, GatewayHttpLayer) and self.layer.holds_upload_back

    def _open(self, command: commands.OpenConnection) -> None:
        handler = self._start(self.open_connection(command))
        self.transports[command.connection] = ConnectionIO(handler=handler)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return task

    def _wake_later(self, command: commands.RequestWakeup) -> None:
        timer = asyncio.get_running_loop().call_later(command.delay, self._wake, command)
        self._timers[command] = timer
        # Typed for tasks, of which nothing but `cancel` is used: a timer is cancelled with the
        # connection, like the tasks that mitmproxy would make.
        self.wakeup_timer.add(timer)  # type: ignore[arg-type]

    def _wake(self, command: commands.RequestWakeup) -> None:
        timer = self._timers.pop(command)
        self.wakeup_timer.discard(timer)
        self._process(events.Wakeup(command))

    def _close(self, connection: Connection, *, half_close: bool = False) -> None:
        if connection not in self.transports:
            return
        self._write(connection)
        self.close_connection(connection, half_close)

    def _flush(self) -> None:
        for connection in list(self._unsent):
            self._write(connection)

    def _write(self, connection: Connection) -> None:
        pieces = self._unsent.pop(connection, None)
        io = self.transports.get(connection)
        if pieces is None or io is None or io.writer is None or io.writer.is_closing():
            return
        io.writer.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))


def _is_behind(writer: Any) -> bool:
    """Whether bytes wait in our memory, or the connection is broken."""
    return bool(writer.is_closing() or writer.transport.get_write_buffer_size() > 0)
