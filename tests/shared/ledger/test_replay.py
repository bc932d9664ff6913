"""Reading back what a dead worker left, however torn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.domain.usage import Usage
from shared.ledger.journal_lines import end_line, open_line, sent_line, usage_line
from shared.ledger.replay import JournalledRequest, read_journal


@pytest.fixture
def story(make_open: Any) -> list[bytes]:
    """Three requests: one ended, one under way, one that was never sent."""
    one, two, three = (make_open(n) for n in (1, 2, 3))
    ended = replace(one.record, status=200, cost_nano=9, end_reason="complete", usage=Usage(3, 4))
    first, second = one.record.request_id, two.record.request_id
    return [
        open_line(one),
        sent_line(first),
        open_line(two),
        usage_line(first, Usage(3, 1)),
        sent_line(second),
        usage_line(second, Usage(5, 1)),
        usage_line(second, Usage(5, 2)),
        end_line(one.hold, ended),
        open_line(three),
    ]


def written(folder: Path, *segments: bytes) -> list[Path]:
    paths = []
    for number, content in enumerate(segments):
        paths.append(folder / f"{number:08d}.journal")
        paths[-1].write_bytes(content)
    return paths


def test_what_is_known_of_each_request(tmp_path: Path, story: list[bytes], make_open: Any) -> None:
    paths = written(tmp_path, b"".join(story[:5]), b"".join(story[5:]))
    replay = read_journal(paths)
    assert replay.faults == []
    one, two, three = replay.requests.values()
    assert one.ended
    assert (one.record.cost_nano, one.record.status) == (9, 200)
    expected = make_open(2)
    assert two == JournalledRequest(
        expected.record.request_id, expected.hold, expected.record, sent=True, usage=Usage(5, 2)
    )
    assert (three.sent, three.ended, three.usage) == (False, False, None)


def test_torn_at_every_byte_it_tells_a_prefix(tmp_path: Path, story: list[bytes]) -> None:
    whole = b"".join(story)
    states = [
        read_journal(written(tmp_path, b"".join(story[:lines]))).requests
        for lines in range(len(story) + 1)
    ]
    for size in range(len(whole) + 1):
        replay = read_journal(written(tmp_path, whole[:size]))
        assert replay.faults == []
        assert replay.requests == states[whole[:size].count(b"\n")]


def test_zeros_behind_the_end_are_a_torn_tail(tmp_path: Path, story: list[bytes]) -> None:
    replay = read_journal(written(tmp_path, b"".join(story) + b"\0" * 4096))
    assert replay.faults == []
    assert len(replay.requests) == 3


@pytest.mark.parametrize("damaged", range(9))
def test_a_bad_line_in_the_middle_is_reported_and_skipped(
    tmp_path: Path, story: list[bytes], damaged: int
) -> None:
    story[damaged] = b"deadbeef" + story[damaged][8:]
    replay = read_journal(written(tmp_path, b"".join(story)))
    [fault] = replay.faults
    assert fault.endswith(f"00000000.journal:{damaged + 1}: checksum does not match")
    assert len(replay.requests) == (2 if damaged in (2, 8) else 3)


def test_an_end_stands_without_its_opening(tmp_path: Path, story: list[bytes]) -> None:
    replay = read_journal(written(tmp_path, story[1] + story[7] + story[4]))
    [only] = replay.requests.values()
    assert only.ended
    assert only.hold is not None


def test_no_segment_tells_nothing() -> None:
    assert read_journal([]).requests == {}
