"""Segments and group commit, on real files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import JournalError
from shared.ledger.segments import GroupCommit, Segment
from tests.support.file_limit import file_limit


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    made = Segment(tmp_path / "00000000.journal")
    yield made
    made.close()


def test_lines_are_appended_and_private(segment: Segment) -> None:
    segment.write(b"one\n")
    segment.write(b"two\n")
    assert segment.path.read_bytes() == b"one\ntwo\n"
    assert segment.path.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_never_taken(segment: Segment) -> None:
    with pytest.raises(FileExistsError):
        Segment(segment.path)


def test_a_short_write_leaves_nothing_behind(segment: Segment) -> None:
    with file_limit(100):
        segment.write(b"a" * 59 + b"\n")
        with pytest.raises(OSError, match="only 40 of 61"):
            segment.write(b"b" * 60 + b"\n")
        assert segment.path.read_bytes() == b"a" * 59 + b"\n"
        segment.write(b"c" * 39 + b"\n")
        with pytest.raises(OSError, match="File too large"):
            segment.write(b"d\n")
    assert segment.path.read_bytes() == b"a" * 59 + b"\n" + b"c" * 39 + b"\n"


def test_what_a_failed_write_left_is_cut_before_the_next(segment: Segment) -> None:
    segment.write(b"good\n")
    segment._ragged = True
    os.write(segment.fd, b"torn")
    segment.write(b"next\n")
    assert segment.path.read_bytes() == b"good\nnext\n"


def test_emptied_it_goes_on_at_the_start(segment: Segment) -> None:
    segment.write(b"one\n")
    segment.empty()
    segment.write(b"two\n")
    assert segment.path.read_bytes() == b"two\n"


def test_closed_it_does_not_write_into_another_file(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "00000001.journal")
    segment.close()
    other = (tmp_path / "other").open("wb")
    with other, pytest.raises(OSError, match="Bad file descriptor"):
        segment.write(b"line\n")
    assert (tmp_path / "other").read_bytes() == b""


async def test_all_who_wait_share_a_sync(segment: Segment) -> None:
    commits = GroupCommit("test")
    synced = 0

    def counting_sync() -> None:
        nonlocal synced
        synced += 1
        Segment.sync(segment)

    segment.sync = counting_sync  # type: ignore[method-assign]
    await asyncio.gather(*(commits.durable(segment) for _ in range(200)))
    commits.stop()
    assert 1 <= synced < 50


async def test_a_failed_sync_fails_who_waits_and_breaks_the_segment(segment: Segment) -> None:
    commits = GroupCommit("test")

    def failing_sync() -> None:
        raise OSError(5, "Input/output error")

    segment.sync = failing_sync  # type: ignore[method-assign]
    with pytest.raises(JournalError, match="Input/output error"):
        await commits.durable(segment)
    assert segment.broken
    commits.stop()


async def test_a_retired_segment_is_removed_after_those_who_wait(tmp_path: Path) -> None:
    commits = GroupCommit("test")
    segment = Segment(tmp_path / "00000000.journal")
    waiting = asyncio.gather(*(commits.durable(segment) for _ in range(5)))
    await asyncio.sleep(0)
    commits.retire(segment)
    await waiting
    commits.stop()
    assert not segment.path.exists()
