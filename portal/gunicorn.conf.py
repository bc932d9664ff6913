# ruff: noqa: N999 - the name Gunicorn looks for
"""Gunicorn's options for the portal, from the settings of the environment."""

from portal.server import gunicorn_options
from shared.settings import Settings

_settings = Settings.load()
globals().update(gunicorn_options(_settings, _settings.portal_port))
