"""What the pages are made of: stores, the catalogue, addresses. One bundle per application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, current_app

from portal.addresses import Addresses, addresses_of
from portal.receipt import Receipts
from portal.throttle import Throttle
from shared.domain.catalog import Catalog
from shared.domain.keys import Purpose, derive_secret
from shared.domain.passwords import DEFAULT_COST
from shared.settings import Settings
from shared.store.client import SyncDatabase, translating_errors
from shared.store.keys import KeyStore
from shared.store.request_logs import RequestLogReader
from shared.store.users import UserStore

_EXTENSION = "trollllm"
CatalogSource = Callable[[], Catalog]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a view may use.

    Attributes:
        settings: Of the environment.
        addresses: Where gateway and portal are reached.
        catalog: Gives the models in force.
        users, keys, logs, receipts: Stores.
        throttle: Back-off for logging in and registering.
        database: What the stores are over.
        password_cost: bcrypt's work factor.
    """

    settings: Settings
    addresses: Addresses
    catalog: CatalogSource
    users: UserStore
    keys: KeyStore
    logs: RequestLogReader
    receipts: Receipts
    throttle: Throttle
    database: SyncDatabase
    password_cost: int = DEFAULT_COST

    def ping(self) -> None:
        """Raise `StoreUnavailable` unless the database answers."""
        with translating_errors():
            self.database.command("ping")


def make_services(
    settings: Settings, database: SyncDatabase, catalog: CatalogSource, password_cost: int
) -> Services:
    """Stores over one database."""
    return Services(
        settings=settings,
        addresses=addresses_of(settings, catalog().port),
        catalog=catalog,
        users=UserStore(database, credit_days=settings.credit_days),
        keys=KeyStore(database, derive_secret(settings.secret_key, Purpose.KEY_PEPPER)),
        logs=RequestLogReader(database),
        receipts=Receipts(database),
        throttle=Throttle(database),
        database=database,
        password_cost=password_cost,
    )


def provide(app: Flask, bundle: Services) -> None:
    """Hand `bundle` to the views of `app`."""
    app.extensions[_EXTENSION] = bundle


def services() -> Services:
    """The bundle of the application that answers now."""
    bundle: Services = current_app.extensions[_EXTENSION]
    return bundle
