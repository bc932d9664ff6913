"""What is measured: the simulator alone, and a bare mitmdump or a gateway worker before it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.processes import measured_core, on_core, other_core
from shared.domain.accounts import Purse
from shared.domain.keys import Purpose, derive_secret
from shared.domain.ledger import Move, RowKind
from shared.store.client import SyncDatabase, connect, database_name
from shared.store.embedded import EmbeddedMongod, free_port
from shared.store.keys import KeyStore
from shared.store.schema import ensure_schema
from shared.store.users import UserStore

PROJECT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 40.0
KEYS = 40
CREDITS_NANO = 1_000_000 * 1_000_000_000
RPM = 1_000_000
SECRET = "benchmarks-only-0123456789-abcdefghijklmnop"  # noqa: S105 - of a throw-away database
UPSTREAM_KEY = "sk-upstream-of-the-benchmark"
PRICING = {"input": 3, "output": 15, "cacheWrite": 3.75, "cacheWrite1h": 6, "cacheHit": 0.3}
MODELS = {
    "openai": ("sim-echo", "sim-pace-46-0", "sim-pace-46-20"),
    "anthropic": ("claude-bench", "sim-pace-47-0"),
}


class BenchError(Exception):
    """A benchmark that cannot be run; one line for the user."""


@dataclass(frozen=True, slots=True)
class Target:
    """A listener under measurement.

    Attributes:
        name: As the report shows it.
        port: On loopback.
        pid: The process whose CPU time is that of the target.
        keys: Credentials that requests carry in turn.
        helpers: Processes it cannot do without, its database.
    """

    name: str
    port: int
    pid: int
    keys: Sequence[str]
    helpers: tuple[int, ...] = ()


@contextmanager
def simulator(core: int) -> Iterator[Target]:
    """The simulator alone."""
    command = [sys.executable, "-m", "scripts.simulator", "--port", "0"]
    with _process(command, core, stdout=subprocess.PIPE) as process:
        line = process.stdout.readline().decode() if process.stdout else ""
        if not line.startswith("simulator listening on "):
            raise BenchError(f"the simulator did not start: {line or 'it printed nothing'}")
        port = int(line.rpartition(":")[2])
        yield Target("simulator alone", port, process.pid, [UPSTREAM_KEY])


@contextmanager
def mitmdump(upstream_port: int) -> Iterator[Target]:
    """A stock mitmdump as a reverse proxy, streaming on, printing nothing."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("mitmdump")), "--quiet"]
        command += ["--mode", f"reverse:http://127.0.0.1:{upstream_port}"]
        command += ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
        command += ["--set", "stream_large_bodies=1", "--set", f"confdir={folder}"]
        with _process(command, measured_core()) as process:
            _wait_for_port(port, process)
            yield Target("bare mitmdump", port, process.pid, [UPSTREAM_KEY])


@contextmanager
def gateway(upstream_port: int) -> Iterator[Target]:
    """One gateway worker with all it does: keys, limits, holds, journal, settlement."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with on_core(other_core()):
            mongod = stack.enter_context(EmbeddedMongod(home / "mongo"))
        uri = mongod.uri()
        with connect(uri) as client:
            keys = _accounts(client[database_name(uri)])
        (home / "config.json").write_text(json.dumps(_config(upstream_port)), encoding="utf-8")
        port = free_port()
        listener = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=1024))
        command = [sys.executable, "-O", "-m", "addons", "--listener", str(listener.fileno())]
        settings = _settings(home, uri)
        process = stack.enter_context(
            _process(command, measured_core(), pass_fds=(listener.fileno(),), env=settings)
        )
        _wait_for_health(port, process)
        helpers = (mongod.pid,) if mongod.pid else ()
        yield Target("gateway", port, process.pid, keys, helpers)


def _accounts(database: SyncDatabase) -> list[str]:
    ensure_schema(database)
    users = UserStore(database)
    store = KeyStore(database, derive_secret(SECRET, Purpose.KEY_PEPPER))
    opening = Move(RowKind.TOPUP, Purse.MAIN, CREDITS_NANO, "benchmark")
    keys = []
    for number in range(KEYS):
        account = users.create(f"bench{number}", None, rpm=RPM, opening=opening)
        keys.append(store.create(account.id, label="bench").secret)
    return keys


def _config(upstream_port: int) -> dict[str, object]:
    url = f"http://127.0.0.1:{upstream_port}"
    upstreams = {
        dialect: {"dialect": dialect, "baseUrl": url, "apiKey": "${BENCH_UPSTREAM_KEY}"}
        for dialect in MODELS
    }
    models = [
        {
            "id": name,
            "type": dialect,
            "upstream": dialect,
            "upstreamModel": name,
            "pricing": PRICING,
        }
        for dialect, names in MODELS.items()
        for name in names
    ]
    return {"upstreams": upstreams, "models": models}


def _settings(home: Path, uri: str) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "MONGODB_URI": uri,
        "CONFIG_PATH": str(home / "config.json"),
        "TROLLLM_HOME": str(home),
        "TROLLLM_SECRET_KEY": SECRET,
        "BENCH_UPSTREAM_KEY": UPSTREAM_KEY,
    }


@contextmanager
def _process(
    command: Sequence[str],
    core: int,
    *,
    stdout: int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    with on_core(core):
        process = subprocess.Popen(command, cwd=PROJECT, stdout=stdout, pass_fds=pass_fds, env=env)
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in _until_ready(process):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return


def _wait_for_health(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in _until_ready(process):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            continue
        return


def _until_ready(process: subprocess.Popen[bytes]) -> Iterator[None]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}")
        yield
        time.sleep(0.05)
    raise BenchError(f"{process.args!r} was not ready after {READY_TIMEOUT_S:.0f} s")
