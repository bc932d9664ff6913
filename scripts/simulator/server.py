"""Runs a simulator: `serve(options)` until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
import time
from dataclasses import dataclass

from scripts.simulator.connection import Connection
from scripts.simulator.options import OptionsError, SimulatorOptions
from scripts.simulator.simulator import Simulator

BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that listens; `base_url` has no path."""

    simulator: Simulator
    base_url: str
    server: asyncio.Server

    def stop(self) -> None:
        """Stops at once: closes the listener and drops all connections."""
        self.server.close()
        self.simulator.drop_connections()


async def start(options: SimulatorOptions) -> RunningSimulator:
    """Starts a simulator in the running event loop.

    Raises:
        OptionsError: the port is in use, the address is not ours, or the certificate is unusable.
    """
    simulator = Simulator(options, time.time)
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(
            lambda: Connection(simulator, time.time),
            options.host,
            options.port,
            ssl=_tls(options),
            backlog=BACKLOG,
        )
    except OSError as error:
        reason = error.strerror or error
        message = f"simulator: cannot listen on {options.host}:{options.port}: {reason}"
        raise OptionsError(f"{message}; choose another --port") from error
    scheme = "https" if options.tls_cert else "http"
    host, port = server.sockets[0].getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return RunningSimulator(simulator, f"{scheme}://{shown}:{port}", server)


def _tls(options: SimulatorOptions) -> ssl.SSLContext | None:
    if options.tls_cert is None or options.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise OptionsError(f"--tls-cert, --tls-key: cannot be used: {error}") from error
    return context


def serve(options: SimulatorOptions) -> None:
    """Serves in the foreground until SIGTERM or Ctrl-C; prints its address as its first line.

    Raises:
        OptionsError: it cannot be started; one line says why.
    """
    asyncio.run(_serve(options))


async def _serve(options: SimulatorOptions) -> None:
    running = await start(options)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    print(f"simulator listening on {running.base_url}", flush=True)
    await stopped.wait()
    running.stop()
    print("simulator stopped", file=sys.stderr, flush=True)
