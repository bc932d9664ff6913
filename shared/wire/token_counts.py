"""Counts of tokens as upstreams report them, and estimates where they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from shared.domain.usage import Usage

BYTES_PER_TOKEN = 3
MAX_COUNT = 10**10


def count_of(value: object) -> int | None:
    """`value` if it is a plausible count of tokens or requests, else None.

    Null, negative numbers, fractions, booleans, text and absurdly large numbers are none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def count_in(fields: Any, *path: str) -> int | None:
    """The count at a path of nested objects, None where anything is missing or no count."""
    for name in path:
        if not isinstance(fields, dict):
            return None
        fields = fields.get(name)
    return count_of(fields)


def estimated_tokens(utf8_bytes: int) -> int:
    """Tokens of so many bytes of text, at three bytes a token, rounded up.

    English takes about four bytes a token and other scripts about three: this errs a little
    to the safe side.
    """
    return -(-utf8_bytes // BYTES_PER_TOKEN)


def object_of(data: bytes) -> dict[str, Any] | None:
    """Parse a JSON object; None for anything else."""
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def is_error_only(body: dict[str, Any]) -> bool:
    """Whether a body is an error object that reports no usage: nothing was produced."""
    return bool(body.get("error")) and not body.get("usage")


def plain_string_length(data: bytes, beginning: bytes) -> int | None:
    """Length of the JSON string that follows `beginning` and ends an object.

    It spares parsing the many small events that hold nothing but text. None where the string
    is not there, has escapes, or is not the last of its object: then the event is to be parsed.
    """
    start = data.find(beginning)
    if start < 0:
        return None
    start += len(beginning)
    end = data.find(b'"}', start)
    if end < 0 or data.find(b"\\", start, end) >= 0 or data.find(b'"', start, end) >= 0:
        return None
    return end - start


def utf8_length(value: object) -> int:
    """Bytes of a string in UTF-8; 0 for anything that is no string."""
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode())


def estimated_usage(
    reported: Usage, input_estimate: int, output_bytes: int, output_cap: int | None = None
) -> Usage:
    """What to charge where an upstream's last word is missing; always flagged.

    Args:
        reported: What it did report.
        input_estimate: Tokens to charge as input if it named none.
        output_bytes: UTF-8 bytes of output it produced.
        output_cap: What counted output never exceeds; reported output may.
    """
    counted = estimated_tokens(output_bytes)
    if output_cap is not None:
        counted = min(counted, output_cap)
    plain = reported.input if reported.total_input else input_estimate
    return replace(reported, input=plain, output=max(reported.output, counted), estimated=True)
