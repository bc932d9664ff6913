"""Directories of journals: one per worker, held by a lock while the worker lives.

`journals/<worker id>/` is made under another name, locked, and renamed into place, so that nobody
ever sees one that its owner has not locked. It is renamed away before it is removed, so that
nobody reads one that is half gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from shared.ledger.segments import SUFFIX, sync_directory

_LOCK = "lock"
_MAKING = ".new-"
_REMOVING = ".done-"
_ABANDONED_S = 60


def journals_of(home: Path) -> Path:
    """Where journals are kept under `$TROLLLM_HOME`."""
    return home / "journals"


class JournalDirectory:
    """A directory whose lock this process holds.

    Attributes:
        worker_id: Whose requests it tells of.
        path: Where it is.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.worker_id = path.name
        self._lock = lock

    @classmethod
    def create(cls, journals: Path, worker_id: str) -> JournalDirectory:
        """Make the directory of a new worker.

        Raises:
            OSError: It cannot be made.
        """
        journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        making = journals / f"{_MAKING}{worker_id}"
        making.mkdir(mode=0o700)
        lock = _locked(making)
        if lock is None:
            raise FileExistsError(f"{making} is in use")
        path = making.rename(journals / worker_id)
        sync_directory(journals)
        return cls(path, lock)

    @classmethod
    def adopt(cls, path: Path) -> JournalDirectory | None:
        """Lock the directory of a dead worker; None when it is alive, adopted or gone."""
        lock = _locked(path)
        return None if lock is None else cls(path, lock)

    def segments(self) -> list[Path]:
        """Its segments, oldest first."""
        return sorted(self.path.glob(f"*{SUFFIX}"))

    def remove(self) -> None:
        """Remove it with all it holds, then let go of the lock."""
        removing = self.path.with_name(f"{_REMOVING}{self.worker_id}")
        self.path.rename(removing)
        sync_directory(removing.parent)
        shutil.rmtree(removing, ignore_errors=True)
        self.unlock()

    def unlock(self) -> None:
        """Let go of it as it is."""
        os.close(self._lock)


def dead_journals(journals: Path) -> Iterator[JournalDirectory]:
    """Lock, one after the other, the directories whose worker is dead.

    The caller removes or unlocks each. Remains of directories half made or half removed are
    cleared on the way.
    """
    if not journals.is_dir():
        return
    for path in sorted(journals.iterdir()):
        if path.name.startswith((_MAKING, _REMOVING)):
            _clear_remains(path)
        elif path.is_dir() and (adopted := JournalDirectory.adopt(path)) is not None:
            yield adopted


def _locked(path: Path) -> int | None:
    name = path / _LOCK
    try:
        lock = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another may have removed the directory between the opening and the locking.
        if os.path.samestat(os.fstat(lock), name.stat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _clear_remains(path: Path) -> None:
    try:
        old = time.time() - path.stat().st_mtime > _ABANDONED_S
    except FileNotFoundError:
        return
    if old and (lock := _locked(path)) is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
