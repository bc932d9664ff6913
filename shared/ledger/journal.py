"""A worker's journal: what it must not forget, on disk before it acts.

Lines are written from the event loop (microseconds, into the page cache: they survive the death of
the process) and made durable by a thread that syncs for all who wait (they survive the death of the
machine). Segments are removed in order, once the database has acknowledged the end of every request
that was opened in them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from shared.errors import JournalError
from shared.ledger.journal_home import JournalDirectory
from shared.ledger.segments import SUFFIX, GroupCommit, Segment

log = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024


class Journal:
    """The journal of one process. Not thread-safe: it belongs to one event loop.

    Attributes:
        failing: The last write did not succeed; the next one tries again.
    """

    def __init__(self, directory: JournalDirectory, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._segments: deque[Segment] = deque()
        self._opened_in: dict[str, Segment] = {}
        self._made = 0
        self._closed = False
        self.failing = False
        self._rotate()
        self._commits = GroupCommit(f"journal-{directory.worker_id[:8]}")

    @classmethod
    def create(
        cls, journals: Path, worker_id: str, *, segment_bytes: int = SEGMENT_BYTES
    ) -> Journal:
        """Make and lock the journal of a new worker.

        Args:
            journals: Directory of all journals.
            worker_id: A fresh UUID: never that of an earlier process.
            segment_bytes: Size at which a new file is begun.

        Raises:
            JournalError: It cannot be made.
        """
        try:
            return cls._in(JournalDirectory.create(journals, worker_id), segment_bytes)
        except OSError as error:
            raise JournalError(
                f"no journal can be made in {journals}: {error.strerror or error}"
            ) from error

    @classmethod
    def _in(cls, directory: JournalDirectory, segment_bytes: int) -> Journal:
        try:
            return cls(directory, segment_bytes=segment_bytes)
        except OSError:
            directory.remove()
            raise

    @property
    def unacknowledged(self) -> int:
        """Requests whose end the database has not acknowledged."""
        return len(self._opened_in)

    def append(self, line: bytes) -> None:
        """Write a line that outlives this process, if not the machine.

        Raises:
            JournalError: It was not written; nothing of it stays behind.
        """
        self._write(line)

    async def append_durable(self, line: bytes, *, opens: str | None = None) -> None:
        """Write a line and wait until it is durable.

        Args:
            line: The line.
            opens: Request id that it opens: kept until `acknowledge` names it.

        Raises:
            JournalError: It was not written, or may not be durable; it opens nothing.
        """
        segment = self._write(line)
        if opens is not None:
            self._opened_in[opens] = segment
            segment.pending += 1
        try:
            await self._commits.durable(segment)
        except BaseException:
            self._forget(opens)
            raise

    async def sync(self) -> None:
        """Make everything that was written so far durable.

        Raises:
            JournalError: It may not be.
        """
        for segment in [one for one in self._segments if one.unsynced]:
            await self._commits.durable(segment)

    def acknowledge(self, request_ids: Iterable[str]) -> None:
        """The database knows how these requests ended: their lines may go."""
        for request_id in request_ids:
            self._forget(request_id)
        while len(self._segments) > 1 and not self._segments[0].pending:
            self._commits.retire(self._segments.popleft())
        current = self._segments[-1]
        if current.size and not self._opened_in and not current.broken:
            try:
                current.empty()
            except OSError as error:
                log.warning("journal segment %s cannot be emptied: %s", current.path.name, error)

    def close(self) -> None:
        """Sync and let go; the directory is removed if nothing in it is needed any more."""
        self._closed = True
        self._commits.stop()
        for segment in self._segments:
            segment.close()
        if self._opened_in:
            self._directory.unlock()
        else:
            self._directory.remove()

    def _forget(self, request_id: str | None) -> None:
        segment = self._opened_in.pop(request_id, None) if request_id else None
        if segment is not None:
            segment.pending -= 1

    def _write(self, line: bytes) -> Segment:
        if self._closed:
            raise JournalError("the journal is closed")
        try:
            segment = self._room_for(line)
            segment.write(line)
        except OSError as error:
            self.failing = True
            raise JournalError(
                f"the journal cannot be written: {error.strerror or error}"
            ) from error
        self.failing = False
        return segment

    def _room_for(self, line: bytes) -> Segment:
        current = self._segments[-1]
        full = current.size and current.size + len(line) > self._segment_bytes
        return self._rotate() if full or current.broken else current

    def _rotate(self) -> Segment:
        segment = Segment(self._directory.path / f"{self._made:08d}{SUFFIX}")
        self._made += 1
        self._segments.append(segment)
        return segment
