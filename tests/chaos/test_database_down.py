"""mongod stopped or frozen: refusals within a second, and open streams are settled afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from shared.ledger.verify import verify
from shared.store.embedded import EmbeddedMongod
from shared.store.schema import ensure_schema
from tests.support.gateway import (
    UPSTREAM_KEY,
    RunningGateway,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.simulator import SimulatorClient, running_simulator

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

REFUSED_WITHIN_S = 1.0
STREAMS = 4


class Outage:
    """A database of the test's own that can go away and come back."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.mongod = EmbeddedMongod(directory)
        self.mongod.start()

    def stop(self) -> None:
        self.mongod.stop()

    def start(self) -> None:
        self.mongod = EmbeddedMongod(self._directory, port=self.mongod.port)
        self.mongod.start()

    def freeze(self) -> None:
        os.kill(self.mongod.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.mongod.pid, signal.SIGCONT)


@pytest.fixture
def outage(tmp_path: Path) -> Iterator[Outage]:
    own = Outage(tmp_path / "mongod")
    try:
        yield own
    finally:
        own.thaw()
        own.stop()


@pytest.fixture
def simulator() -> Iterator[SimulatorClient]:
    with running_simulator(keys=[UPSTREAM_KEY]) as running:
        yield running


def ask(gateway: RunningGateway, key: str, name: str, **fields: Any) -> httpx.Response:
    body = {"model": name, "max_tokens": 200, "messages": [{"role": "user", "content": "hi"}]}
    with gateway.client(key) as client:
        return client.post("/v1/chat/completions", json={**body, **fields})


def streams(gateway: RunningGateway, key: str) -> tuple[list[threading.Thread], list[str]]:
    """Streams of 40 events, 100 ms apart, that run while the database is away."""
    texts: list[str] = []

    def stream() -> None:
        texts.append(ask(gateway, key, "paced", stream=True).text)

    threads = [threading.Thread(target=stream) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    return threads, texts


def assert_refused_in_time(gateway: RunningGateway, key: str, simulator: SimulatorClient) -> None:
    before = len(simulator.log())
    for path, dialect in (("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic")):
        with gateway.client(key) as client:
            client.get("/nothing")  # the connection stands: the refusal alone is timed
            start = time.monotonic()
            answer = client.post(path, json={"model": "echo", "max_tokens": 9, "messages": []})
            elapsed = time.monotonic() - start
        assert answer.status_code == 503
        assert elapsed < REFUSED_WITHIN_S
        assert int(answer.headers["retry-after"]) >= 1
        error = answer.json()["error"]
        assert (error["code"] if dialect == "openai" else error["type"]) in {
            "service_unavailable",
            "api_error",
        }
    assert len(simulator.log()) == before


@pytest.mark.parametrize(
    ("go", "come_back"),
    [(Outage.stop, Outage.start), (Outage.freeze, Outage.thaw)],
    ids=["stopped", "frozen"],
)
def test_outage_refuses_the_new_and_settles_the_open(
    go: Callable[[Outage], None],
    come_back: Callable[[Outage], None],
    outage: Outage,
    simulator: SimulatorClient,
    tmp_path: Path,
) -> None:
    uri = outage.mongod.uri()
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        database = client["trollllm"]
        ensure_schema(database)
        account = add_account(database, "patient", 10**12)
        models = [model("openai", "echo", "sim-echo"), model("openai", "paced", "sim-pace-40-100")]
        config = config_for(simulator.base_url, models)
        env = {"UPSTREAM_KEY": UPSTREAM_KEY}
        with running_gateway(tmp_path / "home", uri, config, env=env) as gateway:
            assert ask(gateway, account.key, "echo").status_code == 200
            threads, texts = streams(gateway, account.key)
            simulator.wait_for(lambda log: len(log) == 1 + STREAMS)
            go(outage)
            assert_refused_in_time(gateway, account.key, simulator)
            for thread in threads:
                thread.join()
            assert all(text.endswith("data: [DONE]\n\n") for text in texts)
            come_back(outage)
            wait_until_served(gateway, account.key)
            settled(database, timeout_s=20)
            check_books(database, account.id, simulator)


def wait_until_served(gateway: RunningGateway, key: str) -> None:
    deadline = time.monotonic() + 20
    while ask(gateway, key, "echo").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def check_books(
    database: Database[dict[str, Any]], user_id: str, simulator: SimulatorClient
) -> None:
    rows = list(database.ledger.find({"userId": user_id, "kind": "charge"}))
    assert len(rows) == len(simulator.log())
    assert not any(row["usage"]["estimated"] for row in rows)
    assert verify(database).violations == ()
