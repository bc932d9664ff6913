from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.upstream_keys import Fault, HealthPolicy
from shared.pools.snapshot import PROBE, Recovered, Snapshot, Tripped
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import KeyCounts, StoredKey
from tests.shared.pools.conftest import SetClock, StoredAs

POLICY = HealthPolicy()


@pytest.fixture
def snapshot(sealer: Sealer, clock: SetClock) -> Snapshot:
    return Snapshot(sealer, clock, POLICY)


def chosen(snapshot: Snapshot, conversation: str | None = None, *tried: str) -> str | None:
    entry = snapshot.choose("main", conversation, tried)
    return None if entry is None else entry.key.id


def test_a_key_comes_with_its_secret_and_hides_it(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    entry = snapshot.choose("main", None, ())
    assert entry is not None
    assert entry.secret == "secret-uk_1"
    assert entry.secret not in repr(entry)
    assert snapshot.choose("other", None, ()) is None


def test_keys_take_turns_and_conversations_stay(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored(f"uk_{n}") for n in range(3)], whole=True)
    assert Counter(chosen(snapshot) for _ in range(9)) == {"uk_0": 3, "uk_1": 3, "uk_2": 3}
    homes = [chosen(snapshot, f"talk-{n}") for n in range(60)]
    assert homes == [chosen(snapshot, f"talk-{n}") for n in range(60)]
    assert set(homes) == {"uk_0", "uk_1", "uk_2"}


