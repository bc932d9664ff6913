from __future__ import annotations

import pytest

from shared.catalog.output_limits import DEFAULT_MAX_OUTPUT_TOKENS, max_output_of


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("gpt-4o-2024-08-06", 16_384),
        ("openai/gpt-4.1-mini", 32_768),
        ("gpt-4", 8_192),
        ("gpt-5-chat-latest", 16_384),
        ("gpt-5.2", 128_000),
        ("o3-mini", 100_000),
        ("claude-3-5-haiku-20241022", 8_192),
        ("claude-3-haiku-20240307", 4_096),
        ("claude-opus-4-1-20250805", 32_000),
        ("claude-opus-4-5", 64_000),
        ("Claude-3-Opus", 4_096),
        ("made-up", DEFAULT_MAX_OUTPUT_TOKENS),
    ],
)
def test_limits(name: str, limit: int) -> None:
    assert max_output_of(name) == limit
