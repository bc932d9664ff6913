from __future__ import annotations

import pytest

from shared.domain.upstream_secrets import LONGEST_SECRET, pool_name_fault, secret_fault


@pytest.mark.parametrize("secret", ["sk-1", "x", "a" * LONGEST_SECRET, "sk~!#$%/+=:"])
def test_keys(secret: str) -> None:
    assert secret_fault(secret) is None


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "empty"),
        ("a" * (LONGEST_SECRET + 1), "more than"),
        ("sk a", "one line"),
        ("sk\ninjected: x", "one line"),
        ("sk\r", "one line"),
        ("sk\0", "one line"),
        ("ské", "one line"),
    ],
)
def test_what_is_no_key(secret: str, why: str) -> None:
    fault = secret_fault(secret)
    assert fault is not None
    assert why in fault
    assert not secret or secret not in fault


@pytest.mark.parametrize("name", ["main", "0", "a.b-c_D", "x" * 64])
def test_names_of_pools(name: str) -> None:
    assert pool_name_fault(name) is None


@pytest.mark.parametrize("name", ["", "-a", ".a", "a b", "a/b", "é", "x" * 65, "a\n"])
def test_what_names_no_pool(name: str) -> None:
    assert pool_name_fault(name) is not None
