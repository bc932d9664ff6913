"""Named deadlines of one client connection, served by as few timers as possible."""

from __future__ import annotations

# A timer may ring a hair before its moment.
_EARLY_S = 0.001


class Deadlines:
    """Deadlines by name, in seconds of a monotonic clock.

    A deadline that moves later costs nothing: the timer that is under way finds nothing due and
    asks for the next moment. So a connection needs one timer, however many requests it carries.
    """

    def __init__(self) -> None:
        self._due_at: dict[str, float] = {}
        self._armed: float | None = None

    def set(self, name: str, due_at: float) -> None:
        """Set or move a deadline."""
        self._due_at[name] = due_at

    def has(self, name: str) -> bool:
        """Whether a deadline of this name is set."""
        return name in self._due_at

    def clear(self, *names: str) -> None:
        """Forget deadlines; unknown names are fine."""
        for name in names:
            self._due_at.pop(name, None)

    def to_arm(self) -> float | None:
        """The moment for which a timer must be started now, None when one is under way.

        The caller starts that timer and calls `expired` when it rings.
        """
        if not self._due_at:
            return None
        earliest = min(self._due_at.values())
        if self._armed is not None and self._armed <= earliest:
            return None
        self._armed = earliest
        return earliest

    def expired(self, now: float) -> list[str]:
        """Take the names that are due at `now`.

        A timer that an earlier one has replaced still rings, and counts for nothing: if it were
        answered by a new one, a busy connection would gather timers for as long as it lives.
        """
        if self._armed is not None and now < self._armed - _EARLY_S:
            return []
        self._armed = None
        due = [name for name, due_at in self._due_at.items() if due_at <= now]
        self.clear(*due)
        return due
