"""What the direct connections take for granted about pymongo.

When one fails after an upgrade, `shared/store/direct.py` and `direct_connection.py` must be read
again beside it. That the whole still works is tested in test_direct.py and
test_find_and_modify.py.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest

from tests.support.pins import difference, pin
from tests.support.pymongo_pins import PINS


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("pymongo") == PINS.version


@pytest.mark.parametrize(("name", "function"), list(PINS.all()))
def test_what_is_leaned_on_is_unchanged(name: str, function: Any) -> None:
    old, new = PINS.stored().get(name), pin(function)
    assert old is not None, f"{name} is not pinned yet: run python -m tests.support.pymongo_pins"
    found = difference(name, old, new)
    assert not found, f"{found}\n\nIt reads now:\n{inspect.getsource(function)}"


def test_nothing_is_pinned_that_is_gone() -> None:
    assert PINS.stored().keys() == dict(PINS.all()).keys()
