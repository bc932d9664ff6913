from __future__ import annotations

from pathlib import Path

import pytest

from shared.pools.settings_keys import enter_settings_keys
from shared.settings import Settings
from shared.store.client import AsyncDb, SyncDatabase
from shared.store.key_pools import MongoKeyPoolStore
from shared.store.sealing import Sealer
from shared.store.upstream_keys import UpstreamKeyStore

NOWHERE = Path("nowhere")


def settings(**fields: str) -> Settings:
    return Settings(NOWHERE, NOWHERE, **fields)  # type: ignore[arg-type]


async def test_keys_of_the_settings_are_in_their_pools_once(
    async_database: AsyncDb, keys: UpstreamKeyStore, sealer: Sealer, prepared: SyncDatabase
) -> None:
    store = MongoKeyPoolStore(async_database, actor="settings")
    given = settings(main_upstream_key="sk-main-canary", troll_api_key="sk-troll-canary")
    for _ in range(2):
        await enter_settings_keys(store, given, sealer)
    found = {each.key.pool: keys.secret_of(each) for each in keys.listed()}
    assert found == {"main": "sk-main-canary", "troll": "sk-troll-canary"}
    assert [each.key.label for each in keys.listed()] == ["MAIN_UPSTREAM_KEY", "TROLL_API_KEY"]
    assert prepared.audit_log.count_documents({"actor": "settings"}) == 2


@pytest.mark.parametrize("fields", [{}, {"main_upstream_key": "sk-main-canary"}])
async def test_only_what_is_given(
    async_database: AsyncDb, keys: UpstreamKeyStore, sealer: Sealer, fields: dict[str, str]
) -> None:
    await enter_settings_keys(MongoKeyPoolStore(async_database), settings(**fields), sealer)
    assert len(keys.listed()) == len(fields)
