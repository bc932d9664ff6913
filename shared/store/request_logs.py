"""Rows of `request_logs`: written by the gateway, read by the portal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pymongo
from bson import Int64
from pymongo.errors import BulkWriteError

from shared.domain.accounts import RequestRecord
from shared.domain.usage import Usage
from shared.store.client import AsyncDb, Document, SyncDatabase, translating_errors
from shared.store.ledger_reader import NEWEST_FIRST, Cursor
from shared.store.transactions import Clock, utc_now

_DUPLICATE_KEY = 11000


class MongoRequestLogStore:
    """`RequestLogStore` over MongoDB.

    Args:
        database: The database.
        insert_timeout_s: Bound of one insertion; batches take longer than what a client waits for.
    """

    def __init__(self, database: AsyncDb, *, insert_timeout_s: float = 10.0) -> None:
        self._logs = database["request_logs"]
        self._insert_timeout_s = insert_timeout_s

    async def insert(self, records: Sequence[RequestRecord]) -> None:
        """See `RequestLogStore.insert`."""
        if not records:
            return
        documents = [record_document(record) for record in records]
        with translating_errors(), pymongo.timeout(self._insert_timeout_s):
            try:
                await self._logs.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                if not _only_duplicates(error):
                    raise


@dataclass(frozen=True, slots=True)
class DayUsage:
    """What was asked and spent on one day of a time zone."""

    day: date
    requests: int
    cost_nano: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What was asked and spent on one model."""

    model: str
    requests: int
    cost_nano: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which rows; None and the empty string ask for all."""

    since: datetime | None = None
    until: datetime | None = None
    model: str = ""
    key_id: str = ""
    status: int | None = None


class RequestLogReader:
    """Reads `request_logs` for pages and exports.

    Args:
        database: Where.
        clock: The present.
    """

    def __init__(self, database: SyncDatabase, *, clock: Clock = utc_now) -> None:
        self._logs = database["request_logs"]
        self._clock = clock

    def newest(
        self,
        username: str | None,
        *,
        after: Cursor | None = None,
        limit: int = 50,
        where: LogFilter | None = None,
    ) -> list[RequestRecord]:
        """Rows of an account (None: of all), newest first, `limit` at most."""
        clauses = [_query(username, where or LogFilter())]
        if after is not None:
            clauses.append(after.older())
        with translating_errors():
            found = self._logs.find({"$and": clauses}).sort(NEWEST_FIRST).limit(limit)
            return [record_from(document) for document in found]

    def get(self, request_id: str, username: str | None = None) -> RequestRecord | None:
        """One row; with `username` only if it is that account's."""
        query = {"_id": request_id} | ({} if username is None else {"username": username})
        with translating_errors():
            document = self._logs.find_one(query)
        return None if document is None else record_from(document)

    def per_day(self, username: str | None, *, days: int, zone: ZoneInfo) -> list[DayUsage]:
        """The last `days` days of a time zone, today included, oldest first; none is left out."""
        today = self._clock().astimezone(zone).date()
        first = today - timedelta(days=days - 1)
        since = datetime(first.year, first.month, first.day, tzinfo=zone)
        key = {"$dateToString": {"date": "$createdAt", "format": "%Y-%m-%d", "timezone": zone.key}}
        groups = self._grouped(username, LogFilter(since=since), key)
        by_day = {group["_id"]: group for group in groups}
        wanted = [first + timedelta(days=offset) for offset in range(days)]
        return [DayUsage(day, *_figures(by_day.get(day.isoformat(), {}))) for day in wanted]

    def per_model(self, username: str | None, *, since: datetime) -> list[ModelUsage]:
        """Models asked for since a moment, dearest first."""
        groups = self._grouped(username, LogFilter(since=since), "$model")
        rows = [ModelUsage(group["_id"], *_figures(group)) for group in groups]
        return sorted(rows, key=lambda row: (-row.cost_nano, -row.requests, row.model))

    def totals(self, username: str | None, *, since: datetime | None = None) -> ModelUsage:
        """Everything since a moment in one row, whose model is empty."""
        groups = self._grouped(username, LogFilter(since=since), None)
        return ModelUsage("", *_figures(groups[0] if groups else {}))

    def _grouped(self, username: str | None, where: LogFilter, key: Any) -> list[Document]:
        group = {
            "_id": key,
            "requests": {"$sum": 1},
            "cost": {"$sum": "$costNano"},
            "input": {"$sum": _INPUT_TOKENS},
            "output": {"$sum": "$usage.output"},
        }
        stages = [{"$match": _query(username, where)}, {"$group": group}]
        with translating_errors():
            return list(self._logs.aggregate(stages))


_INPUT_TOKENS = {
    "$sum": ["$usage.input", "$usage.cacheWrite5m", "$usage.cacheWrite1h", "$usage.cacheHit"]
}


def record_document(record: RequestRecord) -> Document:
    """A row as stored."""
    return {
        "_id": record.request_id,
        "username": record.username,
        "userId": record.user_id,
        "keyId": record.key_id,
        "endpoint": record.endpoint,
        "model": record.model,
        "upstream": record.upstream,
        "upstreamKeyId": record.upstream_key_id,
        "status": record.status,
        "endReason": record.end_reason,
        "stream": record.stream,
        "usage": record.usage.to_document(),
        "costNano": Int64(record.cost_nano),
        "priceVersion": record.price_version,
        "attempts": record.attempts,
        "ttftMs": record.ttft_ms,
        "durationMs": record.duration_ms,
        "createdAt": record.created_at,
    }


def record_from(document: Mapping[str, Any]) -> RequestRecord:
    """Inverse of `record_document`."""
    return RequestRecord(
        request_id=document["_id"],
        username=document["username"],
        user_id=document["userId"],
        key_id=document["keyId"],
        endpoint=document["endpoint"],
        model=document["model"],
        upstream=document["upstream"],
        upstream_key_id=document["upstreamKeyId"],
        status=document["status"],
        end_reason=document["endReason"],
        stream=document["stream"],
        usage=Usage.from_document(document["usage"]),
        cost_nano=int(document["costNano"]),
        price_version=document["priceVersion"],
        attempts=document["attempts"],
        ttft_ms=document["ttftMs"],
        duration_ms=document["durationMs"],
        created_at=document["createdAt"],
    )


def _query(username: str | None, where: LogFilter) -> Document:
    query: Document = {} if username is None else {"username": username}
    bounds = {"$gte": where.since, "$lt": where.until}
    asked = {operator: moment for operator, moment in bounds.items() if moment is not None}
    if asked:
        query["createdAt"] = asked
    exact = {"model": where.model, "keyId": where.key_id, "status": where.status}
    return query | {name: value for name, value in exact.items() if value not in ("", None)}


def _figures(group: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return (
        int(group.get("requests", 0)),
        int(group.get("cost", 0)),
        int(group.get("input", 0)),
        int(group.get("output", 0)),
    )


def _only_duplicates(error: BulkWriteError) -> bool:
    details = error.details or {}
    failures = details.get("writeErrors", [])
    clean = not details.get("writeConcernErrors")
    return clean and all(failure["code"] == _DUPLICATE_KEY for failure in failures)
