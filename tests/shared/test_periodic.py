from __future__ import annotations

import asyncio
import logging

import pytest

from shared.errors import StoreUnavailable
from shared.periodic import attempt, repeat


async def test_it_goes_on_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    turns = [StoreUnavailable("down"), ValueError("a bug"), None]
    done = asyncio.Event()

    async def act() -> None:
        outcome = turns.pop(0) if turns else None
        if outcome is not None:
            raise outcome
        done.set()

    task = asyncio.create_task(repeat("sweeping", 0.001, act))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.ERROR]
    assert "sweeping failed and will be tried again: down" in caplog.text


async def test_an_attempt_tells_whether_it_succeeded() -> None:
    async def fail() -> None:
        raise StoreUnavailable("down")

    async def succeed() -> None:
        return None

    assert not await attempt("x", fail)
    assert await attempt("x", succeed)
