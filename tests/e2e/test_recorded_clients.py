"""Requests that real clients sent, sent again as they were, to upstreams of both dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MATERIAL
from tests.support.client_house import (
    DIALECTS,
    NAMED,
    ClientHouse,
    answered,
    client_house,
    expected_charges,
    model_id,
)
from tests.support.client_trials import PATHS
from tests.support.gateway import Account
from tests.support.recorded_clients import Call, calls, params

pytestmark = pytest.mark.e2e

# The last of a stream, by the route.
LAST = {
    "/v1/chat/completions": "data: [DONE]",
    "/v1/messages": 'data: {"type":"message_stop"}',
    "/v1/responses": "event: response.completed",
}
FREE = "/v1/messages/count_tokens"
TARGETS = [(dialect, name) for dialect in DIALECTS for name in ("sim-echo", *NAMED[dialect])]


@pytest.fixture(scope="module")
def house(
    shared_material: Path,
    mongod: Any,
    _mongo_client: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ClientHouse]:
    assert list(calls(shared_material))
    database = _mongo_client["e2e_recorded_clients"]
    with client_house(mongod, database, tmp_path_factory.mktemp("recorded")) as opened:
        yield opened


def send(house: ClientHouse, account: Account, call: Call, model: str) -> httpx.Response:
    """A recorded request as it was, but for the key and the model."""
    body = call.body and {**call.body, "model": model}
    return httpx.request(
        call.method,
        house.gateway.base_url + call.path,
        headers=call.headers_with(account.key),
        content=json.dumps(body) if body else None,
        timeout=30,
    )


def refusal(call: Call, dialect: str) -> tuple[int, str] | None:
    """Status, and a word of the message, of what is refused by design; None for all else."""
    if call.route == "/nope/chat/completions":
        return 404, "no such endpoint"  # recorded to see what a client makes of it
    if call.route == "/v1/responses" and dialect != "openai":
        return 400, "is not served at /v1/responses"  # they are not translated
    if ((call.body or {}).get("thread") or {}).get("type") == "continue":
        return 400, "thread"  # goes on from messages that are stored at the provider
    return None


@pytest.mark.parametrize(("dialect", "name"), TARGETS)
@pytest.mark.parametrize("call", params(MATERIAL))
def test_recorded_requests_are_answered(
    house: ClientHouse, call: Call, dialect: str, name: str
) -> None:
    account = house.account()
    answer = send(house, account, call, model_id(dialect, name))
    refused = refusal(call, dialect)
    if refused:
        assert answer.status_code == refused[0]
        assert refused[1] in answer.json()["error"]["message"]
        assert house.sent() == []
        return
    assert answer.status_code == 200, answer.text
    log = house.sent()
    if call.body is None:
        assert log == []
        return
    if call.route == FREE:
        assert answer.json()["input_tokens"] > 0
        assert house.charges(account) == []
        return
    (entry,) = log
    assert entry["path"].partition("?")[0] in PATHS[dialect]
    assert answered(entry) == (200, call.streams, "complete")
    assert house.charges(account) == expected_charges(log)
    if call.streams:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.text.count(LAST[call.route]) == 1
    else:
        assert answer.json()["usage"]
