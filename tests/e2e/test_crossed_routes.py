"""Recorded provider traffic read by the other provider's SDK, whole and in small pieces."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import jiter
import openai
import pytest
from pymongo.database import Database

from shared.store.schema import ensure_schema
from tests.support.gateway import (
    PRICING,
    UPSTREAM_KEY,
    RunningGateway,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.recorded import Turn, cost_nano, reported_usage, turns
from tests.support.simulator import running_simulator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

WHOLE = 10**9
SPLITS = (1, 3, 7, 64, 900, WHOLE)
PRICES = {**PRICING, "webSearch": 10}
SAID: Any = [{"role": "user", "content": "x"}]
# One message spliced into another by its upstream: the SDK's own reading mixes both.
SPLICED = "anthropic/ai--spliced-message-start--a7eec7#0"
OTHER = {"openai": "anthropic", "anthropic": "openai"}


@dataclass
class Said:
    """What a client reads of an answer, whatever its dialect."""

    text: str = ""
    refusal: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    input_tokens: int | None = None
    output_tokens: int | None = None
    error: tuple[str, int] | None = None
    request_id: str = ""


@dataclass(frozen=True)
class Sdks:
    """Both official SDKs at one address."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic

    def read(self, dialect: str, name: str, *, stream: bool) -> Said:
        """What the SDK of a dialect reads of a model's answer."""
        try:
            if dialect == "anthropic":
                return said_by_message(self._message(name, stream=stream))
            if stream:
                return self._chunks(name)
            return said_by_completion(self._completion(name))
        except (openai.APIStatusError, anthropic.APIStatusError) as error:
            request_id = error.response.headers.get("x-request-id", "")
            return Said(error=(type(error).__name__, error.status_code), request_id=request_id)

    def _message(self, name: str, *, stream: bool) -> Any:
        messages = self.anthropic.beta.messages
        if not stream:
            return messages.create(model=name, max_tokens=5000, messages=SAID)
        with messages.stream(model=name, max_tokens=5000, messages=SAID) as events:
            message: Any = events.get_final_message()
            message._request_id = events.request_id
            return message

    def _completion(self, name: str) -> Any:
        return self.openai.chat.completions.create(model=name, messages=SAID, max_tokens=5000)

    def _chunks(self, name: str) -> Said:
        said, arguments, names = Said(), dict[int, str](), dict[int, str]()
        create = self.openai.chat.completions.with_raw_response.create
        raw = create(
            model=name,
            messages=SAID,
            max_tokens=5000,
            stream=True,
            stream_options={"include_usage": True},
        )
        said.request_id = raw.headers.get("x-request-id", "")
        for chunk in raw.parse():
            if chunk.usage:
                said.input_tokens = chunk.usage.prompt_tokens
                said.output_tokens = chunk.usage.completion_tokens
            for delta in (choice.delta for choice in chunk.choices if choice.index == 0):
                said.text += delta.content or ""
                said.refusal += delta.refusal or ""
                if delta.function_call:
                    names[0] = names.get(0, "") + (delta.function_call.name or "")
                    arguments[0] = arguments.get(0, "") + (delta.function_call.arguments or "")
                for call in delta.tool_calls or []:
                    function = call.function
                    names[call.index] = names.get(call.index, "") + (function.name or "")
                    arguments.setdefault(call.index, "")
                    arguments[call.index] += function.arguments or ""
        said.calls = [(names[n], parsed(arguments[n])) for n in sorted(names)]
        return said


def parsed(arguments: str) -> Any:
    """Arguments of a call as Anthropic's SDK reads them, whole or cut by the limit of tokens."""
    return jiter.from_json(arguments.encode() or b"{}", partial_mode=True)


def said_by_message(message: Any) -> Said:
    usage = message.usage
    written, read = usage.cache_creation_input_tokens, usage.cache_read_input_tokens
    return Said(
        text="".join(block.text for block in message.content if block.type == "text"),
        calls=[(b.name, b.input) for b in message.content if b.type == "tool_use"],
        input_tokens=usage.input_tokens + (written or 0) + (read or 0),
        output_tokens=usage.output_tokens,
        request_id=message._request_id or "",
    )


