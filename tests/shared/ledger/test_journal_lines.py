from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.accounts import OpenRequest
from shared.domain.usage import Usage
from shared.ledger.journal_lines import (
    Line,
    LineKind,
    end_line,
    open_line,
    parse,
    sent_line,
    usage_line,
)


def test_an_open_and_an_end_carry_everything(make_open: Any) -> None:
    request = make_open()
    opened = parse(open_line(request)[:-1])
    assert opened == Line(LineKind.OPEN, request.record.request_id, request.hold, request.record)
    ended = replace(request.record, status=200, cost_nano=12, ttft_ms=5, usage=Usage(1, 2, 3, 4, 5))
    assert parse(end_line(request.hold, ended)[:-1]).record == ended


def test_the_fixed_key_has_no_hold(make_open: Any) -> None:
    line = open_line(OpenRequest(None, make_open().record))
    assert parse(line[:-1]).hold is None


def test_sent_and_usage() -> None:
    assert parse(sent_line("req_a")[:-1]) == Line(LineKind.SENT, "req_a")
    usage = Usage(input=3, output=4, reasoning=1, web_searches=2)
    assert parse(usage_line("req_a", usage)[:-1]) == Line(LineKind.USAGE, "req_a", usage=usage)


def test_a_line_is_one_line(make_open: Any) -> None:
    request = make_open()
    odd = replace(request.record, end_reason="a\nb\u2028\x00", model='"}\r\n')
    line = end_line(request.hold, odd)
    assert line.count(b"\n") == 1
    assert parse(line[:-1]).record == odd


def test_every_flipped_bit_and_every_cut_is_noticed(make_open: Any) -> None:
    line = end_line(make_open().hold, make_open().record)[:-1]
    for place in range(len(line)):
        with pytest.raises(ValueError, match=r"."):
            parse(line[:place])
        flipped = bytearray(line)
        flipped[place] ^= 1
        if place != 8:  # the space between is not covered, and does not matter
            with pytest.raises(ValueError, match=r"."):
                parse(bytes(flipped))


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"kind":"open"}', b'{"kind":"odd","id":"a"}', b"nonsense"]
)
def test_a_sound_checksum_over_something_else_is_refused(body: bytes) -> None:
    import zlib

    with pytest.raises(ValueError, match=r"."):
        parse(b"%08x %s" % (zlib.crc32(body), body))
