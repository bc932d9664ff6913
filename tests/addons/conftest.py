"""One worker for all tests of a module, one simulator and one raw upstream for all of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.gateway_worker import RunningWorker, running_worker
from tests.support.raw_upstream import RawUpstream, running_raw_upstream
from tests.support.simulator import SimulatorClient, running_simulator


@pytest.fixture(scope="session")
def _simulator() -> Iterator[SimulatorClient]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def simulator(_simulator: SimulatorClient) -> SimulatorClient:
    """A simulator without a past; upstream `sim` of the worker's catalogue."""
    _simulator.reset()
    return _simulator


@pytest.fixture(scope="session")
def _raw_upstream() -> Iterator[RawUpstream]:
    with running_raw_upstream() as running:
        yield running


@pytest.fixture
def raw_upstream(_raw_upstream: RawUpstream) -> RawUpstream:
    """An upstream without a past that follows scripts; `raw` and others in the catalogue."""
    _raw_upstream.reset()
    return _raw_upstream


@pytest.fixture(scope="session")
def _dead_port() -> Iterator[int]:
    """A port that refuses: bound, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def _deaf_port() -> Iterator[int]:
    """A port that answers no connection attempt: its queue is full."""
    with socket.socket() as listener, socket.socket() as one, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in (one, other):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def _worker(
    tmp_path_factory: pytest.TempPathFactory,
    _simulator: SimulatorClient,
    _raw_upstream: RawUpstream,
    _dead_port: int,
    _deaf_port: int,
) -> Iterator[RunningWorker]:
    ports = {
        "sim": _simulator.port,
        "raw": _raw_upstream.port,
        "dead": _dead_port,
        "deaf": _deaf_port,
    }
    with running_worker(tmp_path_factory.mktemp("worker"), ports) as running:
        yield running


@pytest.fixture
def worker(_worker: RunningWorker, raw_upstream: RawUpstream) -> Iterator[RunningWorker]:
    """A worker without a past; what a test leaves under way fails it."""
    _worker.reset()
    yield _worker
    _worker.assert_clean()
