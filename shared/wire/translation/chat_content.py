"""Content of chat messages as blocks of Anthropic's dialect.

A content is a string or a list of parts. Text that is blank makes no block, since Anthropic refuses
one. `cache_control` of a part stays with its block.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import urlsplit

from shared.wire.fields import Fields, refuse

IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
PDF = "application/pdf"
MAX_TITLE = 500

# What stands before the comma is short; the data after it is not looked at.
MAX_DATA_HEAD = 512
_DATA_URI = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
# How pictures begin, in base64. Anthropic refuses one that is not what it says; OpenAI does not.
_BEGINNINGS = {
    "/9j/": "image/jpeg",
    "iVBORw0KGgo": "image/png",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
_SAYABLE = "must be text, image_url or file"


def said(content: object, path: str) -> list[Fields]:
    """Blocks of what a user said or a tool answered: text, pictures, documents.

    Args:
        content: A string, a list of parts whose form has been checked, or None.
        path: Where it stands.

    Raises:
        GatewayError: 400, for what has no counterpart.
    """
    if not isinstance(content, list):
        return text_blocks(content)
    blocks = []
    for index, part in enumerate(content):
        blocks += _said(part, f"{path}[{index}]")
    return blocks


def text_alone(content: object, path: str) -> list[Fields]:
    """Blocks of a content that may be text alone, such as a system message's.

    Raises:
        GatewayError: 400, for a part that is no text.
    """
    if not isinstance(content, list):
        return text_blocks(content)
    blocks = []
    for index, part in enumerate(content):
        blocks += text_part(part, f"{path}[{index}]")
    return blocks


def text_part(part: Fields, path: str) -> list[Fields]:
    """Blocks of a part that may be text or a refusal alone.

    Raises:
        GatewayError: 400, for another.
    """
    if part["type"] not in ("text", "refusal"):
        refuse(f"{path}.type", "must be text here")
    return with_cache_control(part, text_blocks(part[part["type"]]), path)


def text_blocks(text: object) -> list[Fields]:
    """One block of text, or none for a blank one."""
    return [{"type": "text", "text": text}] if isinstance(text, str) and text.strip() else []


def with_cache_control(holder: Fields, blocks: list[Fields], path: str) -> list[Fields]:
    """The blocks, with the `cache_control` of a part or a message on the last one.

    Raises:
        GatewayError: 400, when it is no object.
    """
    marker = holder.get("cache_control")
    if marker is None or not blocks:
        return blocks
    if not isinstance(marker, dict):
        refuse(f"{path}.cache_control", "must be an object")
    return [*blocks[:-1], {**blocks[-1], "cache_control": marker}]


def _said(part: Fields, path: str) -> list[Fields]:
    kind = part["type"]
    if kind == "text":
        blocks = text_blocks(part["text"])
    elif kind == "image_url":
        image = part["image_url"]
        url = image["url"] if isinstance(image, dict) else image
        blocks = [_media(url, f"{path}.image_url.url", {})]
    elif kind == "file":
        blocks = [_file(part["file"], f"{path}.file")]
    else:
        refuse(f"{path}.type", _SAYABLE)
    return with_cache_control(part, blocks, path)


def _file(file: Fields, path: str) -> Fields:
    data = file.get("file_data")
    if not isinstance(data, str):
        refuse(f"{path}.file_data", "must be a data: URI")
    name = file.get("filename")
    title = {"title": name[:MAX_TITLE]} if isinstance(name, str) and name.strip() else {}
    return _media(data, f"{path}.file_data", title)


def _media(url: str, path: str, title: Fields) -> Fields:
    """A picture or a document; only documents have a title."""
    found = _DATA_URI.match(url, 0, MAX_DATA_HEAD)
    if found is not None:
        return _inline(found, url[found.end() :], path, title)
    address = _address(url, path)
    if address.lower().endswith(".pdf"):
        return {"type": "document", "source": {"type": "url", "url": url}, **title}
    return {"type": "image", "source": {"type": "url", "url": url}}


def _address(url: str, path: str) -> str:
    """The path within an HTTP URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        refuse(path, "is no URL")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        refuse(path, "must be a data: URI in base64, or an HTTP URL")
    return parts.path


def _inline(found: re.Match[str], data: str, path: str, title: Fields) -> Fields:
    media_type = found[1].strip().lower()
    if not found[2].lower().endswith(";base64"):
        refuse(path, "must be in base64")
    if media_type.startswith("image/"):
        source = {"type": "base64", "media_type": _image_type(media_type, data, path), "data": data}
        return {"type": "image", "source": source}
    if media_type == PDF:
        source = {"type": "base64", "media_type": PDF, "data": data}
    elif media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _plain(data, path)}
    else:
        refuse(path, f"must be one of {', '.join((*IMAGES, PDF))} or text")
    return {"type": "document", "source": source, **title}


def _image_type(media_type: str, data: str, path: str) -> str:
    """What a picture is: what its bytes say, else what the client says."""
    for beginning, meant in _BEGINNINGS.items():
        if data.startswith(beginning):
            return meant
    media_type = "image/jpeg" if media_type == "image/jpg" else media_type
    if media_type not in IMAGES:
        refuse(path, f"must be one of {', '.join(IMAGES)}")
    return media_type


def _plain(data: str, path: str) -> str:
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        refuse(path, "must be text in UTF-8, in base64")
    if not text.strip():
        refuse(path, "must not be empty")
    return text


def thoughts(blocks: object, path: str) -> list[Fields]:
    """Thinking that an assistant's message carries, as it came from Anthropic.

    Blocks without a signature are left out: Anthropic refuses them.

    Args:
        blocks: `thinking_blocks` of a message, or parts of its content; None for none.
        path: Where they stand.

    Raises:
        GatewayError: 400, for a list that holds anything but objects.
    """
    if blocks is None:
        return []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        refuse(path, "must be a list of objects")
    return [thought for block in blocks for thought in thought_blocks(block)]


def thought_blocks(block: Fields) -> list[Fields]:
    """One block of thinking, none when it is not one that Anthropic would take back."""
    kind = block.get("type")
    if kind == "redacted_thinking":
        return _complete({"type": kind, "data": block.get("data")})
    if kind != "thinking":
        return []
    text: Any = block.get("thinking", block.get("text"))
    thought = {"type": kind, "thinking": text or "", "signature": block.get("signature")}
    return _complete(thought, may_be_empty="thinking")


def _complete(block: Fields, may_be_empty: str = "") -> list[Fields]:
    fit = all(
        isinstance(value, str) and (value or name == may_be_empty) for name, value in block.items()
    )
    return [block] if fit else []
