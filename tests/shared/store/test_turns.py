import asyncio

import pytest

from shared.errors import StoreUnavailable
from shared.store.turns import Turns


async def test_a_key_lets_in_no_more_than_its_limit() -> None:
    turns = Turns(3, timeout_s=30)
    inside = most = 0

    async def one() -> None:
        nonlocal inside, most
        async with turns.turn("a"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(one() for _ in range(50)))
    assert (most, inside) == (3, 0)


async def test_keys_do_not_wait_for_each_other() -> None:
    turns = Turns(1, timeout_s=0.01)
    async with turns.turn("a"), turns.turn("b"):
        pass


async def test_who_waits_too_long_is_told_and_leaves_the_queue() -> None:
    turns = Turns(1, timeout_s=0.01)
    async with turns.turn("a"):
        with pytest.raises(StoreUnavailable):
            async with turns.turn("a"):
                raise AssertionError("two at once")
    async with turns.turn("a"):
        pass
    assert turns._queues == {}


async def test_a_turn_ends_with_an_error_or_a_cancellation() -> None:
    turns = Turns(1, timeout_s=30)
    with pytest.raises(ValueError, match="inside"):
        async with turns.turn("a"):
            raise ValueError("inside")
    async with turns.turn("a"):
        waiting = asyncio.create_task(turns.turn("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert turns._queues == {}
