"""Recorded provider traffic through the gateway, whole and in small pieces, and its bills."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
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
from tests.support.recorded import (
    Turn,
    cost_nano,
    has_no_price,
    names_stored_objects,
    reported_usage,
    turns,
)
from tests.support.sdk_reads import expected_reads, sdk_reader
from tests.support.simulator import SimulatorClient, running_simulator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SPLITS = (1, 7, 900)
PRICES = {**PRICING, "webSearch": 10}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
SAID: Any = [{"role": "user", "content": "x"}]


@dataclass(frozen=True)
class House:
    """Everything that runs for these tests."""

    simulator: SimulatorClient
    gateway: RunningGateway
    account: Account
    database: Database[dict[str, Any]]
    turns: dict[str, Turn]


@pytest.fixture(scope="module")
def house(
    shared_material: Path,
    mongod: Any,
    _mongo_client: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    recorded = {turn.name: turn for turn in turns(shared_material)}
    database = _mongo_client["e2e_native_routes"]
    ensure_schema(database)
    with running_simulator(cases=shared_material / "fixtures", keys=[UPSTREAM_KEY]) as simulator:
        models = [
            model(turn.dialect, f"replay:{turn.name}@{split}", pricing=PRICES)
            for turn in recorded.values()
            for split in SPLITS
        ]
        models += [model(d, f"echo-{d}", "sim-echo", pricing=PRICES) for d in PATHS]
        config = config_for(simulator.base_url, models)
        account = add_account(database, "replayer", 10**15, rpm=100_000)
        env = {"UPSTREAM_KEY": UPSTREAM_KEY}
        uri = mongod.uri(database.name)
        home = tmp_path_factory.mktemp("native")
        with running_gateway(home, uri, config, env=env) as gateway:
            yield House(simulator, gateway, account, database, recorded)
    _mongo_client.drop_database(database.name)


def headers_for(turn: Turn, key: str) -> dict[str, str]:
    if turn.dialect == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return {"authorization": f"Bearer {key}"}


def body_for(turn: Turn, split: int) -> dict[str, Any]:
    body = {"model": f"replay:{turn.name}@{split}", "max_tokens": 5000, "messages": SAID}
    if turn.stream:
        body["stream"] = True
        if turn.dialect == "openai":
            body["stream_options"] = {"include_usage": True}
    return body


async def fetch_all(
    base_url: str, key: str, wanted: list[tuple[Turn, int]]
) -> list[httpx.Response]:
    gate = asyncio.Semaphore(8)
    async with httpx.AsyncClient(base_url=base_url, timeout=120) as client:

        async def one(turn: Turn, split: int) -> httpx.Response:
            async with gate:
                return await client.post(
                    PATHS[turn.dialect], json=body_for(turn, split), headers=headers_for(turn, key)
                )

        return await asyncio.gather(*(one(*each) for each in wanted))


def test_bytes_and_bills_of_every_recorded_answer(house: House) -> None:
    wanted = [(turn, split) for turn in house.turns.values() for split in SPLITS]
    direct = asyncio.run(fetch_all(house.simulator.base_url, UPSTREAM_KEY, wanted))
    relayed = asyncio.run(fetch_all(house.gateway.base_url, house.account.key, wanted))
    settled(house.database)
    faults = []
    for (turn, split), sent, got in zip(wanted, direct, relayed, strict=True):
        fault = differs(turn, sent, got) or misbilled(house, turn, got)
        if fault:
            faults.append((turn.name, split, fault))
    assert not faults, "\n".join(map(str, faults))


def differs(turn: Turn, sent: httpx.Response, got: httpx.Response) -> str:
    assert sent.status_code == turn.status
    if got.status_code != sent.status_code:
        return f"status {got.status_code} for {sent.status_code}: {got.text[:200]}"
    if sent.status_code >= 300:
        return ""  # errors are cleaned of what is ours; the SDKs' classes are compared below
    if got.content != sent.content:
        return f"{len(got.content)} bytes for {len(sent.content)}: ends {got.content[-200:]!r}"
    if got.headers.get("content-type") != sent.headers.get("content-type"):
        return f"content-type {got.headers.get('content-type')}"
    return ""


def misbilled(house: House, turn: Turn, got: httpx.Response) -> str:
    request_id = got.headers["x-request-id"]
    row = house.database.ledger.find_one({"_id": request_id})
    charged = -row["amountNano"] if row else 0
    if turn.status >= 300:
        return f"charged {charged} for an error" if row else ""
    usage = reported_usage(turn)
    log = house.database.request_logs.find_one({"_id": request_id})
    if log is None or log["costNano"] != charged:
        return f"log {log} and row {row} disagree"
    if usage is None:
        return "" if log["usage"]["estimated"] and charged > 0 else "not flagged as estimated"
    expected = cost_nano(usage, PRICES)
    if charged != expected or log["usage"]["estimated"]:
        return f"charged {charged}, not {expected}: {log['usage']} for {usage}"
    return ""


def test_sdks_read_through_the_gateway_what_they_read_from_the_upstream(
    house: House, shared_material: Path
) -> None:
    """What the SDKs read agrees with what was noted when the traffic was recorded."""
    with sdk_reader(house.gateway.base_url, house.account.key) as read:
        differing = {}
        for name, expected in expected_reads(shared_material).items():
            if "openai/" in name and name.startswith("stream:"):
                continue  # read below, with usage asked for
            found = read(name, 7)
            if found != expected:
                differing[name] = (expected, found)
    assert differing == {}


@dataclass(frozen=True)
class Sdks:
    """Both official SDKs, pointed at one address."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic

    def read(self, turn: Turn, split: int) -> Any:
        """All that the dialect's SDK reads of a turn: an object, chunks, or the class of error."""
        body = body_for(turn, split)
        try:
            if turn.dialect == "anthropic":
                return self._message(turn, body)
            answer = self.openai.chat.completions.create(**body)
            return [chunk.to_dict() for chunk in answer] if turn.stream else answer.to_dict()
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            return type(error).__name__, error.status_code

    def _message(self, turn: Turn, body: dict[str, Any]) -> Any:
        if not turn.stream:
            return self.anthropic.beta.messages.create(**body).to_dict()
        del body["stream"]
        with self.anthropic.beta.messages.stream(**body) as stream:
            return stream.get_final_message().to_dict()


