"""Child processes that end with their parent, even with one that is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1

# Runs in the child's own process before the command takes it over. A preexec_fn would do the same
# but is unsafe in a process that has threads.
_LAUNCH = f"""\
import ctypes, os, signal, sys
parent, command = int(sys.argv[1]), sys.argv[2:]
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGTERM, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent is gone")
os.execvp(command[0], command)
"""


def tethered(command: Sequence[str]) -> list[str]:
    """The command so that it gets SIGTERM when the thread that starts it ends.

    It must be started by this process, directly, from a thread that lives as long as the command
    should: the main thread as a rule.
    """
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]


def die_with_parent() -> None:
    """Have this process killed when the thread that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
