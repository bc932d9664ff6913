"""The journal of one worker, on real files and real full disks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from shared.errors import JournalError
from shared.ledger.journal import Journal
from shared.ledger.journal_home import JournalDirectory
from shared.ledger.journal_lines import sent_line
from tests.support.file_limit import file_limit


def lines_in(journals: Path, worker: str = "w") -> list[bytes]:
    files = sorted((journals / worker).glob("*.journal"))
    return [line for file in files for line in file.read_bytes().splitlines(keepends=True)]


def names_in(journals: Path, worker: str = "w") -> list[str]:
    return sorted(path.name for path in (journals / worker).iterdir())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal.create(tmp_path, "w", segment_bytes=200)
    yield made
    made.close()


async def test_lines_are_there_when_it_says_so(journal: Journal, tmp_path: Path) -> None:
    await asyncio.gather(*(journal.append_durable(b"line %d\n" % n) for n in range(5)))
    journal.append(b"plain\n")
    assert lines_in(tmp_path) == [b"line %d\n" % n for n in range(5)] + [b"plain\n"]


async def test_segments_rotate_and_go_in_order(journal: Journal, tmp_path: Path) -> None:
    for n in range(6):
        await journal.append_durable(b"%0148d\n" % n, opens=f"req{n}")
    assert names_in(tmp_path) == [f"{n:08d}.journal" for n in range(6)] + ["lock"]
    journal.acknowledge(["req1", "req2"])
    await journal.append_durable(b"x\n")
    assert len(lines_in(tmp_path)) == 7
    journal.acknowledge(["req0"])
    await journal.append_durable(b"y\n")
    await journal.append_durable(b"z\n")  # removals come after what was waited for before them
    assert b"".join(line[-2:-1] for line in lines_in(tmp_path)) == b"345xyz"
    assert journal.unacknowledged == 3


async def test_with_nothing_open_the_segment_is_emptied(journal: Journal, tmp_path: Path) -> None:
    await journal.append_durable(b"one\n", opens="a")
    await journal.append_durable(b"two\n", opens="b")
    journal.acknowledge(["a"])
    assert len(lines_in(tmp_path)) == 2
    journal.acknowledge(["b", "unknown"])
    assert lines_in(tmp_path) == []
    await journal.append_durable(b"three\n", opens="c")
    assert lines_in(tmp_path) == [b"three\n"]


async def test_a_line_longer_than_a_segment_is_written_whole(
    journal: Journal, tmp_path: Path
) -> None:
    await journal.append_durable(b"a" * 500 + b"\n")
    await journal.append_durable(b"b\n")
    assert lines_in(tmp_path) == [b"a" * 500 + b"\n", b"b\n"]


async def test_closed_with_nothing_open_it_is_gone(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "w")
    await journal.append_durable(b"one\n", opens="a")
    journal.acknowledge(["a"])
    journal.close()
    assert list(tmp_path.iterdir()) == []


async def test_closed_with_something_open_it_can_be_adopted(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "w")
    await journal.append_durable(b"one\n", opens="a")
    assert JournalDirectory.adopt(tmp_path / "w") is None
    journal.close()
    adopted = JournalDirectory.adopt(tmp_path / "w")
    assert adopted is not None
    assert adopted.segments() == [tmp_path / "w" / "00000000.journal"]
    adopted.unlock()


async def test_closed_it_takes_nothing(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "w")
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.append_durable(b"late\n", opens="a")
    assert journal.unacknowledged == 0


async def test_a_line_is_durable_no_sooner_than_its_sync_has_ended(journal: Journal) -> None:
    segment = journal._segments[-1]
    synced = threading.Event()

    def slow_sync() -> None:
        assert synced.wait(10)
        assert segment.path.read_bytes() == b"one\n"

    segment.sync = slow_sync  # type: ignore[method-assign]
    waiting = asyncio.create_task(journal.append_durable(b"one\n"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    synced.set()
    await waiting


async def test_a_disk_that_cannot_sync_is_not_written_to_again(
    journal: Journal, tmp_path: Path
) -> None:
    await journal.append_durable(b"first\n", opens="a")
    segment = journal._segments[-1]

    def failing_sync() -> None:
        raise OSError(5, "Input/output error")

    segment.sync = failing_sync  # type: ignore[method-assign]
    with pytest.raises(JournalError, match="Input/output error"):
        await journal.append_durable(b"doubtful\n", opens="b")
    assert journal.unacknowledged == 1
    await journal.append_durable(b"second\n", opens="c")
    assert (tmp_path / "w" / "00000001.journal").read_bytes() == b"second\n"


async def test_who_gives_up_waiting_opens_nothing(journal: Journal) -> None:
    task = asyncio.create_task(journal.append_durable(b"one\n", opens="a"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert journal.unacknowledged == 0


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "journals").touch()
    with pytest.raises(JournalError, match=r"no journal can be made in .*journals"):
        Journal.create(tmp_path / "journals", "w")


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[tuple[Path, AbstractContextManager[None]]]:
    """A file system of 64 KB; where none can be mounted, files that may not grow beyond it."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0:
        yield place, nullcontext()
        subprocess.run(["umount", str(place)], check=True)
        return
    yield place, file_limit(64 * 1024)


async def test_a_full_disk_stops_writing_until_there_is_room(
    full_disk: tuple[Path, AbstractContextManager[None]],
) -> None:
    place, limit = full_disk
    with limit:
        await fill_and_empty(place)


async def fill_and_empty(full_disk: Path) -> None:
    journal = Journal.create(full_disk, "w")
    line = b"%01022d\n" % 7 + sent_line("req_a")
    written = 0

    async def fill() -> None:
        nonlocal written
        for written in range(100):
            await journal.append_durable(line, opens=f"req{written}")

    with pytest.raises(JournalError, match="cannot be written"):
        await fill()
    assert 40 < written < 64
    assert journal.failing
    for _ in range(3):
        with pytest.raises(JournalError):
            journal.append(line)
    assert b"".join(lines_in(full_disk)) == line * written
    assert journal.unacknowledged == written
    journal.acknowledge([f"req{n}" for n in range(written)])
    await journal.append_durable(line, opens="later")
    assert not journal.failing
    assert b"".join(lines_in(full_disk)) == line
    journal.close()


async def test_two_thousand_durable_lines_share_their_syncs(tmp_path: Path, make_open: Any) -> None:
    journal = Journal.create(tmp_path, "w")
    await asyncio.gather(*(journal.append_durable(b"%d\n" % n) for n in range(2_000)))
    assert len(lines_in(tmp_path)) == 2_000
    journal.close()