def said_by_completion(answer: Any) -> Said:
    message = answer.choices[0].message
    functions = [call.function for call in message.tool_calls or []]
    functions += [message.function_call] if message.function_call else []
    usage = answer.usage
    return Said(
        text=message.content or "",
        refusal=message.refusal or "",
        calls=[(one.name, parsed(one.arguments)) for one in functions],
        input_tokens=usage.prompt_tokens if usage else None,
        output_tokens=usage.completion_tokens if usage else None,
        request_id=answer._request_id or "",
    )


@dataclass(frozen=True)
class House:
    """Everything that runs for these tests."""

    direct: Sdks
    crossed: Sdks
    database: Database[dict[str, Any]]
    gateway: RunningGateway
    turns: list[Turn]


@contextmanager
def sdks_at(base_url: str, key: str) -> Iterator[Sdks]:
    with (
        openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0) as one,
        anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0) as other,
    ):
        yield Sdks(one, other)


@pytest.fixture(scope="module")
def house(
    shared_material: Path,
    mongod: Any,
    _mongo_client: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    recorded = [turn for turn in turns(shared_material) if turn.name != SPLICED]
    database = _mongo_client["e2e_crossed_routes"]
    ensure_schema(database)
    with running_simulator(cases=shared_material / "fixtures", keys=[UPSTREAM_KEY]) as simulator:
        models = [
            model(turn.dialect, f"replay:{turn.name}@{split}", pricing=PRICES)
            for turn in recorded
            for split in SPLITS
        ]
        config = config_for(simulator.base_url, models)
        account = add_account(database, "crosser", 10**15, rpm=100_000)
        home = tmp_path_factory.mktemp("crossed")
        env = {"UPSTREAM_KEY": UPSTREAM_KEY}
        uri = mongod.uri(database.name)
        with (
            running_gateway(home, uri, config, env=env) as gateway,
            sdks_at(simulator.base_url, UPSTREAM_KEY) as direct,
            sdks_at(gateway.base_url, account.key) as crossed,
        ):
            yield House(direct, crossed, database, gateway, recorded)
    _mongo_client.drop_database(database.name)


def test_the_other_sdk_reads_the_same_and_pays_the_same(house: House) -> None:
    wanted = [(turn, split) for turn in house.turns for split in SPLITS]

    def read(wish: tuple[Turn, int]) -> tuple[Said, Said]:
        turn, split = wish
        name = f"replay:{turn.name}@{split}"
        direct = house.direct.read(turn.dialect, name, stream=turn.stream)
        return direct, house.crossed.read(OTHER[turn.dialect], name, stream=turn.stream)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, wanted))
    settled(house.database)
    faults = []
    for (turn, split), (direct, crossed) in zip(wanted, found, strict=True):
        fault = differs(direct, crossed) or misbilled(house, turn, crossed)
        if fault:
            faults.append((turn.name, split, fault))
    assert not faults, "\n".join(map(str, faults))


def differs(direct: Said, crossed: Said) -> str:
    if direct.error != crossed.error:
        return f"error {crossed.error} for {direct.error}"
    # A refusal of OpenAI's is text to Anthropic's clients; theirs has an explanation beside it.
    if direct.text + direct.refusal != crossed.text:
        return f"text {crossed.text[-80:]!r} for {direct.text[-80:]!r}"
    if direct.calls != crossed.calls:
        return f"calls {crossed.calls} for {direct.calls}"
    return ""


def misbilled(house: House, turn: Turn, crossed: Said) -> str:
    row = house.database.ledger.find_one({"_id": crossed.request_id})
    charged = -row["amountNano"] if row else 0
    usage = reported_usage(turn) if turn.status < 300 else None
    if usage is None:
        return f"charged {charged} for an error" if charged and turn.status >= 300 else ""
    if charged != cost_nano(usage, PRICES):
        return f"charged {charged}, not {cost_nano(usage, PRICES)}"
    told = (crossed.input_tokens, crossed.output_tokens)
    kinds = ("input", "cacheWrite", "cacheWrite1h", "cacheHit")
    reported = (sum(usage[kind] for kind in kinds), usage["output"])
    return f"told {told}, not {reported}" if told != reported else ""
