from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.catalog import FilterRule
from shared.wire.filtering.rules import MAX_MATCH, RuleSet
from shared.wire.filtering.text import Edit, TextFilter, TextScan, edited, filter_text

SEED = RuleSet(
    [
        FilterRule("Claude Code", "the assistant"),
        FilterRule("Droid", "the assistant"),
        FilterRule("sys[a-z]+ prompt", "instructions", regex=True),
    ]
)
# Overlapping, nested, anchored, of no known syntax, longer than is looked at.
HARD = RuleSet(
    [
        FilterRule("ab ab", "1"),
        FilterRule("b a", "2"),
        FilterRule("a+c", "3", regex=True),
        FilterRule("^b|c$", "4", regex=True),
        FilterRule("\\bcc\\b", "", regex=True),
        FilterRule("b[^c]*?c c", "5 ab ab", regex=True),
        FilterRule("\\Qca\\Eb?", "6", regex=True),
    ]
)


def in_pieces(rules: RuleSet, pieces: list[str]) -> str:
    texts = TextFilter(rules)
    return "".join([texts.feed(piece) for piece in pieces]) + texts.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("I am Claude Code.", "I am the assistant."),
        ("Droid", "the assistant"),
        ("Droid Droid", "the assistant the assistant"),
        ("An Android, two Droids", "An Android, two Droids"),
        ("my system prompt", "my instructions"),
        ("sysop prompts", "instructionss"),
        ("Claude Claude Code", "Claude the assistant"),
        ("我是Claude Code的助手", "我是the assistant的助手"),
        ("sys" + "x" * 300 + " prompt", "sys" + "x" * 300 + " prompt"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert filter_text(SEED, text) == expected
    assert in_pieces(SEED, list(text)) == expected


words = st.sampled_from(
    ["Claude", " ", "Code", "Droid", "sys", "tem", "prompt", "s", "D", "的", ".", "x" * 120]
)
letters = st.text(alphabet="abc .", max_size=60)


@settings(deadline=None)
@given(st.lists(words, max_size=30))
def test_any_pieces_give_what_the_whole_gives(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assert in_pieces(SEED, pieces) == in_pieces(SEED, list(whole)) == filter_text(SEED, whole)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(letters, st.text(max_size=3), st.just("b" * 300)), max_size=10))
def test_any_pieces_for_hard_rules(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assert in_pieces(HARD, pieces) == in_pieces(HARD, list(whole)) == filter_text(HARD, whole)


@settings(deadline=None)
@given(letters)
def test_words_against_the_plainest_way(text: str) -> None:
    rules = RuleSet([FilterRule("ab", "X"), FilterRule("b c", "Y")])
    expected, at = "", 0
    while at < len(text):
        for find, replacement in (("ab", "X"), ("b c", "Y")):
            after, before = text[at + len(find) : at + len(find) + 1], text[at - 1 : at]
            if text.startswith(find, at) and not (after.isalpha() or before.isalpha()):
                expected, at = expected + replacement, at + len(find)
                break
        else:
            expected, at = expected + text[at], at + 1
    assert filter_text(rules, text) == expected


def test_only_what_may_become_a_match_is_held() -> None:
    texts = TextFilter(SEED)
    assert texts.feed("Hello Cl") == "Hello "
    assert texts.feed("aud") == ""
    assert texts.feed("ia and sys") == "Claudia and "
    assert texts.feed("tems, Droid") == "systems, "
    assert texts.feed(" sys") == "the assistant "
    assert texts.feed("x" * 300) == "sys" + "x" * 300
    assert texts.flush() == ""


def test_no_more_is_held_than_the_longest_match() -> None:
    texts = TextFilter(RuleSet([FilterRule("a\\Q \\E?.*b", "X", regex=True)]))
    assert texts.feed("a" * 2000) == "a" * (2000 - MAX_MATCH)
    assert texts.feed("b") == "a"
    assert texts.flush() == "X"


def test_a_text_after_the_flush_is_another() -> None:
    texts = TextFilter(SEED)
    assert texts.feed("Dro") + texts.flush() == "Dro"
    assert texts.feed("id") + texts.flush() == "id"
    assert texts.feed("Droid") + texts.flush() == "the assistant"


def test_places_of_edits() -> None:
    scan = TextScan(SEED)
    assert scan.feed("a Claude ") == []
    assert scan.decided == 2
    assert scan.feed("Code and Dr") == [Edit(2, 13, "the assistant")]
    assert scan.decided == 18
    assert scan.flush() == []
    assert scan.decided == 20


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("0123456789", 0, "01AB6789"),
        ("012", 0, "01A"),
        ("23", 2, "A"),
        ("3456", 3, "B6"),
        ("45", 4, "B"),
        ("6789", 6, "6789"),
        ("5", 5, ""),
    ],
)
def test_edited(text: str, start: int, expected: str) -> None:
    assert edited(text, start, [Edit(2, 4, "A"), Edit(4, 6, "B")]) == expected


def test_a_long_text_takes_linear_time() -> None:
    text = "the system administrator said: Droid! " * 10_000
    assert filter_text(SEED, text).count("the assistant") == 10_000


def test_no_rules_hold_nothing() -> None:
    texts = TextFilter(RuleSet([]))
    assert texts.feed("Droid") == "Droid"
