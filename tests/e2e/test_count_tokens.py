"""Counts of tokens: by the upstream where it can, estimated elsewhere, and free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
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

RPM = 8
SAID: Any = [{"role": "user", "content": "how many tokens are these?"}]
PATH = "/v1/messages/count_tokens"


@dataclass(frozen=True)
class Counting:
    """A gateway, the SDK at it, and plain HTTP; the account has no credits."""

    sdk: anthropic.Anthropic
    http: httpx.Client
    simulator: SimulatorClient
    database: Database[dict[str, Any]]


@pytest.fixture
def counting(
    bank: Database[dict[str, Any]], database_uri: str, simulator: SimulatorClient, home: Path
) -> Iterator[Counting]:
    models = [model("anthropic", "claude", "sim-echo"), model("openai", "gpt", "sim-echo")]
    models.append(model("anthropic", "broken", "sim-error-400"))
    config = config_for(simulator.base_url, models)
    key = add_account(bank, "counter", 0, rpm=RPM).key
    simulator.clear()
    env = {"UPSTREAM_KEY": UPSTREAM_KEY}
    with running_gateway(home, database_uri, config, env=env) as gateway:
        url = gateway.base_url
        with (
            anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as sdk,
            gateway.client(key) as plain,
        ):
            yield Counting(sdk, plain, simulator, bank)


def test_counts(counting: Counting) -> None:
    count = counting.sdk.messages.count_tokens
    exact = count(model="claude", messages=SAID, system="be brief")
    (entry,) = counting.simulator.log()
    assert (entry["path"], entry["model"]) == (PATH, "sim-echo")
    assert set(entry["json"]) == {"model", "messages", "system"}
    assert exact.input_tokens > 0
    raw = counting.sdk.messages.with_raw_response.count_tokens(model="gpt", messages=SAID)
    assert raw.parse().input_tokens > 0
    assert raw.headers["x-trollllm-estimated"] == "true"
    assert len(counting.simulator.log()) == 1
    direct = counting.http.post(PATH, json={"model": "claude", "messages": SAID})
    assert direct.status_code == 200
    assert "x-trollllm-estimated" not in direct.headers
    assert "x-trollllm-cost-usd" not in direct.headers
    with pytest.raises(anthropic.BadRequestError, match="should be a valid list"):
        count(model="broken", messages=SAID)
    with pytest.raises(anthropic.NotFoundError):
        count(model="nobody", messages=SAID)
    stored = counting.http.post(PATH, json={"model": "gpt", "messages": SAID, "container": "c"})
    assert (stored.status_code, stored.json()["error"]["type"]) == (400, "invalid_request_error")
    settled(counting.database)
    assert counting.database.ledger.count_documents({}) == 0


def test_they_have_a_window_of_their_own(counting: Counting) -> None:
    body = {"model": "gpt", "messages": SAID}
    statuses = [counting.http.post(PATH, json=body).status_code for _ in range(RPM + 1)]
    assert statuses == [200] * RPM + [429]
    listed = counting.http.get("/v1/models")
    assert listed.status_code == 200
    assert listed.headers["x-ratelimit-remaining-requests"] == str(RPM - 1)
