"""Rules of the content filter, compiled.

The engine is RE2, whose time is linear in the text whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import re2

from shared.domain.catalog import FilterRule
from shared.wire.filtering.prefixes import beginnings_of

# The longest text that one rule replaces, in characters. It bounds what a stream holds back.
MAX_MATCH = 256

NO_MATCH = -1
UNDECIDED = -2

# Letters, digits, the underscore and accents, less the scripts that put no space between words.
_JOINING = re.compile(
    "(?![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uffdc\U00020000-\U0003ffff])[\\w\u0300-\u036f]"
)


class PatternError(ValueError):
    """A pattern that is none; the message says why."""


class Rule(Protocol):
    """One rule.

    Attributes:
        replacement: What stands in the place of a match.
        source: An expression that matches wherever the rule does.
        begun: An expression of the beginnings of its matches.
    """

    replacement: str
    source: str
    begun: str

    def match(self, text: str, at: int, *, ended: bool) -> int:
        """Where the match that starts at `at` ends; `NO_MATCH`, or `UNDECIDED` without more text.

        Args:
            text: From one character before `at`, if there is one.
            at: Index into it.
            ended: Nothing follows `text`.
        """


class WordRule:
    """Replaces a text as it is written, where it stands as a whole word."""

    def __init__(self, find: str, replacement: str) -> None:
        """Compile.

        Raises:
            PatternError: It is empty or too long.
        """
        if not 0 < len(find) <= MAX_MATCH:
            raise PatternError(f"must have 1 to {MAX_MATCH} characters")
        self.replacement = replacement
        self.source = re2.escape(find)
        self.begun = beginnings_of(self.source) or _ANYTHING
        self._find = find
        self._starts_word = joins(find[0])
        self._ends_word = joins(find[-1])

    def match(self, text: str, at: int, *, ended: bool) -> int:
        """See `Rule`."""
        if self._starts_word and at and joins(text[at - 1]):
            return NO_MATCH
        end = at + len(self._find)
        if text.startswith(self._find, at):
            if not self._ends_word or (end == len(text) and ended):
                return end
            if end == len(text):
                return UNDECIDED
            return NO_MATCH if joins(text[end]) else end
        begun = not ended and end > len(text) and self._find.startswith(text[at:])
        return UNDECIDED if begun else NO_MATCH


class RegexRule:
    """Replaces what an expression matches, within `MAX_MATCH` characters."""

    def __init__(self, pattern: str, replacement: str) -> None:
        """Compile.

        Raises:
            PatternError: It is no expression, is too large, or matches the empty text.
        """
        self._regex = compile_pattern(pattern)
        if self._regex.search("") is not None:
            raise PatternError("matches the empty text")
        self.replacement = replacement
        self.source = f"(?:{pattern})"
        self.begun = beginnings_of(pattern) or _ANYTHING
        self._begun = _compile_begun(self)

    def match(self, text: str, at: int, *, ended: bool) -> int:
        """See `Rule`."""
        if not ended and len(text) - at <= MAX_MATCH and self._begun.match(text, at) is not None:
            return UNDECIDED
        found = self._regex.match(text, at, at + MAX_MATCH)
        return found.end() if found is not None and found.end() > at else NO_MATCH


class RuleSet:
    """All rules, in order.

    A text is gone through once, from left to right. Where several rules match at one place, the
    first rule counts; what was put in is not looked at again.
    """

    def __init__(self, rules: Sequence[FilterRule]) -> None:
        """Compile.

        Raises:
            PatternError: For a rule that `compile_rule` refuses, or too many of them.
        """
        self.rules = tuple(compile_rule(rule) for rule in rules)
        matches = "|".join(rule.source for rule in self.rules)
        begun = "|".join(rule.begun for rule in self.rules)
        self._spots = compile_pattern(f"{matches}|(?:{begun})\\z") if self.rules else None

    def __bool__(self) -> bool:
        return bool(self.rules)

    def next_spot(self, text: str, at: int) -> int:
        """The first place from `at` on where a rule may match; the length where there is none."""
        found = self._spots.search(text, at) if self._spots is not None else None
        return len(text) if found is None else int(found.start())

    def decide(self, text: str, at: int, *, ended: bool) -> tuple[int, str]:
        """End of the match at a place, and what to put in; else `NO_MATCH` or `UNDECIDED`."""
        for rule in self.rules:
            end = rule.match(text, at, ended=ended)
            if end != NO_MATCH:
                return end, rule.replacement
        return NO_MATCH, ""


def compile_rule(rule: FilterRule) -> Rule:
    """Make a rule ready.

    Raises:
        PatternError: Its pattern is none.
    """
    made = RegexRule if rule.regex else WordRule
    return made(rule.find, rule.replacement)


def joins(char: str) -> bool:
    """Whether a word goes on over a character.

    Chinese, Japanese, Thai and the like write words without spaces between them, and Korean hangs
    its particles on: next to their characters, a word ends.
    """
    return _JOINING.match(char) is not None


def compile_pattern(pattern: str) -> re2._Regexp:
    """Compile for RE2.

    Raises:
        PatternError: It is no expression of RE2's, or too large.
    """
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "cannot be compiled"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise PatternError(f"is no regular expression of RE2: {text}") from None


def _compile_begun(rule: RegexRule) -> re2._Regexp:
    try:
        return compile_pattern(f"{rule.begun}\\z")
    except PatternError:  # larger than the engine takes, unlike the pattern itself
        rule.begun = _ANYTHING
        return compile_pattern(f"{rule.begun}\\z")


# Where it is not known how matches begin, each text may be a beginning.
_ANYTHING = f"(?s:.{{0,{MAX_MATCH}}})"
