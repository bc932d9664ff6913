"""Entry point of one worker: `python -O -m addons --listener FD --alive FD --ready FD`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from addons.services import Services
from addons.worker import Worker, leaving_on_signals
from shared.catalog.loading import load_catalog_file
from shared.domain.keys import Purpose, derive_secret
from shared.errors import TrollError
from shared.ledger.ledger import Ledger, LedgerStores
from shared.ledger.recovery import recover
from shared.log import configure
from shared.pools.key_pools import KeyPools
from shared.pools.settings_keys import enter_settings_keys
from shared.settings import Settings, environment
from shared.store.admission import MongoKeyGate
from shared.store.client import AsyncDb, connect_async, database_name
from shared.store.holds import MongoHoldStore
from shared.store.key_pools import MongoKeyPoolStore
from shared.store.prices import MongoPriceStore
from shared.store.request_logs import MongoRequestLogStore
from shared.store.sealing import Sealer
from shared.store.workers import MongoWorkerStore
from shared.wire.content_filter import ContentFilter

logger = logging.getLogger("addons")

SETTLE_AT_EXIT_S = 10.0


async def serve(
    settings: Settings, listener: socket.socket, alive: int | None, ready: int | None
) -> None:
    """Recover what dead workers left, then serve until told to leave, then settle.

    Args:
        settings: Of this worker; names a database.
        listener: Listening socket, non-blocking.
        alive: Read end of the supervisor's pipe.
        ready: Write end of a pipe, told once connections are accepted.

    Raises:
        TrollError: It cannot start.
    """
    uri = settings.mongodb_uri or ""
    client = connect_async(uri)
    try:
        database = client[database_name(uri)]
        worker_id = str(uuid.uuid4())
        stores = LedgerStores(
            MongoHoldStore(database), MongoRequestLogStore(database), MongoWorkerStore(database)
        )
        prices = MongoPriceStore(database)
        await recover(settings.home, stores, prices)
        catalog = load_catalog_file(settings.config_path, settings, environment())
        models = catalog.models.values()
        await prices.remember([(m.id, m.price) for m in models if m.price is not None])
        ledger = Ledger.create(settings.home, stores, worker_id, socket.gethostname())
        await ledger.start()
        try:
            gate = _gate(settings, database)
            pepper = derive_secret(settings.secret_key, Purpose.KEY_PEPPER)
            async with _key_pools(settings, database) as pools:
                services = Services(
                    settings,
                    catalog,
                    gate,
                    stores.holds,
                    ledger,
                    worker_id,
                    pepper,
                    ContentFilter.of(catalog.filter_spec),
                    pools,
                )
                worker = Worker(services, listener, lambda: _tell(ready))
                async with leaving_on_signals(worker, alive):
                    await worker.run()
        finally:
            await ledger.drain(SETTLE_AT_EXIT_S)
            await ledger.close()
    finally:
        await client.close()


def _gate(settings: Settings, database: AsyncDb) -> MongoKeyGate:
    return MongoKeyGate(database, rpm_dev=settings.rpm_dev, rpm_pro=settings.rpm_pro)


@asynccontextmanager
async def _key_pools(settings: Settings, database: AsyncDb) -> AsyncIterator[KeyPools]:
    """Upstream keys, those of the settings among them, in step with all workers."""
    sealer = Sealer(settings.secret_key)
    await enter_settings_keys(MongoKeyPoolStore(database, actor="settings"), settings, sealer)
    reload_s = settings.binding_reload_interval_s
    pools = KeyPools(MongoKeyPoolStore(database), sealer, reload_s=reload_s)
    await pools.start()
    try:
        yield pools
    finally:
        await pools.close()


def _tell(ready: int | None) -> None:
    if ready is not None:
        os.write(ready, b"1")
        os.close(ready)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m addons", description="One gateway worker.")
    parser.add_argument("--listener", type=int, required=True, help="inherited listening socket")
    parser.add_argument("--alive", type=int, help="pipe that closes with the supervisor")
    parser.add_argument("--ready", type=int, help="pipe that is told once it serves")
    options = parser.parse_args(arguments)
    try:
        settings = Settings.load()
        configure(settings.debug)
        listener = socket.socket(fileno=options.listener)
        listener.setblocking(False)
        asyncio.run(serve(settings, listener, options.alive, options.ready))
    except TrollError as error:
        logger.error("the worker cannot start: %s", error)  # noqa: TRY400 - one clear line
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
