"""A demo account with a month of requests, the same each time, for pictures and browser tests."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.accounts import Account, Hold, Purse, RequestRecord
from shared.domain.keys import Purpose, derive_secret
from shared.domain.ledger import RowKind
from shared.domain.passwords import hash_password
from shared.domain.pricing import Rates, cost_nano, make_price, price_to_document
from shared.domain.usage import Usage
from shared.store.client import SyncDatabase
from shared.store.keys import KeyStore
from shared.store.ledger_rows import charge_row
from shared.store.request_logs import record_document
from shared.store.schema import ensure_schema
from shared.store.users import UserStore

SECRET_KEY = "demo-of-the-portal-0123456789-abcdefgh"  # noqa: S105 - of a throw-away database
USERNAME = "ada"
PASSWORD = "correct horse battery"  # noqa: S105


def rates(input_usd: str, output_usd: str, write: str, read: str) -> Rates:
    """Rates of a demo model, USD per million tokens."""
    return Rates(
        Decimal(input_usd), Decimal(output_usd), Decimal(write), Decimal(write) * 2, Decimal(read)
    )


DEMO_MODELS = {
    "claude-sonnet-4-20250514": (
        make_price(rates("3", "15", "3.75", "0.30"), multiplier=Decimal("1.05")),
        0.5,
    ),
    "gpt-5-mini": (
        make_price(rates("0.25", "2", "0.25", "0.025"), multiplier=Decimal("1.05")),
        0.3,
    ),
    "claude-3-5-haiku-20241022": (
        make_price(rates("0.80", "4", "1", "0.08"), multiplier=Decimal("1.05")),
        0.2,
    ),
}


def seed(database: SyncDatabase, now: datetime, days: int = 30) -> Account:
    """A demo account with keys, credits, and requests of the last `days` days."""
    ensure_schema(database)
    users = UserStore(database, credit_days=120)
    account = users.create(USERNAME, hash_password(PASSWORD, cost=4), language="en")
    users.top_up(account.id, 50_000_000_000, reason="demo credits")
    users.top_up(
        account.id,
        5_000_000_000,
        reason="an invited friend",
        kind=RowKind.REFERRAL,
        purse=Purse.REFERRAL,
    )
    keys = KeyStore(database, derive_secret(SECRET_KEY, Purpose.KEY_PEPPER))
    ids = [keys.create(account.id, label=label).key.id for label in ("laptop", "ci", "notebook")]
    records = _records(account, ids, now, days)
    _store(database, account, records)
    database["user_keys"].update_many(
        {"_id": {"$in": ids[:2]}}, {"$set": {"lastUsedAt": records[-1].created_at}}
    )
    return account


def _records(account: Account, key_ids: list[str], now: datetime, days: int) -> list[RequestRecord]:
    chance = random.Random(20)  # noqa: S311 - the same picture each time
    made = []
    for age in range(days - 1, -1, -1):
        busy = 4 if (now - timedelta(days=age)).weekday() >= 5 else 14
        for _ in range(chance.randint(busy // 2, busy * 2)):
            moment = now - timedelta(days=age, minutes=chance.randint(3, 540))
            made.append(_record(account, chance.choice(key_ids[:2]), moment, chance))
    return sorted(made, key=lambda record: record.created_at)


def _record(
    account: Account, key_id: str, moment: datetime, chance: random.Random
) -> RequestRecord:
    names = list(DEMO_MODELS)
    model = chance.choices(names, [DEMO_MODELS[name][1] for name in names])[0]
    usage = Usage(
        input=chance.randint(300, 9_000),
        output=chance.randint(80, 2_600),
        cache_write_5m=chance.choice([0, 0, chance.randint(1_000, 8_000)]),
        cache_hit=chance.choice([0, chance.randint(4_000, 60_000)]),
        reasoning=chance.choice([0, 64]),
    )
    status, end = chance.choices(
        [
            (200, "complete"),
            (200, "client_disconnected"),
            (429, "refused:rate_limit_exceeded"),
            (502, "upstream_error"),
        ],
        [94, 3, 2, 1],
    )[0]
    failed = status >= 400
    price = DEMO_MODELS[model][0]
    return RequestRecord(
        request_id="req_" + "".join(chance.choices("abcdefghijklmnopqrstuvwxyz234567", k=26)),
        username=account.username,
        user_id=account.id,
        key_id=key_id,
        endpoint="/v1/messages" if model.startswith("claude") else "/v1/chat/completions",
        model=model,
        upstream="main",
        upstream_key_id="upk_1",
        status=status,
        end_reason=end,
        stream=chance.random() < 0.8,
        usage=Usage() if failed else usage,
        cost_nano=0 if failed else cost_nano(usage, price),
        price_version="" if failed else price.version,
        attempts=2 if status == 502 else 1,
        ttft_ms=None if failed else chance.randint(180, 1_400),
        duration_ms=chance.randint(4, 30) if status == 429 else chance.randint(900, 24_000),
        created_at=moment.replace(microsecond=0),
    )


def _store(database: SyncDatabase, account: Account, records: list[RequestRecord]) -> None:
    database["request_logs"].insert_many([record_document(record) for record in records])
    charged = [record for record in records if record.price_version]
    holds = [
        Hold(record.request_id, account.id, account.username, record.cost_nano, Purse.MAIN)
        for record in charged
    ]
    database["ledger"].insert_many(
        [
            charge_row(hold, record, record.created_at)
            for hold, record in zip(holds, charged, strict=True)
        ]
    )
    spent_nano = sum(record.cost_nano for record in charged)
    tokens = sum(record.usage.total for record in charged)
    database["users"].update_one(
        {"_id": account.id}, {"$inc": {"creditsNano": -spent_nano, "tokensUsed": tokens}}
    )
    for model, (price, _share) in DEMO_MODELS.items():
        row = price_to_document(price) | {
            "_id": price.version,
            "model": model,
            "createdAt": records[0].created_at,
        }
        database["prices"].insert_one(row)
