"""Runs a gateway worker inside the test process: real sockets, stores in memory."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from mitmproxy import http

import addons.worker
from addons.proxy.plan import LayerPolicy
from addons.services import Services
from addons.supervisor import open_listener
from addons.worker import Worker
from shared.domain.catalog import Catalog, Dialect, Fallback, Model, Timeouts, Upstream
from shared.domain.pricing import Rates, make_price
from shared.settings import Settings
from tests.support import streams
from tests.support.gateway_fakes import (
    ADMIN,
    BOB,
    PEPPER,
    EveryModel,
    FakeGate,
    FakeHolds,
    FakeLedger,
    FakePools,
)
from tests.support.raw_client import Answer, RawClient

UPSTREAM_KEY = "sk-upstream-canary-1b7e93d2"
PROXY_KEY = "a-fixed-proxy-key-of-thirty-characters"
PUBLIC_URL = "https://troll.test"
POOLED_KEYS = tuple(f"{UPSTREAM_KEY}-{number}" for number in (1, 2, 3))
MAX_BODY = 1_000_000
MAX_RESPONSE = 2_000_000
MAX_ERROR = 20_000
HEAD_S, BODY_S, UPLOAD_S, IDLE_S = 0.6, 0.6, 2.0, 1.5
PATIENT = Timeouts(connect_s=5, first_byte_s=10, idle_s=10, total_s=30)
HASTY = Timeouts(connect_s=0.3, first_byte_s=0.3, idle_s=0.3, total_s=10)
HURRIED = Timeouts(connect_s=5, first_byte_s=10, idle_s=10, total_s=0.4)
PRICE = make_price(
    Rates(Decimal(3), Decimal(15), Decimal("3.75"), Decimal(6), Decimal("0.3"), Decimal(10))
)
# Of an answer in `streams`.
COST_NANO = streams.INPUT_TOKENS * 3000 + streams.OUTPUT_TOKENS * 15000
MAX_OUTPUT = 4096
CONTEXT_WINDOW = 200_000
PATHS = {Dialect.OPENAI: "/v1/chat/completions", Dialect.ANTHROPIC: "/v1/messages"}
CLEAN_WITHIN_S = 5.0

CRASHES = ("has crashed", "layers failed", "Unhandled", "never awaited", "never retrieved")


def upstream(dialect: Dialect, port: int, **fields: Any) -> Upstream:
    """An upstream on this machine with the canary key."""
    settings = {"scheme": "http", "api_key": UPSTREAM_KEY, "timeouts": PATIENT, **fields}
    return Upstream(dialect.value, dialect, host="127.0.0.1", port=port, **settings)


def model(name: str, dialect: Dialect, **fields: Any) -> Model:
    """A model at the test price."""
    settings: dict[str, Any] = {
        "upstream": None,
        "upstream_model": name,
        "price": PRICE,
        "max_output_tokens": MAX_OUTPUT,
        "context_window": CONTEXT_WINDOW,
    }
    return Model(name, dialect, **{**settings, **fields})


def catalog(ports: Mapping[str, int]) -> Catalog:
    """Models named UPSTREAM-DIALECT/NAME, such as `sim-openai/sim-echo`.

    Upstreams are those of `ports`, and of the raw one also `hasty`, `hurried`, `keyless`,
    `pooled` with the keys of that pool, `mute` whose TLS handshake never ends, `proxied`,
    `prefixed`; models `unpriced/…` have no price. Fallbacks follow behind `>`, as in
    `dead-openai/a>raw-anthropic/b`.
    """
    upstreams: dict[str, Upstream] = {}
    raw = ports["raw"]
    for dialect in Dialect:
        made = {name: upstream(dialect, port) for name, port in ports.items()}
        made["hasty"] = upstream(dialect, raw, timeouts=HASTY)
        made["hurried"] = upstream(dialect, raw, timeouts=HURRIED)
        made["keyless"] = upstream(dialect, raw, api_key=None)
        made["pooled"] = upstream(dialect, raw, api_key=None, key_pool="pooled")
        made["mute"] = upstream(dialect, raw, scheme="https", timeouts=HASTY)
        made["proxied"] = upstream(dialect, raw, require_proxy=True)
        made["prefixed"] = upstream(dialect, raw, prefix="/prefix")
        if "tls" in ports:
            made["tls"] = upstream(dialect, ports["tls"], scheme="https")
        made["deaf"] = upstream(dialect, ports.get("deaf", raw), timeouts=HASTY)
        upstreams |= {f"{name}-{dialect.value}": one for name, one in made.items()}

    def find(asked: str) -> Model | None:
        name, *others = asked.split(">")
        place, slash, upstream_model = name.partition("/")
        suffix = place.rpartition("-")[2]
        if suffix not in _DIALECTS or not slash:
            return None
        dialect = Dialect(suffix)
        price = None if place.startswith("unpriced") else PRICE
        where = f"raw-{dialect.value}" if price is None else place
        if where not in upstreams:
            return None
        fields = {"upstream": where, "upstream_model": upstream_model, "price": price}
        fallbacks = tuple(Fallback(*other.split("/")) for other in others)
        return model(asked, dialect, fallbacks=fallbacks, **fields)

    return Catalog(EveryModel(find), {}, upstreams)


_DIALECTS = tuple(dialect.value for dialect in Dialect)


def named(place: str, dialect: Dialect, name: str = "m", *fallbacks: str) -> str:
    """The model of an upstream of `catalog`; fallbacks are named in the same way."""
    return ">".join([f"{place}-{dialect.value}/{name}", *fallbacks])


def body(dialect: Dialect, model_name: str, *, stream: bool = False, **fields: Any) -> bytes:
    """A small request body."""
    content: dict[str, Any] = {
        "model": model_name,
        "messages": [{"role": "user", "content": "Say something."}],
    }
    if dialect is Dialect.ANTHROPIC:
        content["max_tokens"] = 100
    if stream:
        content["stream"] = True
    return json.dumps(content | fields).encode()


def request(
    method: str, path: str, *headers: str, data: bytes | None = None, version: str = "1.1"
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/{version}", "host: gateway.test", *headers]
    if data is not None:
        lines.append(f"content-length: {len(data)}")
    return "\r\n".join([*lines, "", ""]).encode() + (data or b"")


class Spy:
    """An addon behind all others that keeps what flows show."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def _look(self, flow: http.HTTPFlow) -> None:
        self.seen.append(repr(flow.get_state()) + repr(flow.metadata))

    requestheaders = request = responseheaders = response = error = _look

    def upstream_attempt_failed(self, attempt: Any) -> None:
        self._look(attempt.flow)


