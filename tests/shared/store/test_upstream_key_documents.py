from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.upstream_keys import Fault, KeyHealth, UpstreamKey
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import (
    KeyCounts,
    audited,
    health_document,
    is_longer_alone,
    last4_of,
    new_key_document,
    place_of,
    stored_key_from,
)

SECRET = "sk-upstream-canary-0123456789"
SEALER = Sealer("a secret key for tests")
NOW = datetime(2026, 5, 4, tzinfo=UTC)
KEY = UpstreamKey("uk_1", "main", label="ours", backup=True, rpm=50)


def document(**fields: Any) -> dict[str, Any]:
    times = {"createdAt": NOW, "changedAt": NOW}
    return new_key_document(KEY, SECRET, SEALER) | times | fields


def test_a_key_comes_back_as_it_was_stored() -> None:
    stored = stored_key_from(document())
    assert (stored.key, stored.last4, stored.created_at) == (KEY, SECRET[-4:], NOW)
    assert (stored.stands_in_for, stored.counts) == (None, KeyCounts())
    assert SEALER.open(stored.sealed, place_of(KEY.id)) == SECRET


def test_health_comes_back_without_what_is_a_workers_own() -> None:
    health = KeyHealth(Fault.BUDGET, NOW + timedelta(minutes=5), (NOW,), 3)
    stored = stored_key_from(document(health=health_document(health), standsInFor="uk_2"))
    assert stored.key.health == KeyHealth(Fault.BUDGET, health.until, (), 3)
    assert (stored.key.stands_in, stored.stands_in_for) == (True, "uk_2")


def test_nothing_shows_the_secret() -> None:
    shown = repr(document()) + repr(stored_key_from(document())) + repr(audited(document()))
    assert SECRET not in shown
    assert not {"sealed", "fingerprint"} & audited(document()).keys()


@pytest.mark.parametrize(
    ("secret", "shown"), [(SECRET, "6789"), ("x" * 16, "xxxx"), ("x" * 15, ""), ("ab", "")]
)
def test_a_short_secret_is_not_shown_by_its_end(secret: str, shown: str) -> None:
    assert last4_of(secret) == shown


@pytest.mark.parametrize(
    ("fields", "longer"),
    [
        ({}, True),
        ({"health": health_document(KeyHealth(Fault.AUTH, NOW + timedelta(hours=1), (), 1))}, True),
        ({"health": health_document(KeyHealth(Fault.AUTH, NOW, (), 2))}, False),
        ({"health": health_document(KeyHealth(Fault.BUDGET, NOW, (), 1))}, False),
        ({"health": health_document(KeyHealth())}, False),
        ({"standsInFor": "uk_2"}, False),
        ({"enabled": False}, False),
    ],
)
def test_what_needs_no_row_of_its_own(fields: dict[str, Any], longer: bool) -> None:
    before = document(health=health_document(KeyHealth(Fault.AUTH, NOW, (), 1)))
    assert is_longer_alone(before, before | fields) is longer
