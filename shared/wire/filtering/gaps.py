"""Indices without gaps where parts of an answer are left out."""

from __future__ import annotations

from shared.wire.filtering.draft import Draft


class Gaps:
    """Drops the events of what is left out and numbers the others anew."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left_out: set[int] = set()

    def leave_out(self, index: object) -> None:
        """What has that index is not sent."""
        if isinstance(index, int):
            self._left_out.add(index)

    def close(self, draft: Draft) -> None:
        """Drop the event, or lower its index by what is missing before it."""
        index = draft.fields.get(self._name)
        if not self._left_out or not isinstance(index, int):
            return
        draft.dropped = index in self._left_out
        before = sum(1 for left in self._left_out if left < index)
        draft.fields[self._name] = index - before
        draft.changed |= before > 0
