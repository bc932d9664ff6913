from __future__ import annotations

from typing import Any

import pytest

from shared.domain.catalog import Dialect, Model
from shared.errors import GatewayError
from shared.wire.model_list import MAX_PAGE, model_list, model_object

OPENAI, ANTHROPIC = Dialect.OPENAI, Dialect.ANTHROPIC


def model(model_id: str) -> Model:
    return Model(model_id, OPENAI, "up", "theirs", None, 4096, 128_000)


NAMES = ["a", "b/c", "d", "e", "f"]
MODELS = [model(name) for name in NAMES]


def ids(paging: dict[str, str], dialect: Dialect = ANTHROPIC) -> tuple[str, bool]:
    """The names of a page, joined, and whether there are more."""
    page: Any = model_list(MODELS, dialect, paging)
    names = [each["id"] for each in page["data"]]
    assert page["first_id"] == (names[0] if names else None)
    assert page["last_id"] == (names[-1] if names else None)
    return " ".join(names), page["has_more"]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    ("paging", "expected"),
    [
        ({}, ("a b/c d e f", False)),
        ({"limit": "1000"}, ("a b/c d e f", False)),
        ({"limit": "5"}, ("a b/c d e f", False)),
        ({"limit": "2"}, ("a b/c", True)),
        ({"limit": "2", "after_id": "b/c"}, ("d e", True)),
        ({"limit": "2", "after_id": "d"}, ("e f", False)),
        ({"after_id": "f"}, ("", False)),
        ({"limit": "2", "before_id": "e"}, ("b/c d", True)),
        ({"limit": "2", "before_id": "d"}, ("a b/c", False)),
        ({"before_id": "a"}, ("", False)),
    ],
)
def test_pages(dialect: Dialect, paging: dict[str, str], expected: tuple[str, bool]) -> None:
    assert ids(paging, dialect) == expected


@pytest.mark.parametrize(
    ("paging", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": str(MAX_PAGE + 1)}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"limit": "\u0663"}, "limit"),
        ({"after_id": "z"}, "after_id"),
        ({"before_id": ""}, "before_id"),
        ({"before_id": "a", "after_id": "a"}, "before_id"),
    ],
)
def test_pages_that_make_no_sense(paging: dict[str, str], param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        model_list(MODELS, ANTHROPIC, paging)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_a_list_of_nothing() -> None:
    empty: dict[str, Any] = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert model_list([], ANTHROPIC, {}) == empty
    assert model_list([], OPENAI, {}) == {"object": "list", **empty}


def test_a_model_in_either_form() -> None:
    one = model_object(model("b/c"), OPENAI)
    assert (one["id"], one["object"], one["owned_by"]) == ("b/c", "model", "trollllm")
    assert isinstance(one["created"], int)
    other = model_object(model("b/c"), ANTHROPIC)
    assert (other["id"], other["type"], other["display_name"]) == ("b/c", "model", "b/c")
    assert (other["max_tokens"], other["max_input_tokens"]) == (4096, 128_000)
