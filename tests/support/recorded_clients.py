"""What real clients really sent, long strings and lists cut short, made fit to be sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CUT = "…"
# Written anew for every connection and body.
OF_THE_WIRE = {"host", "content-length", "connection"}
CREDENTIALS = {"authorization", "x-api-key"}


@dataclass(frozen=True)
class Call:
    """One recorded request.

    Attributes:
        name: `CLIENT#NUMBER`.
        path: With its query.
        headers: As recorded, credentials as placeholders.
        body: Whole again, None when it had none.
    """

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def streams(self) -> bool:
        """Whether a stream is asked for."""
        return self.body is not None and self.body.get("stream") is True

    def headers_with(self, key: str) -> dict[str, str]:
        """The headers to send, with a key where credentials were."""
        shown = {name: header_with(name, value, key) for name, value in self.headers.items()}
        return {name: value for name, value in shown.items() if name.lower() not in OF_THE_WIRE}


def header_with(name: str, value: str, key: str) -> str:
    """A header's value: a credential with a key, a list without the item that was cut."""
    if name.lower() in CREDENTIALS:
        return value.replace("REDACTED", key)
    return value.rpartition(",")[0] if value.endswith(CUT) else value


def calls(material: Path) -> Iterator[Call]:
    """Every recorded request; none where there is no material."""
    for path in sorted(material.glob("clients/*.json")):
        for number, request in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            yield Call(
                name=f"{path.stem}#{number}",
                method=request["method"],
                path=request["path"],
                headers=request["headers"],
                body=whole(request["body"]),
            )


def params(material: Path) -> list[Any]:
    """The same for parametrize, with their names."""
    return [pytest.param(call, id=call.name) for call in calls(material)]


def whole(value: Any) -> Any:
    """A recorded body without the marks where its lists were cut."""
    if isinstance(value, list):
        objects = any(isinstance(item, dict) for item in value)
        return [whole(item) for item in value if isinstance(item, dict) or not objects]
    return {k: whole(v) for k, v in value.items()} if isinstance(value, dict) else value
