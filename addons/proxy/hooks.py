"""Hooks without detours: a table of callables per hook, and faults that fail closed.

mitmproxy logs an exception in a hook and lets the flow go on upstream. Here the addons' owner is
told, so that a flow whose check failed never leaves, and one that has left is still billed.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager
from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler


class FaultHandler(Protocol):
    """Told when a hook of an addon has raised, and when the last hook of a flow has run."""

    def hook_failed(self, hook: str, data: object, error: Exception) -> None:
        """Make the flow safe: refuse it, or mark it failed."""

    async def hook_done(self, hook: str, data: object) -> None:
        """After all addons have seen a hook."""


class HookTable(AddonManager):
    """mitmproxy's addon manager, with the hooks of flows looked up once instead of every time."""

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.fault_handler: FaultHandler | None = None
        self._table: defaultdict[str, tuple[Callable[[Any], Awaitable[None] | None], ...]]
        self._table = defaultdict(tuple)

    def freeze(self) -> None:
        """Build the table; addons added later are not called."""
        names = {name for name in hooks.all_hooks if name not in _LIFECYCLE}
        for name in names:
            calls = [getattr(addon, name, None) for addon in self.chain]
            self._table[name] = tuple(call for call in calls if callable(call))

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Run the hooks of a flow or connection, in the order of the addons."""
        calls = self._table[event.name]
        (data,) = event.args()
        for call in calls:
            try:
                result = call(data)
                if result is not None and inspect.isawaitable(result):
                    await result
            except exceptions.AddonHalt:
                break
            except Exception as error:  # noqa: BLE001 - the boundary of every hook
                self._report(event.name, data, error)
        if calls and self.fault_handler is not None:
            await self.fault_handler.hook_done(event.name, data)

    def _report(self, name: str, data: object, error: Exception) -> None:
        if self.fault_handler is not None:
            self.fault_handler.hook_failed(name, data, error)


_LIFECYCLE = frozenset({"load", "configure", "running", "done", "update"})


class GatewayConnectionHandler(ProxyConnectionHandler):
    """Serves one client connection; flows are never paused by hand here."""

    async def handle_connection(self, connection: Connection) -> None:
        """Serve one side for its lifetime, and close it whatever ends that.

        mitmproxy forgets to when it is cancelled while it waits for its lock: the socket would
        stay open for good, and a request of that client would never end.
        """
        try:
            await super().handle_connection(connection)
        except asyncio.CancelledError:
            if connection in self.transports:
                connection.state = ConnectionState.CLOSED
                await self.server_event(events.ConnectionClosed(connection))
                writer = self.transports.pop(connection).writer
                if writer is not None:
                    writer.close()
            raise

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Run a hook, with the inactivity clock stopped."""
        with self.timeout_watchdog.disarm():
            await self.master.addons.handle_lifecycle(hook)
