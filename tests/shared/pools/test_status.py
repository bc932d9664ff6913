from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.upstream_keys import Fault, KeyHealth, UpstreamKey
from shared.pools.status import status_row
from shared.store.upstream_key_documents import KeyCounts

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(seconds=30), NOW - timedelta(seconds=30)


def test_a_row() -> None:
    key = UpstreamKey("uk_1", "main", label="ours", rpm=5)
    assert status_row(key, KeyCounts(7, 2), NOW) == {
        "id": "uk_1",
        "pool": "main",
        "label": "ours",
        "healthy": True,
        "state": "healthy",
        "reason": None,
        "until": None,
        "requests": 7,
        "errors": 2,
        "backup": False,
        "standsIn": False,
        "rpm": 5,
    }


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({"health": KeyHealth(Fault.RATE_LIMITED, LATER)}, "cooling", "rate_limited"),
        ({"health": KeyHealth(Fault.SERVER, LATER)}, "open", "server"),
        ({"health": KeyHealth(Fault.BUDGET, LATER)}, "disabled", "budget"),
        ({"health": KeyHealth(Fault.AUTH, EARLIER)}, "half_open", "auth"),
        ({"enabled": False}, "off", None),
    ],
)
def test_a_key_that_is_out(fields: dict[str, Any], state: str, reason: str | None) -> None:
    row = status_row(UpstreamKey("uk_1", "main", **fields), KeyCounts(), NOW)
    assert (row["healthy"], row["state"], row["reason"]) == (False, state, reason)


def test_a_key_that_cannot_be_read() -> None:
    row = status_row(UpstreamKey("uk_1", "main"), KeyCounts(), NOW, readable=False)
    assert (row["healthy"], row["reason"]) == (False, "unreadable")