def test_what_was_tried_is_not_chosen_again(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_0"), stored("uk_1")], whole=True)
    home = chosen(snapshot, "talk")
    assert home is not None
    other = chosen(snapshot, "talk", home)
    assert {home, other} == {"uk_0", "uk_1"}
    assert chosen(snapshot, "talk", "uk_0", "uk_1") is None


@pytest.mark.parametrize("fields", [{"enabled": False}, {"backup": True}])
def test_a_key_that_does_not_serve(
    snapshot: Snapshot, stored: StoredAs, fields: dict[str, Any]
) -> None:
    snapshot.merge([stored("uk_1", **fields)], whole=True)
    assert chosen(snapshot) is None


def test_a_backup_serves_while_it_stands_in(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_2", backup=True, stands_in_for="uk_1")], whole=True)
    assert chosen(snapshot) == "uk_2"
    assert snapshot.stand_ins() == {"uk_2": "uk_1"}
    assert snapshot.idle_backups() == []


def test_a_secret_that_does_not_open_is_told_once_and_not_used(
    snapshot: Snapshot, stored: StoredAs, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = replace(stored("uk_1", backup=True), sealed="v1.AAAA")
    for whole in (True, False, True):
        snapshot.merge([foreign], whole=whole)
    assert chosen(snapshot) is None
    assert snapshot.idle_backups() == []
    assert snapshot.status()[0]["reason"] == "unreadable"
    (record,) = caplog.records
    assert "uk_1" in record.getMessage()
    snapshot.merge([stored("uk_1")], whole=False)
    assert chosen(snapshot) == "uk_1"


def test_a_fault_counts_at_once_and_is_unsaved(
    snapshot: Snapshot, stored: StoredAs, clock: SetClock
) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    assert snapshot.report("uk_1", Fault.AUTH, None)
    assert chosen(snapshot) is None
    ((entry, change),) = snapshot.unsaved()
    assert change == Tripped(entry.key.health, clock.now)
    assert entry.key.health.reason is Fault.AUTH
    snapshot.saved(entry, change)
    assert snapshot.unsaved() == []


def test_what_nobody_else_needs_to_know_is_not_saved(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    for _ in range(POLICY.faults - 1):
        assert not snapshot.report("uk_1", Fault.SERVER, None)
    assert not snapshot.report("uk_gone", Fault.AUTH, None)
    assert snapshot.unsaved() == []
    snapshot.merge([stored("uk_1")], whole=True)
    assert snapshot.report("uk_1", Fault.SERVER, None)  # the faults before it still count


def test_a_success_forgets_faults(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    for _ in range(3):
        for _ in range(POLICY.faults - 1):
            assert not snapshot.report("uk_1", Fault.TIMEOUT, None)
        assert not snapshot.report("uk_1", None, None)
    assert snapshot.unsaved() == []


def test_what_came_while_saving_stays_unsaved(
    snapshot: Snapshot, stored: StoredAs, clock: SetClock
) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    snapshot.report("uk_1", Fault.RATE_LIMITED, 5)
    ((entry, change),) = snapshot.unsaved()
    snapshot.report("uk_1", Fault.AUTH, None)
    snapshot.saved(entry, change)
    ((_, left),) = snapshot.unsaved()
    assert isinstance(left, Tripped)
    assert left.health.reason is Fault.AUTH


def test_the_database_goes_over_what_is_saved_alone(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    snapshot.report("uk_1", Fault.AUTH, None)
    snapshot.merge([stored("uk_1")], whole=True)
    assert chosen(snapshot) is None
    ((entry, change),) = snapshot.unsaved()
    snapshot.saved(entry, change)
    snapshot.merge([stored("uk_1")], whole=False)
    assert chosen(snapshot) == "uk_1"


def test_the_switch_goes_over_everything(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    snapshot.report("uk_1", Fault.RATE_LIMITED, 5)
    snapshot.merge([stored("uk_1", enabled=False)], whole=False)
    assert snapshot.status()[0]["state"] == "off"


def test_keys_come_and_go(snapshot: Snapshot, stored: StoredAs) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    snapshot.merge([stored("uk_2")], whole=False)
    assert [row["id"] for row in snapshot.status()] == ["uk_1", "uk_2"]
    snapshot.merge([stored("uk_2")], whole=True)
    assert [row["id"] for row in snapshot.status()] == ["uk_2"]
    assert {chosen(snapshot) for _ in range(3)} == {"uk_2"}


def test_one_request_at_a_time_tries_a_key_again(
    snapshot: Snapshot, stored: StoredAs, clock: SetClock
) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    snapshot.report("uk_1", Fault.AUTH, None)
    clock.pass_s(POLICY.disabled_s)
    assert [chosen(snapshot) for _ in range(3)] == ["uk_1", None, None]
    assert snapshot.report("uk_1", Fault.AUTH, None)
    assert chosen(snapshot) is None
    clock.pass_s(2 * POLICY.disabled_s)
    until = clock.now
    assert chosen(snapshot) == "uk_1"
    assert snapshot.report("uk_1", None, None)
    assert [chosen(snapshot) for _ in range(3)] == ["uk_1"] * 3
    ((_, change),) = snapshot.unsaved()
    assert change == Recovered(until)


def test_a_trial_that_never_ends_is_not_waited_for(
    snapshot: Snapshot, stored: StoredAs, clock: SetClock
) -> None:
    snapshot.merge([stored("uk_1")], whole=True)
    snapshot.report("uk_1", Fault.AUTH, None)
    clock.pass_s(POLICY.disabled_s)
    assert chosen(snapshot) == "uk_1"
    clock.pass_s(PROBE.total_seconds() - 1)
    assert chosen(snapshot) is None
    clock.pass_s(1)
    assert chosen(snapshot) == "uk_1"


def test_a_full_key_is_left_alone_for_as_long_as_told(
    snapshot: Snapshot, stored: StoredAs, clock: SetClock
) -> None:
    snapshot.merge([stored("uk_1", rpm=5)], whole=True)
    entry = snapshot.choose("main", None, ())
    assert entry is not None
    snapshot.limited(entry, 20)
    assert chosen(snapshot) is None
    assert snapshot.earliest("main") == clock.now + timedelta(seconds=20)
    clock.pass_s(20)
    assert chosen(snapshot) == "uk_1"
    snapshot.limited(entry, 20)
    snapshot.merge([stored("uk_1")], whole=False)  # its limit was taken away
    assert chosen(snapshot) == "uk_1"


def test_when_to_come_back(snapshot: Snapshot, stored: StoredAs, clock: SetClock) -> None:
    snapshot.merge(
        [
            stored("uk_1"),
            stored("uk_2"),
            stored("uk_3", enabled=False),
            stored("uk_4", backup=True),
        ],
        whole=True,
    )
    assert snapshot.earliest("main") is None
    assert snapshot.earliest("other") is None
    snapshot.report("uk_1", Fault.RATE_LIMITED, 30)
    snapshot.report("uk_2", Fault.RATE_LIMITED, 20)
    snapshot.report("uk_3", Fault.RATE_LIMITED, 10)
    snapshot.report("uk_4", Fault.RATE_LIMITED, 10)
    assert snapshot.earliest("main") == clock.now + timedelta(seconds=20)
    snapshot.report("uk_2", Fault.AUTH, None)
    assert snapshot.earliest("main") == clock.now + timedelta(seconds=30)
    clock.pass_s(30)
    assert chosen(snapshot) == "uk_1"
    assert chosen(snapshot) is None
    assert snapshot.earliest("main") == clock.now + timedelta(seconds=1)  # it is being tried


def test_counts(snapshot: Snapshot, stored: StoredAs) -> None:
    known: StoredKey = replace(stored("uk_1"), counts=KeyCounts(10, 1))
    snapshot.merge([known, stored("uk_2")], whole=True)
    for fault in (None, Fault.SERVER, None):
        snapshot.report("uk_1", fault, None)
    assert snapshot.uncounted() == {"uk_1": KeyCounts(3, 1)}
    assert [row["requests"] for row in snapshot.status()] == [13, 0]
    taken = snapshot.uncounted()
    snapshot.report("uk_1", None, None)
    snapshot.counted(taken)
    assert snapshot.uncounted() == {"uk_1": KeyCounts(1, 0)}
    (row, _) = snapshot.status()
    assert (row["requests"], row["errors"]) == (14, 2)
