from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Usage
from shared.wire.token_counts import (
    MAX_COUNT,
    count_in,
    count_of,
    estimated_tokens,
    estimated_usage,
    object_of,
    plain_string_length,
    utf8_length,
)


@pytest.mark.parametrize("value", [0, 1, MAX_COUNT])
def test_counts(value: int) -> None:
    assert count_of(value) == value


@pytest.mark.parametrize("value", [None, True, -1, 1.0, "1", [], MAX_COUNT + 1, float("nan")])
def test_what_is_no_count(value: object) -> None:
    assert count_of(value) is None


def test_counts_are_found_by_path() -> None:
    assert count_in({"a": {"b": 3}}, "a", "b") == 3
    assert count_in({"a": None}, "a", "b") is None
    assert count_in([], "a") is None


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (3, 1), (4, 2)])
def test_estimates_round_up(size: int, tokens: int) -> None:
    assert estimated_tokens(size) == tokens


@given(st.text())
def test_length_in_utf8(text: str) -> None:
    assert utf8_length(text) == len(text.encode())


def test_only_text_has_a_length() -> None:
    assert utf8_length(None) == utf8_length(5) == utf8_length(b"abc") == 0


def test_only_objects_are_objects() -> None:
    assert object_of(b'{"a": 1}') == {"a": 1}
    assert object_of(b"[]") is object_of(b"{") is object_of(b"") is None


def test_reported_output_may_exceed_the_cap() -> None:
    reported = Usage(input=5, output=50)
    assert estimated_usage(reported, 9, 300, output_cap=10) == Usage(5, 50, estimated=True)


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b'{"d":{"t":"abc"}}', 3),
        (b'{"d":{"t":""}}', 0),
        ('{"d":{"t":"đồng"}}'.encode(), 7),
        (b'{"d":{"t":"a}b"}   }', 3),
        (b'{"d":{"t":"a\\"}b"}}', None),
        (b'{"d":{"t":"a\\\\"}}', None),
        (b'{"d":{"t":"a\\n"}}', None),
        (b'{"d":{"t":"abc","u":"d"}}', None),
        (b'{"d":{"t":"abc","u":1}}', None),
        (b'{"d":{"t":"abc', None),
        (b'{"d": {"t": "abc"}}', None),
    ],
)
def test_plain_strings_are_measured_without_parsing(data: bytes, length: int | None) -> None:
    assert plain_string_length(data, b'"d":{"t":"') == length
