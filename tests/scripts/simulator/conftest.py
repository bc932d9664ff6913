"""One simulator for all tests of this folder, cleared before each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.simulator import SimulatorClient, running_simulator


@pytest.fixture(scope="session")
def _shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorClient]:
    cases = tmp_path_factory.mktemp("cases") / "provider"
    cases.mkdir()
    (cases / "case--1.json").write_text(CASE, encoding="utf-8")
    with running_simulator(cases=cases.parent) as running:
        yield running


@pytest.fixture
def simulator(_shared_simulator: SimulatorClient) -> SimulatorClient:
    """A running simulator without a past; it knows the case `provider/case--1`."""
    _shared_simulator.reset()
    return _shared_simulator


CASE = (Path(__file__).parent / "case.json").read_text(encoding="utf-8")
