"""Forwarded headers count when a configured reverse proxy sent them, and never otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Network = IPv4Network | IPv6Network

_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED")


class TrustedProxies:
    """WSGI middleware: believes `X-Forwarded-For` and `-Proto` of trusted peers only.

    The headers of anyone else are removed, so that nothing behind can take them for true.
    """

    def __init__(self, app: WSGIApplication, trusted: Sequence[str]) -> None:
        """Wrap `app`; `trusted` holds addresses or networks such as `10.0.0.0/8`."""
        self._app = app
        self._behind_proxy = ProxyFix(app, x_for=1, x_proto=1)
        self._networks = tuple(ip_network(entry, strict=False) for entry in trusted)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if self._trusts(str(environ.get("REMOTE_ADDR", ""))):
            return self._behind_proxy(environ, start)
        for name in [name for name in environ if name.startswith(_FORWARDED)]:
            del environ[name]
        return self._app(environ, start)

    def _trusts(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
