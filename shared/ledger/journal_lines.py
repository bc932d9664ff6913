"""Lines of a journal: one JSON object each, behind its CRC32.

A line is the CRC32 of the JSON as 8 hex digits, a space, the JSON and a newline. JSON never holds a
raw newline, so that lines can be told apart again after a damaged one. What JSON cannot hold (an
integer beyond 64 bits, a lone surrogate) raises `JournalError`.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from shared.domain.accounts import Hold, OpenRequest, Purse, RequestRecord
from shared.domain.usage import Usage
from shared.errors import JournalError

_CRC_LENGTH = 8
_RECORD_FIELDS = frozenset(field.name for field in dataclasses.fields(RequestRecord))


class LineKind(StrEnum):
    """What happened to a request."""

    OPEN = "open"
    SENT = "sent"
    USAGE = "usage"
    END = "end"


@dataclass(frozen=True, slots=True)
class Line:
    """One line, read back. Which fields are there depends on its kind.

    Attributes:
        kind: What happened.
        request_id: To which request.
        hold: Of `open` and `end`: the money set aside, None for the fixed proxy key.
        record: Of `open`: as far as known; of `end`: how it ended.
        usage: Of `usage`: tokens so far.
    """

    kind: LineKind
    request_id: str
    hold: Hold | None = None
    record: RequestRecord | None = None
    usage: Usage | None = None


def open_line(request: OpenRequest) -> bytes:
    """A request that is about to be served."""
    return _record_line(LineKind.OPEN, request.hold, request.record)


def end_line(hold: Hold | None, record: RequestRecord) -> bytes:
    """A request's end; stands on its own, should its `open` be unreadable."""
    return _record_line(LineKind.END, hold, record)


def sent_line(request_id: str) -> bytes:
    """The request is about to leave for the upstream."""
    return _line({"kind": LineKind.SENT, "id": request_id})


def usage_line(request_id: str, usage: Usage) -> bytes:
    """Usage so far."""
    return _line({"kind": LineKind.USAGE, "id": request_id, "usage": usage})


def parse(raw: bytes) -> Line:
    """Read one line, without its newline.

    Raises:
        ValueError: Damaged or not ours.
    """
    crc, body = raw[:_CRC_LENGTH], raw[_CRC_LENGTH + 1 :]
    if len(crc) < _CRC_LENGTH or int(crc, 16) != zlib.crc32(body):
        raise ValueError("checksum does not match")
    try:
        return _from_document(orjson.loads(body))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a journal line: {error}") from error


def _line(document: Mapping[str, Any]) -> bytes:
    try:
        body = orjson.dumps(document)
    except TypeError as error:
        raise JournalError(f"request {document['id']} cannot be written down: {error}") from error
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _record_line(kind: LineKind, hold: Hold | None, record: RequestRecord) -> bytes:
    return _line({"kind": kind, "id": record.request_id, "hold": hold, "record": record})


def _from_document(document: Mapping[str, Any]) -> Line:
    record, usage = document.get("record"), document.get("usage")
    return Line(
        kind=LineKind(document["kind"]),
        request_id=document["id"],
        hold=_hold(document.get("hold")),
        record=None if record is None else _record(record),
        usage=None if usage is None else Usage(**usage),
    )


def _hold(fields: Mapping[str, Any] | None) -> Hold | None:
    if fields is None:
        return None
    return Hold(**{**fields, "purse": Purse(fields["purse"])})


def _record(fields: Mapping[str, Any]) -> RequestRecord:
    known = {name: value for name, value in fields.items() if name in _RECORD_FIELDS}
    known["usage"] = Usage(**fields["usage"])
    known["created_at"] = datetime.fromisoformat(fields["created_at"])
    return RequestRecord(**known)
