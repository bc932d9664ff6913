"""Bad input at the listener and the answer each must get: one row a case."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_BODY = 2 * 1024 * 1024
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
DIALECT_PATHS = (CHAT, MESSAGES)
MODEL = "echo"
STORED = ("previous_response_id", "conversation", "prompt", "background", "file_id", "container")


@dataclass(frozen=True)
class Keys:
    """What a client may hold, all of it secret.

    Attributes:
        good: Of an active account with credits.
        revoked: Was good once.
        inactive: Of an account that was stopped.
        unknown: Well-formed, never given out.
        friend: The same, with the prefix of friend keys.
    """

    good: str
    revoked: str
    inactive: str
    unknown: str
    friend: str

    @property
    def all(self) -> tuple[str, ...]:
        return (self.good, self.revoked, self.inactive, self.unknown, self.friend)


Make = Callable[[Keys, str], bytes]


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        status: What it is answered with.
        make: Its bytes, from the keys and the path.
        closes: Whether the connection is closed after the answer.
        allow: The `allow` header of the answer.
        method: That decides whether the answer has a body.
        paths: Where it is tried.
    """

    status: int
    make: Make
    closes: bool = False
    allow: str = ""
    method: str = "POST"
    paths: tuple[str, ...] = DIALECT_PATHS


def body_of(path: str, **fields: Any) -> dict[str, Any]:
    """A good body for a path, with other fields over it."""
    said = [{"role": "user", "content": "one two"}]
    if path == RESPONSES:
        return {"model": MODEL, "input": said, "max_output_tokens": 50} | fields
    return {"model": MODEL, "messages": said, "max_tokens": 50} | fields


def encoded(path: str, **fields: Any) -> bytes:
    return json.dumps(body_of(path, **fields)).encode()


