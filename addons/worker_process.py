"""One worker as its supervisor sees it: started, ready, leaving, gone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence


class WorkerProcess:
    """A process that accepts on the supervisor's socket.

    Args:
        command: Its argument list; `--listener FD --alive FD --ready FD` is appended.
        listener: The socket, as a file descriptor.
        alive: Read end of a pipe that closes with the supervisor.
        now_s: Monotonic clock.
    """

    def __init__(self, command: Sequence[str], listener: int, alive: int, now_s: float) -> None:
        self.started_at = now_s
        self._ready = False
        self._ready_read, ready_write = os.pipe()
        os.set_blocking(self._ready_read, False)
        given = {"--listener": listener, "--alive": alive, "--ready": ready_write}
        arguments = [word for name, fd in given.items() for word in (name, str(fd))]
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which drains in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own worker
                [*command, *arguments], pass_fds=tuple(given.values()), start_new_session=True
            )
        finally:
            os.close(ready_write)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it accepts connections."""
        if not self._ready:
            with contextlib.suppress(BlockingIOError):
                self._ready = os.read(self._ready_read, 1) != b""
        return self._ready

    def leave(self) -> None:
        """Ask it to drain and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False when it takes longer."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Forget it, once it has ended."""
        os.close(self._ready_read)
