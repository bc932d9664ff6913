"""Tools of `/v1/responses`: which may be offered, and what they may cost.

Tools that the client runs itself cost nothing but tokens. Of those that run upstream, web search
has a price for each search; the others cost by measures that have no price here, or reach for
what is stored under the key that all share.
"""

from __future__ import annotations

from shared.wire.fields import STORED, UNPRICED, Fields, integer, objects, refuse
from shared.wire.parsed_request import Media

# Searches taken for granted where the client does not limit them with `max_tool_calls`.
UNLIMITED_SEARCHES = 20
MAX_SEARCHES = 1000

_CLIENT_TOOLS = (
    "function",
    "custom",
    "local_shell",
    "apply_patch",
    "computer",
    "computer_use_preview",
    "tool_search",
)
_SEARCHES = ("web_search", "web_search_2025_08_26")
_IN_NAMESPACES = ("function", "custom")


def check_tools(fields: Fields, media: Media, path: str = "tools") -> bool:
    """Check the tools in `fields["tools"]`; returns whether web search is among them.

    Args:
        fields: What holds the list: the body, or an item of the input.
        media: Told when a tool brings input that the body does not tell.
        path: Of the list, for messages.
    """
    searches = False
    for index, tool in enumerate(objects(fields, "tools")):
        here = f"{path}[{index}]"
        kind = tool.get("type")
        if kind in _SEARCHES:
            searches = media.elsewhere = True
        elif kind == "mcp":
            _check_mcp(tool, here)
            media.elsewhere = True
        elif kind == "shell":
            _check_shell(tool, here)
        elif kind == "namespace":
            _check_namespace(tool, here)
        elif kind not in _CLIENT_TOOLS:
            refuse(f"{here}.type", UNPRICED)
    return searches


def search_bound(fields: Fields, *, offered: bool) -> int:
    """Upper bound of the searches of one request."""
    calls = integer(fields, "max_tool_calls", 1, MAX_SEARCHES)
    if not offered:
        return 0
    return UNLIMITED_SEARCHES if calls is None else calls


def _check_mcp(tool: Fields, path: str) -> None:
    """A server of the client's own, never what is connected to the account upstream."""
    for name in ("connector_id", "tunnel_id"):
        if tool.get(name) is not None:
            refuse(f"{path}.{name}", STORED)
    if not isinstance(tool.get("server_url"), str):
        refuse(f"{path}.server_url", "must be a string")


def _check_shell(tool: Fields, path: str) -> None:
    """Only the client's own machine: containers are stored upstream and cost by the hour."""
    environment = tool.get("environment")
    if environment is None:
        return
    kind = environment.get("type") if isinstance(environment, dict) else None
    if kind == "container_reference":
        refuse(f"{path}.environment", STORED)
    if kind != "local":
        refuse(f"{path}.environment", UNPRICED)


def _check_namespace(tool: Fields, path: str) -> None:
    inner = tool.get("tools")
    if not isinstance(inner, list):
        refuse(f"{path}.tools", "must be a list")
    for index, each in enumerate(inner):
        if not isinstance(each, dict) or each.get("type") not in _IN_NAMESPACES:
            refuse(f"{path}.tools[{index}].type", "must be function or custom")
