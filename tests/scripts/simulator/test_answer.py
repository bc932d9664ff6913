from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.simulator.answer import (
    SILENCE,
    Prompt,
    Text,
    Thinking,
    Tool,
    ToolCall,
    answer_to,
    block_tokens,
    fragments,
    json_or_empty,
    signature_of,
)
from scripts.simulator.behaviour import Pace, Plain, Short
from scripts.simulator.usage import InputTokens

ECHO, TOOLS, THINK = Plain("echo"), Plain("tools"), Plain("think")
INPUT = InputTokens(5)


def prompt(text: str = "one two three", **more: Any) -> Prompt:
    return Prompt("m", False, text, (), **more)


def test_echo_repeats() -> None:
    answer = answer_to(prompt(), ECHO, INPUT)
    assert answer.blocks == (Text("one two three"),)
    assert (answer.stop, answer.output_tokens, answer.thinking_tokens) == ("end", 4, 0)


def test_silence_is_broken() -> None:
    assert answer_to(prompt(""), ECHO, INPUT).blocks == (Text(SILENCE),)


@pytest.mark.parametrize("text", ["a b", " a  b\n", "\n\na", "ä\tö ", "x"])
def test_pieces_make_the_text(text: str) -> None:
    assert "".join(Text(text).pieces) == text
    assert all(Text(text).pieces)


def test_tools_calls_then_answers() -> None:
    tool = Tool("t", {"type": "object", "properties": {"a": {"const": 1}}})
    call = answer_to(prompt(tool=tool), TOOLS, INPUT)
    assert (call.blocks, call.stop) == ((ToolCall("t", '{"a":1}'),), "tool")
    assert call.output_tokens == 2
    end = answer_to(prompt(tool=tool, tool_result="42"), TOOLS, INPUT)
    assert (end.blocks, end.stop) == ((Text("The tool said: 42"),), "end")


def test_tools_without_a_tool_is_an_echo() -> None:
    assert answer_to(prompt(), TOOLS, INPUT).blocks == (Text("one two three"),)


def test_thinking_is_part_of_the_output() -> None:
    answer = answer_to(prompt(), THINK, INPUT)
    assert [type(block) for block in answer.blocks] == [Thinking, Text]
    assert answer.output_tokens == sum(map(block_tokens, answer.blocks))
    assert answer.thinking_tokens == block_tokens(answer.blocks[0])


@pytest.mark.parametrize("behaviour", [Pace(3, 0), Short("cut", 3)])
def test_counted_words(behaviour: Pace | Short) -> None:
    (block,) = answer_to(prompt(), behaviour, INPUT).blocks
    assert isinstance(block, Text)
    assert block.pieces == ["w0", " w1", " w2"]


@pytest.mark.parametrize(
    ("limit", "text", "stop"),
    [(4, "one two three", "end"), (3, "one two thre", "length"), (1, "one ", "length")],
)
def test_max_tokens(limit: int, text: str, stop: str) -> None:
    answer = answer_to(prompt(max_tokens=limit), ECHO, INPUT)
    assert (answer.blocks, answer.stop) == ((Text(text),), stop)
    assert answer.output_tokens <= limit


def test_max_tokens_splits_no_character() -> None:
    (block,) = answer_to(prompt("äöüäöü", max_tokens=1), ECHO, INPUT).blocks
    assert block == Text("äö")


def test_max_tokens_may_end_in_thinking() -> None:
    answer = answer_to(prompt(max_tokens=2), THINK, INPUT)
    assert (answer.blocks, answer.stop) == ((Thinking("The user"),), "length")


def test_max_tokens_cuts_arguments() -> None:
    tool = Tool("tool", {"const": {"key": "a long value"}})
    answer = answer_to(prompt(tool=tool, max_tokens=3), TOOLS, INPUT)
    assert (answer.blocks, answer.stop) == ((ToolCall("tool", '{"key":"'),), "length")
    assert json_or_empty('{"key":"') == {}


def test_the_first_stop_sequence_ends_it() -> None:
    answer = answer_to(prompt(stops=("three", " two")), ECHO, INPUT)
    assert (answer.blocks, answer.stop, answer.stop_sequence) == (
        (Text("one"),),
        "sequence",
        " two",
    )


def test_choices_multiply_the_output() -> None:
    assert answer_to(prompt(choices=3), THINK, INPUT).thinking_tokens % 3 == 0
    assert answer_to(prompt(choices=3), ECHO, INPUT).output_tokens == 12


def test_fragments_start_empty_and_join() -> None:
    arguments = json.dumps({"a": "ä" * 40}, ensure_ascii=False)
    first, *rest = fragments(arguments)
    assert first == ""
    assert len(rest) > 2
    assert "".join(rest) == arguments


def test_a_signature_is_bound_to_its_text() -> None:
    assert signature_of("a") == signature_of("a") != signature_of("b")
