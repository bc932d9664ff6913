"""Processes under measurement: started on one core, their CPU time and memory read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12


def measured_core() -> int:
    """The core that the measured process has to itself."""
    return 0


def other_core() -> int:
    """The core for all else; on a machine with one core, the same."""
    return min(1, (os.cpu_count() or 1) - 1)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Whatever is started inside runs on this core; threads inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def move_to_core(pid: int, core: int) -> None:
    """Moves all threads of a process."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def cpu_ms(pid: int) -> float:
    """CPU time of a process and all its threads since its start, children left out.

    Source: proc_pid_stat(5), fields utime and stime.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) * 1000 / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Resident memory in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine() -> str:
    """Processor, cores, kernel: one line for the report."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return f"{cpu}, {os.cpu_count()} cores, Linux {os.uname().release}"
