"""A worker that answers each connection with its process id, and does as it is told.

`die` ends it at once; SIGTERM, and the end of its supervisor, end it after a moment. While the
file that `UNREADY` names is there, it ends before it is ready.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

LAST_MOMENT_S = 0.2


class _Leaving(Exception):
    """SIGTERM came, or the supervisor is gone."""


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise _Leaving


def _serve(listener: socket.socket, alive: int) -> None:
    listener.setblocking(False)
    while True:
        ready, _, _ = select.select([listener, alive], [], [])
        if alive in ready:
            raise _Leaving
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        with connection:
            connection.sendall(b"%d\n" % os.getpid())
            connection.settimeout(5)
            if connection.recv(10) == b"die":
                sys.exit(3)


def main() -> int:
    """Serve until told to leave."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listener", type=int, required=True)
    parser.add_argument("--alive", type=int, required=True)
    parser.add_argument("--ready", type=int, required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    if Path(os.environ.get("UNREADY", "/")).is_file():
        return 4
    os.write(options.ready, b"1")
    try:
        _serve(socket.socket(fileno=options.listener), options.alive)
    except _Leaving:
        time.sleep(LAST_MOMENT_S)
    return 0


if __name__ == "__main__":
    sys.exit(main())
