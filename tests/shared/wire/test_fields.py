from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.fields import (
    NUMBER,
    boolean,
    check_types,
    dictionary,
    forbid,
    integer,
    model_name,
    objects,
    one_of,
    strings,
)

Check = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("check", "value", "result"),
    [
        (lambda f: boolean(f, "x"), True, True),
        (lambda f: boolean(f, "x"), None, False),
        (lambda f: integer(f, "x", 1, 9), 9, 9),
        (lambda f: integer(f, "x", 1, 9), None, None),
        (lambda f: dictionary(f, "x"), {"a": 1}, {"a": 1}),
        (lambda f: dictionary(f, "x"), None, None),
        (lambda f: objects(f, "x"), [{}], [{}]),
        (lambda f: objects(f, "x"), None, []),
        (lambda f: check_types(f, {"x": NUMBER}), 1.5, None),
        (lambda f: check_types(f, {"x": (bool,)}), False, None),
        (lambda f: strings(f, "x"), ["a"], None),
        (lambda f: strings(f, "x"), "a", None),
        (lambda f: forbid(f, frozenset({"x"}), "no"), False, None),
        (lambda f: forbid(f, frozenset({"x"}), "no"), None, None),
        (lambda f: one_of(f, "x", ("a", "b"), "no"), "b", None),
    ],
)
def test_good_values(check: Check, value: Any, result: Any) -> None:
    assert check({"x": value}) == result


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (lambda f: boolean(f, "x"), 1),
        (lambda f: boolean(f, "x"), "true"),
        (lambda f: integer(f, "x", 1, 9), True),
        (lambda f: integer(f, "x", 1, 9), 1.0),
        (lambda f: integer(f, "x", 1, 9), "1"),
        (lambda f: integer(f, "x", 1, 9), 0),
        (lambda f: integer(f, "x", 1, 9), 10),
        (lambda f: dictionary(f, "x"), []),
        (lambda f: objects(f, "x"), {}),
        (lambda f: check_types(f, {"x": NUMBER}), "1"),
        (lambda f: check_types(f, {"x": NUMBER}), True),
        (lambda f: check_types(f, {"x": (str, list)}), 1),
        (lambda f: strings(f, "x"), ["a", 1]),
        (lambda f: forbid(f, frozenset({"x"}), "no"), "id"),
        (lambda f: forbid(f, frozenset({"x"}), "no"), {}),
        (lambda f: forbid(f, frozenset({"x"}), "no"), 0),
        (lambda f: one_of(f, "x", ("a", "b"), "no"), "c"),
        (lambda f: one_of(f, "x", ("a", "b"), "no"), ["a"]),
    ],
)
def test_bad_values_name_the_parameter(check: Check, value: Any) -> None:
    with pytest.raises(GatewayError) as caught:
        check({"x": value})
    assert caught.value.status == 400
    assert caught.value.param == "x"
    assert caught.value.message.startswith("x: ")


def test_a_member_that_is_no_object_is_named() -> None:
    with pytest.raises(GatewayError) as caught:
        objects({"x": [{}, "a"]}, "x")
    assert caught.value.param == "x[1]"


@pytest.mark.parametrize("name", ["m", "claude-sonnet-4", "https://evil/", "../x", "$gt", "a\r\nb"])
def test_any_text_is_a_model_name(name: str) -> None:
    assert model_name({"model": name}) == name


@pytest.mark.parametrize("name", [None, "", 5, True, {"$gt": ""}, ["m"], "a\x00b", "m" * 257])
def test_what_names_no_model(name: Any) -> None:
    with pytest.raises(GatewayError) as caught:
        model_name({"model": name})
    assert caught.value.param == "model"
