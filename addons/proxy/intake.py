"""How many bytes of request bodies a worker holds at once."""

from __future__ import annotations

DEFAULT_LIMIT = 256 * 1024 * 1024


class Intake:
    """Counts the bodies of all requests under way, from their first byte to their last answer's.

    One client connection has one body at a time, so that connections are its owners: a count is
    never lost with a stream that ended in an unusual way.

    Args:
        limit: Bytes; beyond, requests are shed.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._held = 0
        self._by_owner: dict[str, int] = {}

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        return self._held + size <= self._limit

    def take(self, owner: str, size: int) -> None:
        """Count bytes that the connection of this id has sent."""
        self._by_owner[owner] = self._by_owner.get(owner, 0) + size
        self._held += size

    def release(self, owner: str) -> None:
        """Forget what a connection had sent; one that sent nothing is fine."""
        self._held -= self._by_owner.pop(owner, 0)
