from __future__ import annotations

import base64
from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.translation.chat_content import MAX_DATA_HEAD, thoughts
from tests.support.chats import HI, content, turns

PNG = "iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
CACHED = {"cache_control": {"type": "ephemeral"}}


def image(url: str, **fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def file(data: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, **fields}}


def inline(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": data}


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("url", "source"),
    [
        pytest.param(f"data:image/png;base64,{PNG}", inline("image/png", PNG), id="tricky-20 data"),
        ("data:image/webp;base64,aGk=", inline("image/webp", "aGk=")),
        ("data:IMAGE/JPG;BASE64,aGk=", inline("image/jpeg", "aGk=")),
        ("data:image/png;name=a;base64,aGk=", inline("image/png", "aGk=")),
        pytest.param(
            f"data:image/jpeg;base64,{PNG}", inline("image/png", PNG), id="tricky-20 wrong mime"
        ),
        ("data:image/bmp;base64,/9j/4A", inline("image/jpeg", "/9j/4A")),
        pytest.param(
            "http://example.com/a.png?b",
            {"type": "url", "url": "http://example.com/a.png?b"},
            id="tricky-20 http",
        ),
    ],
)
def test_pictures(url: str, source: Any) -> None:
    assert content(image(url)) == [{"type": "image", "source": source}]


def test_the_detail_of_a_picture_is_dropped() -> None:
    url = "https://example.com/a.png"
    assert content(image(url, detail="low")) == content(image(url))
    assert content({"type": "image_url", "image_url": url}) == content(image(url))


@pytest.mark.parametrize(
    ("part", "document"),
    [
        pytest.param(image(PDF), {"source": inline("application/pdf", "JVBERi0=")}, id="tricky-20"),
        pytest.param(
            file(PDF, filename="a.pdf"),
            {"source": inline("application/pdf", "JVBERi0="), "title": "a.pdf"},
            id="tricky-20 pdf as file",
        ),
        (file(PDF, filename=" "), {"source": inline("application/pdf", "JVBERi0=")}),
        (
            file("https://example.com/a.PDF", filename="a" * 501),
            {"source": {"type": "url", "url": "https://example.com/a.PDF"}, "title": "a" * 500},
        ),
        (
            file(f"data:text/csv;base64,{in_base64('a,é')}"),
            {"source": {"type": "text", "media_type": "text/plain", "data": "a,é"}},
        ),
    ],
)
def test_documents(part: Any, document: Any) -> None:
    assert content(part) == [{"type": "document", **document}]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        pytest.param(image("data:image/svg+xml;base64,aGk="), "image_url.url", id="tricky-20 svg"),
        (image("data:image/png,raw"), "image_url.url"),
        (image("data:image/png;base64"), "image_url.url"),
        (image(f"data:image/png;{'x' * MAX_DATA_HEAD};base64,aGk="), "image_url.url"),
        (image("file:///etc/passwd"), "image_url.url"),
        (image("https://"), "image_url.url"),
        (image("https://["), "image_url.url"),
        (image("a.png"), "image_url.url"),
        (image(""), "image_url.url"),
        (file(None), "file.file_data"),
        (file("JVBERi0="), "file.file_data"),
        (file("data:application/zip;base64,aGk="), "file.file_data"),
        (file("data:text/plain;base64,?"), "file.file_data"),
        (file("data:text/plain;base64,/w=="), "file.file_data"),
        (file("data:text/plain;base64,IA=="), "file.file_data"),
        ({"type": "refusal", "refusal": "x"}, "type"),
        ({"type": "thinking", "thinking": "x"}, "type"),
        ({"type": "text", "text": "x", "cache_control": 5}, "cache_control"),
    ],
)
def test_refused(part: Any, param: str) -> None:
    with pytest.raises(GatewayError) as caught:
        content({"type": "text", "text": "x"}, part)
    assert (caught.value.status, caught.value.param) == (400, f"messages[0].content[1].{param}")


def test_blank_text_makes_no_block() -> None:
    parts = [{"type": "text", "text": said} for said in ("", " \n", " a ")]
    assert content(*parts) == [{"type": "text", "text": " a "}]


def test_cache_control_stays_with_its_part() -> None:
    parts = ({"type": "text", "text": "a", **CACHED}, {**image(PDF), **CACHED}, {**image(PDF)})
    kept = ["cache_control" in block for block in content(*parts)]
    assert kept == [True, True, False]
    assert content(parts[0]) == [{"type": "text", "text": "a", **CACHED}]


SIGNED = {"type": "thinking", "thinking": " 1 < 2\n", "signature": "c2ln"}
REDACTED = {"type": "redacted_thinking", "data": "ZGF0YQ=="}


@pytest.mark.parametrize(
    ("block", "kept"),
    [
        pytest.param(SIGNED, [SIGNED], id="tricky-29 signed"),
        ({**SIGNED, "index": 0}, [SIGNED]),
        ({**SIGNED, "thinking": ""}, [{**SIGNED, "thinking": ""}]),
        (
            {"type": "thinking", "text": "x", "signature": "s"},
            [{"type": "thinking", "thinking": "x", "signature": "s"}],
        ),
        pytest.param(REDACTED, [REDACTED], id="tricky-29 redacted"),
        ({"type": "redacted_thinking"}, []),
        pytest.param({**SIGNED, "signature": None}, [], id="tricky-29 unsigned"),
        ({**SIGNED, "signature": ""}, []),
        ({**SIGNED, "signature": 5}, []),
        ({**SIGNED, "thinking": 5}, []),
        ({"type": "text", "text": "x"}, []),
    ],
)
def test_thoughts(block: Any, kept: Any) -> None:
    assert thoughts([block], "x") == kept


@pytest.mark.parametrize("form", ["thinking_blocks", "content"])
def test_thoughts_come_before_what_was_said(form: str) -> None:
    said = [{"type": "text", "text": "a"}]
    fields = {"content": [SIGNED, REDACTED, *said]}
    if form == "thinking_blocks":
        fields = {"thinking_blocks": [SIGNED, REDACTED], "content": [SIGNED, *said]}
    made = turns(HI, {"role": "assistant", "reasoning_content": "no", **fields}, HI)
    assert made[1]["content"] == [SIGNED, REDACTED, *said]


def test_thoughts_have_to_be_objects() -> None:
    with pytest.raises(GatewayError, match=r"messages\[0\]\.thinking_blocks"):
        turns({"role": "assistant", "thinking_blocks": ["x"]})
