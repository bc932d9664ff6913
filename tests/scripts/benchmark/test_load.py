from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from scripts.benchmark.load import LoadPlan, LoadResult, Run
from scripts.benchmark.scenarios import Scenario, scenarios
from tests.support.simulator import SimulatorClient, running_simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorClient]:
    with running_simulator() as running:
        yield running


async def measure(simulator: SimulatorClient, scenario: Scenario, key: str = "k") -> LoadResult:
    plan = LoadPlan(
        port=simulator.port,
        requests=[scenario.request("h", key).decode()],
        end=scenario.end.decode(),
        connections=2,
        warm_up_s=0.05,
        seconds=0.2,
        watch=[simulator.pid, os.getpid()],
    )
    return await Run(plan).measure()


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_every_scenario_is_answered_in_full(simulator: SimulatorClient, place: int) -> None:
    simulator.reset()
    found = await measure(simulator, scenarios(2)[place])
    assert (found.failures, found.first_failure) == (0, "")
    assert found.answers > 0
    assert len(found.first_byte_ms) == len(found.whole_ms) == found.answers
    times = zip(found.first_byte_ms, found.whole_ms, strict=True)
    assert all(0 < first <= whole for first, whole in times)
    assert set(found.cpu_ms) == {str(simulator.pid), str(os.getpid())}
    assert {entry["answer"]["status"] for entry in simulator.log()} == {200}


async def test_refusals_are_failures(simulator: SimulatorClient) -> None:
    found = await measure(simulator, scenarios(2)[0], key="")
    assert found.answers == 0
    assert found.failures > 0
    assert found.first_failure.startswith("HTTP/1.1 401")


async def test_cut_streams_are_failures(simulator: SimulatorClient) -> None:
    stream = scenarios(2)[2]
    body = stream.body.replace(b"sim-pace-46-0", b"sim-cut-9")
    cut = Scenario(stream.name, stream.path, body, stream.end, 2)
    found = await measure(simulator, cut)
    assert (found.answers, found.failures) == (0, 2)
    assert found.first_failure.startswith("connection lost")
