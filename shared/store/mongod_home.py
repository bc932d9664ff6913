"""The folder of the embedded mongod: data, log, key file, credentials and who owns it now."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import time
from pathlib import Path
from typing import IO

from shared.errors import MongodError
from shared.private_files import write_private
from shared.store.replica_set import Credentials

FREE_SPACE_NEEDED = 300 * 1024 * 1024
_ORPHAN_TIMEOUT_S = 20.0
_LOCK_TRIES = 5


class MongodHome:
    """One folder, locked while a process owns it.

    Args:
        directory: Made when it is missing; everything in it is for its owner alone.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "mongod.log"
        self.output = self.directory / "mongod.out"
        self.key_file = self.directory / "keyfile"
        self.pid_file = self.directory / "mongod.pid"
        self._uri_file = self.directory / "uri"
        self._password_file = self.directory / "credentials"
        self._unproven_file = self.directory / "credentials.new"
        self._lock: IO[str] | None = None

    def acquire(self) -> Credentials:
        """Own the folder: make what is missing, end an orphaned mongod, return its user.

        Raises:
            MongodError: Another process owns it, it cannot be written, or the disk is full.
        """
        try:
            self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.directory.chmod(0o700)
            self._take_lock()
            self._check_space()
            self._stop_orphan()
            return self._secrets()
        except OSError as error:
            raise MongodError(
                f"cannot use {self.directory}: {error.strerror}; choose another TROLLLM_HOME"
            ) from None

    def release(self) -> None:
        """Let the folder go. Idempotent."""
        if self._lock is not None:
            self._uri_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def announce(self, uri: str) -> None:
        """Tell other processes of this user where the server is, until `release`."""
        write_private(self._uri_file, uri)

    def announced(self) -> str | None:
        """What the process that owns the folder now has announced; None when none does."""
        try:
            with (self.directory / "owner.lock").open("r", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(OSError):
                return self._uri_file.read_text(encoding="utf-8")
        except OSError:
            pass
        return None

    def last_words(self) -> str:
        """What mongod wrote since it was started last."""
        return "\n".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in (self.log, self.output)
            if path.exists()
        )

    def turn_log(self) -> None:
        """Begin a new log and keep the one before."""
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))

    def _take_lock(self) -> None:
        lock = (self.directory / "owner.lock").open("a+", encoding="ascii")
        if not _locked(lock):
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise MongodError(
                f"{self.directory} is in use by running process {owner}: stop that one first"
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.directory).free
        if free < FREE_SPACE_NEEDED:
            raise MongodError(
                f"the disk under {self.directory} has {free >> 20} MB left and mongod needs "
                f"{FREE_SPACE_NEEDED >> 20} MB: make room"
            )

    def _secrets(self) -> Credentials:
        if not self.key_file.exists():
            write_private(self.key_file, secrets.token_hex(256))
        if not self._password_file.exists():
            self._begin_first_start()
        path = self._password_file if self._password_file.exists() else self._unproven_file
        return Credentials("trollllm", path.read_text(encoding="ascii").strip())

    def _begin_first_start(self) -> None:
        """Make a password; data of a first start that was cut short has no user to serve."""
        if self._unproven_file.exists():
            shutil.rmtree(self.data)
            self.data.mkdir(mode=0o700)
        write_private(self._unproven_file, secrets.token_urlsafe(32))

    def keep_credentials(self) -> None:
        """The server has taken the password: from here on the data is worth keeping."""
        if not self._password_file.exists():
            self._unproven_file.rename(self._password_file)

    def _stop_orphan(self) -> None:
        """Stop a mongod whose parent was killed: we hold the lock, so nobody owns it."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + _ORPHAN_TIMEOUT_S
            with contextlib.suppress(ProcessLookupError):
                pid = self.orphan()
                if pid is None:
                    return
                os.kill(pid, sign)
                while self.orphan() == pid and time.monotonic() < deadline:
                    time.sleep(0.05)

    def orphan(self) -> int | None:
        """Pid of a mongod that runs on this folder's data, if the pid file still names one."""
        try:
            pid = int(self.pid_file.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.data) in command else None


def _locked(lock: IO[str]) -> bool:
    """Lock a file, with patience for `announced`, which holds it for a moment to look."""
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.02)
    return False
