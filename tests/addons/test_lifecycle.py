import asyncio

import pytest

from addons.lifecycle import SERVED_WHILE_DRAINING_S, Arrivals, Lifecycle
from shared.errors import GatewayError
from tests.support.gateway_flows import answer_of, flow_of


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lifecycle(clock: Clock) -> Lifecycle:
    return Lifecycle(2, clock)


async def test_requests_are_counted_until_their_last_bytes(lifecycle: Lifecycle) -> None:
    flow = flow_of(response=answer_of())
    lifecycle.arrived(flow)
    assert lifecycle.live == 1
    lifecycle.response(flow)
    assert lifecycle.live == 1
    await asyncio.sleep(0)
    assert lifecycle.live == 0


def test_arrivals_are_counted_and_refused_late_in_a_drain(
    lifecycle: Lifecycle, clock: Clock
) -> None:
    arrivals = Arrivals(lifecycle)
    arrivals.requestheaders(flow_of())
    assert lifecycle.live == 1
    lifecycle.start_draining()
    clock.now += SERVED_WHILE_DRAINING_S + 0.1
    with pytest.raises(GatewayError):
        arrivals.requestheaders(flow_of())


def test_lost_requests_are_not_counted(lifecycle: Lifecycle) -> None:
    flow = flow_of()
    lifecycle.arrived(flow)
    lifecycle.error(flow)
    lifecycle.error(flow)
    assert lifecycle.live == 0


def test_as_many_as_are_allowed(lifecycle: Lifecycle) -> None:
    first, second = flow_of(), flow_of()
    lifecycle.arrived(first)
    assert not lifecycle.overloaded()
    lifecycle.arrived(second)
    assert lifecycle.overloaded()
    lifecycle.error(first)
    assert not lifecycle.overloaded()


def test_while_draining_what_still_comes_is_served_for_a_moment(
    lifecycle: Lifecycle, clock: Clock
) -> None:
    assert not lifecycle.draining
    lifecycle.start_draining()
    assert lifecycle.draining
    clock.now += SERVED_WHILE_DRAINING_S
    lifecycle.arrived(flow_of())
    clock.now += 0.1
    with pytest.raises(GatewayError) as caught:
        lifecycle.arrived(flow_of())
    assert (caught.value.status, "retry-after" in caught.value.headers) == (503, True)


@pytest.mark.parametrize("draining", [False, True])
async def test_while_draining_connections_are_told_to_close(
    lifecycle: Lifecycle, draining: bool
) -> None:
    if draining:
        lifecycle.start_draining()
    for hook in (lifecycle.responseheaders, lifecycle.response):
        flow = flow_of(response=answer_of())
        hook(flow)
        assert flow.response is not None
        assert flow.response.headers.get("connection") == ("close" if draining else None)


async def test_waiting_ends_when_nothing_is_under_way(lifecycle: Lifecycle) -> None:
    flow = flow_of()
    lifecycle.arrived(flow)
    waiting = asyncio.create_task(lifecycle.idle(10))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    lifecycle.error(flow)
    assert await waiting


async def test_waiting_ends_when_the_time_is_up(lifecycle: Lifecycle, clock: Clock) -> None:
    lifecycle.arrived(flow_of())
    waiting = asyncio.create_task(lifecycle.idle(10))
    await asyncio.sleep(0.05)
    clock.now += 10
    assert not await waiting
