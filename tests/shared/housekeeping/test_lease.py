from __future__ import annotations

import pytest

from shared.errors import StoreUnavailable
from shared.housekeeping.lease import Lease, boottime_s


class FakeLeases:
    """Leases in memory: `token` is what the next renewal gets."""

    def __init__(self) -> None:
        self.token: int | None = 1
        self.down = False
        self.given_back: list[str] = []

    async def take(self, name: str, holder: str, ttl_s: float) -> int | None:
        if self.down:
            raise StoreUnavailable("down")
        return self.token

    async def give_back(self, name: str, holder: str) -> None:
        self.given_back.append(holder)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def leases() -> FakeLeases:
    return FakeLeases()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(leases: FakeLeases, clock: Clock) -> Lease:
    return Lease(leases, "sweep", "me", ttl_s=30, now_s=clock)


async def test_it_is_held_from_the_first_renewal_to_the_deadline(
    lease: Lease, clock: Clock
) -> None:
    assert lease.held_for_s == 0
    assert await lease.renew()
    clock.now_s += 20
    assert lease.held_for_s == 20
    assert await lease.renew()
    clock.now_s += 29
    assert lease.held_for_s == 49
    clock.now_s += 1
    assert lease.held_for_s == 0


async def test_after_a_gap_it_is_held_anew(lease: Lease, clock: Clock) -> None:
    await lease.renew()
    clock.now_s += 31
    assert await lease.renew()
    clock.now_s += 5
    assert lease.held_for_s == 5


async def test_a_token_of_another_time_is_a_gap(
    lease: Lease, leases: FakeLeases, clock: Clock
) -> None:
    await lease.renew()
    clock.now_s += 10
    leases.token = 3
    await lease.renew()
    clock.now_s += 5
    assert lease.held_for_s == 5


async def test_it_is_lost_when_another_has_it(
    lease: Lease, leases: FakeLeases, clock: Clock
) -> None:
    await lease.renew()
    clock.now_s += 1
    leases.token = None
    assert not await lease.renew()
    assert lease.held_for_s == 0


async def test_without_the_database_it_lasts_to_its_deadline(
    lease: Lease, leases: FakeLeases, clock: Clock
) -> None:
    await lease.renew()
    leases.down = True
    clock.now_s += 10
    with pytest.raises(StoreUnavailable):
        await lease.renew()
    assert lease.held_for_s == 10
    clock.now_s += 20
    assert lease.held_for_s == 0


async def test_an_answer_after_the_deadline_is_none(leases: FakeLeases, clock: Clock) -> None:
    class Slow(FakeLeases):
        async def take(self, name: str, holder: str, ttl_s: float) -> int | None:
            clock.now_s += 40
            return 1

    lease = Lease(Slow(), "sweep", "me", ttl_s=30, now_s=clock)
    assert not await lease.renew()
    assert lease.held_for_s == 0


async def test_what_was_never_asked_for_is_not_given_back(lease: Lease, leases: FakeLeases) -> None:
    await lease.give_back()
    assert leases.given_back == []


async def test_what_may_have_been_taken_is_given_back(lease: Lease, leases: FakeLeases) -> None:
    leases.down = True
    with pytest.raises(StoreUnavailable):
        await lease.renew()
    await lease.give_back()
    assert leases.given_back == ["me"]


async def test_given_back_it_is_gone(lease: Lease, leases: FakeLeases) -> None:
    await lease.renew()
    await lease.give_back()
    assert lease.held_for_s == 0
    assert leases.given_back == ["me"]


def test_the_clock_goes_on() -> None:
    before = boottime_s()
    assert boottime_s() >= before
