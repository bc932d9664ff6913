"""The supervisor with small workers, as processes; with the gateway's own in tests/chaos."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from addons.supervisor import Supervisor, open_listener, worker_command
from shared.errors import SettingsError
from tests.support.gateway import free_port

SUPPORT = Path(__file__).parents[1] / "support"
WAIT_S = 10.0


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not found():
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.01)


class Running:
    """A supervisor of two small workers."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def ask(self, word: bytes = b"ok") -> int:
        """The process id of whoever answers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S) as connection:
            pid = int(connection.makefile("rb").readline())
            connection.sendall(word)
            return pid

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


@contextmanager
def supervised() -> Iterator[Running]:
    """A supervisor for as long as the context lasts."""
    port = free_port()
    worker = [sys.executable, "-S", str(SUPPORT / "accepting_worker.py")]
    command = [sys.executable, str(SUPPORT / "supervise.py"), str(port), "2", *worker]
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT.parents[1])}
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(command, env=environment, stderr=log) as process,
    ):
        made = Running(process, port, Path(log.name))
        try:
            wait_for(lambda: len(made.workers()) == 2 or process.poll() is not None)
            yield made
        finally:
            if process.poll() is None:
                made.stop()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One supervisor whose workers may die."""
    with supervised() as made:
        yield made


@pytest.fixture
def leaving() -> Iterator[Running]:
    """A supervisor of the test's own."""
    with supervised() as made:
        yield made


def test_workers_share_the_socket_of_the_supervisor(running: Running) -> None:
    pids = {worker.pid for worker in running.workers()}
    wait_for(lambda: running.ask() in pids)
    assert running.process.pid not in pids


def test_a_worker_that_dies_is_replaced(running: Running) -> None:
    died = running.ask(b"die")
    wait_for(lambda: died not in {worker.pid for worker in running.workers()})
    wait_for(lambda: len(running.workers()) == 2)
    assert running.ask() != died


def test_no_connection_is_refused_while_workers_die(running: Running) -> None:
    for _ in range(10):
        running.ask(b"die")
    assert running.ask() > 0


def test_sigterm_lets_workers_finish(leaving: Running) -> None:
    workers = leaving.workers()
    wait_for(lambda: leaving.ask() > 0)
    assert leaving.stop() == 0
    assert not any(worker.is_running() for worker in workers)
    with pytest.raises(ConnectionRefusedError):
        leaving.ask()


def test_workers_leave_when_the_supervisor_is_killed(leaving: Running) -> None:
    workers = leaving.workers()
    wait_for(lambda: leaving.ask() > 0)
    leaving.process.kill()
    leaving.process.wait(WAIT_S)
    wait_for(lambda: not any(worker.is_running() for worker in workers))


def test_signals_of_the_terminal_reach_the_supervisor_alone(running: Running) -> None:
    assert all(os.getsid(worker.pid) == worker.pid for worker in running.workers())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_listener_is_inherited(host: str) -> None:
    with open_listener(host, 0) as listener:
        assert listener.get_inheritable()
        assert listener.getsockname()[0] == host


def test_a_port_in_use_is_one_clear_line() -> None:
    with open_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            open_listener("127.0.0.1", port)
    assert str(caught.value) == (
        f"port {port} on 127.0.0.1 is in use: stop what uses it, or set PORT to another"
    )


def test_an_address_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(SettingsError) as caught:
        open_listener("192.0.2.1", 0)
    assert "192.0.2.1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_port_can_be_had_again_at_once() -> None:
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = listener.accept()
        accepted.close()
        client.recv(1)
    listener.close()
    with open_listener("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port


def test_the_gateway_s_worker_is_this_interpreter() -> None:
    assert worker_command() == [sys.executable, "-O", "-m", "addons"]


@pytest.mark.parametrize(
    ("lived_s", "failures", "delay_s"), [(1, 0, 2), (1, 1, 3), (1, 9, 3), (11, 9, 1)]
)
def test_the_delay_grows_with_every_early_death(
    lived_s: float, failures: int, delay_s: float
) -> None:
    with open_listener("127.0.0.1", 0) as listener:
        command = [sys.executable, "-c", ""]
        supervisor = Supervisor(listener, 1, command, restart_after_s=(1, 2, 3))
        (slot,) = supervisor._slots
        slot.worker, slot.failures = supervisor._started(100.0), failures
        assert slot.worker.wait(WAIT_S)
        supervisor._ended(slot, 100.0 + lived_s)
        assert slot.start_at == 100.0 + lived_s + delay_s
        supervisor._drain()


# SIGHUP


def pids(running: Running) -> set[int]:
    return {worker.pid for worker in running.workers()}


def test_sighup_replaces_every_worker_and_refuses_nobody(leaving: Running) -> None:
    before = pids(leaving)
    leaving.process.send_signal(signal.SIGHUP)
    answered = set()
    deadline = time.monotonic() + WAIT_S
    while before & pids(leaving):
        assert time.monotonic() < deadline
        answered.add(leaving.ask())
    wait_for(lambda: len(pids(leaving)) == 2)
    assert leaving.ask() not in before
    assert answered


def test_sighup_in_the_midst_of_another_counts(leaving: Running) -> None:
    before = pids(leaving)
    for _ in range(3):
        leaving.process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    wait_for(lambda: not before & pids(leaving) and len(pids(leaving)) == 2)
    assert leaving.stop() == 0


def test_workers_stay_when_their_successors_cannot_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unready = tmp_path / "unready"
    monkeypatch.setenv("UNREADY", str(unready))
    with supervised() as running:
        before = pids(running)
        answered: set[int] = set()
        wait_for(lambda: answered.add(running.ask()) or answered == before)
        unready.touch()
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "did not become ready" in running.log.read_text())
        wait_for(lambda: pids(running) == before)
        assert running.ask() in before
        unready.unlink()
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not before & pids(running))
