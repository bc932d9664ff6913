"""Accounts with money in a real database, for everything that moves money."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from bson.int64 import Int64
from pymongo.database import Database

from shared.domain.accounts import Hold, HoldRefused, HoldRequest, RequestRecord
from shared.domain.usage import Usage
from shared.store.client import AsyncDb, connect_async
from shared.store.holds import MongoHoldStore
from shared.store.schema import ensure_schema

ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WORKER = "5b0b3c1e-0000-4000-8000-000000000001"


@dataclass
class Bank:
    """A fresh database, its accounts and a hold store on it."""

    db: Database[dict[str, Any]]
    async_db: AsyncDb
    holds: MongoHoldStore
    users: int = 0
    requests: int = 0

    def add_user(self, credits_nano: int = 10**9, referral_nano: int = 0, **fields: Any) -> str:
        """An account whose balances stand on ledger rows."""
        self.users += 1
        user_id = f"usr_{self.users:022d}"
        document = {
            "_id": user_id,
            "username": f"user{self.users}",
            "passwordHash": None,
            "role": "user",
            "tier": "dev",
            "rpm": None,
            "isActive": True,
            "creditsNano": Int64(credits_nano),
            "heldNano": Int64(0),
            "refCreditsNano": Int64(referral_nano),
            "refHeldNano": Int64(0),
            "holds": {},
            "tokensUsed": Int64(0),
            "creditsExpireAt": None,
            "language": "en",
            "createdAt": ARRIVED,
            "referralCode": f"code{self.users}",
        }
        self.db.users.insert_one(document | fields)
        for purse, amount in (("main", credits_nano), ("referral", referral_nano)):
            if amount:
                self.add_topup(user_id, amount, purse)
        return user_id

    def add_topup(self, user_id: str, amount_nano: int, purse: str) -> None:
        self.db.ledger.insert_one(
            {
                "_id": f"topup:{user_id}:{purse}",
                "userId": user_id,
                "username": "user",
                "kind": "topup",
                "purse": purse,
                "amountNano": Int64(amount_nano),
                "reason": "test",
                "createdAt": ARRIVED,
            }
        )

    def new_request_id(self) -> str:
        self.requests += 1
        return f"req_{self.requests:026d}"

    async def reserve(
        self, user_id: str, full_nano: int, minimum_nano: int | None = None, worker: str = WORKER
    ) -> Hold | HoldRefused:
        minimum = full_nano if minimum_nano is None else minimum_nano
        ask = HoldRequest(self.new_request_id(), user_id, full_nano, minimum)
        return await self.holds.reserve(ask, worker)

    async def hold(self, user_id: str, amount_nano: int = 1000, worker: str = WORKER) -> Hold:
        held = await self.reserve(user_id, amount_nano, worker=worker)
        assert isinstance(held, Hold), held
        return held

    def account(self, user_id: str) -> dict[str, Any]:
        found = self.db.users.find_one({"_id": user_id})
        assert found is not None
        return found

    def rows(self, **where: Any) -> list[dict[str, Any]]:
        return list(self.db.ledger.find(where).sort("_id"))

    def assert_settled(self, user_id: str) -> None:
        """No hold, nothing held, and balances that equal their rows."""
        account = self.account(user_id)
        assert account["holds"] == {}
        assert (account["heldNano"], account["refHeldNano"]) == (0, 0)
        for purse, balance in (("main", "creditsNano"), ("referral", "refCreditsNano")):
            rows = self.rows(userId=user_id, purse=purse)
            assert account[balance] == sum(row["amountNano"] for row in rows)


def record_of(hold: Hold, cost_nano: int, **changes: Any) -> RequestRecord:
    """How a request that held `hold` ended."""
    fields: dict[str, Any] = {
        "request_id": hold.request_id,
        "username": hold.username,
        "user_id": hold.user_id,
        "key_id": "key_1",
        "endpoint": "/v1/messages",
        "model": "claude-sonnet-4",
        "upstream": "main",
        "upstream_key_id": "upk_1",
        "status": 200,
        "end_reason": "complete",
        "stream": True,
        "usage": Usage(input=100, output=20),
        "cost_nano": cost_nano,
        "price_version": "v1",
        "attempts": 1,
        "ttft_ms": 12,
        "duration_ms": 90,
        "created_at": ARRIVED,
    }
    return RequestRecord(**fields | changes)


@pytest.fixture
def make_record() -> Any:
    return record_of


@pytest.fixture
async def bank(database: Database[dict[str, Any]], database_uri: str) -> AsyncIterator[Bank]:
    ensure_schema(database)
    client = connect_async(database_uri, timeout_ms=10_000)
    async_db = client[database.name]
    yield Bank(database, async_db, MongoHoldStore(async_db))
    await client.close()
