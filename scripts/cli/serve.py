"""`trollllm gateway|portal|housekeeping|simulator`: one long-running process each."""

from __future__ import annotations

import click

from scripts.cli.session import load_serving_settings

PORT = click.IntRange(1, 65_535)


@click.command()
@click.option("--port", type=PORT, help="Else PORT, else config.json, else 8080.")
@click.option("--workers", type=click.IntRange(1, 256), help="Else TROLLLM_WORKERS.")
def gateway(port: int | None, workers: int | None) -> int:
    """Serve the gateway until SIGTERM or Ctrl-C, then drain."""
    from addons import supervisor  # noqa: PLC0415 - mitmproxy takes a second to import
    from scripts.cli.ports import gateway_port  # noqa: PLC0415

    settings = load_serving_settings()
    listen_on = gateway_port(port, settings)
    return supervisor.run(settings, port=listen_on, workers=workers or settings.workers)


@click.command()
@click.option("--port", type=PORT, help="Else PORTAL_PORT, else 3000.")
def portal(port: int | None) -> None:
    """Serve the portal under Gunicorn until SIGTERM or Ctrl-C."""
    from portal import server  # noqa: PLC0415 - Flask is for this command alone

    settings = load_serving_settings()
    server.run(settings, port or settings.portal_port)


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulator(arguments: tuple[str, ...]) -> int:
    """Serve an upstream of both dialects on loopback, with a log of what it is sent."""
    from scripts.simulator.__main__ import main  # noqa: PLC0415 - it needs none of the rest

    return main(arguments)


@click.command()
def housekeeping() -> int:
    """Sweep, audit and expire until SIGTERM or Ctrl-C. One process at a time holds the lease."""
    from shared.housekeeping import process  # noqa: PLC0415

    return process.main(load_serving_settings())
