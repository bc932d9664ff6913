"""Files of a journal, and the thread that makes what is in them durable."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Sequence
from pathlib import Path

from shared.errors import JournalError

SUFFIX = ".journal"

type _Request = tuple[Segment, asyncio.Future[None] | None]


class Segment:
    """One append-only file of a journal.

    Attributes:
        path: Where it is.
        size: Bytes of whole lines; what lies behind is cut off before the next write.
        pending: Requests opened in it whose end the database has not acknowledged yet.
        broken: A sync failed: nothing more may be written here.
        unsynced: Something was written since the last sync began.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            OSError: It exists, or cannot be made.
        """
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self.fd = os.open(path, flags, 0o600)
        self.path = path
        self.size = 0
        self.pending = 0
        self.broken = False
        self.unsynced = False
        self._known_to_directory = False
        self._ragged = False

    def write(self, line: bytes) -> None:
        """Append a line whole, or not at all.

        Raises:
            OSError: It was not written.
        """
        if self._ragged:
            self._cut()
        self._ragged = True
        written = os.write(self.fd, line)
        if written == len(line):
            self._ragged = False
            self.unsynced = True
            self.size += written
            return
        with contextlib.suppress(OSError):
            self._cut()
        raise OSError(f"only {written} of {len(line)} bytes were written")

    def empty(self) -> None:
        """Forget every line.

        Raises:
            OSError: The file could not be cut.
        """
        os.ftruncate(self.fd, 0)
        self.size = 0
        self._ragged = False

    def sync(self) -> None:
        """Make everything written so far durable, and the file's name with it.

        Raises:
            OSError: The disk failed; what was not durable before may be lost.
        """
        self.unsynced = False
        os.fdatasync(self.fd)
        if not self._known_to_directory:
            sync_directory(self.path.parent)
            self._known_to_directory = True

    def close(self) -> None:
        """Close the file; its number, which the next file may get, is forgotten."""
        fd, self.fd = self.fd, -1
        os.close(fd)

    def _cut(self) -> None:
        os.ftruncate(self.fd, self.size)
        self._ragged = False


def sync_directory(path: Path) -> None:
    """Make creations and renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class GroupCommit:
    """One thread that syncs segments for everybody who waits.

    Whoever asks while a sync is under way shares the next one. Segments that are no longer needed
    are closed and removed here too, in order, so that none is closed under a sync.
    """

    def __init__(self, name: str) -> None:
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def durable(self, segment: Segment) -> None:
        """Wait until everything written to the segment by now is durable.

        Raises:
            JournalError: The disk failed.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.put((segment, waiter))
        await waiter

    def retire(self, segment: Segment) -> None:
        """Close and remove a segment, after all that was asked before."""
        self._requests.put((segment, None))

    def stop(self) -> None:
        """Do what was asked, then end the thread."""
        self._requests.put(None)
        self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            batch = [self._requests.get()]
            with contextlib.suppress(queue.Empty):
                while True:
                    batch.append(self._requests.get_nowait())
            running = None not in batch
            _commit([request for request in batch if request is not None])


def _commit(batch: Sequence[_Request]) -> None:
    waiting: dict[Segment, list[asyncio.Future[None]]] = {}
    for segment, waiter in batch:
        if waiter is not None:
            waiting.setdefault(segment, []).append(waiter)
    for segment, waiters in waiting.items():
        _answer(waiters, _synced(segment))
    for segment, waiter in batch:
        if waiter is None:
            with contextlib.suppress(OSError):
                segment.close()
                segment.path.unlink(missing_ok=True)


def _synced(segment: Segment) -> JournalError | None:
    try:
        segment.sync()
    except OSError as error:
        # The kernel drops pages it could not write: a second sync of this file would lie.
        segment.broken = True
        return JournalError(f"the journal cannot be made durable: {error.strerror or error}")
    return None


def _answer(waiters: Sequence[asyncio.Future[None]], error: JournalError | None) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        waiters[0].get_loop().call_soon_threadsafe(_resolve, waiters, error)


def _resolve(waiters: Sequence[asyncio.Future[None]], error: JournalError | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