@contextmanager
def sdks(base_url: str, key: str) -> Iterator[Sdks]:
    with (
        openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0) as openai_client,
        anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0) as anthropic_client,
    ):
        yield Sdks(openai_client, anthropic_client)


@pytest.mark.parametrize("split", SPLITS)
def test_sdk_objects_are_equal(house: House, split: int) -> None:
    """Full text, tool ids, arguments, usage and error class, field by field."""
    differing = []
    with (
        sdks(house.simulator.base_url, UPSTREAM_KEY) as direct,
        sdks(house.gateway.base_url, house.account.key) as relayed,
    ):
        for turn in house.turns.values():
            sent, got = direct.read(turn, split), relayed.read(turn, split)
            if sent != got:
                differing.append((turn.name, sent, got))
    assert differing == []


def test_recorded_requests_reach_the_upstream_as_they_were_sent(house: House) -> None:
    """Every field, its order and its value; stored objects and what has no price are refused."""
    faults = []
    with house.gateway.client(house.account.key) as client:
        for turn in house.turns.values():
            if turn.request is None or turn.status >= 300:
                continue
            body = {**turn.request, "model": f"echo-{turn.dialect}"}
            house.simulator.clear()
            answer = client.post(PATHS[turn.dialect], json=body)
            if names_stored_objects(body) or has_no_price(body):
                if answer.status_code != 400 or house.simulator.log():
                    faults.append((turn.name, "was not refused"))
                continue
            if answer.status_code != 200:
                faults.append((turn.name, answer.text[:300]))
                continue
            (entry,) = house.simulator.log()
            expected = documented(body, turn)
            if json.dumps(json.loads(entry["body"])) != json.dumps(expected):
                faults.append((turn.name, entry["body"][:300]))
    assert not faults, "\n".join(map(str, faults))


def documented(body: dict[str, Any], turn: Turn) -> dict[str, Any]:
    """The changes that are documented, and no others."""
    expected = {**body, "model": "sim-echo"}
    if turn.dialect == "openai":
        if not {"max_tokens", "max_completion_tokens"} & set(body):
            expected["max_completion_tokens"] = 64_000
        if body.get("stream"):
            options = body.get("stream_options") or {}
            expected["stream_options"] = {**options, "include_usage": True}
    return expected


def is_usage_chunk(event: str) -> bool:
    if event == "data: [DONE]":
        return False
    chunk = json.loads(event.removeprefix("data:"))
    return chunk["choices"] == [] and bool(chunk.get("usage"))


def test_a_usage_chunk_that_was_not_asked_for_is_hidden(house: House) -> None:
    """Less that one chunk, every byte arrives."""
    faults = []
    streams = [t for t in house.turns.values() if t.stream and t.dialect == "openai"]
    for turn in streams:
        body = body_for(turn, 7)
        del body["stream_options"]
        headers = headers_for(turn, UPSTREAM_KEY)
        sent = httpx.post(
            house.simulator.base_url + PATHS["openai"], json=body, headers=headers, timeout=60
        )
        with house.gateway.client(house.account.key) as client:
            got = client.post(PATHS["openai"], json=body)
        events = [event for event in sent.text.split("\n\n") if event]
        kept = [event for event in events if not is_usage_chunk(event)]
        if got.text != "\n\n".join(kept) + "\n\n":
            faults.append((turn.name, got.text[-300:]))
    assert not faults, "\n".join(map(str, faults))
