from __future__ import annotations

from dataclasses import replace

import pytest

from shared.wire.formats import WireFormat
from shared.wire.parsed_request import (
    HIDDEN_TOKENS,
    IMAGE_TOKENS,
    Media,
    ParsedRequest,
    conversation_key_of,
    input_bound_of,
    input_estimate_of,
)

PARSED = ParsedRequest(
    format=WireFormat.CHAT,
    body={"messages": ["canary"]},
    model="m",
    stream=False,
    asked_for_usage=False,
    max_tokens=None,
    choices=1,
    input_tokens_bound=5000,
    needs_context_window=False,
    input_estimate=900,
    extra_output_tokens=7,
    web_searches=0,
    conversation_key="k",
)


@pytest.mark.parametrize(
    ("elsewhere", "window", "bound"),
    [(False, 200_000, 5000), (False, 4000, 4000), (True, 200_000, 200_000)],
)
def test_the_context_window_bounds_what_the_body_does_not(
    elsewhere: bool, window: int, bound: int
) -> None:
    assert replace(PARSED, needs_context_window=elsewhere).input_bound(window) == bound


def test_a_prediction_is_charged_beyond_max_tokens() -> None:
    assert PARSED.output_bound(100) == 107


def test_a_picture_counts_by_itself_not_by_its_bytes() -> None:
    media = Media(images=2, inline_bytes=9000)
    assert input_bound_of(10_000, media) == 1000 + 2 * IMAGE_TOKENS + HIDDEN_TOKENS
    assert input_estimate_of(10_000, media) == 250 + 2 * 1600
    assert input_bound_of(10_000, Media()) == 10_000 + HIDDEN_TOKENS


def test_prompts_stay_out_of_the_log() -> None:
    assert "canary" not in repr(PARSED)


def test_conversations_are_told_apart_by_their_beginning() -> None:
    assert conversation_key_of("a", ["b"]) == conversation_key_of("a", ["b"])
    assert conversation_key_of("a", ["b"]) != conversation_key_of("a", ["c"])
    assert conversation_key_of("ab", "") != conversation_key_of("a", "b")
