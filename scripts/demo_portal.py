"""Starts the portal for pictures and browser tests: the real Gunicorn, on a free port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from scripts.demo_state import DEMO_MODELS, SECRET_KEY
from shared.domain.pricing import Price
from shared.store.embedded import free_port

PROJECT = Path(__file__).resolve().parents[1]
_START_S = 30
_STOP_S = 30


@contextmanager
def running_portal(folder: Path, mongo_uri: str, **environment: str) -> Iterator[str]:
    """Run a portal over a database with the demo account; gives its origin.

    Args:
        folder: For its config.json and log.
        mongo_uri: Database.
        environment: Settings beside those.

    Raises:
        RuntimeError: It did not start; the message holds its log.
    """
    port = free_port()
    (folder / "config.json").write_text(json.dumps(demo_config()))
    names = {
        "MONGODB_URI": mongo_uri,
        "PORTAL_PORT": str(port),
        "CONFIG_PATH": str(folder / "config.json"),
        "TROLLLM_HOME": str(folder),
        "TROLLLM_SECRET_KEY": SECRET_KEY,
        "DEMO_KEY": "unused",
    } | environment
    command = [sys.executable, "-m", "portal"]
    with (folder / "portal.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=_clean() | names, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            origin = f"http://127.0.0.1:{port}"
            _wait_until_up(origin, process, folder / "portal.log")
            yield origin
        finally:
            process.terminate()
            process.wait(_STOP_S)


def demo_config() -> dict[str, object]:
    """A config.json with the models of the demo account."""
    upstream = {"baseUrl": "http://127.0.0.1:1", "apiKey": "${DEMO_KEY}"}
    return {
        "upstreams": {
            dialect: upstream | {"dialect": dialect} for dialect in ("anthropic", "openai")
        },
        "routes": [],
        "models": [_model(name, price) for name, (price, _share) in DEMO_MODELS.items()],
    }


def _model(name: str, price: Price) -> dict[str, object]:
    dialect = "anthropic" if name.startswith("claude") else "openai"
    base = price.base
    return {
        "id": name,
        "type": dialect,
        "upstream": dialect,
        "contextWindow": 200_000,
        "pricing": {
            "input": float(base.input),
            "output": float(base.output),
            "cacheWrite": float(base.cache_write_5m),
            "cacheHit": float(base.cache_hit),
        },
        "billingMultiplier": float(price.multiplier),
    }


def _clean() -> dict[str, str]:
    ours = ("TROLLLM_", "MONGODB_", "PORT", "CONFIG_", "MAIN_", "OPENHANDS_", "PROXY_", "STRIPE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _wait_until_up(origin: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{origin}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"the portal did not start:\n{log.read_text()}")
