from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from portal.receipt import Receipts, is_capped, subtotal_usd
from shared.domain.accounts import Hold, Purse
from shared.domain.pricing import cost_nano
from shared.store.ledger_rows import late_row, released_row
from tests.support.portal import NOW, PRICE, record, store_record


def test_the_lines_make_the_charge(store, account):
    made = record(account, "req_a")
    store_record(store, made)
    receipt = Receipts(store).get("req_a", account.username)
    assert [(line.bucket, line.count) for line in receipt.lines] == [
        ("input", 1_200),
        ("output", 345),
        ("cacheHit", 10_000),
    ]
    assert subtotal_usd(receipt) == Decimal("0.011775")
    assert receipt.charged_nano == cost_nano(made.usage, PRICE) == 12_363_750
    assert receipt.purse is Purse.MAIN
    assert not is_capped(receipt)


def test_what_was_released_and_billed_late_is_what_counts(store, account):
    made = record(account, "req_a")
    store_record(store, made, charged=False)
    hold = Hold("req_a", account.id, account.username, 99, Purse.REFERRAL)
    store["ledger"].insert_one(released_row(hold, "the worker is gone", NOW))
    assert Receipts(store).get("req_a", account.username) is None
    store["ledger"].insert_one(late_row(hold, replace(made, end_reason="recovered"), NOW))
    receipt = Receipts(store).get("req_a", account.username)
    assert receipt.charged_nano == 12_363_750
    assert receipt.purse is Purse.REFERRAL


def test_bills_of_others_are_not_found(store, account, new_account):
    store_record(store, record(new_account("eve"), "req_eve"))
    assert Receipts(store).get("req_eve", account.username) is None


def test_without_its_price_there_is_no_receipt(store, account):
    store_record(store, record(account, "req_a"))
    store["prices"].delete_many({})
    assert Receipts(store).get("req_a", account.username) is None


def test_an_estimate_is_cut_to_what_was_set_aside(store, account):
    made = record(account, "req_a", cost_nano=5_000_000)
    store_record(store, replace(made, usage=replace(made.usage, estimated=True)))
    assert is_capped(Receipts(store).get("req_a", account.username))
