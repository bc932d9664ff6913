"""Keys of pools through real workers: what operators change, all of them know; what they see."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import httpx
import pytest
from pymongo.database import Database

from shared.domain.accounts import Role
from shared.store.sealing import Sealer
from shared.store.upstream_keys import UpstreamKeyStore
from shared.store.users import UserStore
from tests.support.gateway import (
    SECRET,
    UPSTREAM_KEY,
    Account,
    RunningGateway,
    add_account,
    model,
    running_gateway,
    settled,
)
from tests.support.simulator import SimulatorClient

pytestmark = pytest.mark.e2e

Bank = Database[dict[str, Any]]
REFUSED_KEY = "sk-refused-canary-8d1f60"
PATH = "/v1/chat/completions"


@pytest.fixture
def keys(bank: Bank) -> UpstreamKeyStore:
    return UpstreamKeyStore(bank, Sealer(SECRET), actor="test")


@pytest.fixture
def account(bank: Bank) -> Account:
    return add_account(bank, "ann", 10**12, rpm=10_000)


@pytest.fixture
def admin(bank: Bank) -> Account:
    made = add_account(bank, "ada", 0, rpm=10_000)
    UserStore(bank).change(made.id, role=Role.ADMIN)
    return made


@pytest.fixture
def gateway(
    bank: Bank, database_uri: str, simulator: SimulatorClient, home: Path
) -> Iterator[RunningGateway]:
    """Two workers whose upstream `main` takes its keys from the pool of that name."""
    upstream = {"dialect": "openai", "baseUrl": simulator.base_url, "keyPool": "main"}
    config = {
        "upstreams": {"main": upstream},
        "models": [model("openai", "m", "sim-echo", upstream="main")],
    }
    env = {"MAIN_UPSTREAM_KEY": UPSTREAM_KEY}
    with running_gateway(home, database_uri, config, env=env) as running:
        yield running


def eventually(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(gateway: RunningGateway, account: Account) -> int:
    """The status of a request that any worker may serve, and any key: it begins a conversation."""
    message = {"role": "user", "content": f"hello {uuid.uuid4()}"}
    body = {"model": "m", "max_tokens": 50, "messages": [message]}
    with gateway.client(account.key) as client:
        return client.post(PATH, json=body).status_code


def shown(gateway: RunningGateway, admin: Account) -> dict[str, dict[str, Any]]:
    with gateway.client(admin.key) as client:
        answer = client.get("/keys/status")
    assert answer.status_code == 200
    assert UPSTREAM_KEY not in answer.text
    return {key["id"]: key for pool in answer.json()["pools"].values() for key in pool}


def test_the_key_of_the_settings_serves_until_it_is_switched_off(
    gateway: RunningGateway, keys: UpstreamKeyStore, account: Account, admin: Account
) -> None:
    (stored,) = keys.listed()
    assert (stored.key.pool, stored.key.label) == ("main", "MAIN_UPSTREAM_KEY")
    assert [ask(gateway, account) for _ in range(6)] == [200] * 6
    eventually(lambda: shown(gateway, admin)[stored.key.id]["requests"] == 6)
    keys.disable(stored.key.id)
    eventually(lambda: {ask(gateway, account) for _ in range(6)} == {503})
    eventually(lambda: shown(gateway, admin)[stored.key.id]["state"] == "off")
    keys.enable(stored.key.id)
    eventually(lambda: {ask(gateway, account) for _ in range(6)} == {200})


def test_a_refused_key_is_out_for_all_and_no_client_notices(
    gateway: RunningGateway,
    keys: UpstreamKeyStore,
    account: Account,
    admin: Account,
    bank: Bank,
    simulator: SimulatorClient,
) -> None:
    refused = keys.add("main", REFUSED_KEY).key.id
    eventually(lambda: ask(gateway, account) == 200 and not is_healthy(gateway, admin, refused))
    # What one worker has learnt, the other one knows within a second.
    eventually(lambda: bearers_of_eight(gateway, account, simulator) == {f"Bearer {UPSTREAM_KEY}"})
    eventually(lambda: shown(gateway, admin)[refused]["state"] == "disabled")
    found = bank.upstream_keys.find_one({"_id": refused})
    assert found is not None
    assert found["health"]["reason"] == "auth"
    settled(bank)
    for name in bank.list_collection_names():
        for document in bank[name].find():
            content = bson.encode(document)
            assert UPSTREAM_KEY.encode() not in content
            assert REFUSED_KEY.encode() not in content
    assert REFUSED_KEY not in gateway.output.read_text()


def bearers_of_eight(
    gateway: RunningGateway, account: Account, simulator: SimulatorClient
) -> set[str]:
    """The upstream keys of eight requests, all of which are answered."""
    simulator.clear()
    assert {ask(gateway, account) for _ in range(8)} == {200}
    return {dict(entry["headers"])["authorization"] for entry in simulator.log()}


def is_healthy(gateway: RunningGateway, admin: Account, key_id: str) -> bool:
    key = shown(gateway, admin).get(key_id)
    return key is None or bool(key["healthy"])


def test_who_may_see_keys(gateway: RunningGateway, account: Account) -> None:
    with gateway.client(account.key) as client:
        refused = client.get("/keys/status")
        assert client.post("/keys/status").status_code == 405
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    assert httpx.get(f"{gateway.base_url}/keys/status").status_code == 401
