"""A worker's process, with small programs in its place."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from addons.supervisor import open_listener
from addons.worker_process import WorkerProcess

WAIT_S = 10.0

Start = Callable[[str], WorkerProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs as workers; what is left of them is ended."""
    started: list[WorkerProcess] = []
    alive, held = os.pipe()
    with open_listener("127.0.0.1", 0) as listener:

        def begin(program: str) -> WorkerProcess:
            command = [sys.executable, "-S", "-c", program]
            started.append(WorkerProcess(command, listener.fileno(), alive, 5.0))
            return started[-1]

        yield begin
    for worker in started:
        worker.kill()
        worker.close()
    os.close(alive)
    os.close(held)


def wait_for(found: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not found():
        assert time.monotonic() < deadline, "it never was"
        time.sleep(0.01)


def test_it_is_given_its_descriptors(start: Start) -> None:
    program = "import os, sys; names = sys.argv[1::2]; [os.fstat(int(n)) for n in sys.argv[2::2]]"
    check = "; sys.exit(names != ['--listener', '--alive', '--ready'])"
    worker = start(program + check)
    assert worker.wait(WAIT_S)
    assert worker.exit_code == 0


def test_it_is_ready_once_it_says_so(start: Start) -> None:
    worker = start("import time; time.sleep(60)")
    assert not worker.is_ready
    worker = start("import os, sys, time; os.write(int(sys.argv[6]), b'1'); time.sleep(60)")
    wait_for(lambda: worker.is_ready)
    assert worker.is_ready
    assert worker.exit_code is None


def test_one_that_ends_without_a_word_was_never_ready(start: Start) -> None:
    worker = start("raise SystemExit(3)")
    assert worker.wait(WAIT_S)
    assert (worker.exit_code, worker.is_ready) == (3, False)


def test_it_leaves_when_asked(start: Start) -> None:
    worker = start("import time; time.sleep(60)")
    worker.leave()
    assert worker.wait(WAIT_S)
    worker.leave()  # it is gone: no matter
    assert worker.exit_code == -15


def test_one_that_does_not_leave_is_killed(start: Start) -> None:
    deaf = "import os, signal, sys, time; signal.signal(15, signal.SIG_IGN)"
    worker = start(deaf + "; os.write(int(sys.argv[6]), b'1'); time.sleep(60)")
    wait_for(lambda: worker.is_ready)
    worker.leave()
    assert not worker.wait(0.05)
    worker.kill()
    assert worker.exit_code == -9


def test_it_is_alone_in_its_session(start: Start) -> None:
    worker = start("import time; time.sleep(60)")
    assert os.getsid(worker.pid) == worker.pid
    assert worker.started_at == 5.0
