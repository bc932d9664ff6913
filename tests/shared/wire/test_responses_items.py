from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.parsed_request import Media
from shared.wire.responses_items import check_items

SAID = {"role": "user", "content": "hi"}
TEXT = {"type": "input_text", "text": "hi"}
PICTURE = "data:image/png;base64,AAAA"


def message(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": role, "content": list(parts)}


@pytest.mark.parametrize(
    "item",
    [
        SAID,
        {"role": "developer", "content": [TEXT]},
        message(TEXT, {"type": "input_text", "text": ""}),
        message({"type": "output_text", "text": "x", "annotations": []}, role="assistant"),
        message(
            {
                "type": "output_text",
                "text": "x",
                "annotations": [{"type": "url_citation", "url": "https://x"}],
            },
            role="assistant",
        ),
        message({"type": "refusal", "refusal": "no"}, role="assistant"),
        message({**TEXT, "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"}}),
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"text": "x"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "file_id"},
        {"type": "function_call_output", "call_id": "c", "output": [TEXT]},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
        {"type": "local_shell_call", "id": "l", "call_id": "c", "action": {"type": "exec"}},
        {"type": "shell_call", "call_id": "c", "action": {}, "environment": {"type": "local"}},
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "custom"}]},
        {"type": "tool_search_output", "tools": []},
    ],
)
def test_items_that_hold_all_they_say(item: dict[str, Any]) -> None:
    media = Media()
    assert check_items([SAID, item], media) is False
    assert media == Media()


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ("hi", "input[1]"),
        ({}, "input[1].id"),
        ({"id": "msg_1"}, "input[1].id"),
        ({"type": None, "id": "rs_1"}, "input[1].id"),
        ({"type": "item_reference", "id": "msg_1"}, "input[1].id"),
        ({"type": ["message"]}, "input[1].type"),
        ({"type": "thought"}, "input[1].type"),
        ({"type": "file_search_call", "id": "fs_1"}, "input[1].type"),
        ({"type": "image_generation_call", "id": "ig_1"}, "input[1].type"),
        ({"type": "code_interpreter_call", "container_id": "cntr_1"}, "input[1].type"),
        ({"type": "program", "id": "p"}, "input[1].type"),
        ({"type": "message", "content": "x"}, "input[1].role"),
        ({"role": "tool", "content": "x"}, "input[1].role"),
        ({"role": ["user"], "content": "x"}, "input[1].role"),
        ({"role": "user"}, "input[1].content"),
        ({"role": "user", "content": {"text": "x"}}, "input[1].content"),
        (message("x"), "input[1].content[0]"),
        (message(TEXT, {}), "input[1].content[1].type"),
        (message({"type": ["input_text"]}), "input[1].content[0].type"),
        (message({"type": "input_audio", "data": ""}), "input[1].content[0].type"),
        (message({"type": "input_text"}), "input[1].content[0].text"),
        (message({"type": "refusal", "refusal": 5}), "input[1].content[0].refusal"),
        (message({"type": "input_image"}), "input[1].content[0].image_url"),
        (message({"type": "input_image", "file_id": "file-1"}), "input[1].content[0].file_id"),
        (message({"type": "input_file", "file_id": "file-1"}), "input[1].content[0].file_id"),
        (
            message({**TEXT, "prompt_cache_breakpoint": {"ttl": "12h"}}),
            "input[1].content[0].prompt_cache_breakpoint.ttl",
        ),
        (
            message({**TEXT, "type": "output_text", "annotations": [{"file_id": "file-1"}]}),
            "input[1].content[0].annotations[0].file_id",
        ),
        (
            message({**TEXT, "type": "output_text", "annotations": [{}, {"container_id": "c"}]}),
            "input[1].content[0].annotations[1].container_id",
        ),
        ({"type": "reasoning", "id": "rs_1", "summary": []}, "input[1].encrypted_content"),
        (
            {"type": "reasoning", "id": "rs_1", "encrypted_content": None, "content": []},
            "input[1].encrypted_content",
        ),
        ({"type": "compaction", "id": "cmp_1"}, "input[1].encrypted_content"),
        ({"type": "function_call_output", "call_id": "c"}, "input[1].output"),
        (
            {"type": "custom_tool_call_output", "output": [{"type": "input_file", "file_id": "f"}]},
            "input[1].output[0].file_id",
        ),
        (
            {"type": "computer_call_output", "output": {"type": "computer_screenshot"}},
            "input[1].output[0].image_url",
        ),
        (
            {"type": "computer_call_output", "output": {"file_id": "file-1"}},
            "input[1].output[0].file_id",
        ),
        (
            {"type": "shell_call", "environment": {"type": "container_reference"}},
            "input[1].environment",
        ),
        (
            {"type": "additional_tools", "tools": [{"type": "file_search"}]},
            "input[1].tools[0].type",
        ),
    ],
)
def test_refused(item: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        check_items([SAID, item], Media())
    assert (caught.value.status, caught.value.param) == (400, param)


def test_an_input_without_items_is_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        check_items([], Media())
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("item", "media"),
    [
        (message({"type": "input_image", "image_url": PICTURE}), Media(1, len(PICTURE))),
        (
            {
                "type": "function_call_output",
                "output": [{"type": "input_image", "image_url": PICTURE}] * 2,
            },
            Media(2, 2 * len(PICTURE)),
        ),
        (
            {
                "type": "computer_call_output",
                "output": {"type": "computer_screenshot", "image_url": PICTURE},
            },
            Media(1, len(PICTURE)),
        ),
        (message({"type": "input_image", "image_url": "https://x/y.png"}), Media(elsewhere=True)),
        (message({"type": "input_file", "file_data": "data:"}), Media(elsewhere=True)),
        (message({"type": "input_file", "file_url": "https://x"}), Media(elsewhere=True)),
        ({"type": "web_search_call", "id": "ws_1"}, Media(elsewhere=True)),
        ({"type": "compaction", "encrypted_content": "gAAA"}, Media(elsewhere=True)),
        ({"type": "compaction_trigger"}, Media(elsewhere=True)),
    ],
)
def test_input_that_is_no_text(item: dict[str, Any], media: Media) -> None:
    counted = Media()
    check_items([SAID, item], counted)
    assert counted == media


def test_a_search_offered_by_an_item_is_noticed() -> None:
    item = {"type": "additional_tools", "tools": [{"type": "web_search"}]}
    assert check_items([item, SAID], Media()) is True
