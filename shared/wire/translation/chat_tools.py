"""Tools of a chat request, the choice among them, and calls of them in its history."""

from __future__ import annotations

from typing import Any

from shared.errors import GatewayError
from shared.wire.fields import Fields, objects, refuse
from shared.wire.json_body import read_object
from shared.wire.translation.chat_content import with_cache_control
from shared.wire.translation.tool_ids import for_anthropic

NO_CUSTOM = (
    "Anthropic's models take functions alone; give a custom tool as one with a text parameter"
)
_CHOICES = "must be auto, none, required, a function or allowed_tools"
_NEEDS_TOOLS = "needs tools"
_MODES = {"auto": "auto", "required": "any"}


def translate_tools(body: Fields) -> Fields:
    """`tools` and `tool_choice` of a request; empty without tools.

    Raises:
        GatewayError: 400, with the parameter at fault.
    """
    tools = [_tool(tool, f"tools[{i}]") for i, tool in enumerate(objects(body, "tools"))]
    choice = body.get("tool_choice")
    if not tools:
        if choice not in (None, "auto", "none"):
            refuse("tool_choice", _NEEDS_TOOLS)
        return {}
    tools, chosen = _choice(choice, tools)
    if body.get("parallel_tool_calls") is False and chosen.get("type") != "none":
        chosen = {"type": "auto", **chosen, "disable_parallel_tool_use": True}
    return {"tools": tools, "tool_choice": chosen} if chosen else {"tools": tools}


def forces_a_tool(fields: Fields) -> bool:
    """Whether translated fields make the model call a tool."""
    return (fields.get("tool_choice") or {}).get("type") in ("any", "tool")


def tool_use(call: Fields, path: str) -> Fields:
    """A call in an assistant's message as a block.

    Raises:
        GatewayError: 400, with the parameter at fault.
    """
    if call.get("type") not in (None, "function"):
        refuse(f"{path}.type", NO_CUSTOM)
    function = _function(call, path)
    return {
        "type": "tool_use",
        "id": call_id(call, "id", path),
        "name": _name(function, f"{path}.function"),
        "input": _arguments(function.get("arguments"), f"{path}.function.arguments"),
    }


def call_id(holder: Fields, name: str, path: str) -> str:
    """The id of a call as Anthropic takes it.

    Raises:
        GatewayError: 400, when there is none.
    """
    given = holder.get(name)
    if not isinstance(given, str) or not given:
        refuse(f"{path}.{name}", "must be the id of a tool call")
    return for_anthropic(given)


def _tool(tool: Fields, path: str) -> Fields:
    if tool["type"] != "function":
        refuse(f"{path}.type", NO_CUSTOM)
    function = _function(tool, path)
    name = _name(function, f"{path}.function")
    made: Fields = {"name": name, "input_schema": _schema(function, f"{path}.function.parameters")}
    description = function.get("description")
    if description is not None:
        if not isinstance(description, str):
            refuse(f"{path}.function.description", "must be a string")
        made["description"] = description
    holder = function if tool.get("cache_control") is None else tool
    return with_cache_control(holder, [made], path)[0]


def _schema(function: Fields, path: str) -> Fields:
    schema = function.get("parameters")
    if schema is None:
        return {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        refuse(path, "must be an object")
    return schema if schema.get("type") is not None else {**schema, "type": "object"}


def _function(holder: Fields, path: str) -> Fields:
    function = holder.get("function")
    if not isinstance(function, dict):
        refuse(f"{path}.function", "must be an object")
    return function


def _name(holder: Fields, path: str) -> str:
    name = holder.get("name")
    if not isinstance(name, str) or not name:
        refuse(f"{path}.name", "must be the name of a function")
    return name


def _arguments(arguments: object, path: str) -> Fields:
    """Arguments of a call; none are an empty object."""
    if arguments is None or arguments == "":
        return {}
    if not isinstance(arguments, str):
        refuse(path, "must be a string of JSON")
    try:
        return read_object(arguments.encode())
    except GatewayError as error:
        refuse(path, f"must be a JSON object: {error.message}")


def _choice(choice: Any, tools: list[Fields]) -> tuple[list[Fields], Fields]:
    """The tools that may be called, and the choice among them."""
    if choice is None:
        return tools, {}
    if isinstance(choice, str):
        if choice not in (*_MODES, "none"):
            refuse("tool_choice", _CHOICES)
        return tools, {"type": _MODES.get(choice, choice)}
    kind = choice.get("type")
    if kind == "allowed_tools":
        return _allowed(choice, tools)
    if kind != "function":
        refuse("tool_choice", _CHOICES)
    name = _name(_function(choice, "tool_choice"), "tool_choice.function")
    return tools, {"type": "tool", "name": name}


def _allowed(choice: Fields, tools: list[Fields]) -> tuple[list[Fields], Fields]:
    allowed = choice.get("allowed_tools")
    path = "tool_choice.allowed_tools"
    if not isinstance(allowed, dict):
        refuse(path, "must be an object")
    mode = allowed.get("mode")
    if not isinstance(mode, str) or mode not in _MODES:
        refuse(f"{path}.mode", "must be auto or required")
    named = allowed.get("tools")
    if not isinstance(named, list) or not all(isinstance(tool, dict) for tool in named):
        refuse(f"{path}.tools", "must be a list of objects")
    functions = (tool.get("function") for tool in named)
    names = (one.get("name") for one in functions if isinstance(one, dict))
    wanted = {name for name in names if isinstance(name, str)}
    left = [tool for tool in tools if tool["name"] in wanted]
    if not left:
        refuse(f"{path}.tools", "must name tools of this request")
    return left, {"type": _MODES[mode]}
