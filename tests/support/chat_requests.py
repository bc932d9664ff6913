"""Chat requests that hypothesis makes up: sound ones, and wild ones that pass the first check."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.chats import HI, SONNET_4, TOOL, answer, calls

words = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.sampled_from(["f", "g"])
ids = st.sampled_from(["call_1", "functions.Bash:0", "x" * 70])
marker = st.sampled_from([None, {"type": "ephemeral"}])
urls = st.one_of(
    words,
    st.sampled_from(
        [
            "data:image/png;base64,aGk=",
            "data:image/jpg;base64,/9j/",
            "data:image/bmp;base64,aGk=",
            "data:application/pdf;base64,aGk=",
            "data:text/csv;base64,aGk=",
            "data:text/csv;base64,a",
            "https://example.com/a.png",
            "https://example.com/a.PDF?x",
            "https://[",
            "data:,",
        ]
    ),
)
parts = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": words}, optional={"cache_control": marker}
    ),
    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": words}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": urls}),
    st.fixed_dictionaries(
        {"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": urls})}
    ),
    st.fixed_dictionaries(
        {"type": st.just("file"), "file": st.fixed_dictionaries({}, optional={"file_data": urls})}
    ),
    st.fixed_dictionaries(
        {"type": st.just("thinking")},
        optional={"thinking": words, "text": words, "signature": words},
    ),
    st.fixed_dictionaries({"type": st.just("redacted_thinking")}, optional={"data": words}),
)
contents = st.one_of(st.none(), words, st.lists(parts, max_size=3))
arguments = st.sampled_from([None, "", "{}", '{"x": 1}', "[1]", "{", "null", '{"x": ' * 70])
tool_calls = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": ids,
            "type": st.sampled_from(["function", "custom"]),
            "function": st.fixed_dictionaries({}, optional={"name": names, "arguments": arguments}),
        },
    ),
    max_size=2,
)
good_calls = st.lists(ids, max_size=2).map(lambda made: calls(*made)["tool_calls"])
messages = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(
                ["system", "developer", "user", "tool", "assistant", "function"]
            ),
            "content": contents,
        },
        optional={
            "name": words,
            "tool_call_id": ids,
            "tool_calls": tool_calls,
            "thinking_blocks": st.none() | st.lists(parts, max_size=2) | words,
            "refusal": words,
            "cache_control": marker,
        },
    ),
    st.fixed_dictionaries({"role": st.just("user"), "content": words}),
    st.fixed_dictionaries({"role": st.just("assistant"), "tool_calls": good_calls}),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "tool_call_id": ids, "content": st.none() | words}
    ),
)
functions = st.fixed_dictionaries(
    {},
    optional={
        "name": names,
        "description": words,
        "parameters": st.sampled_from([None, {}, {"type": "object"}, {"properties": {}}]),
        "strict": st.booleans(),
    },
)
tools = st.one_of(
    st.just(TOOL),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["function", "custom"]), "function": functions},
        optional={"cache_control": marker},
    ),
)
choices = st.one_of(
    st.sampled_from(["auto", "none", "required", "any"]),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["function", "custom", "allowed_tools"])},
        optional={
            "function": functions,
            "allowed_tools": st.fixed_dictionaries(
                {}, optional={"mode": st.sampled_from(["auto", "none"]), "tools": st.lists(tools)}
            ),
        },
    ),
)
schemas = st.sampled_from(
    [None, {}, {"schema": None}, {"schema": {"type": "object", "properties": {"a": {}}}}]
)
numbers = st.one_of(st.floats(-1, 3), st.integers(-1, 3))
wild = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": st.lists(messages, min_size=1, max_size=6)},
    optional={
        "tools": st.lists(tools, max_size=2),
        "tool_choice": choices,
        "parallel_tool_calls": st.booleans(),
        "temperature": numbers,
        "top_p": numbers,
        "stop": words | st.lists(words, max_size=3),
        "max_tokens": st.integers(1, 100_000),
        "max_completion_tokens": st.integers(1, 100_000),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "xhigh", "max", "?"]),
        "response_format": st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "json_object", "json_schema", "xml"])},
            optional={"json_schema": schemas},
        ),
        "user": words,
        "stream": st.booleans(),
        "seed": st.integers(0, 9),
        "what": words,
    },
)
sound_media = st.sampled_from(["data:image/png;base64,aGk=", "https://example.com/a.pdf"])
sound_parts = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": words.map(lambda word: f"x{word}")},
        optional={"cache_control": marker},
    ),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": sound_media}),
)
thought = st.just({"type": "thinking", "thinking": "x", "signature": "s"})
exchanges = st.one_of(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "user", "assistant", "system"]),
            "content": words.map(lambda word: f"{word}x "),
        }
    ).map(lambda message: [message]),
    st.fixed_dictionaries(
        {"role": st.just("user"), "content": st.lists(sound_parts, min_size=1, max_size=2)}
    ).map(lambda message: [message]),
    st.builds(
        lambda made, thoughts, said: [
            {**calls(*made), "thinking_blocks": thoughts},
            *(answer(each, said) for each in made),
        ],
        st.lists(ids, min_size=1, max_size=3, unique=True),
        st.lists(thought, max_size=1),
        st.none() | words | st.lists(sound_parts, max_size=2),
    ),
)
sound = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "messages": st.lists(exchanges, max_size=4).map(
            lambda made: [HI, *(message for exchange in made for message in exchange)]
        ),
    },
    optional={
        "tools": st.just([TOOL]),
        "tool_choice": st.sampled_from(["auto", "none"]),
        "parallel_tool_calls": st.booleans(),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "stop": words,
        "max_tokens": st.integers(1, 100_000),
        "reasoning_effort": st.sampled_from(["none", "low", "high", "xhigh"]),
        "response_format": st.sampled_from(
            [
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
            ]
        ),
        "stream": st.booleans(),
        "what": words,
    },
)
requests = st.one_of(sound, wild)
models = st.sampled_from(
    [SONNET_4, "claude-3-opus", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5", "kimi-k2"]
)
