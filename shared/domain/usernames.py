"""Which names an account may have."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{2,31}")
_RESERVED = frozenset({"anonymous", "null", "system", "undefined"})


def username_fault(username: str) -> str | None:
    """What is wrong with a name for a new account, in one sentence; None when nothing is.

    Names are 3 to 32 of a-z, 0-9, `_` and `-`, and start with a letter or digit: a leading `_`
    is kept for principals that are no accounts, such as `_proxy`.
    """
    if not _NAME.fullmatch(username):
        return (
            "a user name has 3 to 32 characters of a-z, 0-9, _ and -, "
            "and starts with a letter or digit"
        )
    if username in _RESERVED:
        return "this user name is reserved"
    return None
