"""What all tests share: a real mongod, recorded material, and no way out of the machine."""

from __future__ import annotations

import ipaddress
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from shared.store.embedded import EmbeddedMongod

PROJECT = Path(__file__).resolve().parents[1]
MATERIAL = PROJECT.parent / "shared"
_left_out = pytest.StashKey[int]()
_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex


class OutsideLoopback(AssertionError):
    """A test tried to leave the machine."""


def _refuse_outside(sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0])
    try:
        inside = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        inside = host in {"localhost", "localhost.localdomain", "ip6-localhost"}
    if not inside:
        raise OutsideLoopback(f"a test connects to {host}: tests stay on loopback")


def _guarded_connect(sock: socket.socket, address: Any) -> None:
    _refuse_outside(sock, address)
    _real_connect(sock, address)


def _guarded_connect_ex(sock: socket.socket, address: Any) -> int:
    _refuse_outside(sock, address)
    return _real_connect_ex(sock, address)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded_connect_ex)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under CI=true, leave tests out that want ../shared where nothing stands beside the checkout.

    It is optional, so its absence is no failure; nor may it show as a skip, which is one there.
    """
    if not _in_ci() or _material_stands():
        return
    wanting = [item for item in items if _wants_material(item)]
    items[:] = [item for item in items if item not in wanting]
    config.stash[_left_out] = len(wanting)
    config.hook.pytest_deselected(items=wanting)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out."""
    if count := config.stash.get(_left_out, 0):
        terminalreporter.line(f"{count} tests left out: they want {MATERIAL}, which is optional")


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


def _material_stands() -> bool:
    return (MATERIAL / "fixtures" / "MANIFEST.json").is_file()


def _wants_material(item: pytest.Item) -> bool:
    reasons = [str(mark.kwargs.get("reason", "")) for mark in item.iter_markers("skipif")]
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return "shared_material" in fixtures or any("../shared" in reason for reason in reasons)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Under CI=true whatever is skipped has failed; an expected failure stays one."""
    report: pytest.TestReport = yield
    if _in_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[pytest.CollectReport]:
    """The same for a file that skips itself while it is collected."""
    report: pytest.CollectReport = yield
    if _in_ci() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, which CI does not allow"
    return report


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """One real mongod, with authentication, for the whole run."""
    with EmbeddedMongod(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="session")
def mongo_uri(mongod: EmbeddedMongod) -> str:
    """Connection string of the run's mongod, default database `trollllm`."""
    return mongod.uri()


@pytest.fixture(scope="session")
def _mongo_client(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
def database(
    mongod: EmbeddedMongod, _mongo_client: MongoClient[dict[str, Any]]
) -> Iterator[Database[dict[str, Any]]]:
    """A handle on a fresh database, dropped after the test."""
    name = f"test_{uuid.uuid4().hex[:16]}"
    yield _mongo_client[name]
    _mongo_client.drop_database(name)


@pytest.fixture
def database_uri(mongod: EmbeddedMongod, database: Database[dict[str, Any]]) -> str:
    """Connection string of the test's own database."""
    return mongod.uri(database.name)


@pytest.fixture(scope="session")
def shared_material() -> Path:
    """Recorded traffic and vectors, beside the project; optional."""
    if not _material_stands():
        pytest.skip(f"no recorded material at {MATERIAL}: it stands beside a checkout, not in it")
    return MATERIAL
