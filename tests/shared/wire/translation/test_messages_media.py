from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.translation.messages_media import parts_of

PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
PDF_URI = "data:application/pdf;base64,JVBERi0="


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", "source": source}


def document(source: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, **fields}


def image_url(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(name: str) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": PDF_URI}}


WORDS = {"type": "text", "media_type": "text/plain", "data": "words"}
PICTURE = image(type="url", url="https://example.com/a.png")
SEEN = image_url("https://example.com/a.png")


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        (text("x"), [text("x")]),
        ({**text("x"), "cache_control": {"type": "ephemeral"}, "citations": []}, [text("x")]),
        pytest.param(
            image(type="base64", media_type="image/png", data="AAAA"),
            [image_url("data:image/png;base64,AAAA")],
            id="tricky-20 image in base64",
        ),
        pytest.param(PICTURE, [SEEN], id="tricky-20 image by address"),
        pytest.param(document(PDF), [file("document.pdf")], id="tricky-20 pdf in base64"),
        (
            document(PDF, title="a.pdf", context="c", citations={"enabled": True}),
            [text("c\n"), file("a.pdf")],
        ),
        (document(PDF, title=5), [file("document.pdf")]),
        (document(WORDS), [text("words")]),
        (document(WORDS, title="t", context="c"), [text("t\nc\n"), text("words")]),
        (document({"type": "content", "content": "words"}), [text("words")]),
        (
            document({"type": "content", "content": [text("words"), PICTURE]}, title="t"),
            [text("t\n"), text("words"), SEEN],
        ),
        (
            {"type": "search_result", "title": "t", "source": "s", "content": [text("a")]},
            [text("t\ns\n"), text("a")],
        ),
        ({"type": "tool_reference", "tool_name": "f"}, [text("The tool f is there.")]),
    ],
)
def test_parts(block: Any, parts: Any) -> None:
    assert parts_of(block, "b") == parts


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "container_thing"}, "b.type"),
        ({"type": "thinking", "thinking": "x"}, "b.type"),
        (image(type="base64", data="A"), "b.source.media_type"),
        (image(type="base64", media_type="image/png"), "b.source.data"),
        (image(type="url", url=5), "b.source.url"),
        (image(), "b.source.type"),
        pytest.param(
            document({"type": "url", "url": "https://example.com/a.pdf"}),
            "b.source.type",
            id="tricky-20 pdf by address",
        ),
        (document({"type": "text"}), "b.source.data"),
        (document({"type": "content"}), "b.source.content"),
        (
            document({"type": "content", "content": [text("x"), {"type": "audio"}]}),
            "b.source.content[1].type",
        ),
        ({"type": "search_result"}, "b.content"),
        ({"type": "search_result", "content": [5]}, "b.content"),
        ({"type": "search_result", "content": [{"type": "text"}]}, "b.content[0].text"),
        ({"type": "tool_reference"}, "b.tool_name"),
    ],
)
def test_refused(block: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        parts_of(block, "b")
    assert (caught.value.status, caught.value.param) == (400, param)
