import io
import json

import pytest

from shared.domain.passwords import verify_password


@pytest.fixture
def type_in(monkeypatch):
    """Puts text on standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_create_list_and_set(with_database):
    made = with_database("user", "create", "alice", "--credits", "5", "--tier", "pro", "--json")
    assert made.code == 0
    alice = json.loads(made.out)
    assert alice["username"] == "alice"
    assert alice["credits"] == "5.000000000"
    assert (alice["role"], alice["tier"], alice["isActive"]) == ("user", "pro", True)
    changed = with_database("user", "set", "alice", "--rpm", "7", "--inactive", "--json")
    (alice,) = json.loads(changed.out)
    assert (alice["rpm"], alice["isActive"], alice["tier"]) == (7, False, "pro")
    with_database("user", "set", "ALICE", "--rpm", "none", "--active", "--role", "admin")
    (listed,) = json.loads(with_database("user", "list", "--json").out)
    assert (listed["rpm"], listed["isActive"], listed["role"]) == (None, True, "admin")
    assert "alice" in with_database("user", "list").out


def test_a_password_comes_from_standard_input_alone(with_database, database, type_in):
    type_in("correct horse battery\nnot this line\n")
    assert with_database("user", "create", "bob", "--password-stdin").code == 0
    stored = database.users.find_one({"username": "bob"})
    assert verify_password("correct horse battery", stored["passwordHash"])
    type_in("another horse battery\n")
    assert with_database("user", "set", "bob", "--password-stdin").code == 0
    stored = database.users.find_one({"username": "bob"})
    assert verify_password("another horse battery", stored["passwordHash"])


def test_without_a_password_nobody_can_log_in(with_database, database):
    with_database("user", "create", "carol")
    assert database.users.find_one({"username": "carol"})["passwordHash"] is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["create", "dave", "--password-stdin"], "at least 10 characters"),
        (["create", "No Name"], "3 to 32 characters"),
        (["set", "nobody", "--tier", "pro"], "no user nobody"),
    ],
)
def test_what_cannot_be_done_is_one_line(with_database, type_in, line, message):
    type_in("short\n")
    done = with_database("user", *line)
    assert done.code == 1
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_taken_name_is_told(with_database):
    with_database("user", "create", "erin")
    done = with_database("user", "create", "erin")
    assert done.code == 1
    assert "the user name erin is taken" in done.err


def test_topup_is_a_row_with_a_reason(with_database, database):
    with_database("user", "create", "frank")
    done = with_database("topup", "frank", "2.50", "--reason", "cash", "--json")
    assert json.loads(done.out)["credits"] == "2.500000000"
    row = database.ledger.find_one({"username": "frank"})
    assert (row["kind"], row["amountNano"], row["reason"]) == ("topup", 2_500_000_000, "cash")
    assert (
        "frank has 2.500000001 USD"
        in with_database("topup", "frank", "0.000000001", "--reason", "x").out
    )


@pytest.mark.parametrize("usd", ["nan", "1e3", "0.0000000001", "-1", "infinity", "\u0661"])
def test_no_amount_is_wrong_usage(with_database, usd):
    assert with_database("topup", "frank", "--reason", "x", "--", usd).code == 2


def test_a_topup_needs_a_reason_and_more_than_nothing(with_database):
    with_database("user", "create", "gina")
    assert with_database("topup", "gina", "1").code == 2
    assert with_database("topup", "gina", "0", "--reason", "x").code == 1
    assert with_database("topup", "gina", "1", "--reason", " ").code == 1


@pytest.mark.parametrize("rpm", ["0", "-1", "many", "1.5", "1000001"])
def test_no_rpm_is_wrong_usage(with_database, rpm):
    assert with_database("user", "set", "gina", f"--rpm={rpm}").code == 2


def test_an_empty_list_says_what_to_do(with_database):
    assert "trollllm user create" in with_database("user", "list").out
