import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import sys, time
from scripts.cli.foreman import Foreman
started = time.monotonic()
lost_after = float(sys.argv[1])
poll = lambda: 3 if lost_after and time.monotonic() - started > lost_after else None
foreman = Foreman({"database": poll}, lambda: print("ALL STARTED", flush=True))
for number, command in enumerate(sys.argv[2:]):
    foreman.add_process(f"p{number}", command)
foreman.loop()
print(f"FAILURE={foreman.failure}", flush=True)
"""
SLOW_TO_STOP = (
    """sh -c 'trap "sleep 7; echo DRAINED; exit 0" TERM; """
    """echo UP; while :; do sleep 0.1; done'"""
)


class Run:
    """A foreman in a process of its own."""

    def __init__(self, output: Path, *commands: str, lost_after: float = 0) -> None:
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, str(lost_after), *commands],
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def said(self, words: str, timeout_s: float = 20) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if words in self.output.read_text():
                return True
            time.sleep(0.05)
        return False

    def end(self) -> str:
        self.process.wait(60)
        return self.output.read_text().split("FAILURE=")[1].strip()


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(*commands: str, **options: float) -> Run:
        runs.append(Run(tmp_path / f"out{len(runs)}", *commands, **options))
        return runs[-1]

    yield start
    for one in runs:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


def test_a_process_that_ends_is_named_and_ends_the_others(run):
    one = run("sleep 600", "sh -c 'sleep 1; exit 7'")
    assert one.end() == "p1 ended with code 7"


def test_a_companion_that_ends_is_named(run):
    assert run("sleep 600", lost_after=1.0).end() == "database ended with code 3"


def test_a_drain_may_take_longer_than_honcho_allows(run):
    one = run(SLOW_TO_STOP)
    assert one.said("UP")
    one.process.send_signal(signal.SIGTERM)
    assert one.end() == ""
    assert "DRAINED" in one.output.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_once_leaves_nothing_behind(run, number):
    one = run("sleep 601.25", "sleep 601.25")
    assert one.said("started")
    os.killpg(one.process.pid, number)
    assert one.end() == ""
    left = [p for p in psutil.process_iter(["cmdline"]) if "601.25" in (p.info["cmdline"] or [])]
    assert left == []


def test_a_foreman_that_is_killed_takes_its_processes_along(run):
    one = run("sleep 602.25")
    assert one.said("ALL STARTED")
    family = psutil.Process(one.process.pid).children(recursive=True)
    assert any("602.25" in " ".join(process.cmdline()) for process in family)
    one.process.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


def test_a_reader_that_leaves_does_not_stop_the_drain():
    command = [sys.executable, "-c", SCRIPT, "0", SLOW_TO_STOP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert b"started" in process.stdout.readline()
        process.stdout.close()
        time.sleep(1)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert family
    assert not any(member.is_running() for member in family)
