"""Requests of `/v1/messages`."""

from __future__ import annotations

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

# Searches taken for granted where the client does not limit them with `max_uses`.
UNLIMITED_SEARCHES = 20
MAX_SEARCHES = 1000

_STORED = frozenset(
    {
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
        "container",
        "file_id",
        "file_ids",
        "fallback_credit_token",
    }
)
_ROLES = ("user", "assistant", "system")
_CLIENT_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
# They run upstream and cost tokens alone, but bring input that the body does not tell.
_TOKEN_TOOLS = ("web_fetch_", "tool_search_tool_", "mcp_toolset")
_TYPES: dict[str, tuple[type, ...]] = {
    "temperature": NUMBER,
    "top_p": NUMBER,
    "top_k": (int,),
    "stop_sequences": (list,),
    "tool_choice": (dict,),
    "thinking": (dict,),
    "metadata": (dict,),
    "output_config": (dict,),
    "context_management": (dict,),
    "cache_control": (dict,),
    "thread": (dict,),
    "service_tier": (str,),
}


def read_messages_request(
    fields: Fields, body_bytes: int, *, limited: bool = True
) -> ParsedRequest:
    """Check the fields of a message.

    Args:
        fields: The body.
        body_bytes: Its size.
        limited: Whether `max_tokens` must be there; a translation may leave it open.

    Raises:
        GatewayError: 400, with the parameter at fault.
    """
    model = model_name(fields)
    _check_scalars(fields)
    media = Media()
    searches = _tools(fields, media)
    _system(fields, media)
    messages = _messages(fields, media)
    return ParsedRequest(
        format=WireFormat.MESSAGES,
        body=fields,
        model=model,
        stream=boolean(fields, "stream"),
        asked_for_usage=True,
        max_tokens=_max_tokens(fields, limited=limited),
        choices=1,
        input_tokens_bound=input_bound_of(body_bytes, media),
        needs_context_window=media.elsewhere,
        input_estimate=input_estimate_of(body_bytes, media),
        extra_output_tokens=0,
        web_searches=searches,
        conversation_key=_conversation_key(fields, messages),
    )


def _check_scalars(fields: Fields) -> None:
    forbid(fields, _STORED, STORED)
    forbid(fields, ROUTING_FIELDS, ROUTED)
    check_types(fields, _TYPES)
    strings(fields, "stop_sequences")
    one_of(fields, "service_tier", ("auto", "standard_only"), UNPRICED)
    one_of(fields, "speed", ("standard",), UNPRICED)
    one_of(fields, "inference_geo", ("global",), UNPRICED)
    thread = fields.get("thread") or {}
    if thread.get("type") not in (None, "create") or "previous_message_id" in thread:
        refuse("thread", STORED)


def _max_tokens(fields: Fields, *, limited: bool) -> int | None:
    value = integer(fields, "max_tokens", 1, MAX_MAX_TOKENS)
    if value is None and limited:
        refuse("max_tokens", "Field required")
    return value


def _tools(fields: Fields, media: Media) -> int:
    """Check the tools; returns how many searches they may lead to."""
    searches = 0
    for index, tool in enumerate(objects(fields, "tools")):
        path = f"tools[{index}]"
        kind = tool.get("type") or "custom"
        if not isinstance(kind, str):
            refuse(f"{path}.type", "must be a string")
        if kind.startswith("web_search_"):
            searches += _search_limit(tool, path)
            media.elsewhere = True
        elif kind.startswith(_TOKEN_TOOLS):
            media.elsewhere = True
        elif not kind.startswith(_CLIENT_TOOLS):
            refuse(f"{path}.type", UNPRICED)
    if objects(fields, "mcp_servers") or _compacts(fields):
        media.elsewhere = True
    return searches


def _search_limit(tool: Fields, path: str) -> int:
    uses = tool.get("max_uses")
    if uses is None:
        return UNLIMITED_SEARCHES
    if isinstance(uses, bool) or not isinstance(uses, int) or not 1 <= uses <= MAX_SEARCHES:
        refuse(f"{path}.max_uses", f"must be an integer between 1 and {MAX_SEARCHES}")
    return uses


def _compacts(fields: Fields) -> bool:
    """Whether the upstream may summarise the context, which takes another pass over it."""
    edits = (fields.get("context_management") or {}).get("edits") or []
    if not isinstance(edits, list):
        refuse("context_management.edits", "must be a list")
    kinds = [edit.get("type") for edit in edits if isinstance(edit, dict)]
    return any(isinstance(kind, str) and kind.startswith("compact") for kind in kinds)


def _system(fields: Fields, media: Media) -> None:
    system = fields.get("system")
    if system is not None and not isinstance(system, str | list):
        refuse("system", "must be a string or a list of text blocks")
    _content(system, "system", media)


def _messages(fields: Fields, media: Media) -> list[Fields]:
    messages = objects(fields, "messages")
    if not messages:
        refuse("messages", "must hold at least one message")
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        if message.get("role") not in _ROLES:
            refuse(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
        if not isinstance(message.get("content"), str | list):
            refuse(f"{path}.content", "must be a string or a list of blocks")
        _content(message["content"], f"{path}.content", media)
    return messages


def _content(content: object, path: str, media: Media) -> None:
    """Check blocks, those inside of tool results too. Inputs of tools are the client's own."""
    if not isinstance(content, list):
        return
    for index, block in enumerate(content):
        here = f"{path}[{index}]"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            refuse(here, "must be an object with a type")
        _block(block, here, media)


def _block(block: Fields, path: str, media: Media) -> None:
    kind = block["type"]
    if kind == "text" and not isinstance(block.get("text"), str):
        refuse(f"{path}.text", "must be a string")
    if block.get("file_id") is not None or kind == "container_upload":
        refuse(f"{path}.file_id", STORED)
    if kind in ("image", "document"):
        _source(block, path, media)
    elif kind == "tool_result":
        content = block.get("content")
        if content is not None and not isinstance(content, str | list):
            refuse(f"{path}.content", "must be a string or a list of blocks")
        _content(content, f"{path}.content", media)


def _source(block: Fields, path: str, media: Media) -> None:
    source = block.get("source")
    if not isinstance(source, dict):
        refuse(f"{path}.source", "must be an object")
    kind = source.get("type")
    if kind == "file" or source.get("file_id") is not None:
        refuse(f"{path}.source", STORED)
    data = source.get("data")
    if block["type"] == "image" and kind == "base64" and isinstance(data, str):
        media.images += 1
        media.inline_bytes += len(data)
    elif kind == "content":
        _content(source.get("content"), f"{path}.source.content", media)
    elif kind != "text":
        media.elsewhere = True


def _conversation_key(fields: Fields, messages: list[Fields]) -> str:
    first = next((m["content"] for m in messages if m["role"] == "user"), None)
    return conversation_key_of(fields.get("system"), first)
