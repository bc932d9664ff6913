import io
import json

import bson
import pytest

from shared.store.sealing import Sealer
from tests.support.simulator import running_simulator

SECRET = "sk-upstream-canary-0123456789"
SECRET_KEY = "a-secret-for-tests-of-thirty-two-or-more-characters"


@pytest.fixture
def add(with_database, monkeypatch):
    """Adds a key; gives what was done."""
    monkeypatch.setenv("TROLLLM_SECRET_KEY", SECRET_KEY)

    def add_it(pool="main", *options, secret=SECRET):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{secret}\n"))
        return with_database("pool", "add", pool, *options)

    return add_it


@pytest.fixture
def added(add):
    """Adds a key; gives its row."""
    return lambda pool="main", **options: json.loads(add(pool, "--json", **options).out)


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Writes a config.json of these upstreams."""

    def write(**upstreams):
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"upstreams": upstreams}))
        monkeypatch.setenv("CONFIG_PATH", str(path))

    return write


def test_a_key_is_added_and_never_shown(add, with_database, database):
    done = add("main", "--label", "ours", "--rpm", "50", "--backup")
    assert done.code == 0
    assert done.out.startswith("added …6789 to main (uk_")
    listed = with_database("pool", "list", "--json")
    (key,) = json.loads(listed.out)
    assert (key["pool"], key["label"], key["key"]) == ("main", "ours", "…6789")
    assert (key["rpm"], key["backup"], key["standsInFor"]) == (50, True, None)
    assert (key["state"], key["healthy"], key["requests"], key["errors"]) == ("healthy", True, 0, 0)
    table = with_database("pool", "list")
    assert key["id"] in table.out
    for shown in (done.out, done.err, listed.out, table.out):
        assert SECRET not in shown
    for name in database.list_collection_names():
        for document in database[name].find():
            assert SECRET.encode() not in bson.encode(document)
    (row,) = database.audit_log.find()
    assert (row["actor"], row["action"], row["target"]) == ("cli", "upstream_key.add", key["id"])
    stored = database.upstream_keys.find_one()
    place = f"upstream_keys/{key['id']}"
    assert Sealer(SECRET_KEY).open(stored["sealed"], place) == SECRET


def test_a_pool_has_a_key_once(add, added):
    key_id = added()["id"]
    done = add()
    assert done.code == 1
    assert done.err == f"trollllm: the pool main has this key already: {key_id}\n"


@pytest.mark.parametrize(("pool", "secret"), [("main", ""), ("main", "two words"), ("a/b", SECRET)])
def test_what_cannot_be_used_is_one_line(add, with_database, pool, secret):
    done = add(pool, secret=secret)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "trollllm pool add" in with_database("pool", "list").out


def test_pools_are_listed_apart(added, with_database):
    first, second = added("a"), added("b")
    assert [key["id"] for key in json.loads(with_database("pool", "list", "--json").out)] == [
        first["id"],
        second["id"],
    ]
    assert json.loads(with_database("pool", "list", "b", "--json").out)[0]["id"] == second["id"]


def test_the_switch(added, with_database):
    key_id = added()["id"]
    assert with_database("pool", "disable", key_id).out == f"{key_id} of main is off\n"
    off = json.loads(with_database("pool", "list", "--json").out)[0]
    assert (off["state"], off["healthy"]) == ("off", False)
    assert json.loads(with_database("pool", "enable", key_id, "--json").out)["healthy"]
    assert with_database("pool", "enable", key_id).out == f"{key_id} of main is on\n"


def test_what_is_not_there_is_one_line(add, with_database):
    for action in ("enable", "disable", "test"):
        done = with_database("pool", action, "uk_none")
        assert (done.code, done.err) == (1, "trollllm: no upstream key uk_none\n")


@pytest.mark.parametrize(
    ("dialect", "header", "value"),
    [("openai", "authorization", f"Bearer {SECRET}"), ("anthropic", "x-api-key", SECRET)],
)
def test_a_key_is_tried_at_its_upstream(added, with_database, configured, dialect, header, value):
    key_id = added()["id"]
    with running_simulator(keys=[SECRET]) as simulator:
        configured(
            other={"dialect": dialect, "baseUrl": "http://127.0.0.1:1", "apiKey": "${PATH}"},
            u={"dialect": dialect, "baseUrl": simulator.base_url, "keyPool": "main"},
        )
        done = with_database("pool", "test", key_id)
        assert (done.code, done.out) == (0, "u: answers 200\n")
        found = json.loads(with_database("pool", "test", key_id, "--json").out)
        sent = dict(simulator.log()[-1]["headers"])
    assert (found["ok"], found["upstream"], found["status"]) == (True, "u", 200)
    assert sent[header] == value


def test_a_key_that_is_refused(added, with_database, configured):
    key_id = added(secret=SECRET + "x")["id"]
    with running_simulator(keys=[SECRET]) as simulator:
        configured(u={"dialect": "openai", "baseUrl": simulator.base_url, "keyPool": "main"})
        done = with_database("pool", "test", key_id)
        found = json.loads(with_database("pool", "test", key_id, "--json").out)
    assert (done.code, done.out) == (1, "u: answers 401: auth\n")
    assert (found["ok"], found["status"], found["fault"]) == (False, 401, "auth")


@pytest.mark.parametrize(
    ("upstream", "told"),
    [
        ({"keyPool": "main"}, "u: no answer (ConnectError)"),
        ({"keyPool": "main", "requireProxy": True}, "through outbound proxies only"),
        ({"keyPool": "other"}, "no upstream has the keyPool main"),
    ],
)
def test_nobody_to_ask(added, with_database, configured, upstream, told):
    key_id = added()["id"]
    configured(u={"dialect": "openai", "baseUrl": "http://127.0.0.1:1", **upstream})
    done = with_database("pool", "test", key_id)
    assert done.code == 1
    assert told in done.out + done.err


def test_a_key_that_was_sealed_with_another_secret(added, with_database, configured):
    key_id = added()["id"]
    done = with_database("pool", "test", key_id, TROLLLM_SECRET_KEY=SECRET_KEY + "x")
    assert done.code == 1
    assert "TROLLLM_SECRET_KEY" in done.err
