from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.logs import PAGE_SIZE, format_cursor, parse_cursor
from shared.store.request_logs import record_document
from tests.support.portal import PRICE, record, store_record


def test_without_requests_the_page_says_what_to_do(member):
    assert "No requests yet" in member.get("/logs").get_data(as_text=True)


def test_pages_go_on_where_the_last_one_ended(member, store, account):
    start = datetime(2026, 3, 1, tzinfo=UTC)
    ids = [f"req_{number:03}" for number in range(PAGE_SIZE + 7)]
    records = [
        record(account, request_id, created_at=start + timedelta(seconds=number // 3))
        for number, request_id in enumerate(ids)
    ]
    store["request_logs"].insert_many([record_document(one) for one in records])
    first = member.get("/logs").get_data(as_text=True)
    cursor = format_cursor(records[7])
    assert f"cursor={cursor}" in first
    second = member.get(f"/logs?cursor={cursor}").get_data(as_text=True)
    shown = [[one for one in ids if f"/logs/{one}" in page] for page in (first, second)]
    assert shown == [ids[7:], ids[:7]]
    assert "Nothing older" in member.get(f"/logs?cursor={format_cursor(records[0])}").get_data(
        as_text=True
    )


def test_a_cursor_names_moment_and_id(account):
    made = record(account, "req_a", created_at=datetime(2026, 3, 14, 9, 26, 53, 589_000, UTC))
    cursor = parse_cursor(format_cursor(made))
    assert (cursor.created_at, cursor.id) == (made.created_at, "req_a")


@pytest.mark.parametrize("text", ["x", "1", "1.", ".req", "-1.req", "9" * 30 + ".req", "٣.req"])
def test_a_broken_cursor_is_not_found(member, text):
    assert parse_cursor(text) is None
    assert member.get("/logs", query_string={"cursor": text}).status_code == 404


def test_the_receipt_shows_how_the_charge_came_about(member, store, account):
    store_record(store, record(account, "req_a"))
    text = member.get("/logs/req_a").get_data(as_text=True)
    assert "$0.0036" in text  # 1,200 input tokens at 3.00
    assert "$0.005175" in text  # 345 output tokens at 15.00
    assert "$0.003" in text  # 10,000 cached tokens at 0.30
    assert "$0.011775" in text  # the sum
    assert "\N{MULTIPLICATION SIGN} 1.05" in text
    assert 'id="charged">$0.01236375</td>' in text
    assert PRICE.version in text
    assert "412 ms" in text
    assert "3.2 s" in text


def test_a_charge_that_is_not_written_yet_is_announced(member, store, account):
    store_record(store, record(account, "req_a"), charged=False)
    assert "The bill is being written" in member.get("/logs/req_a").get_data(as_text=True)


def test_a_refused_request_cost_nothing(member, store, account):
    refused = record(
        account,
        "req_a",
        status=429,
        end_reason="refused:rate_limit_exceeded",
        cost_nano=0,
        price_version="",
        ttft_ms=None,
    )
    store_record(store, refused, charged=False)
    text = member.get("/logs/req_a").get_data(as_text=True)
    assert "This request cost nothing." in text
    assert "429 refused" in text


def test_requests_of_others_do_not_exist(member, store, new_account):
    store_record(store, record(new_account("eve"), "req_eve"))
    assert member.get("/logs/req_eve").status_code == 404
    assert member.get("/logs/req_unknown").status_code == 404
    assert "req_eve" not in member.get("/logs").get_data(as_text=True)


def test_strangers_see_nothing(visitor, store, account):
    store_record(store, record(account, "req_a"))
    assert visitor.get("/logs/req_a").status_code == 302
    assert visitor.get("/logs").status_code == 302


def test_markup_in_a_model_name_is_text(member, store, account):
    store_record(store, record(account, "req_a", model="<img src=x>"), charged=False)
    for path in ("/logs", "/logs/req_a", "/dashboard"):
        assert "<img src=x>" not in member.get(path).get_data(as_text=True)
