from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire.translation.tool_ids import (
    MAX_ANTHROPIC,
    MAX_OPENAI,
    for_anthropic,
    for_anthropic_client,
    for_openai,
)

LEGAL = re.compile(r"^[a-zA-Z0-9_-]+$")
ids = st.text(st.characters(codec="utf-8"), max_size=100)


@pytest.mark.parametrize("legal", ["call_1", "toolu_01A-b", "b64", "b64_", "b64_a", "_", "x" * 40])
def test_legal_ids_stay_as_they_are(legal: str) -> None:
    # "b64_" alone would be an empty id encoded.
    stays = legal if legal != "b64_" else "b64_YjY0Xw"
    assert for_anthropic_client(legal) == for_anthropic(legal) == stays


@pytest.mark.parametrize(
    "original",
    [
        pytest.param("functions.Bash:0", id="tricky-14 illegal characters"),
        pytest.param("functions.mcp__a_server__with_a_long_name:12", id="tricky-14 long too"),
        "",
        "é",
        "a b",
        "call/1\n",
        for_anthropic_client("functions.Bash:0"),
    ],
)
def test_an_id_comes_back(original: str) -> None:
    told = for_anthropic_client(original)
    assert LEGAL.match(told)
    assert told != original
    assert for_openai(told) == original


@pytest.mark.parametrize("length", [41, 64, 65, 500])
def test_long_ids_are_shortened(length: int) -> None:
    one, other = "x" * length, "x" * (length - 1) + "y"
    assert len(for_openai(one)) <= MAX_OPENAI
    assert for_openai(one) == for_openai(one) != for_openai(other)
    assert len(for_anthropic(one)) <= MAX_ANTHROPIC
    assert (for_anthropic(one) == one) == (length <= MAX_ANTHROPIC)


@given(ids)
def test_what_a_client_was_told_leads_back(original: str) -> None:
    told = for_anthropic_client(original)
    assert LEGAL.match(told)
    back = for_openai(told)
    assert back == original if len(original) <= MAX_OPENAI or told != original else len(back) <= 40


@given(ids, ids)
def test_requests_keep_ids_apart(one: str, other: str) -> None:
    for made in (for_anthropic(one), for_anthropic(other)):
        assert LEGAL.match(made)
        assert len(made) <= MAX_ANTHROPIC
    assert (for_anthropic(one) == for_anthropic(other)) == (one == other)
