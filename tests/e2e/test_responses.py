"""The responses API through the gateway: what Codex and the official SDK need, and its bills."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from pymongo.database import Database

from shared.store.schema import ensure_schema
from tests.support.gateway import (
    PRICING,
    UPSTREAM_KEY,
    Account,
    RunningGateway,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.recorded import cost_nano
from tests.support.simulator import SimulatorClient, running_simulator

pytestmark = pytest.mark.e2e

LOG_TIMEOUT_S = 5.0

SAID: Any = [{"role": "user", "content": "one two three"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]
SIMULATED = (
    "sim-echo",
    "sim-think",
    "sim-tools",
    "sim-nousage",
    "sim-pace-5-10",
    "sim-cut-6",
    "sim-break-6",
    "sim-error-429",
    "sim-error-400-context",
    "sim-error-401",
    "sim-error-500",
)


@dataclass(frozen=True)
class House:
    """Everything that runs for these tests."""

    simulator: SimulatorClient
    gateway: RunningGateway
    account: Account
    database: Database[dict[str, Any]]

    def bill(self, answer: httpx.Response) -> dict[str, Any]:
        """The log of a request, once it is settled; the ledger says the same."""
        settled(self.database)
        request_id = answer.headers["x-request-id"]
        log = self._log(request_id)
        row = self.database.ledger.find_one({"_id": request_id})
        assert log["costNano"] == (-row["amountNano"] if row else 0)
        return log

    def _log(self, request_id: str) -> dict[str, Any]:
        """Logs are written behind the money."""
        deadline = time.monotonic() + LOG_TIMEOUT_S
        while (log := self.database.request_logs.find_one({"_id": request_id})) is None:
            assert time.monotonic() < deadline, f"no log of {request_id}"
            time.sleep(0.02)
        return log


@pytest.fixture(scope="module")
def house(
    mongod: Any, _mongo_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    database = _mongo_client["e2e_responses"]
    ensure_schema(database)
    with running_simulator(keys=[UPSTREAM_KEY]) as simulator:
        models = [model("openai", name) for name in SIMULATED]
        models += [model("openai", "gpt-4o", "sim-echo", maxOutputTokens=64_000)]
        models.append(model("anthropic", "claude", "sim-echo"))
        config = config_for(simulator.base_url, models)
        account = add_account(database, "responder", 10**13, rpm=100_000)
        home = tmp_path_factory.mktemp("responses")
        env = {"UPSTREAM_KEY": UPSTREAM_KEY}
        with running_gateway(home, mongod.uri(database.name), config, env=env) as gateway:
            yield House(simulator, gateway, account, database)
    _mongo_client.drop_database(database.name)


@pytest.fixture
def sdk(house: House) -> Iterator[openai.OpenAI]:
    url = f"{house.gateway.base_url}/v1"
    with openai.OpenAI(base_url=url, api_key=house.account.key, max_retries=0) as client:
        yield client


@pytest.fixture
def http(house: House) -> Iterator[httpx.Client]:
    house.simulator.clear()
    with house.gateway.client(house.account.key) as client:
        yield client


def expected_nano(usage: Any) -> int:
    """The bill of usage as the SDK read it."""
    hit = usage.input_tokens_details.cached_tokens
    counted = {
        "input": usage.input_tokens - hit,
        "output": usage.output_tokens,
        "cacheHit": hit,
        "cacheWrite": 0,
        "cacheWrite1h": 0,
        "webSearch": 0,
    }
    return cost_nano(counted, PRICING)


@pytest.mark.parametrize("name", ["sim-echo", "sim-think", "sim-pace-5-10"])
def test_whole_and_streamed_answers_and_their_bills(
    house: House, sdk: openai.OpenAI, name: str
) -> None:
    raw = sdk.responses.with_raw_response.create(model=name, input=SAID)
    whole = raw.parse()
    bill = house.bill(raw.http_response)
    assert bill["costNano"] == expected_nano(whole.usage) > 0
    assert not bill["usage"]["estimated"]
    with sdk.responses.stream(model=name, input=SAID) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
        streamed = house.bill(stream._response)
    assert "".join(deltas) == final.output_text == whole.output_text
    assert final.usage == whole.usage
    assert (streamed["stream"], streamed["endReason"]) == (True, "complete")
    assert streamed["costNano"] == bill["costNano"]
    assert streamed["usage"] == bill["usage"]


def test_cached_input_costs_what_it_costs(house: House, sdk: openai.OpenAI) -> None:
    text = "a prefix that is long enough to be cached " * 300
    for _ in range(2):
        raw = sdk.responses.with_raw_response.create(
            model="sim-echo", instructions=text, input="hi"
        )
    usage = raw.parse().usage
    assert usage is not None
    assert usage.input_tokens_details.cached_tokens > 1024
    assert house.bill(raw.http_response)["costNano"] == expected_nano(usage)


def test_a_conversation_stands_in_the_body(sdk: openai.OpenAI) -> None:
    more: Any = {"include": ["reasoning.encrypted_content"], "store": False}
    first = sdk.responses.create(model="sim-think", input=SAID, **more)
    turns: Any = [*SAID, *(item.to_dict() for item in first.output), *SAID]
    assert sdk.responses.create(model="sim-think", input=turns, **more).status == "completed"
    asked = sdk.responses.create(model="sim-tools", input=SAID, tools=TOOLS)
    (call,) = asked.output
    assert call.type == "function_call"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    items: Any = [*SAID, call.to_dict(), result]
    end = sdk.responses.create(model="sim-tools", input=items, tools=TOOLS)
    assert end.output_text == "The tool said: sunny"


def test_an_answer_without_usage_is_estimated(house: House, sdk: openai.OpenAI) -> None:
    raw = sdk.responses.with_raw_response.create(model="sim-nousage", input=SAID)
    stream = sdk.responses.create(model="sim-nousage", input=SAID, stream=True)
    assert list(stream)[-1].type == "response.completed"
    for answer in (raw.http_response, stream.response):
        bill = house.bill(answer)
        assert bill["usage"]["estimated"]
        assert bill["costNano"] > 0


def test_a_stream_that_is_cut_raises(house: House, sdk: openai.OpenAI) -> None:
    stream = sdk.responses.create(model="sim-cut-6", input=SAID, stream=True)
    with pytest.raises(openai.APIError, match="provider failed to answer"):
        list(stream)
    bill = house.bill(stream.response)
    assert bill["endReason"] == "upstream_error"
    assert bill["usage"]["estimated"]
    assert bill["costNano"] > 0


def test_an_error_event_of_the_upstream_passes(house: House, sdk: openai.OpenAI) -> None:
    stream = sdk.responses.create(model="sim-break-6", input=SAID, stream=True)
    events = list(stream)
    assert events[-1].type == "error"
    assert [event.sequence_number for event in events[:-1]] == list(range(6))
    assert house.bill(stream.response)["endReason"] == "upstream_error"


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        ("sim-error-429", openai.RateLimitError, "at its limit"),
        ("sim-error-400-context", openai.BadRequestError, "maximum context length"),
        ("sim-error-401", openai.InternalServerError, "failed to answer"),
        ("sim-error-500", openai.InternalServerError, "failed to answer"),
    ],
)
def test_errors_are_those_of_the_dialect(
    house: House,
    sdk: openai.OpenAI,
    name: str,
    error: type[openai.APIStatusError],
    word: str,
) -> None:
    for is_stream in (False, True):
        with pytest.raises(error, match=word) as caught:
            sdk.responses.create(model=name, input=SAID, stream=is_stream)
        assert isinstance(caught.value.body, dict)
        assert {"message", "type", "param", "code"} <= set(caught.value.body)
        assert house.bill(caught.value.response)["costNano"] == 0


def test_what_codex_sends_reaches_the_upstream(
    house: House, http: httpx.Client, shared_material: Path
) -> None:
    (recorded,) = json.loads((shared_material / "clients" / "codex.json").read_text())
    body = recorded["body"]
    body["tools"] = [tool for tool in body["tools"] if isinstance(tool, dict)]
    sent = {k: v for k, v in recorded["headers"].items() if k.startswith(("x-codex", "session"))}
    answer = http.post("/v1/responses", json=body, headers=sent)
    assert answer.status_code == 200
    assert answer.text.count("event: response.completed\n") == 1
    (entry,) = house.simulator.log()
    expected = {**body, "model": "sim-echo", "max_output_tokens": 64_000}
    assert json.dumps(entry["json"]) == json.dumps(expected)
    assert not [name for name, _ in entry["headers"] if name.startswith("x-codex")]
    assert house.bill(answer)["costNano"] > 0


@pytest.mark.parametrize("store", [{}, {"store": True}, {"store": None}, {"store": False}])
def test_nothing_is_stored_upstream(
    house: House, http: httpx.Client, store: dict[str, Any]
) -> None:
    body = {"model": "sim-echo", "input": "hi", "max_output_tokens": 20, **store}
    assert http.post("/v1/responses", json=body).status_code == 200
    (entry,) = house.simulator.log()
    assert entry["json"] == {**body, "store": False}


FILE = {"type": "input_file", "file_id": "file-1"}
IMAGE = {"type": "input_image", "file_id": "file-1"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
        ({"input": [{"id": "msg_1"}]}, "input[0].id"),
        (
            {"input": [*SAID, {"type": "reasoning", "id": "rs_1", "summary": []}]},
            "input[1].encrypted_content",
        ),
        ({"input": [{"role": "user", "content": [FILE]}]}, "input[0].content[0].file_id"),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, "input[0].content[0].file_id"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0].type"),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].type"),
        ({"tools": [{"type": "image_generation"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "connector_id": "connector_x"}]}, "tools[0].connector_id"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"model": "claude"}, "model"),
        ({"input": None}, "input"),
    ],
)
def test_refused_before_anything_leaves(
    house: House, http: httpx.Client, fields: dict[str, Any], param: str
) -> None:
    body = {"model": "sim-echo", "input": SAID, **fields}
    answer = http.post("/v1/responses", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    assert error["param"] == param
    assert house.simulator.log() == []


def test_its_websocket_form_is_refused_at_once(http: httpx.Client) -> None:
    """Codex asks for it first, and falls back when it hears 426."""
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = http.get("/v1/responses", headers=upgrade)
    assert (answer.status_code, answer.json()["error"]["code"]) == (426, "unsupported")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/responses", 405),
        ("GET", "/v1/responses/resp_1", 404),
        ("DELETE", "/v1/responses/resp_1", 404),
        ("POST", "/v1/responses/resp_1/cancel", 404),
        ("POST", "/v1/responses/compact", 404),
        ("POST", "/v1/responses/input_tokens", 404),
    ],
)
def test_nothing_else_of_it_is_served(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, "not_found")
