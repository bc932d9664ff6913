"""What an upstream key and the name of its pool must look like. Pure."""

from __future__ import annotations

import re

LONGEST_SECRET = 4096
_POOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def secret_fault(secret: str) -> str | None:
    """Why a secret can be no upstream key, None when it can: it is sent in a header."""
    if not secret:
        return "the key is empty: give it on standard input"
    if len(secret) > LONGEST_SECRET:
        return f"the key has more than {LONGEST_SECRET} characters"
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        return "the key must be one line of ASCII without blanks"
    return None


def pool_name_fault(name: str) -> str | None:
    """Why a name can be no pool's, None when it can."""
    if _POOL_NAME.fullmatch(name):
        return None
    return (
        "the name of a pool must be 1 to 64 letters, digits, dots, dashes and underscores, and "
        "begin with a letter or digit"
    )
