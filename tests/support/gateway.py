"""Starts gateways for tests: the real supervisor and workers, on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from pymongo.database import Database

from shared.domain.accounts import Purse
from shared.domain.keys import Purpose, derive_secret
from shared.domain.ledger import Move, RowKind
from shared.store.keys import KeyStore
from shared.store.users import UserStore

PROJECT = Path(__file__).resolve().parents[2]
SECRET = "a-secret-for-tests-of-thirty-two-or-more-characters"
UPSTREAM_KEY = "sk-upstream-canary-5f2c9e7a41"
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 50.0
WORKER = (sys.executable, "-O", "-m", "addons")

PRICING = {"input": 3, "output": 15, "cacheWrite": 3.75, "cacheWrite1h": 6, "cacheHit": 0.3}


@dataclass(frozen=True)
class Account:
    """A user of a test, with one key."""

    id: str
    username: str
    key: str
    key_id: str


class RunningGateway:
    """A gateway of the supervisor and its workers.

    Attributes:
        base_url: Origin, without a path.
        process: The supervisor.
        home: Its `$TROLLLM_HOME`.
        output: File that holds all it printed.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], home: Path) -> None:
        self.port = port
        self.base_url = f"http://127.0.0.1:{port}"
        self.process = process
        self.home = home
        self.output = home / "gateway.log"

    def workers(self) -> list[psutil.Process]:
        """The worker processes that live now."""
        return psutil.Process(self.process.pid).children()

    def client(self, key: str = "", **options: Any) -> httpx.Client:
        """A client that presents a key."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=30, **options)

    def wait_ready(self) -> None:
        """Wait until it serves.

        Raises:
            AssertionError: It ended, or took too long; the message shows what it printed.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.output.read_text()
            try:
                if httpx.get(f"{self.base_url}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError(f"the gateway never became ready: {self.output.read_text()}")

    def stop(self) -> None:
        """SIGTERM, and wait for the drain."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def running_gateway(
    home: Path,
    mongodb_uri: str,
    config: Mapping[str, Any],
    *,
    workers: int = 2,
    worker: Sequence[str] = WORKER,
    env: Mapping[str, str] | None = None,
) -> Iterator[RunningGateway]:
    """A gateway for as long as the context lasts.

    Args:
        home: An empty directory for its state.
        mongodb_uri: Database; the schema must stand.
        config: Contents of config.json.
        workers: How many.
        worker: Command of a worker, for tests that plant faults in it.
        env: More settings.
    """
    home.mkdir(parents=True, exist_ok=True)
    config_path = home / "config.json"
    config_path.write_text(json.dumps(config))
    settings = {
        "MONGODB_URI": mongodb_uri,
        "CONFIG_PATH": str(config_path),
        "TROLLLM_HOME": str(home),
        "TROLLLM_SECRET_KEY": SECRET,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT),
        **(env or {}),
    }
    port = free_port()
    script = PROJECT / "tests" / "support" / "supervise.py"
    command = [sys.executable, str(script), str(port), str(workers), *worker]
    with (
        (home / "gateway.log").open("wb") as output,
        subprocess.Popen(command, env=settings, stdout=output, stderr=output) as process,
    ):
        gateway = RunningGateway(port, process, home)
        try:
            gateway.wait_ready()
            yield gateway
        finally:
            gateway.stop()


def free_port() -> int:
    """A loopback port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def config_for(simulator_url: str, models: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A config.json with one upstream of each dialect at a simulator."""
    upstreams = {
        name: {"dialect": name, "baseUrl": simulator_url, "apiKey": "${UPSTREAM_KEY}"}
        for name in ("openai", "anthropic")
    }
    return {"upstreams": upstreams, "models": list(models)}


def model(dialect: str, model_id: str, upstream_model: str = "", **fields: Any) -> dict[str, Any]:
    """A model of config.json at the test prices."""
    return {
        "id": model_id,
        "type": dialect,
        "upstream": dialect,
        "upstreamModel": upstream_model or model_id,
        "pricing": PRICING,
        **fields,
    }


def add_account(
    database: Database[dict[str, Any]], username: str, credits_nano: int, rpm: int | None = None
) -> Account:
    """A user with credits and one key."""
    opening = Move(RowKind.TOPUP, Purse.MAIN, credits_nano, "opening") if credits_nano else None
    account = UserStore(database).create(username, None, rpm=rpm, opening=opening)
    pepper = derive_secret(SECRET, Purpose.KEY_PEPPER)
    made = KeyStore(database, pepper).create(account.id, label="test")
    return Account(account.id, username, made.secret, made.key.id)


def settled(database: Database[dict[str, Any]], timeout_s: float = 5.0) -> None:
    """Wait until no account holds money for a request.

    Raises:
        AssertionError: Holds remain.
    """
    deadline = time.monotonic() + timeout_s
    while (held := list(database.users.find({"holds": {"$ne": {}}}))) != []:
        assert time.monotonic() < deadline, f"holds remain: {held}"
        time.sleep(0.02)
