from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GatewayError
from shared.wire.json_body import MAX_DEPTH, MAX_VALUES, read_object


def nested(depth: int) -> bytes:
    """An object that nests so deep, itself included."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


ACCEPTED: dict[str, tuple[bytes, Any]] = {
    "plain": (b'{"a": [1, -2.5, true, null, "x"]}', {"a": [1, -2.5, True, None, "x"]}),
    "blanks around": (b' {"a": 1} \n', {"a": 1}),
    "the last of equal keys": (b'{"a": 1, "a": 2}', {"a": 2}),
    "64 bits": (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
    "64 bits below zero": (b'{"a": -9223372036854775808}', {"a": -(2**63)}),
    "a fine fraction": (b'{"a": 0.1000000000000000055511151231}', {"a": 0.1}),
    "a large double": (b'{"a": 123456789012345678901e3}', {"a": 1.23456789012345678901e23}),
    "digits in a string": (b'{"a": "99999999999999999999999999"}', {"a": "9" * 26}),
    "digits after an escape": (rb'{"a": "\"99999999999999999999"}', {"a": '"' + "9" * 20}),
    "digits after two": (rb'{"a\\": "99999999999999999999"}', {"a\\": "9" * 20}),
    "brackets in a string": (b'{"a": "' + b"[" * 500 + b'"}', {"a": "[" * 500}),
    "escaped brackets": (rb'{"a": "\\\"' + b"[" * 99 + b'"}', {"a": '\\"' + "[" * 99}),
    "a pair of surrogates": (rb'{"a": "\ud83d\ude00"}', {"a": "😀"}),
    "NUL": (rb'{"a": "\u0000"}', {"a": "\x00"}),
    "many commas in text": (
        b'{"a": "' + b"," * (MAX_VALUES + 9) + b'"}',
        {"a": "," * (MAX_VALUES + 9)},
    ),
    "wide": (b'{"a": [' + b"{}," * 99 + b"{}]}", {"a": [{}] * 100}),
}
REFUSED: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"hello",
    "cut": b'{"a": 1',
    "more after it": b'{"a": 1} {}',
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": 1e400}',
    "5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "300 digits": b'{"a": ' + b"9" * 300 + b"}",
    "2**63": b'{"a": 9223372036854775808}',
    "2**64": b'{"a": 18446744073709551616}',
    "below 64 bits": b'{"a": -9223372036854775809}',
    "beside a string": rb'{"\"a\\": [1, 9223372036854775808, "x"]}',
    "a lone surrogate": rb'{"a": "\ud800"}',
    "invalid UTF-8": b'{"a": "\xff"}',
    "a cut character": b'{"a": "\xe4\xbd"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a raw control character": b'{"a": "\x01"}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1 /* x */}',
    "a trailing comma": b'{"a": 1,}',
    "too many objects": b'{"a": [' + b'{"a":1},' * MAX_VALUES + b"1]}",
    "too many numbers": b'{"a": [' + b"1," * MAX_VALUES + b"1]}",
    "brackets that do not close": b"[" * 100_000,
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    body, expected = ACCEPTED[case]
    assert read_object(body) == expected


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    with pytest.raises(GatewayError) as caught:
        read_object(REFUSED[case])
    assert caught.value.status == 400
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(
    "wrap", [nested, lambda n: b'{"a":' + b"[" * (n - 1) + b"]" * (n - 1) + b"}"]
)
def test_nesting_has_a_limit(wrap: Any) -> None:
    assert read_object(wrap(MAX_DEPTH))
    with pytest.raises(GatewayError, match="nested deeper"):
        read_object(wrap(MAX_DEPTH + 1))


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


texts = st.text(alphabet='ab"\\[]{},:1\n\u00e9', max_size=12)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


@given(st.dictionaries(texts, values, max_size=4), st.integers(0, 80), st.booleans())
def test_shape_is_judged_like_a_parser_would(fields: Any, levels: int, ascii_only: bool) -> None:
    for _ in range(levels):
        fields = {'k"\\[': [fields]} if levels % 2 else {"k": fields}
    body = json.dumps(fields, ensure_ascii=ascii_only).encode()
    if depth_of(fields) > MAX_DEPTH:
        with pytest.raises(GatewayError):
            read_object(body)
    else:
        assert read_object(body) == fields
