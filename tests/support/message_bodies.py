"""Bodies of `/v1/messages` with values of any kind in every place, beside ones that make sense."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

words = st.text(st.characters(codec="utf-8"), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def odd(*usual: Any) -> st.SearchStrategy[Any]:
    """One of the usual values, seldom anything else."""
    return st.sampled_from(usual * 6 + (None,)) | anything


def objects(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


sources = objects(
    {"type": odd("base64", "url", "text", "content")},
    media_type=odd("image/png", "application/pdf"),
    data=words,
    url=words,
    content=words | st.just([{"type": "text", "text": "x"}]) | anything,
)


def blocks(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    kinds = (
        "text",
        "image",
        "document",
        "search_result",
        "tool_use",
        "tool_result",
        "thinking",
        "compaction",
        "tool_reference",
        "server_tool_use",
        "x_tool_result",
    )
    return objects(
        {"type": st.sampled_from(kinds) | words, "text": words, "source": sources},
        id=odd("toolu_1", "b64_YQ"),
        tool_use_id=odd("toolu_1"),
        name=odd("f"),
        input=odd({}, {"a": 1}),
        content=st.lists(inner, max_size=2) | words | anything,
        is_error=odd(True, False),
        title=odd("t"),
        context=odd("c"),
        tool_name=odd("f"),
    )


content = words | st.lists(blocks(blocks(anything)), max_size=3)
message_bodies = objects(
    {
        "model": st.just("m"),
        "max_tokens": st.integers(1, 10**6),
        "messages": st.lists(
            objects(
                {"role": st.sampled_from(["user", "assistant", "system"]), "content": content},
                clear_at=odd("next_user_message"),
            ),
            min_size=1,
            max_size=4,
        ),
    },
    system=words | st.lists(blocks(anything), max_size=2) | anything,
    tools=st.lists(
        objects(
            {"name": odd("f"), "input_schema": odd({"type": "object"})},
            type=odd("custom", "bash_20250124"),
            description=odd("d"),
            strict=odd(True),
        ),
        max_size=2,
    ),
    tool_choice=objects(
        {"type": odd("auto", "any", "tool", "none")},
        name=odd("f"),
        disable_parallel_tool_use=odd(True),
    ),
    thinking=objects({"type": odd("enabled", "adaptive", "disabled")}, budget_tokens=odd(2048, 1)),
    output_config=objects(
        {},
        effort=odd("low", "max"),
        format=odd({"type": "json_schema", "schema": {"type": "object", "properties": {}}}),
    ),
    output_format=anything,
    metadata=objects({}, user_id=odd("u", "u" * 99)),
    stop_sequences=st.lists(words, max_size=5),
    temperature=odd(0.5),
    service_tier=odd("auto", "standard_only"),
    mcp_servers=odd([]),
    stream=odd(True),
    unknown=anything,
)
