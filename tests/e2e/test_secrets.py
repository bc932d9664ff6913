"""Canary keys go through every kind of request and must turn up nowhere afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import httpx
import pytest
from pymongo.database import Database

from tests.support.gateway import (
    UPSTREAM_KEY,
    Account,
    RunningGateway,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.simulator import SimulatorClient

pytestmark = pytest.mark.e2e

FIXED_KEY = "fixed-proxy-canary-key-83c1d0"
STATUSES = (400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 529)
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def models() -> list[dict[str, Any]]:
    behaviours = ["echo", "tools", "think", "cut-3", "nousage", *(f"error-{s}" for s in STATUSES)]
    return [
        model(dialect, f"{dialect}-{behaviour}", f"sim-{behaviour}")
        for dialect in PATHS
        for behaviour in behaviours
    ]


def exercise(gateway: RunningGateway, account: Account) -> Iterator[httpx.Response]:
    """Requests of every kind: served, refused here, refused upstream, broken, cut, abandoned."""
    keys = [account.key, FIXED_KEY, account.key[:-1] + "x"]
    with httpx.Client(base_url=gateway.base_url, timeout=20) as client:
        for key in keys:
            for headers in (
                {"authorization": f"Bearer {key}"},
                {"x-api-key": key},
                {"authorization": f"Basic {key}"},
                {"x_api_key": key, "cookie": f"key={key}"},
                {"authorization": f"Bearer {key}", "x-api-key": "another"},
            ):
                yield client.get(f"/v1/models?api_key={key}", headers=headers)
                yield client.post("/v1/messages", content=key.encode(), headers=headers)
        for entry in models():
            for stream in (False, True):
                body = {
                    "model": entry["id"],
                    "max_tokens": 50,
                    "stream": stream,
                    "messages": [{"role": "user", "content": "hello"}],
                }
                headers = {"authorization": f"Bearer {account.key}"}
                yield client.post(PATHS[entry["type"]], json=body, headers=headers)


def everything_kept(
    gateway: RunningGateway, database: Database[dict[str, Any]]
) -> Iterator[tuple[str, bytes]]:
    """All files of the gateway and all documents of the database."""
    for path in gateway.home.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
    for name in database.list_collection_names():
        for document in database[name].find():
            yield name, bson.encode(document)


def test_keys_turn_up_nowhere(
    bank: Database[dict[str, Any]],
    database_uri: str,
    simulator: SimulatorClient,
    home: Path,
) -> None:
    config = config_for(simulator.base_url, models())
    env = {"UPSTREAM_KEY": UPSTREAM_KEY, "PROXY_API_KEY": FIXED_KEY, "DEBUG": "true"}
    account = add_account(bank, "canary", 10**13, rpm=10_000)
    secrets = {"client": account.key, "fixed": FIXED_KEY, "upstream": UPSTREAM_KEY}
    found = []
    with running_gateway(home, database_uri, config, env=env) as gateway:
        for answer in exercise(gateway, account):
            raw = answer.content + repr(answer.headers.raw).encode()
            found += [(name, answer.url) for name, key in secrets.items() if key.encode() in raw]
            assert str(simulator.port) not in answer.text
        settled(bank)
        kept = list(everything_kept(gateway, bank))
    kept += list(everything_kept(gateway, bank))
    for place, content in kept:
        found += [(name, place) for name, key in secrets.items() if key.encode() in content]
    assert found == []
    assert len(simulator.log()) >= len(models())
    bearers = {dict(entry["headers"]).get("authorization") for entry in simulator.log()}
    assert bearers <= {f"Bearer {UPSTREAM_KEY}", None}
