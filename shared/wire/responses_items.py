"""Items of the input of `/v1/responses`: all of them whole, none by reference.

Items carry ids of their own, which say nothing as long as what they name stands beside them. An
item that has nothing but its id would be looked up among what is stored upstream.
"""

from __future__ import annotations

from typing import Any

from shared.wire.fields import STORED, UNPRICED, Fields, refuse
from shared.wire.parsed_request import Media
from shared.wire.responses_tools import check_tools

_ROLES = ("user", "assistant", "system", "developer")
# What the client or its model said and did: text, whatever its fields are called.
_PLAIN = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "local_shell_call",
        "local_shell_call_output",
        "shell_call",
        "shell_call_output",
        "apply_patch_call",
        "apply_patch_call_output",
        "computer_call",
        "tool_search_call",
        "mcp_list_tools",
        "mcp_call",
        "mcp_approval_request",
        "mcp_approval_response",
        "configuration_update",
    }
)
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_WITH_TOOLS = frozenset({"additional_tools", "tool_search_output"})
_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_INCOMPLETE = (
    "holds nothing but an id, and nothing is stored here. "
    'Ask for `"include": ["reasoning.encrypted_content"]` and send items as they came.'
)


def check_items(items: list[Any], media: Media) -> bool:
    """Check the items of an input; returns whether one of them offers web search.

    Raises:
        GatewayError: 400, with the path of what is at fault.
    """
    if not items:
        refuse("input", "must hold at least one item")
    offered = False
    for index, item in enumerate(items):
        path = f"input[{index}]"
        if not isinstance(item, dict):
            refuse(path, "must be an object")
        if not isinstance(item.get("type"), str | None):
            refuse(f"{path}.type", "must be a string")
        offered = _check_item(item, path, media) or offered
    return offered


def _check_item(item: Fields, path: str, media: Media) -> bool:
    kind = item.get("type")
    if kind == "message" or (kind is None and "role" in item):
        _check_message(item, path, media)
    elif kind in (None, "item_reference"):
        refuse(f"{path}.id", STORED)
    elif kind == "reasoning":
        _check_reasoning(item, path)
    elif kind in _OUTPUTS:
        _check_content(item.get("output"), f"{path}.output", media)
    elif kind == "computer_call_output":
        _check_content([item.get("output")], f"{path}.output", media)
    elif kind in ("compaction", "compaction_trigger"):
        _check_compaction(item, path, media)
    elif kind in _WITH_TOOLS:
        return check_tools(item, media, f"{path}.tools")
    elif kind == "web_search_call":
        media.elsewhere = True
    elif kind not in _PLAIN:
        refuse(f"{path}.type", UNPRICED)
    _check_environment(item, path)
    return False


def _check_message(item: Fields, path: str, media: Media) -> None:
    if item.get("role") not in _ROLES:
        refuse(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
    _check_content(item.get("content"), f"{path}.content", media)


def _check_reasoning(item: Fields, path: str) -> None:
    """Thoughts are looked up by their id unless they stand in the item."""
    if item.get("id") is not None and not (item.get("encrypted_content") or item.get("content")):
        refuse(f"{path}.encrypted_content", _INCOMPLETE)


def _check_compaction(item: Fields, path: str, media: Media) -> None:
    """A summary may stand for more tokens than it has bytes; making one takes another pass."""
    media.elsewhere = True
    if item["type"] == "compaction" and not isinstance(item.get("encrypted_content"), str):
        refuse(f"{path}.encrypted_content", "must be a string")


def _check_environment(item: Fields, path: str) -> None:
    environment = item.get("environment")
    if isinstance(environment, dict) and environment.get("type") not in (None, "local"):
        refuse(f"{path}.environment", STORED)


def _check_content(content: object, path: str, media: Media) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        refuse(path, "must be a string or a list of parts")
    for index, part in enumerate(content):
        here = f"{path}[{index}]"
        if not isinstance(part, dict):
            refuse(here, "must be an object")
        _check_part(part, here, media)


def _check_part(part: Fields, path: str, media: Media) -> None:
    kind = part.get("type")
    _check_breakpoint(part, path)
    if part.get("file_id") is not None:
        refuse(f"{path}.file_id", STORED)
    if kind in _TEXTS:
        if not isinstance(part.get("text"), str):
            refuse(f"{path}.text", "must be a string")
        _check_annotations(part, path)
    elif kind == "refusal":
        if not isinstance(part.get("refusal"), str):
            refuse(f"{path}.refusal", "must be a string")
    elif kind in ("input_image", "computer_screenshot"):
        _image(part, path, media)
    elif kind == "input_file":
        media.elsewhere = True
    else:
        refuse(f"{path}.type", "must be a text, an image, a file or a refusal")


def _image(part: Fields, path: str, media: Media) -> None:
    url = part.get("image_url")
    if not isinstance(url, str):
        refuse(f"{path}.image_url", "must be a string")
    if url.startswith("data:image/"):
        media.images += 1
        media.inline_bytes += len(url)
    else:
        media.elsewhere = True


def _check_annotations(part: Fields, path: str) -> None:
    annotations = part.get("annotations")
    for index, each in enumerate(annotations if isinstance(annotations, list) else ()):
        for name in ("file_id", "container_id"):
            if isinstance(each, dict) and each.get(name) is not None:
                refuse(f"{path}.annotations[{index}].{name}", STORED)


def _check_breakpoint(part: Fields, path: str) -> None:
    mark = part.get("prompt_cache_breakpoint")
    if isinstance(mark, dict) and mark.get("ttl") not in (None, "30m"):
        refuse(f"{path}.prompt_cache_breakpoint.ttl", UNPRICED)
