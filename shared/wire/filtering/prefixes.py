"""From a regular expression to one that matches the beginnings of its matches.

A stream must not let go of a text that may become a match: the engine tells whether a text is a
match, not whether it may become one. So the expression is read, and one is written that matches
every beginning of every match, the empty one and the whole included. It may match more than that,
which only costs waiting; it never matches less.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ESCAPE = re.compile(
    r"\\(?:x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|[pP]\{[^}]*\}|[pP].|[dDsSwWafnrtv]|[^A-Za-z0-9])",
    re.DOTALL,
)
_ASSERTION = re.compile(r"\\[AbBz]|[$^]")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\\\]])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?:P?<[A-Za-z0-9_]+>|(?P<flags>[imsU-]*):))?(?!\?)")
_LEADING_FLAGS = re.compile(r"\(\?([imsU-]+)\)")
_REPEAT = re.compile(r"(?:[*+?]|\{(?P<low>[0-9]+)(?P<comma>,?)(?P<high>[0-9]*)\})\??")


class _Part(NamedTuple):
    """An expression and that of its beginnings."""

    whole: str
    begun: str


class _Unknown(Exception):
    """Syntax that is not read here."""


def beginnings_of(pattern: str) -> str | None:
    """An expression of the beginnings of all matches; None where the syntax is not known here.

    Args:
        pattern: An expression that the engine accepts.
    """
    flags = _LEADING_FLAGS.match(pattern)
    reader = _Reader(pattern, flags.end() if flags else 0)
    try:
        begun = reader.alternatives().begun
    except (_Unknown, RecursionError):
        return None
    if reader.at < len(pattern):
        return None
    return f"(?{flags[1]}:{begun})" if flags else f"(?:{begun})"


class _Reader:
    """Recursive descent over the syntax of RE2."""

    def __init__(self, pattern: str, at: int) -> None:
        self.at = at
        self._pattern = pattern

    def alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._pattern.startswith("|", self.at):
            self.at += 1
            parts.append(self._sequence())
        return _Part("|".join(part.whole for part in parts), "|".join(p.begun for p in parts))

    def _sequence(self) -> _Part:
        parts = []
        while self.at < len(self._pattern) and self._pattern[self.at] not in "|)":
            parts.append(self._repeated())
        begun = ""
        for part in reversed(parts):
            begun = f"(?:{part.begun}|{part.whole}{begun})" if begun else f"(?:{part.begun})"
        return _Part("".join(part.whole for part in parts), begun)

    def _repeated(self) -> _Part:
        part = self._atom()
        while repeat := _REPEAT.match(self._pattern, self.at):
            self.at = repeat.end()
            part = _repeat(part, repeat)
        return part

    def _atom(self) -> _Part:
        if assertion := self._take(_ASSERTION):
            return _Part(assertion, "")
        if self._pattern[self.at] == "(":
            return self._group()
        char = self._take(_ESCAPE) or self._take(_CLASS) or self._plain()
        return _Part(char, f"{char}?")

    def _plain(self) -> str:
        char = self._pattern[self.at]
        if char in "\\[*+?":
            raise _Unknown
        self.at += 1
        return char

    def _group(self) -> _Part:
        opening = _GROUP.match(self._pattern, self.at)
        if opening is None:
            raise _Unknown
        self.at = opening.end()
        inner = self.alternatives()
        if not self._pattern.startswith(")", self.at):
            raise _Unknown
        self.at += 1
        flags = opening["flags"] or ""
        return _Part(f"(?{flags}:{inner.whole})", f"(?{flags}:{inner.begun})")

    def _take(self, form: re.Pattern[str]) -> str:
        found = form.match(self._pattern, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]


def _repeat(part: _Part, repeat: re.Match[str]) -> _Part:
    """So many whole ones, and the beginning of one more."""
    whole = f"(?:{part.whole}){repeat[0]}"
    most = 1 if repeat[0].startswith("?") else None
    if repeat["low"] is not None and (repeat["high"] or not repeat["comma"]):
        most = int(repeat["high"] or repeat["low"])
    if most == 0:
        return _Part(whole, "")
    before = "" if most == 1 else f"(?:{part.whole})*"
    if most is not None and most > 1:
        before = f"(?:{part.whole}){{0,{most - 1}}}"
    return _Part(whole, f"(?:{before}(?:{part.begun}))")
