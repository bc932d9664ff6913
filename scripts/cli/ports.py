"""Which port the gateway takes, and whether ports are free."""

from __future__ import annotations

import errno
import socket

from shared.catalog.loading import load_catalog_file
from shared.errors import SettingsError
from shared.settings import Settings, environment

DEFAULT_GATEWAY_PORT = 8080


def gateway_port(flag: int | None, settings: Settings) -> int:
    """From the flag, then PORT, then config.json, then 8080.

    Raises:
        ConfigError: config.json is what tells, and cannot be used.
    """
    if flag or settings.port:
        return flag or settings.port or DEFAULT_GATEWAY_PORT
    catalog = load_catalog_file(settings.config_path, settings, environment())
    return catalog.port or DEFAULT_GATEWAY_PORT


def origin(bind: str, port: int) -> str:
    """Where this machine itself reaches what listens on an address and port."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def require_free(host: str, ports: dict[str, int]) -> None:
    """Make sure of ports before anything is started.

    Args:
        host: Address to bind.
        ports: Port by the name of the setting or flag that changes it.

    Raises:
        SettingsError: One line for each port that cannot be had.
    """
    problems = [
        f"port {port} on {host} {trouble}: stop what uses it, or choose another with {name}"
        for name, port in ports.items()
        if (trouble := _trouble(host, port))
    ]
    numbers = list(ports.values())
    if len(set(numbers)) < len(numbers):
        problems.append(f"{' and '.join(ports)} name the same port: choose another for one")
    if problems:
        raise SettingsError(problems)


def _trouble(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            return "is in use" if in_use else f"cannot be had ({error.strerror})"
    return ""
