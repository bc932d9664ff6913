"""For WSGI servers: `gunicorn -c portal/gunicorn.conf.py 'portal.wsgi:application()'`."""

from __future__ import annotations

from flask import Flask

from portal import create_app
from shared.settings import Settings


def application() -> Flask:
    """The portal with the settings of the environment."""
    return create_app(Settings.load())
