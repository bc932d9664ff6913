from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.upstream_keys import (
    Fault,
    Health,
    HealthPolicy,
    KeyHealth,
    UpstreamKey,
    after_fault,
    after_success,
    backup_for,
    choose,
    earliest,
    health_of,
)

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
COUNTED = [Fault.SERVER, Fault.TIMEOUT, Fault.CONNECT, Fault.BROKEN]


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def key(name: str = "a", health: KeyHealth | None = None, **fields: bool) -> UpstreamKey:
    return UpstreamKey(f"uk_{name}", "main", health=health or KeyHealth(), **fields)


def out(fault: Fault, seconds: float = 60.0) -> KeyHealth:
    return KeyHealth(fault, later(seconds), trips=1)


@pytest.mark.parametrize(
    ("health", "enabled", "state"),
    [
        (KeyHealth(), True, Health.HEALTHY),
        (KeyHealth(faults=(NOW,)), True, Health.HEALTHY),
        (out(Fault.RATE_LIMITED), True, Health.COOLING),
        (out(Fault.SERVER), True, Health.OPEN),
        (out(Fault.AUTH), True, Health.DISABLED),
        (out(Fault.BUDGET), True, Health.DISABLED),
        (out(Fault.AUTH, 0), True, Health.HALF_OPEN),
        (out(Fault.CONNECT, -1), True, Health.HALF_OPEN),
        (KeyHealth(), False, Health.OFF),
        (out(Fault.AUTH), False, Health.OFF),
    ],
)
def test_how_a_key_stands(health: KeyHealth, enabled: bool, state: Health) -> None:
    assert health_of(key(health=health, enabled=enabled), NOW) is state


@pytest.mark.parametrize(
    ("asked_s", "waits_s"), [(None, 5), (30.0, 30), (0.0, 1), (-5.0, 1), (1e9, 3600)]
)
def test_a_limit_cools_a_key_down(asked_s: float | None, waits_s: float) -> None:
    health = after_fault(KeyHealth(), Fault.RATE_LIMITED, NOW, asked_s)
    assert (health.reason, health.until) == (Fault.RATE_LIMITED, later(waits_s))
    assert health.trips == 0


def test_the_longest_wait_counts() -> None:
    health = after_fault(KeyHealth(), Fault.RATE_LIMITED, NOW, 60)
    assert after_fault(health, Fault.RATE_LIMITED, later(1), 5).until == later(60)
    assert after_fault(health, Fault.RATE_LIMITED, later(1), 90).until == later(91)


@pytest.mark.parametrize("fault", [Fault.AUTH, Fault.BUDGET])
def test_a_refused_key_is_out_at_once_and_longer_each_time(fault: Fault) -> None:
    health = KeyHealth()
    now = NOW
    for span_s in (600, 1200, 2400, 4800, 7200, 7200):
        health = after_fault(health, fault, now)
        assert (health.reason, health.until) == (fault, now + timedelta(seconds=span_s))
        now = health.until or NOW


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("reason", [Fault.AUTH, Fault.BUDGET])
def test_requests_that_were_under_way_do_not_change_a_disabled_key(
    reason: Fault, fault: Fault
) -> None:
    assert after_fault(out(reason), fault, NOW, 5) == out(reason)


@pytest.mark.parametrize("fault", COUNTED)
@pytest.mark.parametrize("reason", [Fault.RATE_LIMITED, Fault.SERVER])
def test_nor_one_that_is_out_for_a_while(reason: Fault, fault: Fault) -> None:
    assert after_fault(out(reason), fault, NOW) == out(reason)


@pytest.mark.parametrize("reason", [Fault.RATE_LIMITED, Fault.SERVER])
def test_a_key_that_is_out_for_a_while_may_be_refused_as_well(reason: Fault) -> None:
    assert after_fault(out(reason), Fault.AUTH, NOW).reason is Fault.AUTH


@pytest.mark.parametrize("fault", COUNTED)
def test_several_faults_in_a_short_time_open_the_breaker(fault: Fault) -> None:
    health = KeyHealth()
    for second in range(4):
        health = after_fault(health, fault, later(second))
        assert health_of(key(health=health), later(second)) is Health.HEALTHY
    health = after_fault(health, fault, later(4))
    assert health_of(key(health=health), later(4)) is Health.OPEN
    assert health.until == later(34)


