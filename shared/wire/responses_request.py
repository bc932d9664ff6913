"""Requests of `/v1/responses`.

They are stateless: all of a conversation stands in the body. Upstream keys are shared by all
users, so nothing may name what is stored upstream: another response, a conversation, a prompt, a
file, an item. `store` is false whatever the client says; `prepare_upstream` sees to it.
"""

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
from shared.wire.responses_items import check_items
from shared.wire.responses_tools import check_tools, search_bound

_STORED = frozenset(
    {
        "previous_response_id",
        "conversation",
        "prompt",
        "prompt_id",
        "background",
        "background_options",
        "container",
        "file_id",
        "file_ids",
        "vector_store_ids",
    }
)
_UNPRICED = frozenset({"audio", "plugins"})
_TYPES: dict[str, tuple[type, ...]] = {
    "instructions": (str,),
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_logprobs": (int,),
    "tool_choice": (str, dict),
    "parallel_tool_calls": (bool,),
    "reasoning": (dict,),
    "text": (dict,),
    "include": (list,),
    "metadata": (dict,),
    "stream_options": (dict,),
    "prompt_cache_key": (str,),
    "prompt_cache_options": (dict,),
    "safety_identifier": (str,),
    "user": (str,),
    "store": (bool,),
    "service_tier": (str,),
    "truncation": (str,),
    "modalities": (list,),
}


def read_responses_request(fields: Fields, body_bytes: int) -> ParsedRequest:
    """Check the fields of a response.

    Raises:
        GatewayError: 400, with the parameter at fault.
    """
    model = model_name(fields)
    _check_scalars(fields)
    media = Media()
    offered = check_tools(fields, media)
    given = fields.get("input")
    if isinstance(given, list):
        offered = check_items(given, media) or offered
    elif not isinstance(given, str):
        refuse("input", "must be a string or a list of items")
    media.elsewhere = media.elsewhere or bool(objects(fields, "context_management"))
    return ParsedRequest(
        format=WireFormat.RESPONSES,
        body=fields,
        model=model,
        stream=boolean(fields, "stream"),
        asked_for_usage=True,
        max_tokens=integer(fields, "max_output_tokens", 1, MAX_MAX_TOKENS),
        choices=1,
        input_tokens_bound=input_bound_of(body_bytes, media),
        needs_context_window=media.elsewhere,
        input_estimate=input_estimate_of(body_bytes, media),
        extra_output_tokens=0,
        web_searches=search_bound(fields, offered=offered),
        conversation_key=_conversation_key(fields, given),
    )


def _check_scalars(fields: Fields) -> None:
    forbid(fields, _STORED, STORED)
    forbid(fields, _UNPRICED, UNPRICED)
    forbid(fields, ROUTING_FIELDS, ROUTED)
    check_types(fields, _TYPES)
    strings(fields, "include")
    one_of(fields, "service_tier", ("auto", "default"), UNPRICED)
    if any(modality != "text" for modality in fields.get("modalities") or ()):
        refuse("modalities", UNPRICED)
    cache = dictionary(fields, "prompt_cache_options") or {}
    if cache.get("comparison_response_id") is not None:
        refuse("prompt_cache_options.comparison_response_id", STORED)
    if cache.get("ttl") not in (None, "30m"):
        refuse("prompt_cache_options.ttl", UNPRICED)


def _conversation_key(fields: Fields, given: Any) -> str:
    beginning: list[Any] = [fields.get("instructions")]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        beginning.append(item.get("content"))
        if item.get("role") == "user":
            break
    return conversation_key_of(beginning)
