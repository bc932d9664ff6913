"""Request ids: unique, ordered by time, safe as names of fields and files."""

from __future__ import annotations

import base64
import os
import time

_ALPHABET = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghijklmnopqrstuv"
)


def new_request_id() -> str:
    """`req_` and 26 characters of base32: 48 bits of milliseconds, then 80 random bits."""
    raw = int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10)
    return "req_" + base64.b32encode(raw)[:26].translate(_ALPHABET).decode()
