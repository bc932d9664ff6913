"""The flusher against stores that fail on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.accounts import Hold, HoldRefused, HoldRequest, RequestRecord
from shared.errors import StoreError, StoreRefused, StoreUnavailable
from shared.ledger.flusher import Ended, Flusher, Pace

QUICK = Pace(linger_s=0.005, batch=10, retry_first_s=0.001, retry_most_s=0.004, refused_most=5)


class FakeStores:
    """Stores in memory; `failures` are raised first, `poison` is refused always."""

    def __init__(self) -> None:
        self.settled: list[list[str]] = []
        self.logged: list[str] = []
        self.failures: list[Exception] = []
        self.log_failures: list[Exception] = []
        self.poison: set[str] = set()
        self.sending = 0
        self.sending_most = 0

    async def settle(self, charges: Sequence[tuple[Hold, RequestRecord]]) -> None:
        self.sending += 1
        self.sending_most = max(self.sending, self.sending_most)
        await asyncio.sleep(0.001)
        self.sending -= 1
        if self.failures:
            raise self.failures.pop(0)
        ids = [hold.request_id for hold, _ in charges]
        if self.poison & set(ids):
            raise StoreRefused("breaks the schema")
        self.settled.append(ids)

    async def insert(self, records: Sequence[RequestRecord]) -> None:
        if self.log_failures:
            raise self.log_failures.pop(0)
        self.logged += [record.request_id for record in records]

    async def reserve(self, request: HoldRequest, worker_id: str) -> Hold | HoldRefused:
        raise NotImplementedError

    release = charge_if_held = release_abandoned = reserve  # type: ignore[assignment]
    holds_of_worker = holds_of_others = reserve  # type: ignore[assignment]


Ender = Callable[[int], Ended]


@pytest.fixture
def end(make_open: Any) -> Ender:
    def make(number: int) -> Ended:
        request = make_open(number)
        return Ended(request.hold, request.record)

    return make


@asynccontextmanager
async def running(stores: FakeStores, pace: Pace = QUICK) -> AsyncIterator[tuple[Any, list[str]]]:
    acknowledged: list[str] = []
    flusher = Flusher(stores, stores, acknowledged.extend, pace)
    task = asyncio.create_task(flusher.run())
    yield flusher, acknowledged
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def ids_of(ends: Sequence[Ended]) -> list[str]:
    return [ended.record.request_id for ended in ends]


async def test_batches_are_full_in_order_and_one_at_a_time(end: Ender) -> None:
    stores, ends = FakeStores(), [end(n) for n in range(25)]
    async with running(stores) as (flusher, acknowledged):
        for ended in ends:
            flusher.submit(ended)
        assert await flusher.drain(5) == 0
    assert [len(batch) for batch in stores.settled] == [10, 10, 5]
    in_order = [request_id for batch in stores.settled for request_id in batch]
    assert in_order == ids_of(ends) == stores.logged == acknowledged
    assert stores.sending_most == 1


async def test_others_join_the_batch_of_the_first(end: Ender) -> None:
    stores = FakeStores()
    async with running(stores, replace(QUICK, linger_s=0.05)) as (flusher, acknowledged):
        flusher.submit(end(1))
        await asyncio.sleep(0.005)
        flusher.submit(end(2))
        while not acknowledged:
            await asyncio.sleep(0.005)
    assert [len(batch) for batch in stores.settled] == [2]


async def test_what_could_not_be_sent_is_sent_again_in_order(end: Ender) -> None:
    stores, ends = FakeStores(), [end(n) for n in range(12)]
    stores.failures = [StoreUnavailable("down") for _ in range(7)]
    stores.log_failures = [StoreUnavailable("down")]
    async with running(stores) as (flusher, acknowledged):
        for ended in ends:
            flusher.submit(ended)
        assert await flusher.drain(5) == 0
    assert acknowledged == ids_of(ends)


async def test_a_poor_request_is_put_aside_and_tried_again(end: Ender) -> None:
    stores, ends = FakeStores(), [end(n) for n in range(4)]
    stores.poison = {ends[1].record.request_id}
    async with running(stores, replace(QUICK, stuck_retry_s=0.03)) as (flusher, acknowledged):
        for ended in ends:
            flusher.submit(ended)
        assert await flusher.drain(5) == 1
        assert acknowledged == ids_of([ends[0], ends[2], ends[3]])
        stores.poison.clear()
        while flusher.waiting:
            await asyncio.sleep(0.005)
    assert acknowledged[-1] == ends[1].record.request_id


async def test_a_failure_while_sending_apart_counts_nothing_twice(end: Ender) -> None:
    stores, ends = FakeStores(), [end(n) for n in range(3)]
    stores.poison = {ends[0].record.request_id}
    async with running(stores) as (flusher, acknowledged):
        stores.failures = [StoreRefused("no"), StoreRefused("no"), StoreUnavailable("down")]
        for ended in ends:
            flusher.submit(ended)
        assert await flusher.drain(5) == 1
    assert acknowledged == ids_of(ends[1:])


async def test_an_unexpected_failure_stops_nothing(end: Ender) -> None:
    stores, ends = FakeStores(), [end(n) for n in range(3)]
    stores.failures = [OverflowError("too big"), OverflowError("too big")]
    async with running(stores) as (flusher, acknowledged):
        for ended in ends:
            flusher.submit(ended)
        assert await flusher.drain(5) == 1
        assert await flusher.drain(5) == 0
    assert sorted(acknowledged) == ids_of(ends)


async def test_a_log_that_is_refused_does_not_hold_up_the_money(end: Ender) -> None:
    stores = FakeStores()
    stores.log_failures = [StoreError("no such log")]
    async with running(stores) as (flusher, acknowledged):
        flusher.submit(end(1))
        assert await flusher.drain(5) == 0
    assert acknowledged == stores.settled[0]


async def test_records_of_refused_requests_are_bounded(end: Ender) -> None:
    stores = FakeStores()
    async with running(stores) as (flusher, acknowledged):
        for n in range(8):
            flusher.log(end(n).record)
        assert flusher.dropped == 3
        assert await flusher.drain(5) == 0
    assert len(stores.logged) == 5
    assert stores.settled == []
    assert acknowledged == []


async def test_draining_ends_a_long_wait_and_gives_up_in_time(end: Ender) -> None:
    stores = FakeStores()
    stores.failures = [StoreUnavailable("down"), StoreUnavailable("still")]
    slow = replace(QUICK, retry_first_s=30, retry_most_s=30)
    async with running(stores, slow) as (flusher, _):
        flusher.submit(end(1))
        while len(stores.failures) == 2:
            await asyncio.sleep(0.002)
        assert await flusher.drain(0.2) == 1
        assert stores.failures == []


async def test_with_nothing_to_send_there_is_nothing_to_wait_for() -> None:
    async with running(FakeStores()) as (flusher, _):
        assert await flusher.drain(0.001) == 0
