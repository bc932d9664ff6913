from __future__ import annotations

import os
import subprocess
import sys
import time

from scripts.benchmark.processes import cpu_ms, machine, move_to_core, on_core, rss_mb


def test_what_is_started_on_a_core_stays_there() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    with on_core(core):
        command = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == str({core})
    assert os.sched_getaffinity(0) == before


def test_a_running_process_can_be_moved() -> None:
    core = max(os.sched_getaffinity(0))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        move_to_core(process.pid, core)
        assert os.sched_getaffinity(process.pid) == {core}


def test_cpu_time_is_that_of_work() -> None:
    before, deadline = cpu_ms(os.getpid()), time.process_time() + 0.1
    while time.process_time() < deadline:
        pass
    assert 80 <= cpu_ms(os.getpid()) - before <= 1000


def test_memory_and_machine() -> None:
    assert 1 < rss_mb(os.getpid()) < 10_000
    assert "cores, Linux" in machine()
