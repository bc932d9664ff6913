"""What tests of the portal share: a catalogue, a client that fills in tokens, stored requests."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from shared.domain.accounts import Account, Hold, Purse, RequestRecord
from shared.domain.catalog import Catalog, Dialect, Model, Upstream
from shared.domain.pricing import Price, Rates, cost_nano, make_price, price_to_document
from shared.domain.usage import Usage
from shared.store.ledger_rows import charge_row
from shared.store.request_logs import record_document

Db = Database[dict[str, Any]]
PASSWORD = "correct horse battery"
CHEAP = 4  # bcrypt's least work
NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')

PRICE = make_price(
    Rates(Decimal(3), Decimal(15), Decimal("3.75"), Decimal(6), Decimal("0.30")),
    multiplier=Decimal("1.05"),
)


def model(name: str, dialect: Dialect, price: Price | None = PRICE) -> Model:
    return Model(name, dialect, "main", name, price, 64_000, 200_000)


CATALOG = Catalog(
    models={
        one.id: one
        for one in (
            model("claude-sonnet-4-20250514", Dialect.ANTHROPIC),
            model("gpt-5-mini", Dialect.OPENAI),
            model("unpriced", Dialect.OPENAI, price=None),
            replace(model("unlisted", Dialect.OPENAI), listed=False),
        )
    },
    aliases={},
    upstreams={"main": Upstream("main", Dialect.ANTHROPIC, "https", "127.0.0.1", 443)},
)


class Visitor:
    """A test client that fills in the CSRF token of the page it posts from."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def token(self, path: str = "/login") -> str:
        found = _TOKEN.search(self.client.get(path).get_data(as_text=True))
        assert found, f"no form on {path}"
        return found[1]

    def post(
        self, path: str, data: dict[str, Any] | None = None, *, page: str | None = None, **more: Any
    ) -> TestResponse:
        form = {"csrf_token": self.token(page or path)} | (data or {})
        return self.client.post(path, data=form, **more)

    def login(self, username: str, password: str = PASSWORD, **more: Any) -> TestResponse:
        return self.post("/login", {"username": username, "password": password}, **more)


def record(account: Account, request_id: str, **changes: Any) -> RequestRecord:
    """A finished request of an account, a minute ago."""
    usage = Usage(input=1_200, output=345, cache_hit=10_000, reasoning=40)
    made = RequestRecord(
        request_id=request_id,
        username=account.username,
        user_id=account.id,
        key_id="key_x",
        endpoint="/v1/messages",
        model="claude-sonnet-4-20250514",
        upstream="main",
        upstream_key_id="upk_1",
        status=200,
        end_reason="complete",
        stream=True,
        usage=usage,
        cost_nano=cost_nano(usage, PRICE),
        price_version=PRICE.version,
        attempts=1,
        ttft_ms=412,
        duration_ms=3_210,
        created_at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1),
    )
    return replace(made, **changes)


def store_record(store: Db, made: RequestRecord, *, charged: bool = True) -> None:
    """Put a request where the gateway puts it: log, ledger, price."""
    store["request_logs"].insert_one(record_document(made))
    row = price_to_document(PRICE) | {"model": made.model, "createdAt": NOW}
    store["prices"].update_one({"_id": PRICE.version}, {"$setOnInsert": row}, upsert=True)
    if charged:
        hold = Hold(made.request_id, made.user_id, made.username, made.cost_nano, Purse.MAIN)
        store["ledger"].insert_one(charge_row(hold, made, made.created_at))
