"""Recorded cases: found by name in a folder, read when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from scripts.simulator.behaviour import Replay
from scripts.simulator.http_message import Reply
from scripts.simulator.plans import cut_up

# They describe how a body is framed, which is done anew.
FRAMING = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive"}
)


class CaseNotFound(Exception):
    """No such case or turn; the message says which."""


class CaseFolder:
    """Cases `PROVIDER/NAME.json` under a folder, called `PROVIDER/NAME` or `NAME`."""

    def __init__(self, folder: Path | None) -> None:
        self._paths: dict[str, Path] = {}
        self._read: dict[Path, list[Mapping[str, Any]]] = {}
        for path in sorted(folder.glob("*/*.json")) if folder else ():
            self._paths.setdefault(path.stem, path)
            self._paths[f"{path.parent.name}/{path.stem}"] = path

    @property
    def names(self) -> list[str]:
        """All cases by their full names."""
        return sorted(name for name in self._paths if "/" in name)

    def reply(self, replay: Replay, split: int) -> Reply:
        """The recorded response: status, headers and body, in pieces.

        Args:
            replay: The case and turn, and the size of pieces if it gives one.
            split: Size of pieces otherwise, in bytes; 0 is whole.

        Raises:
            CaseNotFound: there is no such case or turn.
        """
        response = self._response(replay)
        headers = _headers(response.get("headers") or {})
        is_stream = "sse" in response
        body = _body(response)
        size = split if replay.split is None else replay.split
        return Reply(
            status=response["status"],
            headers=headers,
            steps=cut_up(body, size),
            length=None if is_stream else len(body),
            separate=size > 0,
            is_stream=is_stream,
            recorded=body if is_stream else b"",
        )

    def _response(self, replay: Replay) -> Mapping[str, Any]:
        path = self._paths.get(replay.case)
        if path is None:
            raise CaseNotFound(f"no recorded case {replay.case}")
        if path not in self._read:
            self._read[path] = orjson.loads(path.read_bytes())["interactions"]
        turns = self._read[path]
        if replay.turn >= len(turns):
            raise CaseNotFound(f"{replay.case} has {len(turns)} turns, counted from 0")
        response: Mapping[str, Any] = turns[replay.turn]["response"]
        return response


def _headers(recorded: Mapping[str, Any] | list[list[str]]) -> list[tuple[str, str]]:
    pairs = recorded.items() if isinstance(recorded, Mapping) else recorded
    return [(name, str(value)) for name, value in pairs if name.lower() not in FRAMING]


def _body(response: Mapping[str, Any]) -> bytes:
    for kind in ("sse", "text", "body"):
        if isinstance(response.get(kind), str):
            return str(response[kind]).encode("utf-8")
    return orjson.dumps(response["json"]) if "json" in response else b""
