"""The table of hooks by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mitmproxy import exceptions, hooks
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.test import taddons, tflow

from addons.proxy.hooks import HookTable


class Recorder:
    """An addon that notes when it was called, and does as it is told."""

    def __init__(self, name: str, calls: list[str], act: Callable[[], Any] | None = None) -> None:
        self.name = name
        self._calls = calls
        self._act = act

    def request(self, _flow: object) -> Awaitable[None] | None:
        self._calls.append(self.name)
        result: Awaitable[None] | None = self._act() if self._act else None
        return result


class Faults:
    """A fault handler that notes what it is told."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.done: list[str] = []

    def hook_failed(self, hook: str, data: object, error: Exception) -> None:
        self.failed.append((hook, str(error)))

    def hook_done(self, hook: str, data: object) -> Awaitable[None] | None:
        self.done.append(hook)
        return None


def raising(error: Exception) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


async def wait() -> None:
    await asyncio.sleep(0)


async def wait_and_raise() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("late")


async def wait_and_halt() -> None:
    await asyncio.sleep(0)
    raise exceptions.AddonHalt


def table_of(*acts: Callable[[], Any] | None) -> tuple[HookTable, Faults, list[str]]:
    """A table of recorders named a, b, c."""
    calls: list[str] = []
    with taddons.context(loadcore=False) as context:
        table = HookTable(context.master)
    table.fault_handler = faults = Faults()
    table.add(*[Recorder(name, calls, act) for name, act in zip("abc", acts, strict=False)])
    table.freeze()
    return table, faults, calls


async def trigger(table: HookTable) -> None:
    await table.handle_lifecycle(HttpRequestHook(tflow.tflow()))


async def test_addons_are_called_in_their_order() -> None:
    table, faults, calls = table_of(None, wait, None)
    await trigger(table)
    assert calls == ["a", "b", "c"]
    assert faults.failed == []
    assert faults.done == ["request"]


async def test_what_has_nothing_to_wait_for_is_done_at_once() -> None:
    table, faults, calls = table_of(None, None)
    assert table.begin(HttpRequestHook(tflow.tflow())) is None
    assert calls == ["a", "b"]
    assert faults.done == ["request"]


async def test_what_waits_goes_on_later() -> None:
    table, faults, calls = table_of(None, wait, None)
    rest = table.begin(HttpRequestHook(tflow.tflow()))
    assert rest is not None
    assert (calls, faults.done) == (["a", "b"], [])
    await rest
    assert (calls, faults.done) == (["a", "b", "c"], ["request"])


@pytest.mark.parametrize(
    ("act", "told"), [(raising(RuntimeError("early")), "early"), (wait_and_raise, "late")]
)
async def test_a_fault_is_told_and_the_others_are_still_called(
    act: Callable[[], Any], told: str
) -> None:
    table, faults, calls = table_of(None, act, None)
    await trigger(table)
    assert calls == ["a", "b", "c"]
    assert faults.failed == [("request", told)]
    assert faults.done == ["request"]


@pytest.mark.parametrize("act", [raising(exceptions.AddonHalt()), wait_and_halt])
async def test_a_halt_spares_the_others_and_is_no_fault(act: Callable[[], Any]) -> None:
    table, faults, calls = table_of(None, act, None)
    await trigger(table)
    assert calls == ["a", "b"]
    assert faults.failed == []
    assert faults.done == ["request"]


async def test_a_hook_that_nobody_has_is_nothing() -> None:
    table, faults, _ = table_of(None)
    assert table.begin(hooks.UpdateHook([])) is None
    assert faults.done == []


async def test_without_a_handler_faults_go_unseen() -> None:
    table, _, calls = table_of(raising(RuntimeError("x")), None)
    table.fault_handler = None
    await trigger(table)
    assert calls == ["a", "b"]


async def test_addons_of_later_are_called_after_another_freeze() -> None:
    table, _, calls = table_of(None)
    table.add(Recorder("late", calls))
    await trigger(table)
    assert calls == ["a"]
    table.freeze()
    await trigger(table)
    assert calls == ["a", "a", "late"]
