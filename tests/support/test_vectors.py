"""Each word of an expectation can hold and can fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.wire.errors import invalid_request
from tests.support.vectors import MATERIAL, Outcome, Vector, needs_vectors, unmet, vectors

BODY = {"a": {"b": [1, {"type": "text", "text": "x"}]}, "s": "one two", "j": '{"k": 1}', "t": True}
DONE = Outcome(BODY, headers={"name": "value"})
REFUSED = Outcome(error=invalid_request("no"))


def holds(expected: Any, outcome: Outcome) -> bool:
    return not unmet(Vector("v", "k", "must", {}, (expected,), ""), outcome)


@pytest.mark.parametrize(
    ("path", "word", "right", "wrong"),
    [
        ("a.b.0", "equals", 1, 2),
        ("t", "equals", True, 1),
        ("t", "not_equals", 1, True),
        ("nowhere.0", "not_equals", True, None),
        ("s", "one_of", [None, "one two"], [None]),
        ("nowhere", "absent", True, False),
        ("a.b.2", "absent", True, False),
        ("s", "absent", False, True),
        ("a.b", "length", 2, 1),
        ("s", "matches", "^[a-z ]+$", "^[a-z]+$"),
        ("j", "json_equals", {"k": 1}, {"k": 2}),
        ("s", "text_equals", "one two", "one"),
        ("a.b", "text_equals", "x", ""),
        ("a.b", "text_contains", ["x"], ["x", "y"]),
        ("a", "not_contains_text", "q", "x"),
        ("a.b", "contains_block", {"type": "text", "text": "x"}, {"type": "text"}),
        ("a", "no_block_of_type", "thinking", "text"),
    ],
)
def test_words_of_a_path(path: str, word: str, right: Any, wrong: Any) -> None:
    if (path, word) != ("nowhere.0", "not_equals"):
        assert not holds({"path": path, word: wrong}, DONE)
    assert holds({"path": path, word: right}, DONE)
    assert not holds({"path": path, word: right}, REFUSED)


@pytest.mark.parametrize(
    ("expected", "of_done", "of_refused"),
    [
        ({"error": True}, False, True),
        ({"client_error": True}, False, True),
        ({"upstream_header": {"name": "value"}}, True, False),
        ({"upstream_header": {"name": "other"}}, False, False),
        ({"one_of": [[{"error": True}], [{"path": "s", "equals": "one two"}]]}, True, True),
        ({"one_of": [[{"path": "t", "equals": True}, {"path": "s", "equals": ""}]]}, False, False),
    ],
)
def test_words_of_an_outcome(expected: Any, of_done: bool, of_refused: bool) -> None:
    assert holds(expected, DONE) is of_done
    assert holds(expected, REFUSED) is of_refused


def test_a_word_without_a_check_is_not_passed_over() -> None:
    with pytest.raises(KeyError):
        holds({"path": "s", "rhymes": True}, DONE)


@needs_vectors
def test_every_case_of_a_request_or_answer_has_checks() -> None:
    kinds = {json.loads(p.read_text())["kind"] for p in MATERIAL.glob("vectors/*.json")}
    whole = [vector for kind in kinds if "stream" not in kind for vector in vectors(kind)]
    assert len(whole) > 75
    for vector in whole:
        unmet(vector, DONE)
