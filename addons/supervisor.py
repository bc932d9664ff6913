"""Supervisor: opens the listening socket, runs the workers on it, restarts and drains them."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

from shared.catalog.loading import load_catalog_file
from shared.errors import SettingsError
from shared.settings import Settings, environment

logger = logging.getLogger(__name__)

BACKLOG = 4096
RESTART_AFTER_S = (0.1, 0.5, 2.0, 5.0)
HEALTHY_AFTER_S = 10.0
KILL_AFTER_S = 45.0
_TICK_S = 0.05


def open_listener(host: str, port: int) -> socket.socket:
    """One listening socket, exclusively ours, that workers inherit.

    Raises:
        SettingsError: The address cannot be bound; the message says why.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio sets TCP_NODELAY on what it accepts: no 40 ms stalls.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # SO_REUSEADDR lets us start while old connections linger; SO_REUSEPORT would let a stranger in.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError([_bind_problem(host, port, error)]) from error
    listener.set_inheritable(True)
    return listener


def _bind_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what uses it, or set PORT to another"
    return f"cannot listen on {host}:{port}: {error.strerror}"


@dataclass(slots=True)
class _Slot:
    """One place for a worker; its process changes, the place stays."""

    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    start_at: float = field(default=0.0)


class Supervisor:
    """Keeps a number of workers alive on one socket.

    Args:
        listener: The socket that workers accept on.
        workers: How many.
        command: Argument list of a worker; `--listener FD --alive FD` is appended.
        restart_after_s: Delays before a worker that died young is started again, growing.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        listener: socket.socket,
        workers: int,
        command: Sequence[str],
        *,
        restart_after_s: Sequence[float] = RESTART_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._command = tuple(command)
        self._restart_after_s = tuple(restart_after_s)
        self._clock = clock
        self._slots = [_Slot() for _ in range(workers)]
        # Workers hold the read end: when the supervisor is gone, however, it closes and they drain.
        self._alive_read, self._alive_write = os.pipe()
        os.set_inheritable(self._alive_read, True)
        self._stopping = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, then drain; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            while not self._stopping:
                self._keep_alive()
                time.sleep(_TICK_S)
        finally:
            self._drain()
        return 0

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _keep_alive(self) -> None:
        now = self._clock()
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is not None:
                self._ended(slot, now)
            if slot.process is None and now >= slot.start_at:
                self._start(slot, now)

    def _start(self, slot: _Slot, now: float) -> None:
        fds = (self._listener.fileno(), self._alive_read)
        arguments = ["--listener", str(fds[0]), "--alive", str(fds[1])]
        # A session of its own: Ctrl-C reaches the supervisor alone, which drains in order.
        slot.process = subprocess.Popen(
            [*self._command, *arguments], pass_fds=fds, start_new_session=True
        )
        slot.started_at = now

    def _ended(self, slot: _Slot, now: float) -> None:
        assert slot.process is not None
        code = slot.process.returncode
        slot.failures = 0 if now - slot.started_at > HEALTHY_AFTER_S else slot.failures + 1
        delay = self._restart_after_s[min(slot.failures, len(self._restart_after_s) - 1)]
        logger.error("worker %d ended with %d, restarting in %.1f s", slot.process.pid, code, delay)
        slot.process = None
        slot.start_at = now + delay

    def _drain(self) -> None:
        self._listener.close()
        running = [slot.process for slot in self._slots if slot.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        deadline = self._clock() + KILL_AFTER_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                logger.exception("worker %d did not drain in time and is killed", process.pid)
                process.kill()
                process.wait()
        os.close(self._alive_write)
        os.close(self._alive_read)


def worker_command() -> list[str]:
    """How a worker is started: this interpreter, without mitmproxy's debug-only checks."""
    return [sys.executable, "-O", "-m", "addons"]


def run(settings: Settings, *, port: int, workers: int) -> int:
    """Serve on a port until SIGTERM; the exit code.

    Raises:
        SettingsError: The port cannot be had.
        ConfigError: config.json cannot be used.
    """
    load_catalog_file(settings.config_path, settings, environment())
    return Supervisor(open_listener(settings.bind, port), workers, worker_command()).run()
