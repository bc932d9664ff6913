"""Real transactions, with clocks of their own for tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pymongo.client_session import ClientSession

from shared.store.client import SyncDatabase, translating_errors

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, as MongoDB keeps it: UTC, whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def in_transaction[T](database: SyncDatabase, act: Callable[[ClientSession], T]) -> T:
    """Run `act` in a transaction, again when another one was in the way; all or nothing.

    The first thing `act` does should be a write to the document that others fight over: a
    transaction's snapshot is taken by its first operation, so that leaves the least room for
    conflicts.

    Raises:
        StoreUnavailable: No answer in time; whether it was committed is unknown.
        Conflict, StoreRefused: From what `act` does; nothing was changed.
    """
    with translating_errors(), database.client.start_session() as session:
        return session.with_transaction(act)
