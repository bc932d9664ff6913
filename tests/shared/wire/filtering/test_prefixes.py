from __future__ import annotations

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.wire.filtering.prefixes import beginnings_of

# Those that Python's engine reads in the same way, so that matches can be drawn from them.
PATTERNS = [
    "abc",
    "a|bc|",
    "sys[a-z]+ prompt",
    "(?i)claude[ -]?code",
    "a{3}b{2,}c{0,2}d{1}e{0}f",
    "(ab*?|c+?){2,3}d??",
    "(?P<name>x.y)(?:z|(q|r)s)*",
    "(?i:ab)c",
    "[^\\]a-c][]x][.:]",
    "\\x41\\.\\(\\\\",
    "\\bfoo\\b bar\\b",
    "^a$",
    "\\Aab",
    "\\d+\\s*\\w\\D\\S\\W",
    "(a*)*b",
    "((a|b)?c?)+",
    "đồng|😀+|[à-ỹ]x",
    "(?s).x",
]


def begins(pattern: str, text: str) -> bool:
    begun = beginnings_of(pattern)
    assert begun is not None
    options = re2.Options()
    options.log_errors = False
    return re2.compile(f"{begun}\\z", options).match(text) is not None


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_beginning_of_a_match_is_one(pattern: str) -> None:
    @settings(deadline=None, max_examples=50)
    @given(st.from_regex(pattern, fullmatch=True, alphabet=st.characters(codec="utf-8")))
    def check(text: str) -> None:
        if re2.compile(pattern).fullmatch(text) is not None:
            assert all(begins(pattern, text[:end]) for end in range(len(text) + 1))

    check()


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("abc", "ac"),
        ("abc", "abcd"),
        ("sys[a-z]+ prompt", "sys prompt"),
        ("sys[a-z]+ prompt", "system promises"),
        ("(?i)ab", "AC"),
        ("(?i:a)b", "AB"),
        ("a{2,3}b", "aaaa"),
        ("a{0}b", "a"),
        ("a?b", "aa"),
        ("a*?b", "abb"),
        ("[^a]b", "a"),
        ("\\d\\.", "1x"),
        ("x{,2}", "xx"),
        ("a{b}", "ab"),
        ("\\p{Greek}x", "ax"),
        ("\\pNx", "ax"),
        ("\\x{41}b", "b"),
        ("a\\bb c", "ab"),
    ],
)
def test_what_is_no_beginning(pattern: str, text: str) -> None:
    assert not begins(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("x{,2}y", "x{,2"),
        ("a{b}c", "a{b"),
        ("\\p{Greek}x", "λ"),
        ("(?<n>ab)", "a"),
        ("[[:alpha:]]b", "z"),
        ("[[:^alpha:]x]b", "1"),
        ("(?U)a+b", "aa"),
        ("(?m)^a$b", "a"),
    ],
)
def test_syntax_of_the_engine_alone(pattern: str, text: str) -> None:
    assert re2.compile(pattern) is not None
    assert begins(pattern, text)


@pytest.mark.parametrize(
    "pattern", ["\\Qa.b\\E", "\\C", "a(?i)b", "\\07", "(" * 500 + "a" + ")" * 500]
)
def test_syntax_that_is_not_read(pattern: str) -> None:
    assert beginnings_of(pattern) is None
