import json

from shared.domain.keys import well_formed


def test_a_key_is_shown_by_create_alone(with_database):
    with_database("user", "create", "alice")
    made = json.loads(with_database("key", "create", "alice", "--label", "laptop").out)
    assert well_formed(made["key"])
    listed = with_database("key", "list", "alice", "--json")
    assert made["key"] not in listed.out
    (key,) = json.loads(listed.out)
    assert key["id"] == made["id"]
    assert key["label"] == "laptop"
    assert key["isPrimary"]
    assert key["key"] == f"{made['key'][:12]}…{made['key'][-4:]}"


def test_a_revoked_key_is_listed_on_request_only(with_database):
    with_database("user", "create", "bob")
    made = json.loads(with_database("key", "create", "bob", "--rpm", "5", "--json").out)
    assert "revoked sk-troll-" in with_database("key", "revoke", made["id"]).out
    assert json.loads(with_database("key", "list", "--json").out) == []
    (revoked,) = json.loads(with_database("key", "list", "--all", "--json").out)
    assert (revoked["isActive"], revoked["rpm"]) == (False, 5)
    again = with_database("key", "revoke", made["id"], "--json")
    assert json.loads(again.out)["isActive"] is False


def test_keys_of_all_accounts_are_listed(with_database):
    for name in ("carol", "dave"):
        with_database("user", "create", name)
        with_database("key", "create", name)
    listed = json.loads(with_database("key", "list", "--json").out)
    assert [key["username"] for key in listed] == ["carol", "dave"]


def test_what_is_not_there_is_one_line(with_database):
    for line in (["create", "nobody"], ["list", "nobody"], ["revoke", "key_none"]):
        done = with_database("key", *line)
        assert done.code == 1
        assert done.err.count("\n") == 1
    assert "trollllm key create" in with_database("key", "list").out
