from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Int64

from shared.domain.accounts import RequestRecord
from shared.domain.usage import Usage
from shared.errors import StoreRefused, StoreUnavailable
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.ledger_reader import Cursor
from shared.store.request_logs import (
    DayUsage,
    LogFilter,
    ModelUsage,
    MongoRequestLogStore,
    RequestLogReader,
    record_document,
)

NOW = datetime(2030, 3, 10, 12, 0, tzinfo=UTC)
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")

FIRST = RequestRecord(
    request_id="req_1",
    username="ann",
    user_id="usr_1",
    key_id="key_1",
    endpoint="/v1/messages",
    model="sonnet",
    upstream="main",
    upstream_key_id="upk_1",
    status=200,
    end_reason="complete",
    stream=True,
    usage=Usage(input=1, output=2, cache_write_5m=3, cache_write_1h=4, cache_hit=5, reasoning=1),
    cost_nano=7,
    price_version="v1",
    attempts=2,
    ttft_ms=12,
    duration_ms=90,
    created_at=NOW,
)

Add = Callable[..., RequestRecord]


@pytest.fixture
def add(prepared: SyncDatabase) -> Add:
    def add(number: int, **changes: Any) -> RequestRecord:
        record = replace(FIRST, request_id=f"req_{number}", **changes)
        prepared.request_logs.insert_one(record_document(record))
        return record

    return add


@pytest.fixture
def logs(prepared: SyncDatabase) -> RequestLogReader:
    return RequestLogReader(prepared, clock=lambda: NOW)


async def test_what_is_inserted_is_what_is_read(
    async_database: AsyncDb, prepared: SyncDatabase, logs: RequestLogReader
) -> None:
    refused = replace(
        FIRST,
        request_id="req_2",
        end_reason="refused:insufficient_credits",
        status=402,
        ttft_ms=None,
        usage=Usage(estimated=True),
    )
    await MongoRequestLogStore(async_database).insert([FIRST, refused])
    assert logs.get("req_1") == FIRST
    assert logs.get("req_2") == refused
    stored = prepared.request_logs.find_one({"_id": "req_1"})
    assert stored is not None
    assert type(stored["costNano"]) is Int64


async def test_rows_that_exist_stay_as_they_are(
    async_database: AsyncDb, logs: RequestLogReader
) -> None:
    store = MongoRequestLogStore(async_database)
    await store.insert([])
    await store.insert([FIRST])
    second = replace(FIRST, request_id="req_2")
    await store.insert([replace(FIRST, cost_nano=99), second])
    assert logs.get("req_1") == FIRST
    assert logs.get("req_2") == second


async def test_a_row_that_breaks_the_schema_is_refused_and_the_others_stay(
    async_database: AsyncDb, logs: RequestLogReader
) -> None:
    broken = replace(FIRST, request_id="req_2", attempts=-1)
    with pytest.raises(StoreRefused):
        await MongoRequestLogStore(async_database).insert([broken, FIRST])
    assert logs.get("req_1") == FIRST


async def test_an_insertion_has_a_bound_of_its_own(
    async_database: AsyncDb, logs: RequestLogReader
) -> None:
    with pytest.raises(StoreUnavailable):
        await MongoRequestLogStore(async_database, insert_timeout_s=1e-9).insert([FIRST])
    assert logs.get("req_1") is None


def test_one_row_is_only_its_owners(logs: RequestLogReader, add: Add) -> None:
    record = add(1)
    assert logs.get("req_1", "ann") == record
    assert logs.get("req_1", "bob") is None
    assert logs.get("req_none") is None


def test_pages_follow_each_other(logs: RequestLogReader, add: Add) -> None:
    moments = [NOW, NOW, NOW, NOW - timedelta(hours=1), NOW - timedelta(hours=1)]
    records = [add(number, created_at=moment) for number, moment in enumerate(moments)]
    add(9, username="bob")
    newest = [records[i] for i in (2, 1, 0, 4, 3)]
    found = logs.newest("ann", limit=2)
    while page := logs.newest(
        "ann", after=Cursor(found[-1].created_at, found[-1].request_id), limit=2
    ):
        found += page
    assert found == newest
    assert len(logs.newest(None)) == 6


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (LogFilter(), [3, 2, 1]),
        (LogFilter(model="opus"), [2]),
        (LogFilter(key_id="key_9"), [3]),
        (LogFilter(status=429), [1]),
        (LogFilter(since=NOW - timedelta(hours=1)), [3, 2]),
        (LogFilter(until=NOW - timedelta(hours=1)), [1]),
        (LogFilter(since=NOW - timedelta(hours=1), until=NOW), [2]),
    ],
)
def test_filters(logs: RequestLogReader, add: Add, where: LogFilter, numbers: list[int]) -> None:
    add(1, created_at=NOW - timedelta(hours=2), status=429)
    add(2, created_at=NOW - timedelta(hours=1), model="opus")
    add(3, key_id="key_9")
    assert [record.request_id for record in logs.newest("ann", where=where)] == [
        f"req_{number}" for number in numbers
    ]


def test_days_are_those_of_the_time_zone(logs: RequestLogReader, add: Add) -> None:
    add(1, created_at=datetime(2030, 3, 9, 16, 59, tzinfo=UTC))
    add(2, created_at=datetime(2030, 3, 9, 17, 0, tzinfo=UTC))
    add(3, created_at=NOW)
    add(4, created_at=datetime(2030, 3, 7, 16, 59, tzinfo=UTC))
    add(5, username="bob")
    assert logs.per_day("ann", days=3, zone=HANOI) == [
        DayUsage(date(2030, 3, 8), 0, 0, 0, 0),
        DayUsage(date(2030, 3, 9), 1, 7, 13, 2),
        DayUsage(date(2030, 3, 10), 2, 14, 26, 4),
    ]
    assert logs.per_day(None, days=1, zone=HANOI)[0].requests == 3


def test_a_day_of_23_hours_is_whole(prepared: SyncDatabase, add: Add) -> None:
    zone = ZoneInfo("Europe/Berlin")
    logs = RequestLogReader(prepared, clock=lambda: datetime(2030, 4, 1, 12, tzinfo=UTC))
    add(1, created_at=datetime(2030, 3, 30, 23, 0, tzinfo=UTC))
    add(2, created_at=datetime(2030, 3, 31, 21, 59, tzinfo=UTC))
    add(3, created_at=datetime(2030, 3, 31, 22, 0, tzinfo=UTC))
    days = logs.per_day("ann", days=2, zone=zone)
    assert [(day.day.day, day.requests) for day in days] == [(31, 2), (1, 1)]


def test_models_dearest_first(logs: RequestLogReader, add: Add) -> None:
    add(1)
    add(2, model="opus", cost_nano=2**40)
    add(3)
    add(4, created_at=NOW - timedelta(days=2))
    assert logs.per_model("ann", since=NOW - timedelta(days=1)) == [
        ModelUsage("opus", 1, 2**40, 13, 2),
        ModelUsage("sonnet", 2, 14, 26, 4),
    ]


def test_totals(logs: RequestLogReader, add: Add) -> None:
    assert logs.totals("ann") == ModelUsage("", 0, 0, 0, 0)
    add(1)
    add(2, created_at=NOW - timedelta(days=2))
    assert logs.totals("ann").cost_nano == 14
    assert logs.totals("ann", since=NOW).requests == 1
    assert logs.totals("bob").requests == 0
