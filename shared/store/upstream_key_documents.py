"""How a key of a pool is stored, and what may be shown of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import Int64

from shared.domain.upstream_keys import Fault, KeyHealth, UpstreamKey
from shared.store.client import Document
from shared.store.sealing import Sealer

COLLECTION = "upstream_keys"

# By the server's clock: workers ask it what changed lately.
STAMP = {"$currentDate": {"changedAt": True}}

_AUDITED = ("pool", "label", "last4", "enabled", "backup", "standsInFor", "rpm")


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """Attempts with a key, and those of them that failed by a fault that concerns it."""

    requests: int = 0
    errors: int = 0

    def __add__(self, other: KeyCounts) -> KeyCounts:
        return KeyCounts(self.requests + other.requests, self.errors + other.errors)

    def __sub__(self, other: KeyCounts) -> KeyCounts:
        return KeyCounts(self.requests - other.requests, self.errors - other.errors)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the database has it.

    Attributes:
        key: Itself.
        last4: End of its secret, for operators.
        sealed: The secret, for `Sealer.open` at `place_of(key.id)`.
        stands_in_for: Id of the key in whose place it serves, None unless it is such a backup.
        counts: Since it was added.
        created_at: UTC.
    """

    key: UpstreamKey
    last4: str
    sealed: str = field(repr=False)
    stands_in_for: str | None
    counts: KeyCounts
    created_at: datetime


def place_of(key_id: str) -> str:
    """What a key's sealed secret is bound to."""
    return f"{COLLECTION}/{key_id}"


def new_key_document(key: UpstreamKey, secret: str, sealer: Sealer) -> Document:
    """A key as it is first stored, without the times."""
    return {
        "_id": key.id,
        "pool": key.pool,
        "label": key.label,
        "last4": last4_of(secret),
        "fingerprint": sealer.fingerprint(secret),
        "sealed": sealer.seal(secret, place_of(key.id)),
        "enabled": key.enabled,
        "backup": key.backup,
        "standsInFor": None,
        "rpm": key.rpm,
        "health": health_document(key.health),
        "requests": Int64(0),
        "errors": Int64(0),
    }


def inserting(document: Document) -> Document:
    """Update that inserts a new key's document, with the server's time."""
    fields = {name: value for name, value in document.items() if name != "_id"}
    return {"$setOnInsert": fields, "$currentDate": {"createdAt": True, "changedAt": True}}


def last4_of(secret: str) -> str:
    """The last 4 characters, or none of a secret so short that they would tell much of it."""
    return secret[-4:] if len(secret) >= 16 else ""


def health_document(health: KeyHealth) -> Document:
    """What workers tell one another of a key's health.

    Faults that have not yet opened the breaker are each worker's own business.
    """
    reason = None if health.reason is None else health.reason.value
    return {"reason": reason, "until": health.until, "trips": health.trips}


def stored_key_from(document: Document) -> StoredKey:
    """The key of a document."""
    health = document["health"]
    reason = None if health["reason"] is None else Fault(health["reason"])
    return StoredKey(
        key=UpstreamKey(
            id=document["_id"],
            pool=document["pool"],
            label=document["label"],
            enabled=document["enabled"],
            backup=document["backup"],
            stands_in=document["standsInFor"] is not None,
            rpm=document["rpm"],
            health=KeyHealth(reason, health["until"], (), health["trips"]),
        ),
        last4=document["last4"],
        sealed=document["sealed"],
        stands_in_for=document["standsInFor"],
        counts=KeyCounts(document["requests"], document["errors"]),
        created_at=document["createdAt"],
    )


def audited(document: Document) -> dict[str, Any]:
    """What the audit log keeps of a key: neither secret nor fingerprint."""
    health = document["health"]
    return {name: document[name] for name in _AUDITED} | {
        "reason": health["reason"],
        "until": health["until"],
        "trips": health["trips"],
    }


def is_longer_alone(before: Document, after: Document) -> bool:
    """Whether a key was out already, and by the same fault: several workers notice it at once."""
    return audited(before) | {"until": None} == audited(after) | {"until": None}
