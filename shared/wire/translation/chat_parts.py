"""What an answer of Chat Completions holds: the same in a body's message and in a stream's deltas.

Upstreams of this dialect differ in what they add to it; what is read here beside OpenAI's own
fields is named where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from shared.errors import StreamError

Fields = dict[str, Any]

LEGACY_CALL = -1


class Kind(StrEnum):
    """What a piece of text is."""

    THINKING = "thinking"
    TEXT = "text"
    REFUSAL = "refusal"


class CallPart(NamedTuple):
    """A tool call, or the part of one that a delta holds.

    Attributes:
        position: Which call it belongs to, `index` in a delta; LEGACY_CALL for a `function_call`.
        id: The upstream's id, empty where it gives none.
        name: The function's name, empty where the part does not give it.
        arguments: JSON, or a part of it.
    """

    position: int
    id: str
    name: str
    arguments: str


def choice_of(answer: Fields) -> Fields | None:
    """The one choice, of a completion or of a chunk; None where there is none.

    Raises:
        StreamError: `choices` is no list of objects.
    """
    choices = answer.get("choices")
    if choices is None:
        return None
    if not isinstance(choices, list):
        raise StreamError("choices is no list")
    for choice in choices:
        if not isinstance(choice, dict):
            raise StreamError("a choice is no object")
        if not choice.get("index"):
            return choice
    return None


def object_in(fields: Fields, name: str) -> Fields:
    """An object; absent and null are empty.

    Raises:
        StreamError: It is none.
    """
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise StreamError(f"{name} is no object")
    return value


def texts_of(message: Fields) -> Iterator[tuple[Kind, str]]:
    """What a message or delta says, in the order in which it is told; nothing empty.

    DeepSeek and xAI tell their reasoning as `reasoning_content`, OpenRouter, Groq and newer vLLM
    as `reasoning`; Mistral sends `content` as a list of parts.

    Raises:
        StreamError: `content` or `refusal` is no text.
    """
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if thinking and isinstance(thinking, str):
        yield Kind.THINKING, thinking
    content = message.get("content")
    if content:
        if isinstance(content, list):
            yield from _parts(content)
        else:
            yield Kind.TEXT, _string(content, "content")
    refusal = message.get("refusal")
    if refusal:
        yield Kind.REFUSAL, _string(refusal, "refusal")


def calls_of(message: Fields) -> Iterator[CallPart]:
    """Tool calls of a message, or parts of them in a delta.

    Raises:
        StreamError: They are none.
    """
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise StreamError("tool_calls is no list")
        for call in calls:
            yield _call(call)
    legacy = message.get("function_call")
    if legacy:
        yield _part(LEGACY_CALL, "", legacy)


def citations_of(message: Fields) -> Iterator[Fields]:
    """URLs cited, as Anthropic's citations of a search; other annotations have no counterpart.

    OpenAI marks where in the answer it cites, Anthropic quotes the source: there is no quote.
    """
    annotations = message.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(cited, dict) and isinstance(cited.get("url"), str):
            title = cited.get("title")
            yield {
                "type": "web_search_result_location",
                "url": cited["url"],
                "title": title if isinstance(title, str) else None,
                "cited_text": "",
                "encrypted_index": "",
            }


def is_object(arguments: str) -> bool:
    """Whether arguments are a whole JSON object."""
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False


def _parts(parts: list[Any]) -> Iterator[tuple[Kind, str]]:
    for part in parts:
        if not isinstance(part, dict):
            raise StreamError("a part of content is no object")
        thinking = part.get("thinking")
        for inner in thinking if isinstance(thinking, list) else ():
            text = inner.get("text") if isinstance(inner, dict) else None
            if text and isinstance(text, str):
                yield Kind.THINKING, text
        if part.get("text"):
            yield Kind.TEXT, _string(part["text"], "text")


def _call(call: Any) -> CallPart:
    if not isinstance(call, dict):
        raise StreamError("a tool call is no object")
    position = call.get("index")
    return _part(
        position if isinstance(position, int) else 0,
        _string_or_empty(call.get("id")),
        call.get("function"),
    )


def _part(position: int, call_id: str, function: Any) -> CallPart:
    if not isinstance(function, dict):
        raise StreamError("a call names no function")
    arguments = function.get("arguments")
    return CallPart(
        position,
        call_id,
        _string_or_empty(function.get("name")),
        arguments if isinstance(arguments, str) else _serialised(arguments),
    )


def _serialised(arguments: Any) -> str:
    """Arguments that came as an object instead of its JSON."""
    if arguments is None:
        return ""
    if not isinstance(arguments, dict):
        raise StreamError("arguments are no text")
    try:
        return orjson.dumps(arguments).decode()
    except orjson.JSONEncodeError:
        raise StreamError("arguments are nested too deep") from None


def _string(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise StreamError(f"{name} is no text")
    return value


def _string_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""
