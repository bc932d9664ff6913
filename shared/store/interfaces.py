"""What the gateway and the ledger ask of the database.

Every method raises `StoreUnavailable` when MongoDB does not answer in time; the outcome of a
write is then unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.accounts import (
    Admission,
    Hold,
    HoldRefused,
    HoldRequest,
    RateWindow,
    RequestRecord,
)
from shared.domain.pricing import Price
from shared.domain.upstream_keys import KeyHealth
from shared.store.upstream_key_documents import KeyCounts, StoredKey


class KeyGate(Protocol):
    """Key look-up and rate limit in one round trip."""

    async def admit(self, key_hash: str, window: RateWindow = RateWindow.REQUESTS) -> Admission:
        """Look a key up by its HMAC, count the request in a window if the limit allows."""

    async def admit_fixed(self, window: RateWindow = RateWindow.REQUESTS) -> Admission:
        """The fixed proxy key: no look-up, the pro limit, principal `_proxy`."""

    async def ping(self) -> None:
        """Raise `StoreUnavailable` unless the database answers."""


class HoldStore(Protocol):
    """Holds on accounts, and what settles them."""

    async def reserve(self, request: HoldRequest, worker_id: str) -> Hold | HoldRefused:
        """Set money aside, majority-acknowledged, or say why not."""

    async def release(self, user_id: str, request_ids: Sequence[str]) -> None:
        """Remove holds without a charge. Idempotent."""

    async def settle(self, charges: Sequence[tuple[Hold, RequestRecord]]) -> None:
        """Insert ledger rows, then charge balances and remove holds. Idempotent, majority."""

    async def charge_if_held(self, hold: Hold, record: RequestRecord) -> bool:
        """Charge a request of which no end is known; False when its hold is gone. Idempotent."""

    async def release_abandoned(self, holds: Sequence[Hold], reason: str) -> None:
        """Release holds whose worker is gone, with a row of amount 0 each. Idempotent."""

    async def holds_of_worker(self, worker_id: str, older_than_s: float) -> list[Hold]:
        """Holds that a worker took at least that long ago."""

    async def holds_of_others(self, workers: Sequence[str], older_than_s: float) -> list[Hold]:
        """Holds of that age whose worker is none of `workers`."""


class RequestLogStore(Protocol):
    """Rows of `request_logs`."""

    async def insert(self, records: Sequence[RequestRecord]) -> None:
        """Insert; rows that exist already are left as they are."""


class PriceStore(Protocol):
    """Every price version ever applied."""

    async def remember(self, prices: Sequence[tuple[str, Price]]) -> None:
        """Keep (model id, price) pairs for ever, so that bills can be recomputed."""

    async def get(self, version: str) -> Price | None:
        """The price of a version."""


class WorkerStore(Protocol):
    """Heartbeats of gateway workers."""

    async def beat(self, worker_id: str, host: str) -> None:
        """Say that the worker lives, by the server's clock."""

    async def remove(self, worker_id: str) -> None:
        """The worker has ended and left nothing behind."""

    async def living(self, within_s: float) -> list[str]:
        """Workers heard of within that many seconds."""

    async def forget_silent(self, for_s: float) -> int:
        """Remove workers not heard of for that many seconds; how many."""


class KeyPoolStore(Protocol):
    """Upstream keys as gateway workers share them."""

    async def load(self) -> list[StoredKey]:
        """All keys."""

    async def load_changed(self, within_s: float) -> list[StoredKey]:
        """Keys whose switch or health changed within that many seconds."""

    async def record_fault(self, key_id: str, health: KeyHealth, at: datetime) -> None:
        """A key was taken out at `at`; what takes it out for longer stays."""

    async def record_success(self, key_id: str, until: datetime) -> None:
        """A key that was out until then works; what took it out later stays."""

    async def count(self, counts: Mapping[str, KeyCounts]) -> None:
        """Add to the counts of keys, by id."""

    async def admit(self, key_id: str) -> int:
        """Count a request in a key's own window: 0 if its limit allows, else seconds to wait."""

    async def appoint(self, backup_id: str, key_id: str) -> bool:
        """Let a backup stand in for a key; False when another was faster."""

    async def dismiss(self, backup_id: str, key_id: str) -> bool:
        """End that; False when it had ended already."""
