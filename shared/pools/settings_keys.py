"""Upstream keys of the settings: they are in their pools before the first request."""

from __future__ import annotations

import logging

from shared.settings import Settings
from shared.store.key_pools import MongoKeyPoolStore
from shared.store.sealing import Sealer

log = logging.getLogger(__name__)


async def enter_settings_keys(store: MongoKeyPoolStore, settings: Settings, sealer: Sealer) -> None:
    """Put the keys of the settings into the pools `main` and `troll`, once each.

    One that is there is left as it is: what an operator switched off stays off.

    Args:
        store: Where; its actor is who put them there.
        settings: Whose keys.
        sealer: Seals them.

    Raises:
        StoreUnavailable: No answer.
    """
    given = (
        ("main", settings.main_upstream_key, "MAIN_UPSTREAM_KEY"),
        ("troll", settings.troll_api_key, "TROLL_API_KEY"),
    )
    for pool, secret, name in given:
        if secret is not None and await store.ensure(pool, secret, name, sealer):
            log.info("the key of %s is in the pool %s", name, pool)
