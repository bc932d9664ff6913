"""What the first start makes: an admin and, beside the simulator, a demo user with a key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from scripts.cli.demo_env import (
    ADMIN_NAME,
    ADMIN_PASSWORD,
    DEMO_KEY,
    DEMO_NAME,
    DEMO_PASSWORD,
    keep_demo_env,
    read_demo_env,
)
from scripts.cli.keys import key_store
from scripts.cli.users import user_store
from shared.domain.accounts import Account, Purse, Role
from shared.domain.keys import Purpose, derive_secret, hash_key
from shared.domain.ledger import Move, RowKind
from shared.domain.money import NANO_PER_USD
from shared.domain.passwords import hash_password
from shared.settings import Settings
from shared.store.client import SyncDatabase
from shared.store.users import UserStore

ADMIN, DEMO = "admin", "demo"
DEMO_CREDITS_NANO = 100 * NANO_PER_USD


def ensure_accounts(
    database: SyncDatabase, settings: Settings, *, with_demo: bool
) -> Mapping[str, str]:
    """Make the accounts that are missing; gives the secrets just made, to be shown this once.

    They are kept in demo.env before anything else can fail.
    """
    users = user_store(database, settings)
    made: dict[str, str] = {}
    if not users.has_admin():
        made |= _make_admin(users)
        keep_demo_env(settings.home, made)
    if with_demo:
        demo = _ensure_demo(users)
        keep_demo_env(settings.home, demo)
        made |= demo | _ensure_key(database, settings, users)
        keep_demo_env(settings.home, made)
    return made


def _make_admin(users: UserStore) -> dict[str, str]:
    name = _free_name(users, ADMIN)
    password = secrets.token_urlsafe(15)
    users.create(name, hash_password(password), role=Role.ADMIN)
    return {ADMIN_NAME: name, ADMIN_PASSWORD: password}


def _ensure_demo(users: UserStore) -> dict[str, str]:
    if users.by_name(DEMO) is not None:
        return {}
    password = secrets.token_urlsafe(15)
    opening = Move(RowKind.TOPUP, Purse.MAIN, DEMO_CREDITS_NANO, "demo credits", actor="cli")
    users.create(DEMO, hash_password(password), opening=opening)
    return {DEMO_NAME: DEMO, DEMO_PASSWORD: password}


def _ensure_key(database: SyncDatabase, settings: Settings, users: UserStore) -> dict[str, str]:
    demo = users.by_name(DEMO)
    if demo is None or _works(database, settings, demo):
        return {}
    made = key_store(database, settings).create(demo.id, label="demo")
    return {DEMO_KEY: made.secret}


def _works(database: SyncDatabase, settings: Settings, demo: Account) -> bool:
    """Whether the key that is kept is one of this database."""
    kept = read_demo_env(settings.home).get(DEMO_KEY)
    if kept is None:
        return False
    pepper = derive_secret(settings.secret_key, Purpose.KEY_PEPPER)
    query = {"userId": demo.id, "hash": hash_key(kept, pepper), "isActive": True}
    return database["user_keys"].find_one(query, {"_id": 1}) is not None


def _free_name(users: UserStore, wanted: str) -> str:
    name, number = wanted, 1
    while users.by_name(name) is not None:
        number += 1
        name = f"{wanted}{number}"
    return name
