import os
import subprocess
import sys
import time

import psutil

from shared.tether import tethered

PARENT = """
import subprocess, sys, time
from shared.tether import tethered
print(subprocess.Popen(tethered(["sleep", "600"])).pid, flush=True)
time.sleep(600)
"""


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_child_ends_with_a_parent_that_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        parent.kill()
    assert ends(child)


def test_the_command_takes_the_process_over():
    done = subprocess.run(
        tethered(["sh", "-c", "echo $PPID"]), capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == os.getpid()


def test_one_started_by_another_process_does_not_run():
    command = tethered(["echo", "ran"])
    done = subprocess.run(
        ["sh", "-c", '"$@"; exit $?', "sh", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ran" not in done.stdout
