"""`trollllm up`: everything in the foreground, on a machine that has nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from honcho.environ import parse_procfile

from portal.addresses import addresses_of
from scripts.cli.banner import banner
from scripts.cli.first_start import ensure_accounts
from scripts.cli.foreman import Foreman
from scripts.cli.ports import gateway_port, origin, require_free
from scripts.cli.readiness import wait_until_ready
from scripts.cli.serve import PORT
from scripts.cli.session import MONGO_FOLDER, database_at, load_settings
from scripts.cli.simulator_process import SimulatorProcess, needs_simulator
from shared.catalog.loading import load_catalog_file
from shared.errors import SettingsError
from shared.settings import Settings, environment
from shared.store.embedded import EmbeddedMongod

PROJECT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 90.0

type Companions = dict[str, Callable[[], int | None]]


@click.command()
@click.option("--port", type=PORT, help="Gateway; else PORT, else config.json, else 8080.")
@click.option("--portal-port", type=PORT, help="Portal; else PORTAL_PORT, else 3000.")
def up(port: int | None, portal_port: int | None) -> int:
    """Start everything in the foreground.

    Without MONGODB_URI a MongoDB is started, with its data in TROLLLM_HOME. Without an upstream
    in config.json or the settings a simulator stands in for the providers.
    """
    with _interruptible():
        settings = _checked_settings(port, portal_port)
        with ExitStack() as stack:
            return _run(settings, stack)


def _checked_settings(port: int | None, portal_port: int | None) -> Settings:
    """Settings with both ports decided; config.json is sound and the ports are free."""
    settings = load_settings()
    if not needs_simulator(settings):
        load_catalog_file(settings.config_path, settings, environment())
    ports = {
        "PORT": gateway_port(port, settings),
        "PORTAL_PORT": portal_port or settings.portal_port,
    }
    require_free(settings.bind, ports)
    return dataclasses.replace(settings, port=ports["PORT"], portal_port=ports["PORTAL_PORT"])


def _run(settings: Settings, stack: ExitStack) -> int:
    companions: Companions = {}
    settings = dataclasses.replace(settings, mongodb_uri=_mongodb_uri(settings, stack, companions))
    demo = needs_simulator(settings)
    with database_at(settings.mongodb_uri or "", settings) as database:
        made = ensure_accounts(database, settings, with_demo=demo)
    env = environment() | _decided(settings)
    if demo:
        simulator = stack.enter_context(SimulatorProcess(settings.home))
        companions["simulator"] = simulator.poll
        env |= simulator.settings
    text = banner(addresses_of(settings), settings.home, made, demo=demo)
    return _supervise(settings, env, companions, text)


def _mongodb_uri(settings: Settings, stack: ExitStack, companions: Companions) -> str:
    if settings.mongodb_uri is not None:
        return settings.mongodb_uri
    server = stack.enter_context(EmbeddedMongod(settings.home / MONGO_FOLDER))
    companions["mongod"] = server.poll
    return server.uri()


def _decided(settings: Settings) -> dict[str, str]:
    """What this process found out, for those it starts."""
    return {
        "MONGODB_URI": settings.mongodb_uri or "",
        "TROLLLM_SECRET_KEY": settings.secret_key,
        "PORT": str(settings.port),
        "GATEWAY_PORT": str(settings.port),
        "PORTAL_PORT": str(settings.portal_port),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment().get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
    }


def _supervise(
    settings: Settings, env: Mapping[str, str], companions: Companions, text: str
) -> int:
    foreman = Foreman(companions, lambda: _announce_when_ready(foreman, settings, text))
    for name, command in _procfile().items():
        foreman.add_process(name, command, env=dict(env))
    foreman.loop()
    if foreman.failure:
        click.echo(f"trollllm: stopped, because {foreman.failure}", err=True)
        return 1
    click.echo("stopped")
    return 0


def _announce_when_ready(foreman: Foreman, settings: Settings, text: str) -> None:
    """Print the banner from a thread of its own: the main one passes lines on."""
    urls = (
        f"{origin(settings.bind, settings.port or 0)}/health",
        f"{origin(settings.bind, settings.portal_port)}/healthz",
    )

    def announce() -> None:
        silent = wait_until_ready(urls, READY_TIMEOUT_S, lambda: foreman.draining)
        if not silent:
            click.echo(text)
        elif not foreman.draining:
            foreman.give_up(f"nothing answers at {', '.join(silent)}: see the lines above")

    threading.Thread(target=announce, daemon=True).start()


def _procfile() -> Mapping[str, str]:
    try:
        processes: Mapping[str, str] = parse_procfile((PROJECT / "Procfile").read_text()).processes
    except OSError as error:
        raise SettingsError([f"{PROJECT / 'Procfile'} cannot be read: {error.strerror}"]) from None
    return processes


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM stops what has been started so far, as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        yield
