"""`trollllm key`: API keys."""

from __future__ import annotations

from typing import Any

import click

from scripts.cli.output import json_option, print_json, print_rows
from scripts.cli.session import load_settings, open_database
from scripts.cli.users import PAGE, Rpm, require_account, user_store
from shared.domain.keys import ApiKey, Purpose, derive_secret
from shared.settings import Settings
from shared.store.client import SyncDatabase
from shared.store.keys import KeyStore
from shared.store.users import UserStore

COLUMNS = ("id", "username", "key", "label", "isPrimary", "isActive", "rpm", "lastUsedAt")


def key_store(database: SyncDatabase, settings: Settings) -> KeyStore:
    """API keys, hashed with the settings' pepper."""
    return KeyStore(database, derive_secret(settings.secret_key, Purpose.KEY_PEPPER))


def key_row(key: ApiKey) -> dict[str, Any]:
    """A key as it is printed: never its secret."""
    return {
        "id": key.id,
        "username": key.username,
        "key": f"{key.prefix}…{key.last4}",
        "label": key.label,
        "isPrimary": key.is_primary,
        "isActive": key.is_active,
        "tier": key.tier.value,
        "rpm": key.rpm,
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
    }


@click.group()
def key() -> None:
    """API keys. An account may have several; one is primary."""


@key.command("create")
@click.argument("name")
@click.option("--label", default="", help="What you call it.")
@click.option("--rpm", type=Rpm(), default=None, help="Requests per minute of its own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, which it does anyway.")
def create(name: str, label: str, rpm: int | None, as_json: bool) -> None:  # noqa: ARG001
    """Create a key for the account NAME and print it: this is the only time it is shown."""
    settings = load_settings()
    with open_database(settings) as database:
        account = require_account(user_store(database, settings), name)
        new = key_store(database, settings).create(account.id, label=label, rpm=rpm)
    print_json({"key": new.secret, "id": new.key.id})


@key.command("list")
@click.argument("name", required=False)
@click.option("--all", "with_revoked", is_flag=True, help="Revoked ones too.")
@json_option
def list_keys(name: str | None, with_revoked: bool, as_json: bool) -> None:
    """List the keys of the account NAME, or of all accounts."""
    settings = load_settings()
    with open_database(settings) as database:
        users, keys = user_store(database, settings), key_store(database, settings)
        owners = _all_ids(users) if name is None else [require_account(users, name).id]
        found = [
            key_row(found)
            for owner in owners
            for found in keys.list_for(owner, active_only=not with_revoked)
        ]
    none = "no keys yet: `trollllm key create NAME` makes one"
    print_rows(found, COLUMNS, as_json=as_json, none=none)


@key.command("revoke")
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Stop the key ID at once and for good."""
    settings = load_settings()
    with open_database(settings) as database:
        revoked = key_store(database, settings).revoke(key_id)
    if as_json:
        print_json(key_row(revoked))
    else:
        click.echo(f"revoked {revoked.prefix}…{revoked.last4} of {revoked.username}")


def _all_ids(users: UserStore) -> list[str]:
    ids: list[str] = []
    after = ""
    while page := users.page(after=after, limit=PAGE):
        ids += [account.id for account in page]
        after = page[-1].username
    return ids
