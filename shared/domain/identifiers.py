"""Random identifiers in base62."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable

RandomBytes = Callable[[int], bytes]

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 22


def base62(number: int, length: int) -> str:
    """`number` (not negative) in base62, padded with zeros to `length` characters.

    Raises:
        ValueError: It does not fit.
    """
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    if number:
        raise ValueError(f"number does not fit {length} base62 digits")
    return "".join(reversed(digits))


def new_id(kind: str, random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """An identifier such as `usr_<22 base62>`: 128 random bits after the kind."""
    return f"{kind}_{base62(int.from_bytes(random_bytes(16)), ID_LENGTH)}"
