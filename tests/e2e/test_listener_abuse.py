"""Bad input at the listener of a whole gateway: its answer, and that it leaves no trace."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from shared.domain.catalog import Dialect
from shared.domain.keys import FRIEND_PREFIX, Purpose, derive_secret, generate_key
from shared.store.embedded import EmbeddedMongod
from shared.store.keys import KeyStore
from shared.store.schema import ensure_schema
from shared.store.users import UserStore
from tests.support import abuse_rows as rows
from tests.support.abuse_rows import CASES, CHAT, MESSAGES, ROWS, Keys, Row, encoded, http
from tests.support.gateway import (
    SECRET,
    UPSTREAM_KEY,
    RunningGateway,
    add_account,
    config_for,
    model,
    running_gateway,
    settled,
)
from tests.support.gateway_errors import check_error
from tests.support.raw_client import Answer, RawClient
from tests.support.simulator import SimulatorClient

pytestmark = pytest.mark.e2e

CREDITS_NANO = 10**12
HEAD_S = 10.0
TIMES = 2


@dataclass
class House:
    """Everything that runs for these tests.

    Attributes:
        dialled: Connections that the simulator had seen before the test.
    """

    simulator: SimulatorClient
    gateway: RunningGateway
    database: Database[dict[str, Any]]
    keys: Keys
    dialled: int = 0

    def ask(self, row: Row, path: str) -> Answer:
        """Send a case on a connection of its own and check all that its answer must be."""
        data = row.make(self.keys, path)
        with RawClient(self.gateway.port) as client:
            answer = client.ask(data, row.method)
            check_error(answer, row.status, dialect_of(data), bodyless=row.method == "HEAD")
            assert answer.headers.get("allow", "") == row.allow
            assert "connection" not in answer.headers or row.closes
            if row.closes:
                assert client.is_closed()
            else:
                assert client.ask(http("GET", "/health", data=None)).status == 200
        return answer

    def assert_untouched(self) -> None:
        """Nothing went upstream, nothing was dialled, nothing was booked, nothing is held."""
        assert self.simulator.log() == []
        assert self.simulator.connections()["opened"] == self.dialled
        assert set(self.database.ledger.distinct("kind")) == {"topup"}
        assert self.database.users.count_documents({"holds": {"$ne": {}}}) == 0

    def kept(self) -> Iterator[tuple[str, bytes]]:
        """All files of the gateway and all documents of the database."""
        for file in self.gateway.home.rglob("*"):
            if file.is_file():
                yield str(file), file.read_bytes()
        for name in self.database.list_collection_names():
            for document in self.database[name].find():
                yield name, bson.encode(document)


def dialect_of(data: bytes) -> Dialect:
    """The dialect of the path in a request line; OpenAI's where there is none."""
    target = data.partition(b" ")[2].partition(b" ")[0]
    return Dialect.ANTHROPIC if target.startswith(MESSAGES.encode()) else Dialect.OPENAI


def make_keys(database: Database[dict[str, Any]]) -> Keys:
    """Accounts in every state that a key may meet."""
    good = add_account(database, "canary", CREDITS_NANO, rpm=100_000)
    stopped = add_account(database, "stopped", CREDITS_NANO)
    UserStore(database).change(stopped.id, is_active=False)
    store = KeyStore(database, derive_secret(SECRET, Purpose.KEY_PEPPER))
    revoked = store.create(good.id, label="old")
    store.revoke(revoked.key.id)
    friend = generate_key(prefix=FRIEND_PREFIX)
    return Keys(good.key, revoked.secret, stopped.key, generate_key(), friend)


@pytest.fixture(scope="module")
def database(mongod: EmbeddedMongod) -> Iterator[Database[dict[str, Any]]]:
    """One database for the module."""
    with MongoClient[dict[str, Any]](mongod.uri(), tz_aware=True) as client:
        made = client["test_listener_abuse"]
        ensure_schema(made)
        yield made
        client.drop_database(made.name)


