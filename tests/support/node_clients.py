"""Clients that run in Node: a driver in tests/e2e/node takes jobs and gives outcomes, as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.support.client_jobs import Failure, Job, Outcome

FOLDER = Path(__file__).resolve().parents[1] / "e2e" / "node"
STOP_TIMEOUT_S = 5.0


class NodeClient:
    """A running driver.

    Args:
        process: It reads a job a line and prints an outcome a line.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, job: Job) -> Outcome:
        """Do a job; see `Client`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the driver has ended; what it said stands above"
        outcome = json.loads(line)
        if "failure" in outcome:
            return Outcome(failure=Failure(**outcome["failure"]))
        return Outcome(**outcome)


@contextmanager
def node_client(driver: str, *arguments: str) -> Iterator[NodeClient]:
    """A driver of tests/e2e/node for as long as the context lasts."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").is_dir():
        pytest.skip("needs Node and the packages of tests/e2e/node: scripts/test installs both")
    with subprocess.Popen(
        [node, str(FOLDER / driver), *arguments],
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield NodeClient(process)
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)
