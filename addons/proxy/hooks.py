"""Hooks without detours: a table of callables per hook, and faults that fail closed.

mitmproxy logs an exception in a hook and lets the flow go on upstream. Here the addons' owner is
told, so that a flow whose check failed never leaves, and one that has left is still billed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager

HookCall = Callable[[Any], Awaitable[None] | None]


class FaultHandler(Protocol):
    """Told when a hook of an addon has raised, and when the last hook of a flow has run."""

    def hook_failed(self, hook: str, data: object, error: Exception) -> None:
        """Make the flow safe: refuse it, or mark it failed."""

    def hook_done(self, hook: str, data: object) -> Awaitable[None] | None:
        """After all addons have seen a hook; what it returns is awaited."""


class HookTable(AddonManager):
    """mitmproxy's addon manager, with the hooks of flows looked up once instead of every time."""

    def __init__(self, master: Any) -> None:
        super().__init__(master)
        self.fault_handler: FaultHandler | None = None
        self._table: defaultdict[str, tuple[HookCall, ...]] = defaultdict(tuple)

    def freeze(self) -> None:
        """Build the table; addons added later are not called."""
        names = {name for name in hooks.all_hooks if name not in _LIFECYCLE}
        for name in names:
            calls = [getattr(addon, name, None) for addon in self.chain]
            self._table[name] = tuple(call for call in calls if callable(call))

    def begin(self, event: hooks.Hook) -> Awaitable[None] | None:
        """Run a hook as far as it goes without waiting, in the order of the addons.

        Returns:
            What is left to await, None when all addons have seen it.
        """
        calls = self._table[event.name]
        if not calls:
            return None
        (data,) = event.args()
        return self._run(event.name, data, iter(calls))

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Run a hook to its end."""
        rest = self.begin(event)
        if rest is not None:
            await rest

    def _run(self, name: str, data: object, calls: Iterator[HookCall]) -> Awaitable[None] | None:
        for call in calls:
            try:
                result = call(data)
            except exceptions.AddonHalt:
                break
            except Exception as error:  # noqa: BLE001 - the boundary of every hook
                self._report(name, data, error)
                continue
            if result is not None:
                return self._wait(name, data, result, calls)
        return self.fault_handler.hook_done(name, data) if self.fault_handler else None

    async def _wait(
        self, name: str, data: object, waiting: Awaitable[None], calls: Iterator[HookCall]
    ) -> None:
        try:
            await waiting
        except exceptions.AddonHalt:
            calls = iter(())
        except Exception as error:  # noqa: BLE001 - the boundary of every hook
            self._report(name, data, error)
        rest = self._run(name, data, calls)
        if rest is not None:
            await rest

    def _report(self, name: str, data: object, error: Exception) -> None:
        if self.fault_handler is not None:
            self.fault_handler.hook_failed(name, data, error)


_LIFECYCLE = frozenset({"load", "configure", "running", "done", "update"})
