"""The portal: accounts, keys, usage and receipts, as server-rendered pages."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from flask_wtf.csrf import CSRFProtect

import translations
from portal import api_keys, auth, dashboard, logs, pages
from portal.assets import init_assets
from portal.catalog_source import FileCatalog
from portal.errors import register_errors
from portal.formats import FILTERS
from portal.locale_choice import init_locale
from portal.page import page_context
from portal.proxies import TrustedProxies
from portal.security import init_security
from portal.services import CatalogSource, make_services, provide
from portal.session import init_sessions
from shared.domain.keys import Purpose, derive_secret
from shared.domain.passwords import DEFAULT_COST
from shared.settings import Settings, environment
from shared.store.client import SyncDatabase, connect, database_name

BLUEPRINTS = (pages.bp, auth.bp, dashboard.bp, api_keys.bp, logs.bp)


def create_app(
    settings: Settings,
    database: SyncDatabase | None = None,
    *,
    catalog: CatalogSource | None = None,
    password_cost: int = DEFAULT_COST,
) -> Flask:
    """The portal as a WSGI application; opens no connection before it is asked for something.

    Args:
        settings: Of the environment; `secret_key` must be set.
        database: Where everything is, with its schema; by default that of `mongodb_uri`.
        catalog: Gives the models in force; by default those of `settings.config_path`.
        password_cost: bcrypt's work factor for new passwords.

    Raises:
        ConfigError: config.json cannot be used.
        StoreRefused: The connection string cannot be used.
        ValueError: There is no secret key, or no connection string.
    """
    app = Flask(__name__)
    app.secret_key = derive_secret(settings.secret_key, Purpose.SESSION)
    bundle = make_services(
        settings,
        _database(settings) if database is None else database,
        catalog or FileCatalog(settings, environment()),
        password_cost,
    )
    provide(app, bundle)
    init_security(app, secure=bundle.addresses.secure)
    init_assets(app)
    init_sessions(app, bundle.users.get)
    init_locale(app, str(Path(next(iter(translations.__path__)))))
    CSRFProtect(app)
    app.jinja_env.filters.update(FILTERS)
    app.context_processor(page_context)
    register_errors(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    trusted = settings.trusted_proxies
    # Replacing the method is Flask's documented way to wrap an application.
    app.wsgi_app = TrustedProxies(app.wsgi_app, trusted)  # type: ignore[assignment]
    return app


def _database(settings: Settings) -> SyncDatabase:
    if settings.mongodb_uri is None:
        raise ValueError("MONGODB_URI is not set: `trollllm up` starts a database and sets it")
    return connect(settings.mongodb_uri)[database_name(settings.mongodb_uri)]
