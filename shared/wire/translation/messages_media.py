"""Blocks of a user's content that are no text, as parts of a chat message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.wire.fields import Fields, refuse

Part = dict[str, Any]

NO_COUNTERPART = "has no counterpart at this model's upstream"


def parts_of(block: Fields, path: str) -> list[Part]:
    """The parts that say what a block says; most are one.

    Raises:
        GatewayError: 400, for a block that cannot be carried.
    """
    make = _MAKERS.get(block["type"])
    if make is None:
        refuse(f"{path}.type", NO_COUNTERPART)
    return make(block, path)


def text_part(text: str) -> Part:
    """A part of plain text."""
    return {"type": "text", "text": text}


def string_at(fields: Fields, name: str, path: str) -> str:
    """A string that has to be there.

    Raises:
        GatewayError: 400, with the path of the field.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        refuse(f"{path}.{name}", "must be a string")
    return value


def _text(block: Fields, path: str) -> list[Part]:
    return [text_part(string_at(block, "text", path))]


def _image(block: Fields, path: str) -> list[Part]:
    source, path = block["source"], f"{path}.source"
    if source.get("type") == "base64":
        url = _data_uri(source, path)
    elif source.get("type") == "url":
        url = string_at(source, "url", path)
    else:
        refuse(f"{path}.type", "must be base64 or url")
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Fields, path: str) -> list[Part]:
    source, inside = block["source"], f"{path}.source"
    kind = source.get("type")
    if kind == "base64":
        file = {"filename": _file_name(block), "file_data": _data_uri(source, inside)}
        return [*_heading(block, "context"), {"type": "file", "file": file}]
    if kind == "text":
        text = string_at(source, "data", inside)
        return [*_heading(block, "title", "context"), text_part(text)]
    if kind != "content":
        refuse(f"{inside}.type", f"{NO_COUNTERPART}: send the document itself, as base64 or text")
    return [*_heading(block, "title", "context"), *_contents(source, inside)]


def _contents(source: Fields, path: str) -> list[Part]:
    content = source.get("content")
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list):
        refuse(f"{path}.content", "must be a string or a list of blocks")
    return [
        part
        for index, block in enumerate(content)
        for part in parts_of(block, f"{path}.content[{index}]")
    ]


def _search_result(block: Fields, path: str) -> list[Part]:
    content = block.get("content")
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        refuse(f"{path}.content", "must be a list of text blocks")
    texts = [string_at(each, "text", f"{path}.content[{i}]") for i, each in enumerate(content)]
    return [*_heading(block, "title", "source"), text_part("\n".join(texts))]


def _compaction(block: Fields, path: str) -> list[Part]:
    """What it says of the turns before it; nothing if it failed."""
    if block.get("content") is None:
        return []
    return [text_part(string_at(block, "content", path))]


def _tool_reference(block: Fields, path: str) -> list[Part]:
    return [text_part(f"The tool {string_at(block, 'tool_name', path)} is there.")]


def _heading(block: Fields, *names: str) -> list[Part]:
    """A part with those of the fields that are there, a line each."""
    lines = [block[name] for name in names if isinstance(block.get(name), str) and block[name]]
    return [text_part("\n".join([*lines, ""]))] if lines else []


def _file_name(block: Fields) -> str:
    title = block.get("title")
    return title if isinstance(title, str) and title else "document.pdf"


def _data_uri(source: Fields, path: str) -> str:
    media_type = string_at(source, "media_type", path)
    return f"data:{media_type};base64,{string_at(source, 'data', path)}"


_MAKERS: dict[str, Callable[[Fields, str], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "compaction": _compaction,
    "tool_reference": _tool_reference,
}