class Records(logging.Handler):
    """Keeps what is logged, as text."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname} {record.name}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        self.lines.append(text)


@dataclass
class RunningWorker:
    """A worker in a thread of its own.

    Attributes:
        port: Of its listener.
        worker: Itself; touch it from its own loop only.
        key: API key of an ordinary user.
        admin_key: API key of an admin.
    """

    port: int
    services: Services
    worker: Worker
    loop: asyncio.AbstractEventLoop
    gate: FakeGate
    holds: FakeHolds
    ledger: FakeLedger
    pools: FakePools
    key: str
    admin_key: str
    spy: Spy = field(default_factory=Spy)
    records: Records = field(default_factory=Records)

    def reset(self) -> None:
        """Forget what happened before."""
        for fake in (self.gate, self.holds, self.ledger, self.pools):
            fake.reset()
        self.spy.seen.clear()
        self.records.lines.clear()

    def client(self) -> RawClient:
        """A new connection."""
        return RawClient(self.port)

    def keyed(self, method: str, path: str, *headers: str, data: bytes | None = None) -> bytes:
        """A request with the user's key."""
        return request(method, path, f"authorization: Bearer {self.key}", *headers, data=data)

    def post(self, dialect: Dialect, model_name: str, **fields: Any) -> bytes:
        """A request for an answer, with the user's key."""
        data = body(dialect, model_name, **fields)
        return self.keyed("POST", PATHS[dialect], data=data)

    def ask(self, data: bytes, method: str = "GET") -> Answer:
        """Send a request on a connection of its own."""
        with self.client() as client:
            return client.ask(data, method)

    def run(self, call: Callable[[], Any]) -> Any:
        """Call something in the worker's loop."""

        async def there() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(10)

    def addon(self, name: str) -> Any:
        """The addon of that class name."""
        chain = self.worker.master.addons.chain
        return next(each for each in chain if type(each).__name__ == name)

    @contextmanager
    def replaced(self, addon: str, hook: str, call: Callable[[Any], Any]) -> Iterator[None]:
        """An addon with another hook, as long as the context lasts."""
        one = self.addon(addon)
        setattr(one, hook, call)
        self.run(self.worker.master.addons.freeze)
        try:
            yield
        finally:
            delattr(one, hook)
            self.run(self.worker.master.addons.freeze)

    def settled(self, count: int = 1) -> Any:
        """Wait for so many ends; the last of them.

        Raises:
            AssertionError: There are fewer or more of them.
        """
        self.wait_for(lambda: len(self.ledger.settled) >= count)
        assert len(self.ledger.settled) == count
        return self.ledger.settled[-1]

    def wait_for(self, found: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + CLEAN_WITHIN_S
        while not found():
            assert time.monotonic() < deadline, self.state()
            time.sleep(0.005)

    def state(self) -> str:
        """What is under way, for messages."""
        return (
            f"connections={len(self.worker.master.proxyserver.connections)} "
            f"live={self.worker.lifecycle.live} held={list(self.holds.held)} "
            f"open={list(self.ledger.open_requests)} settled={self.ledger.settled} "
            f"log={self.records.lines}"
        )

    def assert_clean(self) -> None:
        """Nothing is left under way, nothing has crashed, nothing secret was told."""
        self.wait_for(self._idle)
        assert not self.ledger.faults
        ends = [record.request_id for record in self.ledger.settled]
        assert len(ends) == len(set(ends)), ends
        crashes = [line for line in self.records.lines if any(word in line for word in CRASHES)]
        assert not crashes, "\n".join(crashes)
        shown = "\n".join(self.records.lines + self.spy.seen)
        for secret in (UPSTREAM_KEY, self.key, self.admin_key, PROXY_KEY):
            assert secret not in shown

    def _idle(self) -> bool:
        return not (
            self.worker.master.proxyserver.connections
            or self.worker.lifecycle.live
            or self.holds.held
            or self.ledger.open_requests
        )


def make_services(home: Path, ports: Mapping[str, int]) -> Services:
    """Services on fakes; arguments as those of `running_worker`."""
    holds = FakeHolds()
    settings = Settings(
        home, home / "none.json", max_body=MAX_BODY, public_url=PUBLIC_URL, proxy_api_key=PROXY_KEY
    )
    made = catalog(ports)
    ledger = FakeLedger(holds)
    return Services(settings, made, FakeGate(), holds, ledger, "worker", PEPPER, pools=FakePools())


@contextmanager
def running_worker(home: Path, ports: Mapping[str, int]) -> Iterator[RunningWorker]:
    """A worker for as long as the context lasts; one at a time, mitmproxy's `ctx` is global.

    Args:
        home: For mitmproxy's own files.
        ports: Upstreams of `catalog` by name: at least `raw`.
    """
    services = make_services(home, ports)
    gate, ledger = cast(FakeGate, services.gate), cast(FakeLedger, services.ledger)
    holds, pools = ledger.holds, cast(FakePools, services.pools)
    keys = gate.add_key(BOB), gate.add_key(ADMIN)
    listener = open_listener("127.0.0.1", 0)
    listener.setblocking(False)
    port = listener.getsockname()[1]
    started = threading.Event()
    made: list[RunningWorker] = []

    async def main() -> None:
        worker = Worker(services, listener)
        loop = asyncio.get_running_loop()
        running = RunningWorker(port, services, worker, loop, gate, holds, ledger, pools, *keys)
        worker.master.addons.add(running.spy)
        worker.master.addons.freeze()
        made.append(running)
        listening = asyncio.create_task(_listening(worker, started))
        await worker.run()
        await listening

    with _short_patience(), _kept_records() as records:
        thread = threading.Thread(target=asyncio.run, args=(main(),), name="worker")
        thread.start()
        if not started.wait(10):
            raise AssertionError(f"the worker never listened: {records.lines}")
        made[0].records = records
        try:
            yield made[0]
        finally:
            with contextlib.suppress(RuntimeError):  # it has left already
                made[0].loop.call_soon_threadsafe(made[0].worker.leave)
            thread.join(10)
            listener.close()
            gc.unfreeze()  # a worker freezes what it finds, as a process of its own should
    assert not thread.is_alive()


async def _listening(worker: Worker, started: threading.Event) -> None:
    """Tell when the worker listens."""
    while not any(server.is_running for server in worker.master.proxyserver.servers):
        await asyncio.sleep(0.005)
    started.set()


@contextmanager
def _short_patience() -> Iterator[None]:
    patience = {"head_s": HEAD_S, "body_s": BODY_S, "upload_s": UPLOAD_S, "idle_s": IDLE_S}
    bounds = patience | {"max_error": MAX_ERROR}
    policy = functools.partial(LayerPolicy, **bounds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addons.worker, "LayerPolicy", policy)
        patch.setattr(addons.worker, "MAX_RESPONSE_BYTES", MAX_RESPONSE)
        yield


@contextmanager
def _kept_records() -> Iterator[Records]:
    records = Records()
    access = logging.getLogger("addons.access_log")
    logging.getLogger().addHandler(records)
    access.setLevel(logging.INFO)
    try:
        yield records
    finally:
        logging.getLogger().removeHandler(records)
        access.setLevel(logging.NOTSET)
