"""One event on its way through the filter, and the texts it is a piece of."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.wire.filtering.raw_events import with_data
from shared.wire.filtering.rules import RuleSet
from shared.wire.filtering.text import Edit, TextScan, edited, filter_text

Fields = dict[str, Any]


class Voice:
    """One text of an answer, which comes in the pieces of many events."""

    def __init__(self, rules: RuleSet) -> None:
        self._scan = TextScan(rules)
        self._edits: list[Edit] = []
        self._length = 0

    def feed(self, text: str) -> int:
        """Take the next piece; returns where it stands in the text."""
        start = self._length
        self._length += len(text)
        self._edits += self._scan.feed(text)
        return start

    def close(self) -> None:
        """The text has ended."""
        self._edits += self._scan.flush()

    def is_decided(self, end: int) -> bool:
        """Whether nothing to come can change the text up to there."""
        return self._scan.decided >= end

    def say(self, text: str, start: int) -> str:
        """A decided piece with its replacements; pieces are asked for in order."""
        said = edited(text, start, self._edits)
        self._edits = [edit for edit in self._edits if edit.end > start + len(text)]
        return said


@dataclass(slots=True)
class Slot:
    """Where an event holds a piece of a text."""

    holder: Fields
    name: str
    voice: Voice
    start: int
    beside: Fields | None

    @property
    def text(self) -> str:
        """The piece as it came."""
        return str(self.holder[self.name])

    def is_decided(self) -> bool:
        """Whether nothing to come can change the piece."""
        return self.voice.is_decided(self.start + len(self.text))

    def settle(self) -> bool:
        """Put the decided text in its place; returns whether it differs."""
        said = self.voice.say(self.text, self.start)
        if said == self.text:
            return False
        self.holder[self.name] = said
        forget_tokens(self.beside)
        return True


class Voices:
    """The texts of an answer that are being said, by what tells them apart."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._open: dict[Hashable, Voice] = {}

    def of(self, key: object) -> Voice:
        """The text of that key, begun if it is not there."""
        key = _hashable(key)
        voice = self._open.get(key)
        if voice is None:
            voice = self._open[key] = Voice(self.rules)
        return voice

    def close(self, *keys: object) -> None:
        """These texts have ended; what follows under a key is another text."""
        for key in keys:
            voice = self._open.pop(_hashable(key), None)
            if voice is not None:
                voice.close()

    def close_all(self) -> None:
        """All texts have ended."""
        self.close(*self._open)


@dataclass(slots=True)
class Draft:
    """An event that may be changed.

    Attributes:
        raw: As it came.
        fields: Its data; what is written there is sent if `changed`.
        voices: The texts of the answer.
        slots: Pieces of text in it.
        changed: Whether `fields` differs from what came.
        dropped: It is not sent at all.
    """

    raw: bytes
    fields: Fields
    voices: Voices
    slots: list[Slot] = field(default_factory=list)
    changed: bool = False
    dropped: bool = False

    def piece(self, key: object, holder: Fields, name: str, beside: Fields | None = None) -> None:
        """`holder[name]` is a piece of a text; `beside` may hold the tokens it came from."""
        text = holder.get(name)
        if isinstance(text, str) and text and self.voices.rules:
            voice = self.voices.of(key)
            self.slots.append(Slot(holder, name, voice, voice.feed(text), beside))

    def is_decided(self) -> bool:
        """Whether it can be sent."""
        return all(slot.is_decided() for slot in self.slots)

    def settle(self) -> bytes:
        """The event as it is sent; its own bytes where nothing changed."""
        for slot in self.slots:
            self.changed |= slot.settle()
        if self.dropped:
            return b""
        return with_data(self.raw, orjson.dumps(self.fields)) if self.changed else self.raw


def replace_whole(rules: RuleSet, holder: object, name: str, beside: Fields | None = None) -> bool:
    """Filter a text that is all there; returns whether it changed."""
    text = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or not isinstance(text, str) or not text or not rules:
        return False
    said = filter_text(rules, text)
    if said == text:
        return False
    holder[name] = said
    forget_tokens(beside)
    return True


def replace_error(rules: RuleSet, fields: Fields) -> bool:
    """Filter the message of an error object, in whichever form; returns whether it changed."""
    error = fields.get("error")
    if isinstance(error, str):
        return replace_whole(rules, fields, "error")
    return replace_whole(rules, error, "message")


def forget_tokens(holder: Fields | None) -> None:
    """Empty `logprobs`: they spell out the text that was replaced."""
    tokens = holder.get("logprobs") if holder else None
    if holder and tokens:
        holder["logprobs"] = [] if isinstance(tokens, list) else None


def _hashable(key: object) -> Hashable:
    """A key as it is; one that an upstream made of lists or objects as its text."""
    try:
        hash(key)
    except TypeError:
        return repr(key)
    return key


def dicts(value: object) -> list[Fields]:
    """The objects of a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
