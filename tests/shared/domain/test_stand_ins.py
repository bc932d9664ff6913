from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.stand_ins import candidates, dismissals, is_out, vacancies
from shared.domain.upstream_keys import Fault, KeyHealth, UpstreamKey

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def key(name: str, reason: Fault | None = None, **fields: Any) -> UpstreamKey:
    health = KeyHealth(reason, LONG_AGO if reason else None)
    return UpstreamKey(name, "main", health=health, **fields)


@pytest.mark.parametrize(
    ("reason", "enabled", "out"),
    [
        (None, True, False),
        (None, False, True),
        (Fault.AUTH, True, True),
        (Fault.BUDGET, True, True),
        (Fault.RATE_LIMITED, True, False),
        (Fault.SERVER, True, False),
    ],
)
def test_who_is_out(reason: Fault | None, enabled: bool, out: bool) -> None:
    """A key whose time has passed is out until a request has succeeded with it."""
    assert is_out(key("a", reason, enabled=enabled)) is out


def test_each_key_that_is_out_leaves_one_vacancy() -> None:
    keys = [
        key("d", Fault.AUTH),
        key("c", enabled=False),
        key("b", Fault.BUDGET),
        key("a"),
        key("idle", Fault.AUTH, backup=True),
        key("serving", Fault.AUTH, backup=True, stands_in=True),
    ]
    found = vacancies(keys, {"serving": "b"})
    assert [vacant.id for vacant in found] == ["c", "d", "serving"]


@pytest.mark.parametrize(
    ("principal", "dismissed"),
    [
        (key("a", Fault.AUTH), []),
        (key("a", enabled=False), []),
        (key("a"), ["b"]),
        (key("a", Fault.RATE_LIMITED), ["b"]),
        (key("a", Fault.AUTH, backup=True), ["b"]),
        (key("a", Fault.AUTH, backup=True, stands_in=True), []),
        (None, ["b"]),
    ],
)
def test_who_is_not_needed_any_more(principal: UpstreamKey | None, dismissed: list[str]) -> None:
    backup = key("b", backup=True, stands_in=True)
    keys = [backup] if principal is None else [backup, principal]
    assert dismissals(keys, {"b": "a"}) == dismissed


def test_who_could_stand_in() -> None:
    keys = [
        key("a"),
        key("b", backup=True),
        key("c", backup=True, stands_in=True),
        key("d", Fault.AUTH, backup=True),
        key("e", backup=True, enabled=False),
        key("f", Fault.SERVER, backup=True),
    ]
    assert [found.id for found in candidates(keys)] == ["b", "f"]
