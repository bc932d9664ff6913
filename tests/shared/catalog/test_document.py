from __future__ import annotations

from decimal import Decimal

import pytest

from shared.catalog.document import read_document
from shared.catalog.section import Faults


def test_numbers_are_exact() -> None:
    faults = Faults({})
    document = read_document('{"a": 0.1, "b": 1e-3, "c": 5}', faults)
    assert document == {"a": Decimal("0.1"), "b": Decimal("0.001"), "c": 5}
    assert isinstance(document["a"], Decimal)
    assert faults.found == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        '{"a": NaN}',
        '{"a": -Infinity}',
        "[" * 100_000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_cannot_be_read_is_one_fault(text: str) -> None:
    faults = Faults({})
    assert read_document(text, faults) == {}
    assert len(faults.found) == 1


def test_a_key_that_stands_twice_is_a_fault() -> None:
    faults = Faults({})
    read_document('{"a": {"b": 1, "b": 2}}', faults)
    assert [fault.path for fault in faults.found] == ["b"]
