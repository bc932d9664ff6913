from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, PyMongoError

from shared.errors import StoreRefused, StoreUnavailable
from shared.store import server_check
from shared.store.client import connect
from shared.store.embedded import find_binary, free_port
from shared.store.server_check import _require_version, check_server

StartMongod = Callable[..., int]


@pytest.fixture
def start_mongod(tmp_path: Path) -> Iterator[StartMongod]:
    """Starts a bare mongod with the given flags; returns its port."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*flags: str) -> int:
        port = free_port()
        place = tmp_path / str(port)
        place.mkdir()
        command = [find_binary(), "--dbpath", place, "--port", str(port), "--bind_ip", "127.0.0.1"]
        command += ["--wiredTigerCacheSizeGB", "0.25", "--logpath", place / "log", *flags]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        _wait(port)
        return port

    yield start
    for process in running:
        process.kill()
        process.wait(20)


def _wait(port: int) -> None:
    with MongoClient[dict[str, Any]](
        "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500
    ) as client:
        for _ in range(100):
            try:
                client.admin.command("hello")
            except PyMongoError:
                time.sleep(0.1)
            else:
                return
    pytest.fail("mongod did not start")


def _complaint(uri: str, timeout_ms: int = 2_000) -> str:
    with (
        connect(uri, timeout_ms=timeout_ms) as client,
        pytest.raises((StoreRefused, StoreUnavailable)) as caught,
    ):
        check_server(client)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_replica_set_that_lets_us_in(mongo_uri: str) -> None:
    with connect(mongo_uri) as client:
        check_server(client)


def test_a_server_that_is_no_replica_set(start_mongod: StartMongod) -> None:
    port = start_mongod()
    message = _complaint(f"mongodb://127.0.0.1:{port}/trollllm")
    member = f'{{_id: 0, host: "127.0.0.1:{port}"}}'
    assert "--replSet rs0" in message
    assert f'rs.initiate({{_id: "rs0", members: [{member}]}})' in message


def test_the_line_for_a_replica_set_that_was_not_initiated_mends_it(
    start_mongod: StartMongod,
) -> None:
    port = start_mongod("--replSet", "blue")
    uri = f"mongodb://127.0.0.1:{port}/trollllm"
    assert f'rs.initiate({{_id: "blue", members: [{{_id: 0, host: "127.0.0.1:{port}"}}]}})' in (
        _complaint(uri)
    )
    with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
        members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
        client.admin.command("replSetInitiate", {"_id": "blue", "members": members})
    with connect(uri, timeout_ms=20_000) as client:
        check_server(client)


def test_nothing_there() -> None:
    port = free_port()
    message = _complaint(f"mongodb://u:hunter2@127.0.0.1:{port}/trollllm", timeout_ms=300)
    assert f"no usable MongoDB server at 127.0.0.1:{port}" in message
    assert "hunter2" not in message


def test_another_replica_set(mongo_uri: str) -> None:
    uri = mongo_uri.replace("replicaSet=trollllm", "replicaSet=other")
    assert uri != mongo_uri
    assert "replicaSet right?" in _complaint(uri, timeout_ms=500)


def test_wrong_credentials(mongo_uri: str) -> None:
    password = urlsplit(mongo_uri).password
    assert password
    message = _complaint(mongo_uri.replace(password, "hunter2"))
    assert "user name or password" in message
    assert "hunter2" not in message


def test_no_credentials_where_some_are_needed(mongo_uri: str) -> None:
    place = urlsplit(mongo_uri)
    bare = place._replace(netloc=f"{place.hostname}:{place.port}", query="replicaSet=trollllm")
    assert "user name or password" in _complaint(bare.geturl())


def test_a_server_too_old_for_the_driver(mongo_uri: str) -> None:
    with connect(mongo_uri) as client:
        error = server_check._complaint(client, ConfigurationError("wire version 7"))
    assert str(error) == "MongoDB is too old for the driver: 6.0 or newer is needed"


@pytest.mark.parametrize("version", [[6, 0, 0, 0], [6, 0, 5, 0], [8, 2, 1, 0]])
def test_versions_that_serve(version: list[int]) -> None:
    _require_version(version)


@pytest.mark.parametrize("version", [[5, 0, 31, 0], [4, 4, 0, 0]])
def test_versions_that_are_too_old(version: list[int]) -> None:
    named = ".".join(str(part) for part in version[:3])
    with pytest.raises(StoreRefused, match=f"{named} is too old: 6.0 or newer"):
        _require_version(version)
