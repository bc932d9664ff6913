"""Requests of `/v1/chat/completions`."""

from __future__ import annotations

from typing import Any

from shared.wire.fields import (
    MAX_MAX_TOKENS,
    NUMBER,
    ROUTED,
    ROUTING_FIELDS,
    STORED,
    UNPRICED,
    Fields,
    boolean,
    check_types,
    dictionary,
    forbid,
    integer,
    model_name,
    objects,
    one_of,
    refuse,
    strings,
)
from shared.wire.formats import WireFormat
from shared.wire.parsed_request import (
    Media,
    ParsedRequest,
    conversation_key_of,
    input_bound_of,
    input_estimate_of,
)
from shared.wire.token_counts import utf8_length

MAX_CHOICES = 128

_STORED = frozenset(
    {
        "previous_response_id",
        "conversation",
        "prompt",
        "prompt_id",
        "background",
        "container",
        "file_id",
        "file_ids",
        "vector_store_ids",
    }
)
_UNPRICED = frozenset({"audio", "web_search_options", "plugins"})
# Thinking of an assistant that a client sends back: text, as far as money goes.
_THOUGHTS = ("thinking", "redacted_thinking")
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_TYPES: dict[str, tuple[type, ...]] = {
    "temperature": NUMBER,
    "top_p": NUMBER,
    "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER,
    "seed": (int,),
    "logprobs": (bool,),
    "top_logprobs": (int,),
    "logit_bias": (dict,),
    "stop": (str, list),
    "tool_choice": (str, dict),
    "function_call": (str, dict),
    "parallel_tool_calls": (bool,),
    "response_format": (dict,),
    "reasoning_effort": (str,),
    "modalities": (list,),
    "metadata": (dict,),
    "user": (str,),
    "store": (bool,),
    "service_tier": (str,),
    "prediction": (dict,),
}


def read_chat_request(fields: Fields, body_bytes: int) -> ParsedRequest:
    """Check the fields of a chat completion.

    Raises:
        GatewayError: 400, with the parameter at fault.
    """
    model = model_name(fields)
    _check_scalars(fields)
    media = Media()
    messages = _messages(fields, media)
    options = dictionary(fields, "stream_options") or {}
    return ParsedRequest(
        format=WireFormat.CHAT,
        body=fields,
        model=model,
        stream=boolean(fields, "stream"),
        asked_for_usage=boolean(options, "include_usage"),
        max_tokens=_max_tokens(fields),
        choices=integer(fields, "n", 1, MAX_CHOICES) or 1,
        input_tokens_bound=input_bound_of(body_bytes, media),
        needs_context_window=media.elsewhere,
        input_estimate=input_estimate_of(body_bytes, media),
        extra_output_tokens=_prediction_bytes(fields.get("prediction")),
        web_searches=0,
        conversation_key=_conversation_key(messages),
    )


def _check_scalars(fields: Fields) -> None:
    forbid(fields, _STORED, STORED)
    forbid(fields, _UNPRICED, UNPRICED)
    forbid(fields, ROUTING_FIELDS, ROUTED)
    check_types(fields, _TYPES)
    strings(fields, "stop")
    one_of(fields, "service_tier", ("auto", "default"), UNPRICED)
    if any(modality != "text" for modality in fields.get("modalities") or ()):
        refuse("modalities", UNPRICED)
    objects(fields, "functions")
    for index, tool in enumerate(objects(fields, "tools")):
        if tool.get("type") not in ("function", "custom"):
            refuse(f"tools[{index}].type", "must be function or custom; others have no price here")


def _max_tokens(fields: Fields) -> int | None:
    """The larger of both spellings, where both are given."""
    old = integer(fields, "max_tokens", 1, MAX_MAX_TOKENS)
    new = integer(fields, "max_completion_tokens", 1, MAX_MAX_TOKENS)
    return max(old, new) if old is not None and new is not None else old or new


def _messages(fields: Fields, media: Media) -> list[Fields]:
    messages = objects(fields, "messages")
    if not messages:
        refuse("messages", "must hold at least one message")
    for index, message in enumerate(messages):
        _check_message(message, f"messages[{index}]", media)
    return messages


def _check_message(message: Fields, path: str, media: Media) -> None:
    if message.get("role") not in _ROLES:
        refuse(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
    if message.get("audio") is not None:
        refuse(f"{path}.audio", STORED)
    content = message.get("content")
    if isinstance(content, list):
        for index, part in enumerate(content):
            _check_part(part, f"{path}.content[{index}]", media)
    elif content is not None and not isinstance(content, str):
        refuse(f"{path}.content", "must be a string or a list of parts")
    _check_calls(message, path)


def _check_calls(message: Fields, path: str) -> None:
    calls = message.get("tool_calls")
    if calls is None:
        return
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        refuse(f"{path}.tool_calls", "must be a list of objects")


def _check_part(part: object, path: str, media: Media) -> None:
    if not isinstance(part, dict):
        refuse(path, "must be an object")
    kind = part.get("type")
    if kind in ("text", "refusal"):
        if not isinstance(part.get(kind), str):
            refuse(f"{path}.{kind}", "must be a string")
    elif kind == "image_url":
        _image(part, path, media)
    elif kind == "file":
        _file(part, path, media)
    elif kind not in _THOUGHTS:
        refuse(f"{path}.type", "must be text, image_url, file or refusal; others have no price")


def _image(part: Fields, path: str, media: Media) -> None:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        refuse(f"{path}.image_url", "must hold a url")
    if url.startswith("data:image/"):
        media.images += 1
        media.inline_bytes += len(url)
    else:
        media.elsewhere = True


def _file(part: Fields, path: str, media: Media) -> None:
    file = part.get("file")
    if not isinstance(file, dict):
        refuse(f"{path}.file", "must be an object")
    if file.get("file_id") is not None:
        refuse(f"{path}.file.file_id", STORED)
    media.elsewhere = True


def _prediction_bytes(prediction: Any) -> int:
    """Rejected tokens of a prediction are charged as output, beyond max_tokens."""
    content = prediction.get("content") if isinstance(prediction, dict) else None
    parts = content if isinstance(content, list) else [{"text": content}]
    return sum(utf8_length(part.get("text")) for part in parts if isinstance(part, dict))


def _conversation_key(messages: list[Fields]) -> str:
    beginning = []
    for message in messages:
        beginning.append(message.get("content"))
        if message["role"] == "user":
            break
    return conversation_key_of(beginning)
