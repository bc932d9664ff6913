from __future__ import annotations

import json
from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.translation.messages_turns import chat_messages
from shared.wire.translation.tool_ids import for_anthropic_client, for_openai

HEADER = "x-anthropic-billing-header: cc_version=2.1; cc_entrypoint=cli;"
HI = {"role": "user", "content": "hi"}
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
}
SEEN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def text(said: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **fields}


def call(**fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, **fields}


def result(content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **fields}


def said(role: str, *blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """What one turn becomes: the assistant's after one of the user, the user's after a call."""
    before = [HI, {"role": "assistant", "content": [call()]}][: 1 if role == "assistant" else 2]
    turns = [*before, {"role": role, "content": list(blocks)}]
    return chat_messages({"messages": turns})[len(before) :]


@pytest.mark.parametrize(
    ("system", "made"),
    [
        (None, None),
        ("", None),
        ([], None),
        ("be brief", "be brief"),
        ([text("be "), text(""), text("brief", cache_control={"type": "ephemeral"})], "be brief"),
        pytest.param([text(HEADER), text("S")], "S", id="tricky-4 header first"),
        pytest.param([text("S"), text(HEADER)], "S", id="tricky-4 header last"),
        pytest.param([text(HEADER)], None, id="tricky-4 header alone"),
        pytest.param(f"{HEADER}\nS", "S", id="tricky-4 header before text"),
        (f"S {HEADER}", f"S {HEADER}"),
    ],
)
def test_the_system_prompt(system: Any, made: str | None) -> None:
    first = [{"role": "system", "content": made}] if made else []
    assert chat_messages({"system": system, "messages": [HI]}) == [*first, HI]


@pytest.mark.parametrize(
    ("turn", "made"),
    [
        ({"role": "user", "content": [text("a")]}, {"role": "user", "content": "a"}),
        (
            {"role": "user", "content": [text("a"), text(""), text("b")]},
            {"role": "user", "content": [text("a"), text("b")]},
        ),
        pytest.param(
            {"role": "user", "content": [text("a", cache_control={"type": "ephemeral"}), PICTURE]},
            {"role": "user", "content": [text("a"), SEEN]},
            id="tricky-33 cache_control of a block",
        ),
        pytest.param(
            {"role": "user", "content": [text("")]},
            {"role": "user", "content": ""},
            id="tricky-19 empty text",
        ),
        ({"role": "user", "content": []}, {"role": "user", "content": ""}),
        ({"role": "user", "content": [PICTURE]}, {"role": "user", "content": [SEEN]}),
        ({"role": "assistant", "content": "a"}, {"role": "assistant", "content": "a"}),
        (
            {"role": "assistant", "content": [text("a", citations=[{}]), text("b")]},
            {"role": "assistant", "content": "ab"},
        ),
        pytest.param(
            {"role": "system", "content": "mid"},
            {"role": "system", "content": "mid"},
            id="tricky-3 system within messages",
        ),
        (
            {"role": "system", "content": [text("a"), text("b")]},
            {"role": "system", "content": "ab"},
        ),
    ],
)
def test_a_turn(turn: Any, made: Any) -> None:
    assert chat_messages({"messages": [HI, turn, HI]}) == [HI, made, HI]


def test_an_empty_system_turn_is_none() -> None:
    empty = {"role": "system", "content": ""}
    assert chat_messages({"messages": [HI, empty, HI]}) == [HI, HI]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            {"type": "thinking", "thinking": "hm", "signature": "S=="}, id="tricky-29 signed"
        ),
        pytest.param({"type": "thinking", "thinking": "hm"}, id="tricky-29 unsigned"),
        pytest.param({"type": "redacted_thinking", "data": "hm"}, id="tricky-29 redacted"),
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "hm"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": ["hm"]},
        {"type": "compaction", "content": None},
        {"type": "fallback", "to": {"model": "hm"}},
        {"type": "mcp_tool_listing", "mcp_server_name": "hm", "tools": []},
    ],
)
def test_history_that_says_nothing_to_another_model(block: Any) -> None:
    made = chat_messages(
        {"messages": [HI, {"role": "assistant", "content": [block, text("a")]}, HI]}
    )
    assert made == [HI, {"role": "assistant", "content": "a"}, HI]
    alone = chat_messages({"messages": [HI, {"role": "assistant", "content": [block]}, HI]})
    assert alone == [HI, {"role": "assistant", "content": ""}, HI]


