from __future__ import annotations

import pytest

from shared.domain.catalog import FilterRule
from shared.wire.filtering.rules import (
    MAX_MATCH,
    NO_MATCH,
    UNDECIDED,
    PatternError,
    RuleSet,
    compile_rule,
    joins,
)


def match(find: str, text: str, at: int = 0, *, regex: bool = False, ended: bool = False) -> int:
    return compile_rule(FilterRule(find, "x", regex)).match(text, at, ended=ended)


@pytest.mark.parametrize(
    ("find", "text", "at", "end"),
    [
        ("Droid", "Droid.", 0, 5),
        ("Droid", "Droid's", 0, 5),
        ("Droid", "a Droid ", 2, 7),
        ("Droid", "Droids", 0, NO_MATCH),
        ("Droid", "Droid_", 0, NO_MATCH),
        ("Droid", "Droid2", 0, NO_MATCH),
        ("Droid", "Droide\u0301", 0, NO_MATCH),
        ("Droid", "Droid\u0301", 0, NO_MATCH),
        ("Droid", "ADroid ", 1, NO_MATCH),
        ("Droid", "đDroid ", 1, NO_MATCH),
        ("Droid", "droid ", 0, NO_MATCH),
        ("Droid", "我是Droid的", 2, 7),
        ("Droid", "Droid는", 0, 5),
        ("Droid", "Droidคือ", 0, 5),
        ("助手", "我是助手的", 2, 4),
        ("C++", "C++y", 0, 3),
        (".NET", "ASP.NET ", 3, 7),
        ("a.c", "abc ", 0, NO_MATCH),
        ("Claude Code", "Claude  Code ", 0, NO_MATCH),
        ("Droid", "Dro", 0, UNDECIDED),
        ("Droid", "Droid", 0, UNDECIDED),
        ("C++", "C++", 0, 3),
        ("Droid", "Drx", 0, NO_MATCH),
    ],
)
def test_words(find: str, text: str, at: int, end: int) -> None:
    assert match(find, text, at) == end


@pytest.mark.parametrize(("text", "end"), [("Droid", 5), ("Dro", NO_MATCH), ("Droids", NO_MATCH)])
def test_words_at_the_end(text: str, end: int) -> None:
    assert match("Droid", text, ended=True) == end


@pytest.mark.parametrize(
    ("find", "text", "at", "end"),
    [
        ("sys[a-z]+ prompt", "system prompt ", 0, 13),
        ("sys[a-z]+ prompt", "system pro", 0, UNDECIDED),
        ("sys[a-z]+ prompt", "system pre", 0, NO_MATCH),
        ("a+", "aaa", 0, UNDECIDED),
        ("a+", "aaab", 0, 3),
        ("(?i)droid", "DROID ", 0, 5),
        ("\\bfoo", "xfoo ", 1, NO_MATCH),
        ("^foo", "xfoo ", 1, NO_MATCH),
        ("foo$", "foo", 0, UNDECIDED),
        ("foo$", "foo ", 0, NO_MATCH),
        ("a|ab", "ab ", 0, 1),
        ("x*?y|x\\b", "xyw", 0, 2),
        ("\\Qa.b\\E", "a.b ", 0, UNDECIDED),
        ("a\\s*", "a" + " " * 300, 0, MAX_MATCH),
        ("a.*b", "a" + "x" * 254 + "b ", 0, MAX_MATCH),
        ("a.*b", "a" + "x" * 255 + "b ", 0, NO_MATCH),
    ],
)
def test_expressions(find: str, text: str, at: int, end: int) -> None:
    assert match(find, text, at, regex=True) == end


def test_expressions_at_the_end() -> None:
    assert match("foo$", "foo", regex=True, ended=True) == 3
    assert match("a+", "aa", regex=True, ended=True) == 2


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (FilterRule("", "x"), "1 to 256 characters"),
        (FilterRule("a" * 257, "x"), "1 to 256 characters"),
        (FilterRule("(", "x", regex=True), "no regular expression of RE2: missing"),
        (FilterRule("a(?=b)", "x", regex=True), "no regular expression of RE2: invalid perl"),
        (FilterRule("(a)\\1", "x", regex=True), "invalid escape"),
        (FilterRule("((a{100}){100}){100}", "x", regex=True), "RE2"),
        (FilterRule("a*", "x", regex=True), "matches the empty text"),
        (FilterRule("\\B", "x", regex=True), "matches the empty text"),
        (FilterRule("$", "x", regex=True), "matches the empty text"),
    ],
)
def test_patterns_that_are_none(rule: FilterRule, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        compile_rule(rule)


def test_the_first_rule_at_a_place_counts() -> None:
    rules = RuleSet([FilterRule("ab c", "long"), FilterRule("ab", "short")])
    assert rules.decide("ab d", 0, ended=False) == (2, "short")
    assert rules.decide("ab c.", 0, ended=False) == (4, "long")
    assert rules.decide("ab ", 0, ended=False)[0] == UNDECIDED
    assert rules.decide("ab ", 0, ended=True) == (2, "short")


def test_places_where_something_may_be() -> None:
    rules = RuleSet([FilterRule("Droid", "x")])
    assert rules.next_spot("a Droid b", 0) == 2
    assert rules.next_spot("a Droid b", 3) == 9
    assert rules.next_spot("a Dro", 0) == 2
    assert RuleSet([]).next_spot("a", 0) == 1
    assert not RuleSet([])


def test_many_long_rules_compile() -> None:
    rules = [FilterRule(f"{number:04}" + "word " * 20, "x") for number in range(50)]
    assert RuleSet(rules).next_spot("  0049word word", 0) == 2


@pytest.mark.parametrize(("char", "expected"), [*((c, True) for c in "aZ0_éđỹя"), ("\u0301", True)])
def test_what_joins(char: str, expected: bool) -> None:
    assert joins(char) is expected


@pytest.mark.parametrize("char", [*" .-'\n的のカﾊ한ไ", ""])
def test_what_does_not_join(char: str) -> None:
    assert not joins(char)
