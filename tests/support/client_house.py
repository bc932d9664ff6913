"""A gateway between real clients and the simulator, with both dialects upstream, and its books."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo.database import Database

from shared.store.embedded import EmbeddedMongod
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

DIALECTS = ("openai", "anthropic")
SIMULATED = (
    "sim-echo",
    "sim-tools",
    "sim-think",
    "sim-error-429",
    "sim-error-500",
    "sim-error-529",
    "sim-cut-6",
    "sim-break-6",
    "sim-pace-400-25",
)
STALLS = "sim-stall-6"
# Echoes, to the simulator; what goes upstream differs with the generation that the name tells.
NAMED = {"openai": ("gpt-4o", "gpt-5"), "anthropic": ("claude-3-5-haiku", "claude-opus-4-8")}
# How long an upstream that falls silent is waited for.
HASTE_S = 0.5
# Claude Code asks for the long context.
WINDOW = 1_000_000
PLENTY_NANO = 10**13
LOG_TIMEOUT_S = 5.0
BUCKETS = ("input", "output", "cacheWrite", "cacheWrite1h", "cacheHit", "webSearch")
NO_TOKENS = dict.fromkeys(BUCKETS, 0)


@dataclass(frozen=True)
class ClientHouse:
    """Everything that runs for tests of clients."""

    simulator: SimulatorClient
    gateway: RunningGateway
    database: Database[dict[str, Any]]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def account(self, credits_nano: int = PLENTY_NANO, rpm: int = 10_000) -> Account:
        """A new account, and an empty log at the simulator."""
        self.simulator.reset()
        return add_account(self.database, f"client{next(self._numbers)}", credits_nano, rpm=rpm)

    def charges(self, account: Account) -> list[int]:
        """What an account was charged, in nano-USD, once nothing is held any more."""
        settled(self.database)
        rows = self.database.ledger.find({"userId": account.id, "kind": "charge"})
        return sorted(-row["amountNano"] for row in rows)

    def records(self, account: Account, count: int) -> list[dict[str, Any]]:
        """The log of an account's requests; it is written behind the money."""
        deadline = time.monotonic() + LOG_TIMEOUT_S
        while True:
            found = list(self.database.request_logs.find({"userId": account.id}))
            if len(found) == count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} records, not {count}: {found}"
            time.sleep(0.02)

    def sent(self) -> list[dict[str, Any]]:
        """The simulator's log: what went upstream since the last account was made."""
        return self.simulator.log()


@contextmanager
def client_house(
    mongod: EmbeddedMongod, database: Database[dict[str, Any]], home: Path
) -> Iterator[ClientHouse]:
    """A simulator, a database and a gateway; its models are named by `model_id`."""
    ensure_schema(database)
    env = {"UPSTREAM_KEY": UPSTREAM_KEY}
    with running_simulator(keys=[UPSTREAM_KEY]) as simulator:
        config = config_for(simulator.base_url, list(models()))
        for dialect in DIALECTS:
            hasty = {**config["upstreams"][dialect], "timeouts": {"idle": HASTE_S}}
            config["upstreams"][f"hasty-{dialect}"] = hasty
        with running_gateway(home, mongod.uri(database.name), config, env=env) as gateway:
            yield ClientHouse(simulator, gateway, database)
    database.client.drop_database(database.name)


def models() -> Iterator[dict[str, Any]]:
    """Every behaviour of the simulator that clients are tried at, in both dialects."""
    for dialect in DIALECTS:
        for name in (*SIMULATED, *NAMED[dialect]):
            yield model(dialect, model_id(dialect, name), name, contextWindow=WINDOW)
        hasty = f"hasty-{dialect}"
        yield model(dialect, model_id(dialect, STALLS), STALLS, upstream=hasty)


def model_id(dialect: str, name: str) -> str:
    """The model that clients ask for to have a behaviour in a dialect."""
    return f"{dialect}-{name}"


def answered(entry: Mapping[str, Any]) -> tuple[int, bool, str]:
    """Status of an answer in the simulator's log, whether it is a stream, and how it ended."""
    answer = entry["answer"]
    return answer["status"], answer["stream"], answer["end"]


def expected_charges(log: Sequence[Mapping[str, Any]]) -> list[int]:
    """What whole answers in the simulator's log must cost, in nano-USD, sorted."""
    return sorted(cost_nano(_tokens(entry), PRICING) for entry in log)


def reported_tokens(log: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Input, cached or not, and output of all answers in the simulator's log."""
    tokens = [_tokens(entry) for entry in log]
    output = sum(one["output"] for one in tokens)
    return sum(sum(one.values()) for one in tokens) - output, output


def record_cost(record: Mapping[str, Any]) -> int:
    """What the usage in the log of a request costs, in nano-USD."""
    usage = record["usage"]
    same = {name: usage[name] for name in ("input", "output", "cacheWrite1h", "cacheHit")}
    return cost_nano({**same, "cacheWrite": usage["cacheWrite5m"], "webSearch": 0}, PRICING)


def _tokens(entry: Mapping[str, Any]) -> dict[str, int]:
    """Tokens by bucket as the simulator reported them."""
    usage = entry["answer"]["usage"]
    if entry["path"].startswith("/v1/messages"):
        return _messages_tokens(usage)
    sent, made = ("input", "output") if "input_tokens" in usage else ("prompt", "completion")
    hit = usage[f"{sent}_tokens_details"]["cached_tokens"]
    input_tokens = usage[f"{sent}_tokens"] - hit
    output_tokens = usage[f"{made}_tokens"]
    return {**NO_TOKENS, "input": input_tokens, "output": output_tokens, "cacheHit": hit}


def _messages_tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    written = usage.get("cache_creation") or {}
    return {
        **NO_TOKENS,
        "input": usage["input_tokens"],
        "output": usage["output_tokens"],
        "cacheWrite": written.get("ephemeral_5m_input_tokens", 0),
        "cacheWrite1h": written.get("ephemeral_1h_input_tokens", 0),
        "cacheHit": usage.get("cache_read_input_tokens") or 0,
    }
