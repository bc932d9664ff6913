"""The filter over one text that comes in pieces.

The result is the same whatever the pieces. A rule's decision at a place looks at `MAX_MATCH`
characters from there and one beyond: a longer match is none, in one piece as in many.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.wire.filtering.rules import NO_MATCH, UNDECIDED, RuleSet

# Longer pieces are cut, so that no search goes over more text than this and what is held.
_PIECE = 512


class Edit(NamedTuple):
    """Characters `start` to `end` of the text become `text`."""

    start: int
    end: int
    text: str


class TextScan:
    """Finds what is to be replaced.

    Attributes:
        decided: Characters of the text, from its beginning, that nothing to come can change.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.decided = 0
        self._rules = rules
        # The undecided text, after the one character before it, if there is one.
        self._text = ""
        self._from = 0

    def feed(self, text: str) -> list[Edit]:
        """Take the next characters; returns the edits that they decide."""
        edits = []
        for start in range(0, len(text), _PIECE):
            edits += self._advance(text[start : start + _PIECE], ended=False)
        return edits

    def flush(self) -> list[Edit]:
        """The text has ended: the edits that remain."""
        return self._advance("", ended=True)

    def _advance(self, piece: str, *, ended: bool) -> list[Edit]:
        text = self._text + piece
        at, offset = self._from, self.decided - self._from
        edits = []
        while (spot := self._rules.next_spot(text, at)) < len(text):
            end, replacement = self._rules.decide(text, spot, ended=ended)
            if end == UNDECIDED:
                break
            if end == NO_MATCH:
                at = spot + 1
                continue
            edits.append(Edit(offset + spot, offset + end, replacement))
            at = end
        self.decided = offset + spot
        self._from = min(spot, 1)
        self._text = text[spot - self._from :]
        return edits


class TextFilter:
    """The text with its replacements, as soon as they are certain."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._start()

    def feed(self, text: str) -> str:
        """Take the next characters; returns what is certain, possibly nothing."""
        return self._edited(text, self._scan.feed(text))

    def flush(self) -> str:
        """The text has ended: the rest. What is fed next is another text."""
        rest = self._edited("", self._scan.flush())
        self._start()
        return rest

    def _start(self) -> None:
        self._scan = TextScan(self._rules)
        self._held = ""
        self._at = 0

    def _edited(self, text: str, edits: list[Edit]) -> str:
        held, start = self._held + text, self._at
        self._at = self._scan.decided
        self._held = held[self._at - start :]
        return edited(held[: self._at - start], start, edits)


def edited(text: str, start: int, edits: list[Edit]) -> str:
    """A piece of a text with its edits; what replaces a match stands where the match began.

    Args:
        text: The piece.
        start: Where it stands in the text.
        edits: In order; those outside of the piece do nothing.
    """
    if not edits:
        return text
    parts, at, stop = [], start, start + len(text)
    for edit in edits:
        if edit.end <= start or edit.start >= stop:
            continue
        if edit.start >= start:
            parts += [text[at - start : edit.start - start], edit.text]
        at = min(edit.end, stop)
    return "".join([*parts, text[at - start :]])


def filter_text(rules: RuleSet, text: str) -> str:
    """A whole text."""
    scan = TextScan(rules)
    return edited(text, 0, [*scan.feed(text), *scan.flush()])
