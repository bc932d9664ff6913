"""The simulator as a child of `up`: it starts before the gateway and ends after it."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.catalog.demo import KEY_VARIABLE, demo_config
from shared.errors import SettingsError
from shared.private_files import write_private
from shared.settings import Settings
from shared.store.embedded import free_port
from shared.tether import tethered

CONFIG = "demo.config.json"
_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0


def needs_simulator(settings: Settings) -> bool:
    """Whether no upstream is configured at all; never so beside a real one."""
    return not settings.config_path.exists() and not settings.names_an_upstream


class SimulatorProcess:
    """A simulator on a free loopback port, and the configuration that leads to it.

    Args:
        home: Where its log and the demo configuration are written.
    """

    def __init__(self, home: Path) -> None:
        self._log = home / "simulator.log"
        self._config = home / CONFIG
        self._key = f"sim-{secrets.token_urlsafe(24)}"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """What gateway and portal need in their environment to use it."""
        return {"CONFIG_PATH": str(self._config), KEY_VARIABLE: self._key}

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        return None if self._process is None else self._process.poll()

    def __enter__(self) -> Self:
        write_private(self._config, demo_config(f"http://127.0.0.1:{self._port}"))
        module = [sys.executable, "-m", "scripts.simulator"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                tethered([*module, "--redact", "--port", str(self._port), "--key", self._key]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the gateway first
            )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.02)
        raise SettingsError([f"the simulator did not start: {self._log} says why"])

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