def test_a_compaction_is_its_summary() -> None:
    summary = {"type": "compaction", "content": "so far", "signature": "S=="}
    assert said("assistant", summary, text(" on")) == [
        {"role": "assistant", "content": "so far on"}
    ]
    assert said("user", summary) == [{"role": "user", "content": "so far"}]


def test_a_system_turn_may_be_cleared_by_the_next_of_the_user() -> None:
    old, new = (
        {"role": "system", "content": content, "clear_at": "next_user_message"}
        for content in ("old", "new")
    )
    kept = {"role": "system", "content": "kept", "clear_at": "never"}
    assert chat_messages({"messages": [HI, old, kept, HI, new]}) == [
        HI,
        {"role": "system", "content": "kept"},
        HI,
        {"role": "system", "content": "new"},
    ]


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        pytest.param({}, "{}", id="tricky-12 no arguments"),
        pytest.param(None, "{}", id="tricky-12 null"),
        ({"a": {"b": [1, 2.5, None, True, "\u0111"]}}, '{"a":{"b":[1,2.5,null,true,"\u0111"]}}'),
    ],
)
def test_arguments(given: Any, arguments: str) -> None:
    [made] = said("assistant", call(input=given))
    assert made["tool_calls"][0]["function"] == {"name": "f", "arguments": arguments}


def test_calls_beside_text() -> None:
    blocks = (text("a"), call(id="1"), text("b"), call(id="2", name="g", caller={}))
    [made] = said("assistant", *blocks)
    assert made["content"] == "ab"
    assert [(one["id"], one["type"]) for one in made["tool_calls"]] == [
        ("1", "function"),
        ("2", "function"),
    ]
    assert [one["function"]["name"] for one in made["tool_calls"]] == ["f", "g"]


def test_calls_without_text_have_no_content() -> None:
    [made] = said("assistant", call())
    assert made["content"] is None


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (result("sunny"), "sunny"),
        (result([text("a", cache_control={}), text("b")]), "a\nb"),
        pytest.param(result(), "", id="tricky-11 no content"),
        pytest.param(result([]), "", id="tricky-11 empty list"),
        pytest.param(result(""), "", id="tricky-11 empty"),
        pytest.param(result("x", is_error=False), "x", id="tricky-11 no error"),
        pytest.param(result("x", is_error=True), "[The tool failed.]\nx", id="tricky-11 error"),
        pytest.param(
            result(is_error=True), "[The tool failed.]", id="tricky-11 error without content"
        ),
        (result([{"type": "tool_reference", "tool_name": "g"}]), "The tool g is there."),
    ],
)
def test_a_result(block: Any, content: str) -> None:
    assert said("user", block) == [{"role": "tool", "tool_call_id": "toolu_1", "content": content}]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param(
            [result("1"), result("2", tool_use_id="b"), text("and")],
            id="tricky-9 results before text",
        ),
        [text("and"), result("1"), result("2", tool_use_id="b")],
    ],
)
def test_results_come_first(blocks: Any) -> None:
    assert said("user", *blocks) == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "user", "content": "and"},
    ]


OTHER = {"type": "image", "source": {"type": "url", "url": "https://example.com/b.png"}}
OTHER_SEEN = {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}}


@pytest.mark.parametrize(
    ("blocks", "answers", "shown"),
    [
        pytest.param(
            [result([text("a"), PICTURE, text("b")])],
            ["a\n[See the user's next message.]\nb"],
            [text("Output of the tool call toolu_1:"), SEEN],
            id="tricky-10 text and image",
        ),
        pytest.param(
            [
                result([PICTURE]),
                result([OTHER], tool_use_id="2", is_error=True),
                result("c", tool_use_id="3"),
                text("and"),
            ],
            [
                "[See the user's next message.]",
                "[The tool failed.]\n[See the user's next message.]",
                "c",
            ],
            [
                text("Output of the tool call toolu_1:"),
                SEEN,
                text("Output of the tool call 2:"),
                OTHER_SEEN,
                text("and"),
            ],
            id="tricky-10 images of several results before text",
        ),
    ],
)
def test_images_of_results_follow_in_a_message_of_the_user(
    blocks: Any, answers: Any, shown: Any
) -> None:
    *results, last = said("user", *blocks)
    assert [one["content"] for one in results] == answers
    assert last == {"role": "user", "content": shown}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("toolu_01A", "toolu_01A"),
        pytest.param(
            for_anthropic_client("functions.Bash:0"), "functions.Bash:0", id="tricky-14 comes back"
        ),
        pytest.param("toolu_" + "x" * 40, for_openai("toolu_" + "x" * 40), id="tricky-14 too long"),
    ],
)
def test_ids(given: str, sent: str) -> None:
    turns = [
        {"role": "assistant", "content": [call(id=given)]},
        {"role": "user", "content": [result("x", tool_use_id=given)]},
    ]
    calling, answering = chat_messages({"messages": turns})
    assert calling["tool_calls"][0]["id"] == answering["tool_call_id"] == sent
    assert len(sent) <= 40


