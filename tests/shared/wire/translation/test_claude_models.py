from __future__ import annotations

import pytest

from shared.wire.translation.claude_models import claude_model


@pytest.mark.parametrize(
    ("name", "family", "generation"),
    [
        ("claude-3-opus-20240229", "opus", (3, 0)),
        ("claude-3-5-sonnet-20241022", "sonnet", (3, 5)),
        ("claude-3-7-sonnet-latest", "sonnet", (3, 7)),
        ("claude-sonnet-4-20250514", "sonnet", (4, 0)),
        ("claude-sonnet-4@20250514", "sonnet", (4, 0)),
        ("claude-opus-4-1-20250805", "opus", (4, 1)),
        ("claude-haiku-4-5", "haiku", (4, 5)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet", (4, 5)),
        ("anthropic/claude-opus-4.7", "opus", (4, 7)),
        ("anthropic/claude-4.7-opus", "opus", (4, 7)),
        ("Claude-Opus-5", "opus", (5, 0)),
        ("claude-fable-5-2", "fable", (5, 2)),
        ("claude-mythos-preview", "mythos", (4, 7)),
        ("claude-instant", "", (0, 0)),
        ("kimi-k2", "", (0, 0)),
        ("gpt-4.1", "", (0, 0)),
    ],
)
def test_names(name: str, family: str, generation: tuple[int, int]) -> None:
    model = claude_model(name)
    assert (model.family, model.generation) == (family, generation)
    assert model.known is (generation > (0, 0))


@pytest.mark.parametrize(
    ("name", "budget", "effort", "extra", "unasked"),
    [
        ("kimi-k2", False, False, False, False),
        ("claude-3-5-haiku", False, False, False, False),
        ("claude-3-7-sonnet", True, False, False, False),
        ("claude-opus-4-5", True, False, False, False),
        ("claude-sonnet-4-6", False, True, False, False),
        ("claude-opus-4-8", False, True, True, False),
        ("claude-sonnet-5", False, True, True, True),
        ("claude-mythos-preview", False, True, True, True),
        ("claude-opus-7", False, True, True, True),
    ],
)
def test_thinking(name: str, budget: bool, effort: bool, extra: bool, unasked: bool) -> None:
    model = claude_model(name)
    assert (model.takes_budget, model.takes_effort) == (budget, effort)
    assert (model.takes_extra_effort, model.thinks_unasked) == (extra, unasked)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("claude-opus-5", "disabled"),
        ("claude-sonnet-5", "disabled"),
        ("claude-haiku-5-5", "disabled"),
        ("claude-sonnet-5-5", "between_tools"),
        ("claude-opus-5-5", None),
        ("claude-fable-5", None),
        ("claude-mythos-5-1", None),
        ("claude-opus-6", None),
    ],
)
def test_the_least_thinking(name: str, least: str | None) -> None:
    assert claude_model(name).least_thinking == least


@pytest.mark.parametrize(
    ("name", "sampling", "both", "schema"),
    [
        ("kimi-k2", True, True, False),
        ("claude-3-opus", True, True, False),
        ("claude-sonnet-4-20250514", True, True, False),
        ("claude-opus-4-1", True, False, False),
        ("claude-sonnet-4-5", True, False, True),
        ("claude-sonnet-4-6", True, False, True),
        ("claude-opus-4-7", False, False, True),
        ("claude-fable-5", False, False, True),
    ],
)
def test_sampling_and_schemas(name: str, sampling: bool, both: bool, schema: bool) -> None:
    model = claude_model(name)
    assert (model.takes_sampling, model.takes_both_samplings) == (sampling, both)
    assert model.takes_schema is schema
