from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.simulator.usage import (
    MESSAGE_TOKENS,
    InputTokens,
    PromptCache,
    Unit,
    anthropic_units,
    openai_units,
    responses_units,
    tokens_of,
)

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def cost(part: object) -> int:
    """The documented formula, written anew."""
    text = json.dumps(part, separators=(",", ":"), ensure_ascii=False)
    return (len(text.encode("utf-8")) + 3) // 4


def block(text: str, mark: dict[str, str] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"cache_control": mark} if mark else {})


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2)])
def test_a_token_is_four_bytes(size: int, tokens: int) -> None:
    assert tokens_of(b"x" * size) == tokens


def test_anthropic_counts_tools_system_and_blocks() -> None:
    tool = {"name": "t", "input_schema": {"type": "object"}}
    body = {
        "tools": [tool],
        "system": "Sei höflich",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [block("a"), block("b")]},
        ],
    }
    expected = [tool, "Sei höflich", "hi", block("a"), block("b")]
    total = sum(unit.tokens for unit in anthropic_units(body))
    assert total == sum(map(cost, expected)) + 2 * MESSAGE_TOKENS


def test_openai_counts_tools_and_messages() -> None:
    message = {"role": "user", "content": "hällo"}
    tool = {"type": "function", "function": {"name": "t"}}
    units = openai_units({"tools": [tool], "messages": [message]})
    assert [unit.tokens for unit in units] == [cost(tool), cost(message)]


def test_responses_count_tools_instructions_and_items() -> None:
    item = {"role": "user", "content": "hällo"}
    tool = {"type": "function", "name": "t"}
    units = responses_units({"tools": [tool], "instructions": "be kind", "input": [item, item]})
    assert [unit.tokens for unit in units] == [cost(tool), cost("be kind"), cost(item), cost(item)]
    assert [unit.tokens for unit in responses_units({"input": "hi"})] == [cost("hi")]


def test_cache_marks_cost_nothing() -> None:
    marked = anthropic_units({"messages": [{"role": "user", "content": [block("a", MARK)]}]})
    plain = anthropic_units({"messages": [{"role": "user", "content": [block("a")]}]})
    assert (marked[0].data, marked[0].tokens) == (plain[0].data, plain[0].tokens)
    assert (marked[0].ttl, plain[0].ttl) == ("5m", None)


def test_a_mark_on_the_request_marks_its_end() -> None:
    body = {"system": "s", "messages": [{"role": "user", "content": "a"}], "cache_control": HOUR}
    assert [unit.ttl for unit in anthropic_units(body)] == [None, "1h"]


def units(*parts: tuple[str, int, str | None]) -> list[Unit]:
    return [Unit(data.encode(), tokens, ttl) for data, tokens, ttl in parts]


def test_first_sight_is_written_then_read() -> None:
    cache = PromptCache()
    first = units(("sys", 100, "5m"), ("q1", 10, None))
    assert cache.anthropic("k", first, now=0) == InputTokens(10, write_5m=100)
    assert cache.anthropic("k", first, now=1) == InputTokens(10, read=100)


def test_a_moved_mark_reads_the_old_part_and_writes_the_new() -> None:
    cache = PromptCache()
    cache.anthropic("k", units(("sys", 100, None), ("q1", 10, "5m")), now=0)
    longer = units(("sys", 100, None), ("q1", 10, None), ("a1", 7, None), ("q2", 5, "5m"))
    assert cache.anthropic("k", longer, now=1) == InputTokens(0, write_5m=12, read=110)


def test_each_mark_is_written_for_its_own_time() -> None:
    cache = PromptCache()
    marked = units(("tools", 50, "1h"), ("sys", 30, "5m"), ("q", 9, None))
    assert cache.anthropic("k", marked, now=0) == InputTokens(9, write_5m=30, write_1h=50)
    assert cache.anthropic("k", marked, now=301) == InputTokens(9, write_5m=30, read=50)


def test_a_read_keeps_a_prefix_warm() -> None:
    cache = PromptCache()
    marked = units(("sys", 100, "5m"))
    for now in (0, 200, 400):
        cache.anthropic("k", marked, now=now)
    assert cache.anthropic("k", marked, now=600).read == 100
    assert cache.anthropic("k", marked, now=1000).read == 0


def test_keys_share_no_cache() -> None:
    cache = PromptCache()
    cache.anthropic("k1", units(("sys", 100, "5m")), now=0)
    assert cache.anthropic("k2", units(("sys", 100, "5m")), now=1).read == 0


def test_no_mark_no_cache() -> None:
    cache = PromptCache()
    for _ in range(2):
        assert cache.anthropic("k", units(("sys", 100, None)), now=0) == InputTokens(100)


def test_openai_caches_long_prefixes_in_steps() -> None:
    cache = PromptCache()
    first = units(("sys", 1500, None), ("q1", 10, None))
    assert cache.openai("k", first, now=0) == InputTokens(1510)
    second = units(("sys", 1500, None), ("q2", 10, None))
    assert cache.openai("k", second, now=1) == InputTokens(1510 - 1408, read=1408)


def test_openai_caches_no_short_prefix() -> None:
    cache = PromptCache()
    cache.openai("k", units(("sys", 1000, None), ("q1", 500, None)), now=0)
    second = cache.openai("k", units(("sys", 1000, None), ("q2", 500, None)), now=1)
    assert second == InputTokens(1500)


def test_a_cleared_cache_knows_nothing() -> None:
    cache = PromptCache()
    cache.anthropic("k", units(("sys", 100, "5m")), now=0)
    cache.clear()
    assert cache.anthropic("k", units(("sys", 100, "5m")), now=1).read == 0