@pytest.fixture(scope="module")
def running(
    mongod: EmbeddedMongod,
    database: Database[dict[str, Any]],
    simulator: SimulatorClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    """A gateway of two workers with a model of each dialect's upstream."""
    keys = make_keys(database)
    config = config_for(simulator.base_url, [model("openai", rows.MODEL, "sim-echo")])
    env = {"UPSTREAM_KEY": UPSTREAM_KEY, "TROLLLM_MAX_BODY": str(rows.MAX_BODY), "DEBUG": "true"}
    home = tmp_path_factory.mktemp("gateway")
    with running_gateway(home, mongod.uri(database.name), config, env=env) as gateway:
        yield House(simulator, gateway, database, keys)


@pytest.fixture
def house(running: House) -> Iterator[House]:
    """The same without a past."""
    running.dialled = running.simulator.connections()["opened"]
    yield running
    settled(running.database)
    running.database.ledger.delete_many({"kind": {"$ne": "topup"}})
    running.simulator.reset()


@pytest.mark.parametrize(("name", "path"), CASES, ids=str)
def test_bad_input_gets_its_answer_and_leaves_no_trace(house: House, name: str, path: str) -> None:
    for _ in range(TIMES):
        house.ask(ROWS[name], path)
    house.assert_untouched()


def test_no_secret_is_shown_whatever_is_sent(house: House) -> None:
    secrets = [*house.keys.all, UPSTREAM_KEY]
    found = []
    for name, path in CASES:
        answer = house.ask(ROWS[name], path)
        shown = f"{answer.headers} ".encode() + answer.body
        found += [name for secret in secrets if secret.encode() in shown]
    for place, content in house.kept():
        found += [place for secret in secrets if secret.encode() in content]
    assert found == []
    house.assert_untouched()


def test_a_key_with_a_wrong_checksum_is_not_looked_up(house: House) -> None:
    database = house.database
    database.command("profile", 2)
    try:
        house.ask(ROWS["wrong checksum"], CHAT)
        assert looked_up(database) == 0
        house.ask(ROWS["never given out"], CHAT)
        assert looked_up(database) == 1
    finally:
        database.command("profile", 0)


def looked_up(database: Database[dict[str, Any]]) -> int:
    """Reads and writes of keys since profiling began."""
    return database["system.profile"].count_documents({"ns": f"{database.name}.user_keys"})


FINE = {
    "bearer in lower case": ("authorization: bearer {good}",),
    "padding around the key": ("Authorization:  \t Bearer   {good}  \t",),
    "padding around an api key": ("X-Api-Key:   {good}  ",),
    "both, equal": ("authorization: Bearer {good}", "x-api-key: {good}"),
    "addresses of others": (
        "x-api-key: {good}",
        "x-forwarded-for: 10.1.2.3",
        "forwarded: for=10.1.2.3",
        "x-real-ip: 10.1.2.3",
    ),
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("name", FINE)
def test_fine_credentials_are_served(house: House, name: str, path: str) -> None:
    with RawClient(house.gateway.port) as client:
        assert client.ask(rows.presenting(*FINE[name])(house.keys, path)).status == 200
    (entry,) = house.simulator.log()
    sent = json.dumps(entry)
    assert "10.1.2.3" not in sent
    assert house.keys.good not in sent


@pytest.mark.parametrize("host", ["evil.test", "mitm.it", "mitm.it:8080", "127.0.0.1:1"])
def test_a_foreign_host_is_as_any_other(house: House, host: str) -> None:
    data = http("POST", CHAT, f"x-api-key: {house.keys.good}", data=encoded(CHAT))
    with RawClient(house.gateway.port) as client:
        assert client.ask(data.replace(b"gateway.test", host.encode())).status == 200
        health = client.ask(http("GET", "/", data=None).replace(b"gateway.test", host.encode()))
    assert health.status == 405
    (entry,) = house.simulator.log()
    assert dict(entry["headers"])["host"] == f"127.0.0.1:{house.simulator.port}"


def test_expect_100_continue_works(house: House) -> None:
    body = encoded(CHAT)
    head = http("POST", CHAT, f"x-api-key: {house.keys.good}", "expect: 100-continue", data=None)
    with RawClient(house.gateway.port) as client:
        client.send(head[:-2] + b"content-length: %d\r\n\r\n" % len(body))
        assert client.read_head_and_body().status == 100
        assert client.ask(body).status == 200


def test_a_pipelined_request_without_a_key_has_its_own_401(house: House) -> None:
    served = http("POST", CHAT, f"x-api-key: {house.keys.good}", data=encoded(CHAT))
    with RawClient(house.gateway.port) as client:
        client.send(served + http("POST", CHAT, data=encoded(CHAT)) + served)
        assert [client.read().status for _ in range(3)] == [200, 401, 200]
    assert len(house.simulator.log()) == 2


@pytest.mark.timeout(60)
def test_a_slow_head_is_closed(house: House) -> None:
    stop = threading.Event()
    with RawClient(house.gateway.port) as client:

        def drip() -> None:
            client.send(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ")
            while not stop.wait(0.5):
                client.send(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert client.is_closed(within_s=3 * HEAD_S)
        finally:
            stop.set()
            dripping.join()
    house.assert_untouched()


@pytest.mark.parametrize("scheme", ["http", "file", "https"])
def test_pictures_are_never_fetched(house: House, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.3)
        place = f"{scheme}://127.0.0.1:{inside.getsockname()[1]}/latest/meta-data"
        ask = rows.part(type="image_url", image_url={"url": place})
        with RawClient(house.gateway.port) as client:
            assert client.ask(ask(house.keys, CHAT)).status in (200, 400)
        with pytest.raises(TimeoutError):
            inside.accept()


@pytest.mark.parametrize(
    "changed",
    [
        {"stream": True, "stream_options": {"include_usage": False}},
        {"stream": True, "stream_options": {}},
        {"stream": False, "metadata": {"cost": "0", "tokens": "0"}},
    ],
)
def test_nothing_in_a_body_switches_metering_off(house: House, changed: dict[str, Any]) -> None:
    with RawClient(house.gateway.port) as client:
        assert client.ask(rows.fields(**changed)(house.keys, CHAT)).status == 200
    settled(house.database)
    (row,) = house.database.ledger.find({"kind": "charge"})
    assert row["amountNano"] < 0
    assert not row["usage"]["estimated"]


def test_the_last_of_duplicate_keys_is_checked_priced_and_sent(house: House) -> None:
    def twice(first: bytes, last: bytes) -> bytes:
        said = b'"messages": [{"role": "user", "content": "one"}]'
        data = b"{" + said + b', "model": "echo", ' + first + b", " + last + b"}"
        return rows.sent(data)(house.keys, CHAT)

    with RawClient(house.gateway.port) as client:
        assert client.ask(twice(b'"max_tokens": -1', b'"max_tokens": 7')).status == 200
        assert client.ask(twice(b'"max_tokens": 7', b'"max_tokens": -1')).status == 400
        assert client.ask(twice(b'"n": 1', b'"model": "nowhere"')).status == 404
    (entry,) = house.simulator.log()
    assert entry["json"]["max_tokens"] == 7
