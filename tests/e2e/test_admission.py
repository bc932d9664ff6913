"""Who is let in when many come at once: by balance, and by rate."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo.database import Database

from tests.support.gateway import (
    UPSTREAM_KEY,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.simulator import SimulatorClient

pytestmark = pytest.mark.e2e

ENV = {"UPSTREAM_KEY": UPSTREAM_KEY}


def chat(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "model": name,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "hello"}],
        **fields,
    }


async def offer(base_url: str, key: str, body: dict[str, Any], times: int) -> list[int]:
    limits = httpx.Limits(max_connections=times)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=60) as client:

        async def one() -> int:
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
            return answer.status_code

        return await asyncio.gather(*(one() for _ in range(times)))


def test_a_balance_for_ten_holds_lets_exactly_ten_in(
    bank: Database[dict[str, Any]],
    database_uri: str,
    simulator: SimulatorClient,
    home: Path,
) -> None:
    # The first byte takes 3 s, so that all 200 are decided while the first ten are under way.
    config = config_for(simulator.base_url, [model("openai", "slow", "sim-slow-3000")])
    with running_gateway(home, database_uri, config, env=ENV) as gateway:
        probe = add_account(bank, "probe", 10**12)
        with gateway.client(probe.key) as client:
            assert client.post("/v1/chat/completions", json=chat("slow")).status_code == 200
        hold = measured_hold(bank, gateway.base_url, probe.key)
        poor = add_account(bank, "poor", 10 * hold + hold // 2, rpm=1000)
        simulator.clear()
        statuses = Counter(asyncio.run(offer(gateway.base_url, poor.key, chat("slow"), 200)))
        assert statuses == {200: 10, 402: 190}, gateway.output.read_text()[-3000:]
        assert len(simulator.log()) == 10
        settled(bank)
        account = bank.users.find_one({"_id": poor.id})
        assert account is not None
        rows = list(bank.ledger.find({"userId": poor.id}))
        assert account["creditsNano"] == sum(row["amountNano"] for row in rows)
        assert 0 <= account["creditsNano"] < 10 * hold + hold // 2
        assert sum(row["kind"] == "charge" for row in rows) == 10


def measured_hold(bank: Database[dict[str, Any]], base_url: str, key: str) -> int:
    """What one request holds, read while it is under way."""
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as client:
        request = client.build_request(
            "POST", "/v1/chat/completions", json=chat("slow", stream=True)
        )
        answer = client.send(request, stream=True)
        account = bank.users.find_one({"username": "probe"})
        answer.close()
    assert account is not None
    (hold,) = account["holds"].values()
    amount: int = hold["amountNano"]
    return amount


def test_three_hundred_a_minute_offered_nine_hundred(
    bank: Database[dict[str, Any]],
    database_uri: str,
    simulator: SimulatorClient,
    home: Path,
) -> None:
    config = config_for(simulator.base_url, [model("openai", "echo", "sim-echo")])
    with running_gateway(home, database_uri, config, env=ENV) as gateway:
        user = add_account(bank, "busy", 10**12)
        simulator.clear()
        statuses = asyncio.run(paced(gateway.base_url, user.key, 900, 20.0))
        admitted = statuses[200]
        assert set(statuses) == {200, 429}
        assert 285 <= admitted <= 300
        assert len(simulator.log()) == admitted
        settled(bank)
        assert bank.ledger.count_documents({"kind": "charge"}) == admitted


async def paced(base_url: str, key: str, times: int, seconds: float) -> Counter[int]:
    """Offer requests evenly over a time."""
    headers = {"authorization": f"Bearer {key}"}
    start = time.monotonic()
    async with httpx.AsyncClient(base_url=base_url, timeout=60) as client:

        async def one(number: int) -> int:
            await asyncio.sleep(max(0.0, start + number * seconds / times - time.monotonic()))
            answer = await client.post("/v1/chat/completions", json=chat("echo"), headers=headers)
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
            return answer.status_code

        return Counter(await asyncio.gather(*(one(number) for number in range(times))))
