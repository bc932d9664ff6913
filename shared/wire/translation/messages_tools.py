"""Tools of Anthropic's dialect, and the choice among them, as functions."""

from __future__ import annotations

from shared.wire.fields import Fields, objects, refuse
from shared.wire.translation.messages_media import NO_COUNTERPART, string_at
from shared.wire.translation.openai_models import calls_one_tool_at_a_time
from shared.wire.translation.strict_schemas import fits_strict_mode

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def functions(given: Fields, model: str) -> Fields:
    """`tools`, `tool_choice` and `parallel_tool_calls`, as far as there is something to say.

    Raises:
        GatewayError: 400, for a tool that is no function, and for an MCP server.
    """
    if objects(given, "mcp_servers"):
        refuse("mcp_servers", NO_COUNTERPART)
    tools = [_function(tool, f"tools[{i}]") for i, tool in enumerate(objects(given, "tools"))]
    if not tools:
        return {}
    choice = given.get("tool_choice")
    return {"tools": tools} if choice is None else {"tools": tools, **_choice(choice, model)}


def is_loosened(tool: Fields) -> bool:
    """Whether a tool is strict with a schema that OpenAI cannot hold a model to."""
    return bool(tool.get("strict")) and not fits_strict_mode(tool["input_schema"])


def _function(tool: Fields, path: str) -> Fields:
    if tool.get("type") not in (None, "custom"):
        refuse(f"{path}.type", f"{NO_COUNTERPART}: only custom tools can be called there")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        refuse(f"{path}.input_schema", "must be an object")
    function: Fields = {"name": string_at(tool, "name", path)}
    if tool.get("description") is not None:
        function["description"] = string_at(tool, "description", path)
    function["parameters"] = schema
    if tool.get("strict") and not is_loosened(tool):
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: Fields, model: str) -> Fields:
    kind = choice.get("type")
    if kind == "tool":
        name = string_at(choice, "name", "tool_choice")
        made: Fields = {"tool_choice": {"type": "function", "function": {"name": name}}}
    elif isinstance(kind, str) and kind in _CHOICES:
        made = {"tool_choice": _CHOICES[kind]}
    else:
        refuse("tool_choice.type", "must be auto, any, tool or none")
    if kind != "none" and _single(choice) and not calls_one_tool_at_a_time(model):
        made["parallel_tool_calls"] = False
    return made


def _single(choice: Fields) -> bool:
    single = choice.get("disable_parallel_tool_use")
    if single is not None and not isinstance(single, bool):
        refuse("tool_choice.disable_parallel_tool_use", "must be true or false")
    return bool(single)
