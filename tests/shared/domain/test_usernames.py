from __future__ import annotations

import pytest

from shared.domain.usernames import username_fault


@pytest.mark.parametrize("name", ["abc", "a-b", "a_b", "9lives", "admin", "x" * 32])
def test_accepted(name: str) -> None:
    assert username_fault(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ab",
        "x" * 33,
        "Abc",
        "_proxy",
        "-abc",
        "a b",
        "a.b",
        "a$b",
        "abc\n",
        "<b>abc",
        "äbc",
        "аbc",  # noqa: RUF001 - a Cyrillic letter that looks like a Latin one
        "null",
        "system",
    ],
)
def test_refused(name: str) -> None:
    assert username_fault(name)