@pytest.mark.parametrize(
    ("begun", "goes_on"),
    [
        pytest.param("{", "{", id="tricky-18 prefill"),
        pytest.param("Answer: \n", "Answer:", id="tricky-18 trailing white space"),
        pytest.param([text("a "), text("b ")], "a b", id="tricky-18 blocks"),
        ("", ""),
    ],
)
def test_an_answer_begun(begun: Any, goes_on: str) -> None:
    made = chat_messages({"messages": [HI, {"role": "assistant", "content": begun}]})
    assert made == [HI, {"role": "assistant", "content": goes_on}]


def test_only_the_last_answer_loses_white_space() -> None:
    turns = [HI, {"role": "assistant", "content": "a "}, {"role": "user", "content": "b "}]
    assert chat_messages({"messages": turns}) == turns


def test_turns_of_one_role_stay_apart() -> None:
    turns = [{"role": "assistant", "content": "first"}, HI, HI]
    assert chat_messages({"messages": turns}) == turns


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([], id="tricky-9 turns of one role"),
        [{"role": "user", "content": "wait"}],
        [{"role": "system", "content": "wait"}],
    ],
)
def test_results_follow_their_calls(between: Any) -> None:
    turns = [
        HI,
        {"role": "assistant", "content": [text("a"), call(id="1")]},
        {"role": "assistant", "content": [call(id="2")]},
        {"role": "assistant", "content": "b"},
        *between,
        {"role": "user", "content": [result("x", tool_use_id="1"), text("and")]},
        {"role": "user", "content": [result("y", tool_use_id="2")]},
        {"role": "assistant", "content": "c"},
        HI,
    ]
    made = chat_messages({"system": "S", "messages": turns})
    assert [(one["role"], one["content"]) for one in made] == [
        ("system", "S"),
        ("user", "hi"),
        ("assistant", "ab"),
        ("tool", "x"),
        ("tool", "y"),
        *((one["role"], "wait") for one in between),
        ("user", "and"),
        ("assistant", "c"),
        ("user", "hi"),
    ]
    assert [one["id"] for one in made[2]["tool_calls"]] == ["1", "2"]


def test_calls_in_a_row_without_text_have_no_content() -> None:
    turn = {"role": "assistant", "content": [call()]}
    [made] = chat_messages({"messages": [turn, turn]})
    assert (made["content"], len(made["tool_calls"])) == (None, 2)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        pytest.param(
            {"messages": [{"role": "system", "content": "x"}]},
            "messages",
            id="tricky-17 only system",
        ),
        ({"messages": [{"role": "system", "content": HEADER}]}, "messages"),
        ({"messages": [HI], "system": [PICTURE]}, "system[0].type"),
        (
            {"messages": [HI, {"role": "system", "content": [text("x"), PICTURE]}]},
            "messages[1].content[1].type",
        ),
        ({"messages": [{"role": "user", "content": [call()]}]}, "messages[0].content[0].type"),
        (
            {"messages": [HI, {"role": "system", "content": [{"type": "tool_addition"}]}]},
            "messages[1].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [result([result("x")])]}]},
            "messages[0].content[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [result(tool_use_id=None)]}]},
            "messages[0].content[0].tool_use_id",
        ),
        (
            {"messages": [{"role": "assistant", "content": [PICTURE]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [result("x")]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [call(input="{}")]}]},
            "messages[0].content[0].input",
        ),
        (
            {"messages": [{"role": "assistant", "content": [call(id=None)]}]},
            "messages[0].content[0].id",
        ),
        (
            {"messages": [{"role": "assistant", "content": [call(name=5)]}]},
            "messages[0].content[0].name",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "compaction", "content": 5}]}
                ]
            },
            "messages[0].content[0].content",
        ),
    ],
)
def test_refused(given: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        chat_messages(given)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_what_was_given_is_not_changed() -> None:
    given = {
        "system": [text(HEADER), text("S", cache_control={})],
        "messages": [
            {"role": "user", "content": [text("a"), PICTURE]},
            {"role": "assistant", "content": [text("a "), call()]},
            {"role": "user", "content": [result([PICTURE])]},
            {"role": "assistant", "content": "b "},
        ],
    }
    before = json.dumps(given)
    chat_messages(given)
    assert json.dumps(given) == before
