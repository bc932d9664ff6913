"""Stores in memory for tests of the gateway, behind the interfaces of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.domain.accounts import (
    Admission,
    Hold,
    HoldRefused,
    HoldRequest,
    OpenRequest,
    Principal,
    Purse,
    RateState,
    RateWindow,
    RequestRecord,
    Role,
)
from shared.domain.keys import generate_key, hash_key
from shared.domain.upstream_keys import DISABLING, Fault
from shared.domain.usage import Usage

PEPPER = b"a pepper for tests"
PLENTY_NANO = 10**15
BOB = Principal("usr_bob", "bob", "key_bob", Role.USER)
ADMIN = Principal("usr_ada", "ada", "key_ada", Role.ADMIN)
PROXY = Principal("", "_proxy", "_proxy", Role.USER, billed=False)


class FakeGate:
    """Keys and rate limits in memory.

    Attributes:
        looked_up: Hashes asked for, in order.
        counted_in: The window of every admission, in order.
        rate: What every admission tells of the window.
        admitting: False refuses by rate limit.
        error: Raised by every method instead of an answer.
        pause_s: How long a look-up takes.
    """

    def __init__(self) -> None:
        self._principals: dict[str, Principal] = {}
        self.reset()

    def reset(self) -> None:
        """As new, but keys stay."""
        self.looked_up: list[str] = []
        self.counted_in: list[RateWindow] = []
        self.rate = RateState(300, 299, 60)
        self.admitting = True
        self.error: Exception | None = None
        self.pause_s = 0.0

    def add_key(self, principal: Principal) -> str:
        """A new key of a principal."""
        key = generate_key()
        self._principals[hash_key(key, PEPPER)] = principal
        return key

    async def admit(self, key_hash: str, window: RateWindow = RateWindow.REQUESTS) -> Admission:
        self.looked_up.append(key_hash)
        self.counted_in.append(window)
        await asyncio.sleep(self.pause_s)
        self._fail()
        principal = self._principals.get(key_hash)
        if principal is None:
            return Admission(None, False, None)
        return Admission(principal, self.admitting, self.rate)

    async def admit_fixed(self, window: RateWindow = RateWindow.REQUESTS) -> Admission:
        self.counted_in.append(window)
        self._fail()
        return Admission(PROXY, self.admitting, self.rate)

    async def ping(self) -> None:
        self._fail()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class FakeHolds:
    """Holds in memory, on accounts that all have the same free credits.

    Attributes:
        held: Holds that stand, by request id.
        asked: What was asked for, in order.
        free_nano: What an account has left to set aside.
        active: Whether accounts are.
        error: Raised by `reserve`.
        pause_s: How long a reserve takes, before and after it has happened.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As new."""
        self.held: dict[str, Hold] = {}
        self.asked: list[HoldRequest] = []
        self.free_nano = PLENTY_NANO
        self.active = True
        self.error: Exception | None = None
        self.pause_s = 0.0

    async def reserve(self, request: HoldRequest, worker_id: str) -> Hold | HoldRefused:
        self.asked.append(request)
        await asyncio.sleep(self.pause_s)
        if self.error is not None:
            raise self.error
        if not self.active or self.free_nano < request.minimum_nano:
            return HoldRefused(self.active, self.free_nano)
        amount_nano = min(request.full_nano, self.free_nano)
        hold = Hold(request.request_id, request.user_id, "bob", amount_nano, Purse.MAIN)
        self.held[request.request_id] = hold
        await asyncio.sleep(self.pause_s)
        return hold

    async def release(self, user_id: str, request_ids: Sequence[str]) -> None:
        for request_id in request_ids:
            self.held.pop(request_id, None)

    async def settle(self, charges: Sequence[tuple[Hold, RequestRecord]]) -> None:
        raise NotImplementedError("only the ledger settles")

    async def charge_if_held(self, hold: Hold, record: RequestRecord) -> None:
        raise NotImplementedError("only the ledger settles")

    async def release_abandoned(self, holds: Sequence[Hold], reason: str) -> None:
        raise NotImplementedError("only housekeeping does that")

    async def holds_of_worker(self, worker_id: str, older_than_s: float) -> list[Hold]:
        return list(self.held.values())

    async def holds_of_others(self, workers: Sequence[str], older_than_s: float) -> list[Hold]:
        return []


@dataclass
class FakeLedger:
    """The life of requests in memory, on the holds of a `FakeHolds`.

    Attributes:
        holds: Where a settlement removes the hold.
        steps: What happened, as `(step, request id)`.
        settled: Ends, in order.
        logged: Refusals, in order.
        faults: What a ledger must never be asked for.
        errors: By method name, raised instead of doing it.
        pause_s: How long it takes until `open` or `settle` is durable, by their names.
    """

    holds: FakeHolds
    steps: list[tuple[str, str]] = field(default_factory=list)
    open_requests: dict[str, OpenRequest] = field(default_factory=dict)
    settled: list[RequestRecord] = field(default_factory=list)
    logged: list[RequestRecord] = field(default_factory=list)
    checkpoints: list[tuple[str, Usage]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    pause_s: dict[str, float] = field(default_factory=dict)

    failing = False

    def reset(self) -> None:
        """As new."""
        for each in (self.steps, self.settled, self.logged, self.checkpoints, self.faults):
            each.clear()
        self.open_requests.clear()
        self.errors.clear()
        self.pause_s.clear()

    async def open(self, request: OpenRequest) -> None:
        self._fail("open")
        request_id = request.record.request_id
        if request.hold is not None and request_id not in self.holds.held:
            self.faults.append(f"opened without its hold: {request_id}")
        self.open_requests[request_id] = request
        self.steps.append(("open", request_id))
        await asyncio.sleep(self.pause_s.get("open", 0))

    def sent(self, request_id: str) -> None:
        self._fail("sent")
        if request_id not in self.open_requests:
            self.faults.append(f"sent before it was open: {request_id}")
        self.steps.append(("sent", request_id))

    async def release(self, user_id: str, request_id: str) -> None:
        self.steps.append(("release", request_id))
        await self.holds.release(user_id, [request_id])

    def checkpoint(self, request_id: str, usage: Usage) -> None:
        self._fail("checkpoint")
        self.checkpoints.append((request_id, usage))

    async def settle(self, record: RequestRecord) -> None:
        self._fail("settle")
        if self.open_requests.pop(record.request_id, None) is None:
            self.faults.append(f"settled while not open: {record.request_id}")
        self.holds.held.pop(record.request_id, None)
        self.settled.append(record)
        self.steps.append(("settle", record.request_id))
        await asyncio.sleep(self.pause_s.get("settle", 0))

    def log(self, record: RequestRecord) -> None:
        self.logged.append(record)

    def _fail(self, method: str) -> None:
        if method in self.errors:
            raise self.errors[method]


@dataclass(frozen=True)
class FakeKey:
    """A key of a `FakePools`."""

    id: str
    secret: str = field(repr=False)


class FakePools:
    """Pools of upstream keys in memory; keys are taken in the order they were added.

    Attributes:
        asked: Conversations that a key was picked for, in order.
        told: What was reported, as `(key id, fault, seconds to wait)`.
        until: When cooling keys are back.
        out: Keys that are disabled.
        pause_s: How long a pick takes.
        error: Raised by `refresh`.
    """

    def __init__(self) -> None:
        self._pools: dict[str, list[FakeKey]] = {}
        self.reset()

    def reset(self) -> None:
        """As new, without keys."""
        self._pools.clear()
        self.asked: list[str | None] = []
        self.told: list[tuple[str, Fault | None, float | None]] = []
        self.until: dict[str, datetime] = {}
        self.out: set[str] = set()
        self.pause_s = 0.0
        self.error: Exception | None = None

    def add(self, pool: str, *secrets: str) -> None:
        """Keys named after their place: `uk_1`, `uk_2`, …"""
        keys = self._pools.setdefault(pool, [])
        keys += [FakeKey(f"uk_{number}", each) for number, each in enumerate(secrets, start=1)]

    def cool(self, key_id: str, wait_s: float) -> None:
        """A key is at its limit."""
        self.until[key_id] = datetime.now(UTC) + timedelta(seconds=wait_s)

    async def pick(
        self, pool: str, conversation: str | None, tried: Collection[str]
    ) -> FakeKey | None:
        self.asked.append(conversation)
        await asyncio.sleep(self.pause_s)
        gone = {*tried, *self.until, *self.out}
        return next((key for key in self._pools.get(pool, []) if key.id not in gone), None)

    def report(self, key_id: str, fault: Fault | None, retry_after_s: float | None = None) -> None:
        self.told.append((key_id, fault, retry_after_s))
        if fault is Fault.RATE_LIMITED:
            self.cool(key_id, retry_after_s or 5)
        elif fault in DISABLING:
            self.out.add(key_id)

    def earliest(self, pool: str) -> datetime | None:
        cooling = [self.until[key.id] for key in self._pools.get(pool, []) if key.id in self.until]
        return min(cooling, default=None)

    async def refresh(self) -> None:
        if self.error is not None:
            raise self.error

    def status(self) -> list[dict[str, Any]]:
        return [
            {"id": key.id, "pool": pool, "healthy": key.id not in self.out}
            for pool, keys in self._pools.items()
            for key in keys
        ]


class EveryModel[Model](Mapping[str, Model]):
    """A catalogue that knows a model for every name its maker accepts."""

    def __init__(self, make: Callable[[str], Model | None]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> Model:
        model = self._make(name)
        if model is None:
            raise KeyError(name)
        return model

    def __iter__(self):
        return iter(())

    def __len__(self) -> int:
        return 0
