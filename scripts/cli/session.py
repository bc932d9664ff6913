"""What a command works with: settings, log, and the database wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared import log
from shared.errors import MongodError
from shared.settings import Settings, adopt, keep_secret_key
from shared.store.client import SyncDatabase, connect, database_name
from shared.store.embedded import EmbeddedMongod, running_uri
from shared.store.schema import ensure_schema
from shared.store.server_check import check_server

MONGO_FOLDER = "mongo"


def load_settings() -> Settings:
    """Settings, with the secret key that is kept in TROLLLM_HOME or made now; sets up the log.

    Raises:
        SettingsError: Something in them cannot be used.
    """
    settings = keep_secret_key(Settings.load())
    log.configure(debug=settings.debug)
    return settings


@contextmanager
def open_database(settings: Settings) -> Iterator[SyncDatabase]:
    """The database: that of MONGODB_URI, of a running `up`, or an embedded one started for this.

    Raises:
        StoreError: It cannot be reached, used or started.
    """
    uri = settings.mongodb_uri or running_uri(settings.home / MONGO_FOLDER)
    if uri is not None:
        with database_at(uri, settings) as database:
            yield database
        return
    with (
        EmbeddedMongod(settings.home / MONGO_FOLDER) as server,
        database_at(server.uri(), settings) as database,
    ):
        yield database


@contextmanager
def database_at(uri: str, settings: Settings) -> Iterator[SyncDatabase]:
    """The database of a connection string, once it has proved usable and has its schema.

    Raises:
        StoreError: It cannot be reached or used.
    """
    with connect(uri) as client:
        check_server(client)
        database = client[database_name(uri)]
        ensure_schema(database, log_days=settings.log_days)
        yield database


def load_serving_settings() -> Settings:
    """Settings of a process that serves: its database must be there already.

    What was found out goes into the environment too, for the processes that this one starts.

    Raises:
        MongodError: There is no MONGODB_URI and no running `up`.
    """
    settings = load_settings()
    uri = settings.mongodb_uri or running_uri(settings.home / MONGO_FOLDER)
    if uri is None:
        raise MongodError("no database: set MONGODB_URI, or start all with `trollllm up`")
    with database_at(uri, settings):
        adopt({"MONGODB_URI": uri, "TROLLLM_SECRET_KEY": settings.secret_key})
    return Settings.load()
