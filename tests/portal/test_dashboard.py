from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape

from portal.dashboard import chart
from shared.store.request_logs import DayUsage
from tests.support.portal import NOW, record, store_record


def attribute(text: str, name: str):
    return json.loads(unescape(re.search(rf'{name}="([^"]*)"', text)[1]))


def test_strangers_are_sent_to_the_login_page(visitor):
    answer = visitor.get("/dashboard?days=7")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/login?next=%2Fdashboard%3Fdays%3D7"


def test_a_new_account_is_told_what_to_do(member):
    text = member.get("/dashboard").get_data(as_text=True)
    assert "Create an API key" in text
    assert "No requests yet" in text
    assert "http://127.0.0.1:8080" in text
    assert "data-usage-chart" not in text


def test_balances_are_shown(member, users, account):
    users.top_up(account.id, 12_340_000_000, reason="test")
    text = member.get("/dashboard").get_data(as_text=True)
    assert '<dd class="value" id="balance">$12.34</dd>' in text
    assert "Does not expire" in text


def test_the_chart_sums_days_as_exact_decimal_strings(member, store, account):
    for age in (0, 3, 50):
        moment = datetime.now(UTC) - timedelta(days=age)
        store_record(store, record(account, f"req_{age}", created_at=moment))
    text = member.get("/dashboard?days=30").get_data(as_text=True)
    spend, requests = attribute(text, "data-spend"), attribute(text, "data-requests")
    assert (len(spend), sum(requests)) == (30, 2)
    assert sorted(spend)[-2:] == ["0.012363750", "0.012363750"]
    assert "Chart.bundle.js" in text
    assert "claude-sonnet-4-20250514" in text


def test_only_own_requests_count(member, store, account, new_account):
    store_record(store, record(new_account("eve"), "req_eve"))
    assert "req_eve" not in member.get("/dashboard").get_data(as_text=True)


def test_a_period_nobody_offers_is_the_usual_one(member):
    text = member.get("/dashboard?days=100000").get_data(as_text=True)
    assert 'href="/dashboard?days=30" aria-current="true"' in text


def test_chart_keeps_money_in_strings(app):
    days = [DayUsage(NOW.date(), 3, 1, 10, 5)]
    with app.test_request_context():
        made = chart(days)
    assert (made.labels, made.spend, made.requests) == (["Mar 14"], ["0.000000001"], [3])


def test_times_are_in_the_readers_zone(member, store, account):
    yesterday = datetime.now(UTC).replace(hour=0, minute=30) - timedelta(days=1)
    store_record(store, record(account, "req_a", created_at=yesterday))
    member.client.set_cookie("tz", "Asia/Ho_Chi_Minh")
    text = member.get("/dashboard").get_data(as_text=True)
    assert "7:30" in text
    assert "Times in Asia/Ho_Chi_Minh" in text