def test_faults_that_are_far_apart_open_nothing() -> None:
    health = KeyHealth()
    for second in range(0, 200, 8):
        health = after_fault(health, Fault.SERVER, later(second))
        assert health.until is None
        assert len(health.faults) <= 4


def test_a_half_open_key_that_fails_again_is_out_for_longer() -> None:
    health = out(Fault.SERVER, 0)
    for span_s in (60, 120, 240, 300, 300):
        now = health.until
        assert now is not None
        health = after_fault(health, Fault.SERVER, now)
        assert health.until == now + timedelta(seconds=span_s)


def test_a_success_brings_a_half_open_key_back() -> None:
    assert after_success(out(Fault.AUTH, 0), NOW) == KeyHealth()
    assert after_success(KeyHealth(faults=(NOW,)), NOW) == KeyHealth()


def test_an_old_success_proves_nothing() -> None:
    health = out(Fault.AUTH)
    assert after_success(health, NOW) == health


KEYS = [key(name) for name in "abcd"]


def test_keys_take_turns() -> None:
    picked = [choose(reversed(KEYS), NOW, turn=turn) for turn in range(8)]
    assert picked == KEYS * 2


def test_a_conversation_stays_with_its_key() -> None:
    picks = {choose(KEYS, NOW, conversation="one", turn=turn) for turn in range(50)}
    assert len(picks) == 1


def test_conversations_spread_over_the_keys_and_stay_when_one_goes() -> None:
    names = [f"conversation {number}" for number in range(400)]
    before = {name: choose(KEYS, NOW, conversation=name) for name in names}
    counts = Counter(before.values())
    assert len(counts) == 4
    assert min(counts.values()) > 60
    after = {name: choose(KEYS[1:], NOW, conversation=name) for name in names}
    assert all(after[name] == before[name] for name in names if before[name] != KEYS[0])


@pytest.mark.parametrize("conversation", [None, "one"])
def test_only_usable_keys_are_chosen(conversation: str | None) -> None:
    keys = [
        key("a", out(Fault.RATE_LIMITED)),
        key("b", enabled=False),
        key("c", backup=True),
        key("d", out(Fault.SERVER, 0)),
        key("e", backup=True, stands_in=True),
        key("f"),
    ]
    picked = set()
    tried: set[str] = set()
    while found := choose(keys, NOW, conversation=conversation, tried=tried):
        picked.add(found.id)
        tried.add(found.id)
    assert picked == {"uk_d", "uk_e", "uk_f"}


def test_a_half_open_key_is_tried_by_one_at_a_time() -> None:
    keys = [key("a", out(Fault.AUTH, 0))]
    assert choose(keys, NOW) == keys[0]
    assert choose(keys, NOW, probed={"uk_a"}) is None


def test_when_the_first_of_the_limited_keys_is_back() -> None:
    keys = [
        key("a", out(Fault.RATE_LIMITED, 50)),
        key("b", out(Fault.RATE_LIMITED, 20)),
        key("c", out(Fault.AUTH, 5)),
        key("d", out(Fault.RATE_LIMITED, 1), enabled=False),
    ]
    assert earliest(keys, NOW) == later(20)
    assert earliest(keys[2:], NOW) is None


def test_a_backup_takes_the_place_of_a_disabled_key() -> None:
    disabled = key("a", out(Fault.AUTH))
    other = UpstreamKey("uk_0", "other", backup=True)
    keys = [disabled, other, key("d", backup=True), key("c", backup=True)]
    assert backup_for(keys, disabled) == keys[3]
    keys = [disabled, other, key("c", backup=True, stands_in=True)]
    assert backup_for(keys, disabled) is None
    assert backup_for([key("c", backup=True, enabled=False)], disabled) is None


def test_a_policy_of_ones_own() -> None:
    policy = HealthPolicy(faults=1, open_s=2)
    assert after_fault(KeyHealth(), Fault.SERVER, NOW, policy=policy).until == later(2)


def test_an_outage_without_end_is_no_number_without_end() -> None:
    refused = KeyHealth(Fault.AUTH, NOW, trips=5_000)
    assert after_fault(refused, Fault.AUTH, NOW).until == later(HealthPolicy().disabled_max_s)
