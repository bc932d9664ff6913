"""Workers killed with -9 at every step of a request's life: nothing is lost or billed twice."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.database import Database

from shared.ledger.ledger import LedgerStores
from shared.ledger.recovery import recover
from shared.ledger.verify import verify
from shared.store.client import connect_async
from shared.store.holds import MongoHoldStore
from shared.store.prices import MongoPriceStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.schema import ensure_schema
from shared.store.workers import MongoWorkerStore
from tests.support.faulty_worker import POINTS
from tests.support.gateway import (
    PROJECT,
    UPSTREAM_KEY,
    RunningGateway,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.simulator import SimulatorClient, running_simulator

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

KILLS = 20
CLIENTS = 4
FAULTY = (sys.executable, "-O", str(PROJECT / "tests" / "support" / "faulty_worker.py"))


@dataclass
class Load:
    """Clients that ask, streamed and not, until they are told to stop.

    Attributes:
        answered: Request ids of complete answers.
    """

    gateway: RunningGateway
    key: str
    answered: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, number: int) -> None:
        body = {
            "model": "paced" if number % 2 else "echo",
            "max_tokens": 100,
            "stream": bool(number % 2),
            "messages": [{"role": "user", "content": "one two three four five six"}],
        }
        headers = {"authorization": f"Bearer {self.key}"}
        while not self._stop.is_set():
            with contextlib.suppress(httpx.HTTPError):
                answer = httpx.post(
                    f"{self.gateway.base_url}/v1/chat/completions",
                    json=body,
                    headers=headers,
                    timeout=20,
                )
                if answer.status_code == 200 and "error" not in answer.text:
                    self.answered.append(answer.headers["x-request-id"])


def wait_for_kills(directory: Path, gateway: RunningGateway) -> None:
    deadline = time.monotonic() + 240
    while len(list(directory.iterdir())) < KILLS:
        assert time.monotonic() < deadline, f"only {len(list(directory.iterdir()))} kills"
        assert gateway.process.poll() is None
        time.sleep(0.05)


async def recover_here(uri: str, name: str, home: Path) -> None:
    """A second recovery, beside that of the workers that are being started."""
    async with connect_async(uri, timeout_ms=10_000) as client:
        database = client[name]
        stores = LedgerStores(
            MongoHoldStore(database), MongoRequestLogStore(database), MongoWorkerStore(database)
        )
        for _ in range(5):
            await asyncio.gather(
                recover(home, stores, MongoPriceStore(database)),
                recover(home, stores, MongoPriceStore(database)),
            )


def check(
    bank: Database[dict[str, Any]], user_id: str, simulator: SimulatorClient, load: Load
) -> None:
    """Every request that reached the upstream is billed once; no hold is left; books balance."""
    settled(bank, timeout_s=30)
    rows = list(bank.ledger.find({"userId": user_id, "kind": "charge"}))
    assert len(rows) == len(simulator.log())
    billed = {row["_id"] for row in rows}
    assert set(load.answered) <= billed
    assert len(load.answered) == len(set(load.answered))
    assert all(row["amountNano"] < 0 for row in rows)
    assert verify(bank).violations == ()


@pytest.mark.parametrize(
    ("point", "second_recovery"),
    [*((point, False) for point in POINTS), ("after-row-insert", True)],
)
def test_killed_workers_lose_nothing_and_bill_nothing_twice(
    point: str,
    second_recovery: bool,
    database: Database[dict[str, Any]],
    database_uri: str,
    tmp_path: Path,
) -> None:
    ensure_schema(database)
    kills = tmp_path / "kills"
    kills.mkdir()
    env = {
        "UPSTREAM_KEY": UPSTREAM_KEY,
        "FAULT_AT": point,
        "FAULT_DIR": str(kills),
        "FAULT_TIMES": str(KILLS),
    }
    home = tmp_path / "home"
    with running_simulator(keys=[UPSTREAM_KEY]) as simulator:
        models = [model("openai", "echo", "sim-echo"), model("openai", "paced", "sim-pace-10-5")]
        config = config_for(simulator.base_url, models)
        account = add_account(database, "victim", 10**13, rpm=100_000)
        with running_gateway(home, database_uri, config, worker=FAULTY, env=env) as gateway:
            load = Load(gateway, account.key)
            with load.running():
                wait_for_kills(kills, gateway)
                if second_recovery:
                    asyncio.run(recover_here(database_uri, database.name, home))
            gateway.wait_ready()
            time.sleep(1.0)
        # What the last workers left is adopted by whoever comes next.
        with running_gateway(tmp_path / "home", database_uri, config, env=env):
            check(database, account.id, simulator, load)
    assert len(list(kills.iterdir())) == KILLS
