import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from bson import Int64

from shared.domain.pricing import Rates, cost_nano, make_price, price_to_document
from shared.domain.usage import Usage

USAGE = Usage(input=1000, output=200)
REQUEST = "req_00000000000000000000000001"


@pytest.fixture
def charged(with_database, database):
    """One account with one charge; gives a function that sets what was charged."""
    with_database("user", "create", "alice", "--credits", "1")
    rates = Rates(*(Decimal(rate) for rate in ("3", "15", "3.75", "6", "0.3")))
    price = make_price(rates, (), Decimal("1.05"))
    stored = {"_id": price.version, "model": "m", "createdAt": datetime.now(UTC)}
    database.prices.insert_one(stored | price_to_document(price))
    cost = cost_nano(USAGE, price)
    alice = database.users.find_one()

    def charge(amount_nano: int = cost) -> None:
        row = {
            "_id": REQUEST,
            "requestId": REQUEST,
            "userId": alice["_id"],
            "username": "alice",
            "kind": "charge",
            "purse": "main",
            "amountNano": Int64(-amount_nano),
            "reason": "m",
            "model": "m",
            "usage": USAGE.to_document(),
            "priceVersion": price.version,
            "createdAt": datetime.now(UTC),
        }
        database.ledger.insert_one(row)
        database.users.update_one({}, {"$inc": {"creditsNano": Int64(-amount_nano)}})

    return charge


def test_a_receipt_that_matches(with_database, charged):
    charged()
    done = with_database("bill", "show", REQUEST)
    assert done.code == 0
    assert "Charged     0.006300000 USD" in done.out
    found = json.loads(with_database("bill", "show", REQUEST, "--json").out)
    assert found["matches"]
    assert found["charged"] == found["recomputed"] == "0.006300000"
    assert [line["bucket"] for line in found["lines"]] == ["input", "output"]


def test_a_wrong_charge_fails_and_is_still_shown(with_database, charged):
    charged(5)
    done = with_database("bill", "show", REQUEST, "--json")
    assert done.code == 1
    assert not json.loads(done.out)["matches"]
    assert "0.000000005 USD were charged, usage and price make 0.006300000" in done.err


def test_a_lost_price_fails(with_database, charged, database):
    charged()
    database.prices.delete_many({})
    done = with_database("bill", "show", REQUEST)
    assert done.code == 1
    assert "is not known any more" in done.err


@pytest.mark.parametrize("model", ["", "m"])
def test_a_refused_request_names_its_model_where_it_is_known(with_database, database, model):
    logged = {
        "_id": REQUEST,
        "username": "alice",
        "userId": "usr_1",
        "model": model,
        "usage": Usage().to_document(),
        "costNano": Int64(0),
        "createdAt": datetime.now(UTC),
    }
    database.request_logs.insert_one(logged)
    done = with_database("bill", "show", REQUEST)
    assert done.code == 0
    told = [line for line in done.out.splitlines() if line.startswith("Model")]
    assert told == ([f"Model     {model}"] if model else [])
    assert json.loads(with_database("bill", "show", REQUEST, "--json").out)["model"] == model


def test_an_unknown_request_is_one_line(with_database):
    done = with_database("bill", "show", "req_none")
    assert done.code == 1
    assert done.err == "trollllm: no charge and no log of request req_none\n"


def test_sound_books(with_database, charged):
    charged()
    done = with_database("ledger", "verify")
    assert done.code == 0
    assert done.out == "1 account, 2 rows: sound\n"


def test_a_broken_balance_names_the_rows(with_database, charged, database):
    charged()
    database.users.update_one({}, {"$inc": {"creditsNano": Int64(1)}})
    done = with_database("ledger", "verify")
    assert done.code == 1
    assert "balance: usr_" in done.out
    assert done.out.endswith("\n1 account, 2 rows: 1 violation\n")
    assert REQUEST in done.out
    found = with_database("ledger", "verify", "--json")
    assert found.code == 1
    (violation,) = json.loads(found.out)["violations"]
    assert REQUEST in violation["rows"]
