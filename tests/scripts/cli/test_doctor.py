import json


def findings(done):
    return {finding["subject"]: finding for finding in json.loads(done.out)}


def test_a_healthy_place(with_database):
    with_database("user", "list")
    done = with_database("doctor", "--json")
    found = findings(done)
    assert done.code == 0, done.out
    assert {"versions", "open files", "settings", "home", "disk", "config.json"} <= set(found)
    assert {"database", "indexes", "clock", "gateway", "portal"} <= set(found)
    assert "MongoDB 6.0.5" in found["database"]["detail"]


def test_missing_indexes_are_named(with_database, database):
    with_database("user", "list")
    database.users.drop_indexes()
    done = with_database("doctor", "--json")
    assert done.code == 1
    assert "missing: users." in findings(done)["indexes"]["detail"]


def test_bad_settings_are_findings(command):
    done = command("doctor", PORT="x")
    assert done.code == 1
    assert "BAD  settings: PORT must be" in done.out


def test_an_unreachable_database_is_a_finding(command):
    done = command("doctor", "--json", MONGODB_URI="mongodb://127.0.0.1:9/x?timeoutMS=500")
    assert done.code == 1
    assert "no usable MongoDB server" in findings(done)["database"]["detail"]


def test_no_database_yet_is_fine(command):
    done = command("doctor", "--json")
    assert "trollllm up" in findings(done)["database"]["detail"]
    assert done.code == 0


def test_people_see_what_to_do(command, clean_environment):
    (clean_environment / "config.json").write_text("{")
    done = command("doctor")
    assert done.code == 1
    assert "BAD  config.json" in done.out
    assert "     trollllm check-config" in done.out
