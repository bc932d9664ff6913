from __future__ import annotations

import pytest

from shared.wire.translation.openai_models import calls_one_tool_at_a_time, reasons


@pytest.mark.parametrize(
    "name",
    ["o1", "o3-mini", "o4-mini-2025-04-16", "openai/o3", "ft:o4-mini-2025-04-16:us::1", "O3"],
)
def test_the_o_series(name: str) -> None:
    assert reasons(name)
    assert calls_one_tool_at_a_time(name)


@pytest.mark.parametrize(
    "name", ["gpt-5", "gpt-5.1", "gpt-5-mini-2025-08-07", "azure/gpt-5-codex", "gpt-oss-120b"]
)
def test_others_that_reason(name: str) -> None:
    assert reasons(name)
    assert not calls_one_tool_at_a_time(name)


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4o",
        "gpt-4.1-mini",
        "gpt-5-chat-latest",
        "gpt-5.1-chat-latest",
        "gpt-50",
        "o10",
        "olmo-2",
        "o1x",
        "anthropic/claude-sonnet-4",
        "deepseek-chat",
        "o3/llama",
        "",
    ],
)
def test_models_that_do_not_reason(name: str) -> None:
    assert not reasons(name)
    assert not calls_one_tool_at_a_time(name)
