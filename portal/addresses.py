"""The addresses of this server that pages show. Never taken from a request's Host header."""

from __future__ import annotations

from dataclasses import dataclass

from shared.settings import Settings

DEFAULT_GATEWAY_PORT = 8080
_WILDCARDS = {"", "0.0.0.0", "::", "[::]"}  # noqa: S104 - compared with, not bound


@dataclass(frozen=True, slots=True)
class Addresses:
    """Origins without a trailing slash.

    Attributes:
        gateway: What API clients are pointed at.
        portal: Where these pages are.
    """

    gateway: str
    portal: str

    @property
    def secure(self) -> bool:
        """Whether pages are served over TLS, so that cookies can insist on it."""
        return self.portal.startswith("https://")


def addresses_of(settings: Settings, catalog_port: int | None = None) -> Addresses:
    """Addresses by `TROLLLM_PUBLIC_URL`, else by bind address and ports.

    Args:
        settings: Of the environment.
        catalog_port: `port` of config.json, used where PORT is not set.
    """
    if settings.public_url:
        origin = settings.public_url.rstrip("/")
        return Addresses(gateway=origin, portal=origin)
    host = _reachable(settings.bind)
    port = settings.port or catalog_port or DEFAULT_GATEWAY_PORT
    return Addresses(f"http://{host}:{port}", f"http://{host}:{settings.portal_port}")


def _reachable(bind: str) -> str:
    if bind in _WILDCARDS:
        return "127.0.0.1"
    return f"[{bind}]" if ":" in bind and not bind.startswith("[") else bind
