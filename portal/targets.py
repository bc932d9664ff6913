"""Where a visitor is sent after logging in: only ever within this server."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

_MAX_LENGTH = 2_000


def local_target(wish: str | None) -> str | None:
    r"""`wish` if it is a path on this server, else None.

    Refuses other schemes and hosts, and what browsers read as one: `//evil`, `/\evil`, and the
    same percent-encoded once or several times (`/%5Cevil`).
    """
    if not wish or len(wish) > _MAX_LENGTH:
        return None
    decoded = _decoded(wish)
    if not decoded.startswith("/") or decoded.startswith("//"):
        return None
    if "\\" in decoded or any(ord(char) < 0x21 or ord(char) == 0x7F for char in decoded):
        return None
    parts = urlsplit(decoded)
    return None if parts.scheme or parts.netloc else wish


def _decoded(text: str) -> str:
    for _ in range(_MAX_LENGTH):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text
