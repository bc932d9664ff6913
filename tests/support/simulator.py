"""Starts simulators for tests, each a process of its own on a free port."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class SimulatorClient:
    """A running simulator: where it is, what it saw.

    Attributes:
        base_url: Origin, without a path.
        pid: Process id.
    """

    base_url: str
    pid: int

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2])

    def log(self) -> list[dict[str, Any]]:
        """All requests in order of arrival; see `RequestLog.describe` for their shape."""
        return [json.loads(line) for line in self._call("GET", "/_log").splitlines()]

    def clear(self) -> None:
        """Empties the log."""
        self._call("DELETE", "/_log")

    def reset(self) -> None:
        """Empties the log and forgets prompt caches and the counts of `sim-flaky`."""
        self._call("DELETE", "/_state")

    def connections(self) -> dict[str, int]:
        """`opened` since the start and `open` now."""
        return json.loads(self._call("GET", "/_connections"))

    def wait_for(
        self, found: Callable[[list[dict[str, Any]]], Any], timeout_s: float = 5.0
    ) -> list[dict[str, Any]]:
        """The log, as soon as `found(log)` is true.

        Raises:
            AssertionError: it never was; the message shows the log's answers.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            log = self.log()
            if found(log):
                return log
            if time.monotonic() > deadline:
                seen = [(entry["model"], entry["answer"]) for entry in log]
                raise AssertionError(f"the log never came to what was waited for: {seen}")
            time.sleep(0.01)

    def _call(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(self.base_url + path, method=method)
        # The certificate of a test is its own authority.
        context = ssl._create_unverified_context() if self.base_url[4] == "s" else None
        with urllib.request.urlopen(request, timeout=10, context=context) as response:
            return response.read()


@contextmanager
def running_simulator(
    *,
    cases: Path | None = None,
    split: int = 0,
    keys: Sequence[str] = (),
    redact: bool = False,
    port: int = 0,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> Iterator[SimulatorClient]:
    """A simulator for as long as the context lasts; options as those of the command."""
    command = [sys.executable, "-m", "scripts.simulator", "--port", str(port)]
    command += ["--cases", str(cases)] if cases else []
    command += ["--split", str(split)]
    command += ["--redact"] if redact else []
    command += ["--tls-cert", str(tls_cert)] if tls_cert else []
    command += ["--tls-key", str(tls_key)] if tls_key else []
    for key in keys:
        command += ["--key", key]
    with subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("simulator listening on "), f"no simulator: {line!r}"
            yield SimulatorClient(line.split()[-1], process.pid)
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
