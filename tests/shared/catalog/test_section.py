from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from shared.catalog.section import Faults, Section

Get = Callable[[Section], object]


def section(**fields: Any) -> Section:
    return Section(fields, "top", Faults({"NAME": "value"}))


@pytest.mark.parametrize(
    ("get", "value", "result"),
    [
        (lambda s: s.text("x"), "a", "a"),
        (lambda s: s.text("x"), "a${NAME}b", "avalueb"),
        (lambda s: s.text("x", "d"), None, "d"),
        (lambda s: s.choice("x", ("a", "b"), None), "b", "b"),
        (lambda s: s.boolean("x", default=False), True, True),
        (lambda s: s.integer("x", None, 1, 5), 5, 5),
        (lambda s: s.integer("x", 3, 1, 5), None, 3),
        (lambda s: s.number("x"), 5, Decimal(5)),
        (lambda s: s.number("x"), Decimal("0.1"), Decimal("0.1")),
        (lambda s: s.number("x"), None, None),
        (lambda s: s.section("x").fields, {"a": 1}, {"a": 1}),
        (lambda s: s.section("x").fields, None, {}),
        (lambda s: [e.fields for e in s.sections("x")], [{"a": 1}], [{"a": 1}]),
        (lambda s: list(s.sections("x")), None, []),
        (lambda s: s.texts("x"), ["a", "b"], ("a", "b")),
        (lambda s: s.texts("x"), None, ()),
    ],
)
def test_good_values(get: Get, value: Any, result: object) -> None:
    one = section(x=value)
    assert get(one) == result
    assert one.faults.found == []


@pytest.mark.parametrize(
    ("get", "value"),
    [
        (lambda s: s.text("x"), ""),
        (lambda s: s.text("x"), 5),
        (lambda s: s.text("x", required=True), None),
        (lambda s: s.text("x"), "${MISSING}"),
        (lambda s: s.choice("x", ("a",), None), "b"),
        (lambda s: s.boolean("x", default=False), None),
        (lambda s: s.boolean("x", default=False), 1),
        (lambda s: s.integer("x", None, 1, 5), 6),
        (lambda s: s.integer("x", None, 1, 5), True),
        (lambda s: s.integer("x", None, 1, 5), Decimal(3)),
        (lambda s: s.number("x"), -1),
        (lambda s: s.number("x"), Decimal("-0.1")),
        (lambda s: s.number("x"), True),
        (lambda s: s.number("x"), "1"),
        (lambda s: s.number("x", required=True), None),
        (lambda s: s.section("x"), []),
        (lambda s: list(s.sections("x")), {}),
        (lambda s: s.texts("x"), "a"),
        (lambda s: s.texts("x"), ["a", ""]),
    ],
)
def test_bad_values_are_faults_with_their_path(get: Get, value: Any) -> None:
    one = section(x=value)
    get(one)
    assert [fault.path for fault in one.faults.found] == ["top.x"]


def test_members_that_are_no_objects() -> None:
    one = section(x=[{}, 5])
    assert len(list(one.sections("x"))) == 1
    assert [fault.path for fault in one.faults.found] == ["top.x[1]"]


def test_unknown_keys_get_a_suggestion() -> None:
    one = section(baseUrI=1, zzz=2, port=3)
    one.known("baseUrl", "port")
    assert [(f.path, f.message) for f in one.faults.found] == [
        ("top.baseUrI", "unknown key; did you mean `baseUrl`?"),
        ("top.zzz", "unknown key; known: baseUrl, port"),
    ]
