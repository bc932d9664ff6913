"""`audit_log`: who changed what, and what it was before. Rows are written and never changed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.client_session import ClientSession

from shared.domain.identifiers import RandomBytes, new_id
from shared.store.client import AsyncDb, Document, SyncDatabase
from shared.store.transactions import Clock, utc_now

COLLECTION = "audit_log"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        actor: Who: `cli`, `gateway`, `settings`, or the name of an admin.
        action: What was done, such as `upstream_key.disable`.
        target: Id of what was changed.
        before: Fields as they were, None for what is new. Never a secret.
        after: Fields as they are, None for what is gone. Never a secret.
    """

    actor: str
    action: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class AuditLog:
    """Writes changes, inside the transactions that make them.

    Args:
        clock: The present.
        random_bytes: Source of row ids.
    """

    def __init__(
        self, clock: Clock = utc_now, random_bytes: RandomBytes = secrets.token_bytes
    ) -> None:
        self._clock = clock
        self._random_bytes = random_bytes

    def write(self, database: SyncDatabase, session: ClientSession, change: Change) -> None:
        """Add a row.

        Raises:
            PyMongoError: For the transaction to deal with.
        """
        database[COLLECTION].insert_one(self._row(change), session=session)

    async def write_async(
        self, database: AsyncDb, session: AsyncClientSession, change: Change
    ) -> None:
        """The same for asyncio."""
        await database[COLLECTION].insert_one(self._row(change), session=session)

    def _row(self, change: Change) -> Document:
        return {
            "_id": new_id("aud", self._random_bytes),
            "actor": change.actor,
            "action": change.action,
            "target": change.target,
            "before": _changed(change.before, change.after),
            "after": _changed(change.after, change.before),
            "createdAt": self._clock(),
        }


def _changed(fields: Mapping[str, Any] | None, others: Mapping[str, Any] | None) -> Document | None:
    """Of fields, those that differ from what they are compared with."""
    if fields is None or others is None:
        return None if fields is None else dict(fields)
    return {name: value for name, value in fields.items() if others.get(name) != value}
