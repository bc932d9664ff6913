"""Strict and fast reading of a client's JSON body.

What is checked is what is priced and sent: the body goes upstream re-serialised from what was
parsed here. Duplicate keys: the last one counts, here and therefore everywhere.

A body is measured on its bytes before it is parsed, since a body of millions of small values
takes seconds to parse and stalls every stream of the worker meanwhile.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from shared.wire.errors import invalid_request

MAX_DEPTH = 64
MAX_VALUES = 250_000

_BRACKETS_AND_QUOTES = bytes(i for i in range(256) if i not in b'"{}[],')
_DIGITS_TO_ZERO = bytes(0x30 if 0x30 <= i <= 0x39 else i for i in range(256))
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CURLY_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_LONG = b"0" * 19


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        GatewayError: 400, for anything that is no JSON object in UTF-8: NaN, infinities,
            numbers beyond a double, integers beyond 64 bits, lone surrogates, nesting over 64,
            more than 250,000 values.
    """
    _check_shape(body)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid_request(f"The body is not valid JSON: {error}") from None
    _check_integers(body)
    if not isinstance(parsed, dict):
        raise invalid_request("The body must be a JSON object.")
    return parsed


def _check_shape(body: bytes) -> None:
    openings = body.count(b"[") + body.count(b"{")
    if openings <= MAX_DEPTH and openings + body.count(b",") <= MAX_VALUES:
        return
    skeleton = _skeleton(body)
    openings = skeleton.count(b"[") + skeleton.count(b"{")
    if openings + skeleton.count(b",") > MAX_VALUES:
        raise invalid_request(f"The body has more than {MAX_VALUES} values.")
    if openings > MAX_DEPTH and _deeper_than(skeleton.replace(b",", b""), MAX_DEPTH):
        raise invalid_request(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _skeleton(body: bytes) -> bytes:
    """Brackets and commas that stand outside of strings."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = unescaped.translate(None, _BRACKETS_AND_QUOTES).replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2])


def _deeper_than(brackets: bytes, depth: int) -> bool:
    """Whether brackets nest deeper: each round takes exactly the innermost pairs away."""
    brackets = brackets.translate(_CURLY_TO_SQUARE)
    for _ in range(depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _check_integers(body: bytes) -> None:
    """Refuse integers beyond 64 bits, which would silently be rounded to doubles."""
    if _LONG not in body.translate(_DIGITS_TO_ZERO):
        return
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    for outside in unescaped.split(b'"')[::2]:
        for match in _NUMBER.finditer(outside) if len(outside) >= len(_LONG) else ():
            _check_number(match[0])


def _check_number(text: bytes) -> None:
    if text.strip(b"-0123456789"):
        return
    if len(text) > 20 or not -(2**63) <= int(text) < 2**63:
        raise invalid_request("The body holds an integer that does not fit in 64 bits.")
