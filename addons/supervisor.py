"""Supervisor: opens the listening socket, runs the workers on it, restarts and drains them."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from addons.worker_process import WorkerProcess
from shared.catalog.loading import load_catalog_file
from shared.errors import SettingsError
from shared.settings import Settings, environment

logger = logging.getLogger(__name__)

BACKLOG = 4096
RESTART_AFTER_S = (0.1, 0.5, 2.0, 5.0)
HEALTHY_AFTER_S = 10.0
KILL_AFTER_S = 45.0
# A new worker recovers journals of dead ones before it serves.
READY_S = 60.0
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
    """One place for a worker; its process changes, the place stays.

    Attributes:
        worker: Who serves; None between an end and the next start.
        successor: Who will, once it is ready.
        failures: Early deaths in a row.
        start_at: When to start the next worker, monotonic.
    """

    worker: WorkerProcess | None = None
    successor: WorkerProcess | None = None
    failures: int = 0
    start_at: float = 0.0


class Supervisor:
    """Keeps a number of workers alive on one socket, and replaces them on SIGHUP.

    Args:
        listener: The socket that workers accept on.
        workers: How many.
        command: Argument list of a worker; `--listener FD --alive FD --ready FD` is appended.
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
        self._to_renew: list[_Slot] = []
        self._leaving: list[tuple[WorkerProcess, float]] = []
        # Workers hold the read end: when the supervisor is gone, however, it closes and they drain.
        self._alive_read, self._alive_write = os.pipe()
        os.set_inheritable(self._alive_read, True)
        self._stopping = False
        self._renew_asked = False

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, then drain; the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._renew)
        try:
            while not self._stopping:
                now = self._clock()
                self._keep_alive(now)
                self._renew_next(now)
                self._see_off(now)
                time.sleep(_TICK_S)
        finally:
            self._drain()
        return 0

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _renew(self, _number: int, _frame: FrameType | None) -> None:
        self._renew_asked = True

    def _keep_alive(self, now: float) -> None:
        for slot in self._slots:
            if slot.worker is not None and slot.worker.exit_code is not None:
                self._ended(slot, now)
            if slot.worker is None and now >= slot.start_at:
                slot.worker = self._started(now)

    def _started(self, now: float) -> WorkerProcess:
        return WorkerProcess(self._command, self._listener.fileno(), self._alive_read, now)

    def _ended(self, slot: _Slot, now: float) -> None:
        worker = slot.worker
        assert worker is not None
        slot.failures = 0 if now - worker.started_at > HEALTHY_AFTER_S else slot.failures + 1
        delay = self._restart_after_s[min(slot.failures, len(self._restart_after_s) - 1)]
        logger.error(
            "worker %d ended with %s, restarting in %.1f s", worker.pid, worker.exit_code, delay
        )
        worker.close()
        slot.worker = None
        slot.start_at = now + delay

    # Replacing workers, one after the other: each is asked to leave once its successor serves.

    def _renew_next(self, now: float) -> None:
        if self._renew_asked:
            self._renew_asked = False
            # Those whose successor is on its way are done first; then all of them again.
            under_way = [slot for slot in self._to_renew if slot.successor is not None]
            self._to_renew = under_way + self._slots
        if not self._to_renew:
            return
        slot = self._to_renew[0]
        if slot.successor is None:
            slot.successor = self._started(now)
        elif slot.successor.is_ready:
            self._succeed(slot, slot.successor, now)
            self._to_renew.pop(0)
        elif slot.successor.exit_code is not None or now > slot.successor.started_at + READY_S:
            logger.error("a new worker did not become ready: the others are left as they are")
            self._send_off(slot.successor, now)
            slot.successor = None
            self._to_renew.clear()

    def _succeed(self, slot: _Slot, successor: WorkerProcess, now: float) -> None:
        if slot.worker is not None:
            self._send_off(slot.worker, now)
        slot.worker, slot.successor = successor, None
        slot.failures = 0
        if len(self._to_renew) == 1:
            logger.warning("all workers are replaced")

    def _send_off(self, worker: WorkerProcess, now: float) -> None:
        worker.leave()
        self._leaving.append((worker, now + KILL_AFTER_S))

    def _see_off(self, now: float) -> None:
        for worker, until in list(self._leaving):
            if worker.exit_code is None and now > until:
                logger.error("worker %d did not drain in time and is killed", worker.pid)
                worker.kill()
            if worker.exit_code is not None:
                worker.close()
                self._leaving.remove((worker, until))

    def _drain(self) -> None:
        self._listener.close()
        running = [worker for slot in self._slots for worker in (slot.worker, slot.successor)]
        left = [worker for worker in running if worker is not None]
        for worker in left:
            worker.leave()
        deadline = self._clock() + KILL_AFTER_S
        for worker in [*left, *(worker for worker, _ in self._leaving)]:
            if not worker.wait(max(0.1, deadline - self._clock())):
                logger.error("worker %d did not drain in time and is killed", worker.pid)
                worker.kill()
            worker.close()
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
