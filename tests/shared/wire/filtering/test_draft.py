from __future__ import annotations

from typing import Any

import pytest

from shared.domain.catalog import FilterRule
from shared.wire.filtering.draft import Draft, Voices, dicts, replace_error, replace_whole
from shared.wire.filtering.rules import RuleSet

RULES = RuleSet([FilterRule("Claude Code", "it")])


def draft(voices: Voices, text: Any, **beside: Any) -> Draft:
    fields = {"text": text, **beside}
    made = Draft(b"data: raw\n\n", fields, voices)
    made.piece("a", fields, "text", fields)
    return made


def test_a_match_stands_where_it_began() -> None:
    voices = Voices(RULES)
    first, second = draft(voices, "I, Cla"), draft(voices, "ude Co")
    assert not first.is_decided()
    third = draft(voices, "de.")
    assert all(one.is_decided() for one in (first, second, third))
    assert [one.settle() for one in (first, second, third)] == [
        b'data: {"text":"I, it"}\n\n',
        b'data: {"text":""}\n\n',
        b'data: {"text":"."}\n\n',
    ]


def test_what_is_no_match_keeps_its_bytes() -> None:
    voices = Voices(RULES)
    first = draft(voices, "Cla")
    assert not first.is_decided()
    second = draft(voices, "rity ")
    assert first.is_decided()
    assert first.settle() == second.settle() == b"data: raw\n\n"


def test_keys_tell_texts_apart_and_a_closed_one_begins_anew() -> None:
    voices = Voices(RULES)
    first = draft(voices, "Claude ")
    voices.close("b")
    assert not first.is_decided()
    voices.close_all()
    second = draft(voices, "Code ")
    assert first.settle() == second.settle() == b"data: raw\n\n"


@pytest.mark.parametrize("text", [None, 5, ""])
def test_what_is_no_text_is_no_piece(text: object) -> None:
    assert draft(Voices(RULES), text).slots == []
    assert draft(Voices(RuleSet([])), "x").slots == []


def test_tokens_of_a_replaced_text_are_forgotten() -> None:
    voices = Voices(RULES)
    one = draft(voices, "Claude Code ", logprobs=[{"token": "Claude"}])
    two = draft(voices, "said", logprobs={"content": []})
    voices.close_all()
    assert one.settle() == b'data: {"text":"it ","logprobs":[]}\n\n'
    assert two.settle() == b"data: raw\n\n"


def test_dropped_is_not_sent() -> None:
    one = draft(Voices(RULES), "x ")
    one.dropped = True
    assert one.settle() == b""


@pytest.mark.parametrize(
    ("holder", "changed", "after"),
    [
        ({"m": "Claude Code"}, True, {"m": "it"}),
        ({"m": "Claude"}, False, {"m": "Claude"}),
        ({"m": 5}, False, {"m": 5}),
        ({}, False, {}),
        (None, False, None),
        ("Claude Code", False, "Claude Code"),
    ],
)
def test_whole_texts(holder: Any, changed: bool, after: Any) -> None:
    assert replace_whole(RULES, holder, "m") is changed
    assert holder == after


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ({"error": {"message": "Claude Code"}}, {"error": {"message": "it"}}),
        ({"error": "Claude Code"}, {"error": "it"}),
        ({"error": {"type": "Claude Code"}}, {"error": {"type": "Claude Code"}}),
        ({"error": None}, {"error": None}),
    ],
)
def test_errors(fields: Any, after: Any) -> None:
    before = str(fields)
    assert replace_error(RULES, fields) is (str(after) != before)
    assert fields == after


def test_objects_of_a_list() -> None:
    assert dicts([{"a": 1}, 2, None]) == [{"a": 1}]
    assert dicts("x") == dicts(None) == dicts({}) == []
