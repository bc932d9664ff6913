"""Runs the Procfile's processes under honcho, with order in how they end.

honcho kills what has not ended five seconds after SIGTERM, and knows nothing of processes that
must outlive the others. A gateway drains for longer than that, and it drains into a database and
an upstream: those are companions here, which are watched, and stopped by their owner afterwards.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from honcho.manager import Manager
from honcho.printer import Message, Printer
from honcho.process import Process

from shared.tether import die_with_parent, tethered

DRAIN_S = 60.0
_SIGNALS = {signal.SIGTERM, signal.SIGINT}


class TetheredProcess(Process):  # type: ignore[misc]
    """A process of the manager that ends with it, even when the manager is killed."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """Called in a fork of the manager, which passes lines on; the command is its child."""
        die_with_parent()
        for number in _SIGNALS:
            signal.signal(number, _leave_to_manager)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self.cmd: str = "exec " + shlex.join(tethered(["sh", "-c", f"exec {self.cmd}"]))
        super().run(events, ignore_signals)


def _leave_to_manager(_number: int, _frame: object) -> None:
    """A handler, unlike SIG_IGN, is not inherited by the command."""


class Output(Printer):  # type: ignore[misc]
    """honcho's printer, which goes on when nobody reads any more: `up | head` must still drain."""

    def write(self, message: Message) -> None:
        """Print one message of a process."""
        with contextlib.suppress(OSError):
            super().write(message)


class Foreman(Manager):  # type: ignore[misc]
    """Runs processes until one ends, or SIGTERM or SIGINT comes; then drains them all.

    Args:
        companions: What the processes depend on: for each name a function that gives the exit
            code, None while it runs.
        on_started: Called once, when all have been started.
    """

    def __init__(
        self,
        companions: Mapping[str, Callable[[], int | None]],
        on_started: Callable[[], None],
    ) -> None:
        super().__init__(Output(sys.stdout))
        self._process_ctor = TetheredProcess
        self._companions = companions
        self._on_started = on_started
        self._running = False
        self._kill_at: float | None = None
        self.failure = ""

    def give_up(self, reason: str) -> None:
        """Stop everything because of a failure; may be called from another thread."""
        self.failure = self.failure or reason
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def draining(self) -> bool:
        """Whether the end has begun."""
        return self._kill_at is not None

    def terminate(self) -> None:
        """Begin to drain: honcho calls it on a signal and when a process has ended."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + DRAIN_S
            self.failure = self.failure or self._first_to_end()
        super().terminate()

    def kill(self) -> None:
        """Honcho calls it again and again from five seconds on; a drain may take longer."""
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            super().kill()

    def _start(self) -> None:
        # honcho cannot take a signal before it knows every pid: it waits until `_all_started`.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        super()._start()

    def _all_started(self) -> bool:
        started: bool = super()._all_started()
        if started and not self._running:
            self._running = True
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._on_started()
        return started

    def _any_stopped(self) -> bool:
        return super()._any_stopped() or self._first_to_end() != ""

    def _first_to_end(self) -> str:
        codes = {name: process.get("returncode") for name, process in self._processes.items()}
        codes |= {name: poll() for name, poll in self._companions.items()}
        return next(
            (f"{name} ended with code {code}" for name, code in codes.items() if code is not None),
            "",
        )
