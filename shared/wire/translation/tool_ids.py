"""Ids of tool calls, which the dialects limit differently.

Anthropic takes letters, digits, `_` and `-` alone; upstreams of OpenAI's dialect also make ids such
as `functions.Bash:0`, and some read their own meaning in them again. Nothing is kept between
requests, so what must be found again stands inside of the id: a mark, then the original in base64.
OpenAI takes at most 40 characters. Ids only have to agree within a request, so one that is too long
is replaced by its hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

MAX_OPENAI = 40
# What Anthropic's models take on other clouds; its own API states no limit.
MAX_ANTHROPIC = 64

_LEGAL = re.compile(r"[a-zA-Z0-9_-]+")
_MARK = "b64_"


def for_anthropic_client(original: str) -> str:
    """An upstream's id as an Anthropic client may be given it; legal ids stay as they are.

    `for_openai` turns it back.
    """
    if _LEGAL.fullmatch(original) and _decoded(original) is None:
        return original
    return _encoded(original)


def for_openai(returned: str) -> str:
    """The id that an Anthropic client returned, as an OpenAI upstream may be given it.

    One that was encoded here is the upstream's own again, whatever its length.
    """
    original = _decoded(returned)
    if original is not None:
        return original
    return returned if len(returned) <= MAX_OPENAI else _hashed(returned)


def for_anthropic(given: str) -> str:
    """An OpenAI client's id as an Anthropic upstream may be given it; legal ids stay as they are.

    Equal ids stay equal and different ones different, which is all that a request needs.
    """
    legal = for_anthropic_client(given)
    return legal if len(legal) <= MAX_ANTHROPIC else _hashed(given)


def _encoded(original: str) -> str:
    return _MARK + base64.urlsafe_b64encode(original.encode()).decode().rstrip("=")


def _decoded(given: str) -> str | None:
    """The original of an id that was encoded here, None for any other."""
    if not given.startswith(_MARK):
        return None
    digits = given.removeprefix(_MARK)
    try:
        original = base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4)).decode()
    except (binascii.Error, UnicodeError, ValueError):
        return None
    return original if _encoded(original) == given else None


def _hashed(given: str) -> str:
    return "call_" + hashlib.blake2b(given.encode(), digest_size=16).hexdigest()
