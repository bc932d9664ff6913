"""The portal under Gunicorn."""

from __future__ import annotations

from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from portal import create_app
from shared.settings import Settings

THREADS = 8
WORKERS = 2
GRACE_S = 20


# Gunicorn has no types: its class is Any.
class PortalServer(BaseApplication):  # type: ignore[misc]
    """Gunicorn with the portal in it; each worker makes its own application and connections."""

    def __init__(self, settings: Settings, port: int) -> None:
        """Serve on `settings.bind` and `port`."""
        self._settings = settings
        self._port = port
        super().__init__()

    def load_config(self) -> None:
        """Gunicorn's hook for its options."""
        for name, value in gunicorn_options(self._settings, self._port).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Gunicorn's hook for the application, called in each worker."""
        return create_app(self._settings)


def gunicorn_options(settings: Settings, port: int) -> dict[str, Any]:
    """Options for the portal; the access log stays off, since addresses and queries are private."""
    host = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    return {
        "bind": f"{host}:{port}",
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "timeout": 60,
        "graceful_timeout": GRACE_S,
        "keepalive": 5,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "debug" if settings.debug else "info",
        "forwarded_allow_ips": "",  # portal.proxies decides whom to believe
        "control_socket_disable": True,
        "limit_request_line": 4094,
        "limit_request_fields": 100,
        "proc_name": "trollllm-portal",
    }


def run(settings: Settings, port: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then let requests finish.

    Args:
        settings: Of the environment; `mongodb_uri` must be set.
        port: Where to listen, by default `settings.portal_port`.
    """
    PortalServer(settings, settings.portal_port if port is None else port).run()
