from __future__ import annotations

import pytest

from shared.domain.passwords import hash_password, password_fault, verify_password

COST = 4


@pytest.mark.parametrize(
    "password",
    ["correct horse", "Tr0ub4dor&3x", "p" * 9 + "q" + "r", "пароль-в-кармане", "a-b-c-d-e-"],
)
def test_accepted(password: str) -> None:
    assert password_fault(password, "somebody") is None


@pytest.mark.parametrize(
    ("password", "because"),
    [
        ("", "at least 10"),
        ("short one", "at least 10"),
        ("x" * 1025, "at most 1024"),
        ("Longusername", "user name"),
        ("password123", "most common"),
        ("PASSWORD1!", "most common"),
        ("1234567890", "most common"),
        ("qwertyuiop", "most common"),
        ("iloveyou2024", "most common"),
        ("aaaaaaaaaaaa", "most common"),
        ("ababababab", "most common"),
    ],
)
def test_refused(password: str, because: str) -> None:
    fault = password_fault(password, "longusername")
    assert fault is not None
    assert because in fault


def test_hash_and_verify() -> None:
    hashed = hash_password("correct horse", cost=COST)
    assert hashed.startswith("$2b$04$")
    assert "correct" not in hashed
    assert verify_password("correct horse", hashed)
    assert not verify_password("correct horsf", hashed)
    assert hash_password("correct horse", cost=COST) != hashed


@pytest.mark.parametrize("tail", ["", "\0tail", "é" * 10])
def test_every_byte_counts(tail: str) -> None:
    password = "p" * 72 + tail
    hashed = hash_password(password, cost=COST)
    assert verify_password(password, hashed)
    assert not verify_password(password + "x", hashed)
    assert not verify_password("p" * 71, hashed)


def test_no_account_has_no_password() -> None:
    assert not verify_password("correct horse", None, cost=COST)
    assert not verify_password("", None, cost=COST)


def test_a_lone_surrogate_is_a_password_like_any() -> None:
    assert verify_password("\ud800" * 12, hash_password("\ud800" * 12, cost=COST))
