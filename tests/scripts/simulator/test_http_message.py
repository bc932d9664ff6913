from __future__ import annotations

import pytest

from scripts.simulator.http_message import Reply, Request


def request(*headers: tuple[str, str], version: str = "HTTP/1.1") -> Request:
    return Request("POST", "/", version, headers, b"")


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([("Authorization", "Bearer abc")], "abc"),
        ([("authorization", "bearer  abc ")], "abc"),
        ([("X-Api-Key", " abc ")], "abc"),
        ([("Authorization", "Basic abc"), ("x-api-key", "def")], "def"),
        ([("Authorization", "Bearer abc"), ("x-api-key", "def")], "abc"),
        ([("Authorization", "Bearer ")], ""),
        ([], ""),
    ],
)
def test_key(headers: list[tuple[str, str]], key: str) -> None:
    assert request(*headers).key == key


@pytest.mark.parametrize(
    ("version", "wish", "kept"),
    [
        ("HTTP/1.1", None, True),
        ("HTTP/1.1", "Close", False),
        ("HTTP/1.0", None, False),
        ("HTTP/1.0", "keep-alive", True),
    ],
)
def test_keep_alive(version: str, wish: str | None, kept: bool) -> None:
    headers = [("Connection", wish)] if wish else []
    assert request(*headers, version=version).keep_alive is kept


def test_a_whole_reply_has_its_length() -> None:
    reply = Reply.whole(200, [("a", "b")], b"body")
    assert (reply.length, list(reply.steps), reply.headers) == (4, [b"body"], [("a", "b")])