def http(method: str, target: str, *headers: str, data: bytes | None = b"{}") -> bytes:
    """A request with these headers, host and length; `data` None for one without a body."""
    lines = [f"{method} {target} HTTP/1.1", "host: gateway.test", *headers]
    if data is not None:
        lines.append(f"content-length: {len(data)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + (data or b"")


def presenting(*headers: str) -> Make:
    """A good body with credentials as given; `{good}` and others are filled in."""

    def make(keys: Keys, path: str) -> bytes:
        filled = [header.format(**vars(keys), spoilt=spoilt(keys.good)) for header in headers]
        return http("POST", path, *filled, data=encoded(path))

    return make


def spoilt(key: str) -> str:
    """The same key with another last character: its checksum is wrong."""
    return key[:-1] + ("a" if key[-1] != "a" else "b")


def raw(*lines: bytes, first: bytes = b"POST %s HTTP/1.1", tail: bytes = b"") -> Make:
    """A request of exactly these lines and the good key."""

    def make(keys: Keys, path: str) -> bytes:
        line = first % path.encode() if b"%s" in first else first
        key = b"x-api-key: " + keys.good.encode()
        return b"\r\n".join([line, key, *lines, b"", b""]) + tail

    return make


def chunked(tail: bytes) -> Make:
    return raw(b"host: x", b"transfer-encoding: chunked", tail=tail)


def at(method: str, target: str = "%s", *headers: str, data: bytes | None = b"{}") -> Make:
    """A keyed request for a target; `%s` stands for the path."""
    return lambda keys, path: http(
        method, target.replace("%s", path), f"x-api-key: {keys.good}", *headers, data=data
    )


def sent(data: bytes, *headers: str) -> Make:
    """A keyed request with this body."""
    return lambda keys, path: http("POST", path, f"x-api-key: {keys.good}", *headers, data=data)


def fields(**changed: Any) -> Make:
    """A keyed request whose body differs in these fields."""
    return lambda keys, path: http(
        "POST", path, f"x-api-key: {keys.good}", data=encoded(path, **changed)
    )


def member(text: bytes) -> Make:
    """A keyed request whose body holds one more member, as written here."""
    return lambda keys, path: http(
        "POST", path, f"x-api-key: {keys.good}", data=encoded(path)[:-1] + b", " + text + b"}"
    )


def part(**content: Any) -> Make:
    """A keyed request whose message holds this part."""
    return fields(messages=[{"role": "user", "content": [content]}])


CREDENTIALS: Mapping[str, Row] = {
    "no key": Row(401, presenting()),
    "empty bearer": Row(401, presenting("authorization: Bearer ")),
    "bare bearer": Row(401, presenting("authorization: Bearer")),
    "basic": Row(401, presenting("authorization: Basic {good}")),
    "wrong checksum": Row(401, presenting("x-api-key: {spoilt}")),
    "never given out": Row(401, presenting("x-api-key: {unknown}")),
    "revoked": Row(401, presenting("authorization: Bearer {revoked}")),
    "inactive user": Row(401, presenting("authorization: Bearer {inactive}")),
    "friend key of nobody": Row(401, presenting("authorization: Bearer {friend}")),
    "in the query": Row(401, lambda k, path: http("POST", f"{path}?key={k.good}")),
    "in a cookie": Row(401, presenting("cookie: key={good}")),
    "over 256 bytes": Row(401, presenting("x-api-key: {good}" + "a" * 256)),
    "not ascii": Row(401, presenting("x-api-key: {good}\u00e9")),
    "misspelt header": Row(401, presenting("x_api_key: {good}")),
    "portal token": Row(401, presenting("authorization: Bearer eyJhbGciOi.eyJzdWIi.c2lnbmVk")),
    "fixed key that is not set": Row(401, presenting("x-api-key: a-fixed-key-of-thirty-letters")),
    "word for no fixed key": Row(401, presenting("x-api-key: None")),
    "two authorizations, equal": Row(400, presenting(*["authorization: Bearer {good}"] * 2)),
    "two api keys, equal": Row(400, presenting(*["x-api-key: {good}"] * 2)),
    "api key beside another bearer": Row(
        400, presenting("x-api-key: {good}", "authorization: Bearer {unknown}")
    ),
    "space before a colon": Row(400, raw(b"host: x", b"x-a : v"), closes=True),
    "folded header": Row(400, raw(b"host: x", b"x-a: v", b" more"), closes=True),
    "nul in a value": Row(400, raw(b"host: x", b"x-a: a\x00b"), closes=True),
    "cr in a value": Row(400, raw(b"host: x", b"x-a: a\rb"), closes=True),
    "lf in a value": Row(400, raw(b"host: x", b"x-a: a\nb"), closes=True),
}

HTTP: Mapping[str, Row] = {
    "length and encoding": Row(
        400,
        raw(b"host: x", b"content-length: 2", b"transfer-encoding: chunked", tail=b"{}"),
        closes=True,
    ),
    "two lengths": Row(
        400, raw(b"host: x", b"content-length: 2", b"content-length: 2", tail=b"{}"), closes=True
    ),
    "length +13": Row(400, raw(b"host: x", b"content-length: +13"), closes=True),
    "length -1": Row(400, raw(b"host: x", b"content-length: -1"), closes=True),
    "encoding gzip, chunked": Row(
        400, raw(b"host: x", b"transfer-encoding: gzip, chunked"), closes=True
    ),
    "encoding identity": Row(400, raw(b"host: x", b"transfer-encoding: identity"), closes=True),
    "encoding xchunked": Row(400, raw(b"host: x", b"transfer-encoding: xchunked"), closes=True),
    "encoding twice": Row(
        400, raw(b"host: x", *[b"transfer-encoding: chunked"] * 2, tail=b"0\r\n\r\n"), closes=True
    ),
    "encoding on 1.0": Row(
        400, raw(b"transfer-encoding: chunked", first=b"POST %s HTTP/1.0"), closes=True
    ),
    "trailers": Row(400, chunked(b"2\r\n{}\r\n0\r\nx-a: v\r\n\r\n"), closes=True),
    "huge chunk size": Row(400, chunked(b"fffffffffffffff\r\n{}"), closes=True),
    "endless chunk size": Row(400, chunked(b"1" * 2000), closes=True),
    "bare lf": Row(400, lambda *_: b"GET /health HTTP/1.1\nhost: x\n\n", closes=True),
    "version 0.9": Row(400, lambda *_: b"GET /health\r\n\r\n", closes=True, paths=(CHAT,)),
    "version 1.2": Row(400, raw(b"host: x", first=b"POST %s HTTP/1.2"), closes=True),
    "version 2.0": Row(400, raw(b"host: x", first=b"POST %s HTTP/2.0"), closes=True),
    "h2c preface": Row(400, lambda *_: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", closes=True),
    "absolute form": Row(400, at("POST", "http://evil.test%s"), closes=True),
    "connect": Row(400, at("CONNECT", "evil.test:443", data=None), closes=True),
    "two hosts": Row(400, raw(b"host: x", b"host: x"), closes=True),
    "no host": Row(400, raw(), closes=True),
    "nul in the path": Row(400, raw(b"host: x", first=b"POST %s\x00 HTTP/1.1"), closes=True),
    "utf-8 in the path": Row(400, raw(b"host: x", first=b"POST %s\xc3\xa9 HTTP/1.1"), closes=True),
    "double slash": Row(404, at("POST", "/%s")),
    "percent": Row(404, at("POST", "%s%2e")),
    "encoded dots": Row(404, at("POST", "/%2e%2e%s")),
    "dots": Row(404, at("POST", "/v1/..%s")),
    "trailing slash": Row(404, at("POST", "%s/")),
    "fragment": Row(404, at("POST", "%s#x")),
    "options *": Row(404, at("OPTIONS", "*", data=None), paths=(CHAT,)),
    "get": Row(405, at("GET", data=None), allow="POST"),
    "delete": Row(405, at("DELETE", data=None), allow="POST"),
    "head": Row(405, at("HEAD", data=None), allow="POST", method="HEAD"),
    "lower case": Row(405, at("post"), allow="POST"),
    "trace": Row(405, at("TRACE", data=None), allow="POST"),
    "upgrade": Row(426, at("GET", "%s", "upgrade: websocket", "connection: upgrade", data=None)),
    "headers of 32 KB": Row(431, raw(b"host: x", b"x: " + b"y" * 32_768), closes=True),
    "101 headers": Row(431, raw(b"host: x", *[b"x-%d: y" % n for n in range(99)]), closes=True),
    "body over the limit": Row(
        413, at("POST", "%s", f"content-length: {MAX_BODY + 1}", data=None), closes=True
    ),
    "chunks over the limit": Row(
        413, chunked((b"10000\r\n" + b" " * 0x10000 + b"\r\n") * (MAX_BODY // 0x10000 + 1)),
        closes=True,
    ),
    "chunk over the limit": Row(413, chunked(b"%x\r\n{" % (2 * MAX_BODY)), closes=True),
    "tls": Row(
        400, lambda *_: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), closes=True,
        paths=(CHAT,),
    ),
}  # fmt: skip

BODIES: Mapping[str, Row] = {
    "empty": Row(400, sent(b"")),
    "no json": Row(400, sent(b"{")),
    "a list": Row(400, sent(b"[]")),
    "a string": Row(400, sent(b'"model"')),
    "nested over 64": Row(400, member(b'"a": ' + b"[" * 65 + b"]" * 65)),
    "nested a million times": Row(400, sent(b"[" * 1_000_000)),
    "NaN": Row(400, member(b'"temperature": NaN')),
    "Infinity": Row(400, member(b'"temperature": Infinity')),
    "1e400": Row(400, member(b'"temperature": 1e400')),
    "integer of 5000 digits": Row(400, member(b'"seed": ' + b"1" * 5000)),
    "integer of 64 bits": Row(400, member(b'"seed": 9223372036854775808')),
    "lone surrogate": Row(400, member(b'"user": "\\ud800"')),
    "invalid utf-8": Row(400, member(b'"user": "\xff"')),
    "nul in the model": Row(400, fields(model="echo\x00")),
    "compressed": Row(415, sent(b"\x1f\x8b" + b"x" * 40, "content-encoding: gzip")),
    "too many values": Row(400, member(b'"metadata": [' + b"{}," * 300_000 + b"{}]")),
    "no messages": Row(400, fields(messages=[])),
    "messages of text": Row(400, fields(messages="hello")),
    "messages of numbers": Row(400, fields(messages=[1])),
    "content of a number": Row(400, fields(messages=[{"role": "user", "content": 1}])),
    "a role unheard of": Row(400, fields(messages=[{"role": "root", "content": "x"}])),
    "model of a number": Row(400, fields(model=5)),
    "model of an operator": Row(400, fields(model={"$gt": ""})),
    "stream of text": Row(400, fields(stream="true")),
    "temperature of text": Row(400, fields(temperature="hot")),
    "tools of text": Row(400, fields(tools="all")),
    "max_tokens 0": Row(400, fields(max_tokens=0)),
    "max_tokens -1": Row(400, fields(max_tokens=-1)),
    "max_tokens 1e12": Row(400, member(b'"max_tokens": 1e12')),
    "max_tokens 10**12": Row(400, fields(max_tokens=10**12)),
    "max_tokens true": Row(400, fields(max_tokens=True)),
    "n 1000": Row(400, fields(n=1000), paths=(CHAT,)),
    "n 0": Row(400, fields(n=0), paths=(CHAT,)),
    "model as url": Row(404, fields(model="http://models.test/echo")),
    "model up the tree": Row(404, fields(model="../../etc/passwd")),
    "model of a dollar": Row(404, fields(model="$gt")),
    "model of two lines": Row(404, fields(model="echo\r\nx-evil: 1")),
    "stored file": Row(400, part(type="file", file={"file_id": "file-1"}), paths=(CHAT,)),
    "stored document": Row(
        400,
        part(type="document", source={"type": "file", "file_id": "file_1"}),
        paths=(MESSAGES,),
    ),
    "stored item": Row(
        400, fields(input=[{"type": "item_reference", "id": "msg_1"}]), paths=(RESPONSES,)
    ),
    "a response that is stored": Row(404, at("GET", "/v1/responses/resp_1"), paths=(RESPONSES,)),
    **{
        f"identifier {name}": Row(
            400,
            fields(**{name: True if name == "background" else "x_1"}),
            paths=(CHAT, MESSAGES, RESPONSES),
        )
        for name in STORED
    },
}

ROWS: Mapping[str, Row] = {**CREDENTIALS, **HTTP, **BODIES}
CASES = [(name, path) for name, row in ROWS.items() for path in row.paths]
