"""`trollllm pool`: keys that the gateway holds at upstreams."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import click
import httpx

from scripts.cli.output import json_option, print_json, print_rows
from scripts.cli.session import load_settings, open_database
from scripts.cli.users import Rpm
from shared.catalog.loading import load_catalog_file
from shared.domain.catalog import Dialect, Upstream
from shared.errors import NotFound
from shared.pools.status import status_row
from shared.settings import Settings, environment
from shared.store.client import SyncDatabase
from shared.store.sealing import Sealer
from shared.store.upstream_key_documents import StoredKey
from shared.store.upstream_keys import UpstreamKeyStore
from shared.wire.upstream_faults import fault_of

COLUMNS = ("id", "pool", "label", "key", "state", "reason", "until", "requests", "errors", "backup")
TIMEOUT_S = 15.0


def pool_store(database: SyncDatabase, settings: Settings) -> UpstreamKeyStore:
    """Upstream keys, sealed with the settings' secret key."""
    return UpstreamKeyStore(database, Sealer(settings.secret_key), actor="cli")


def pool_row(stored: StoredKey) -> dict[str, Any]:
    """A key as it is printed: never its secret."""
    row = status_row(stored.key, stored.counts, datetime.now(UTC))
    ours = {
        "key": f"…{stored.last4}",
        "standsInFor": stored.stands_in_for,
        "createdAt": stored.created_at,
    }
    return row | ours


@click.group()
def pool() -> None:
    """Upstream keys. An upstream of config.json names the pool that it takes keys from."""


@pool.command("add")
@click.argument("pool_name", metavar="POOL")
@click.option("--label", default="", help="What you call it.")
@click.option("--backup", is_flag=True, help="Serves only in the place of a key that is out.")
@click.option("--rpm", type=Rpm(), default=None, help="Requests per minute, over all workers.")
@json_option
def add(*, pool_name: str, label: str, backup: bool, rpm: int | None, as_json: bool) -> None:
    """Put the key that standard input holds into POOL."""
    secret = sys.stdin.readline().strip()
    settings = load_settings()
    with open_database(settings) as database:
        keys = pool_store(database, settings)
        added = keys.add(pool_name, secret, label=label, backup=backup, rpm=rpm)
    if as_json:
        print_json(pool_row(added))
    else:
        click.echo(f"added …{added.last4} to {added.key.pool} ({added.key.id})")


@pool.command("list")
@click.argument("pool_name", metavar="[POOL]", required=False)
@json_option
def list_keys(pool_name: str | None, as_json: bool) -> None:
    """List the keys of POOL, or of all pools."""
    settings = load_settings()
    with open_database(settings) as database:
        rows = [pool_row(stored) for stored in pool_store(database, settings).listed(pool_name)]
    none = "no upstream keys yet: `trollllm pool add POOL` takes one from standard input"
    print_rows(rows, COLUMNS, as_json=as_json, none=none)


@pool.command("enable")
@click.argument("key_id", metavar="ID")
@json_option
def enable(key_id: str, as_json: bool) -> None:
    """Switch the key ID on, and forget what was wrong with it."""
    settings = load_settings()
    with open_database(settings) as database:
        _print_switched(pool_store(database, settings).enable(key_id), as_json=as_json)


@pool.command("disable")
@click.argument("key_id", metavar="ID")
@json_option
def disable(key_id: str, as_json: bool) -> None:
    """Switch the key ID off until it is switched on."""
    settings = load_settings()
    with open_database(settings) as database:
        _print_switched(pool_store(database, settings).disable(key_id), as_json=as_json)


@pool.command("test")
@click.argument("key_id", metavar="ID")
@json_option
def test_key(key_id: str, as_json: bool) -> int:
    """Ask an upstream that uses the pool of the key ID for its models; exit 1 if it refuses."""
    settings = load_settings()
    with open_database(settings) as database:
        keys = pool_store(database, settings)
        stored = keys.get(key_id)
        secret = keys.secret_of(stored)
    upstream = _upstream_of(stored.key.pool, settings)
    outcome = _ask(upstream, secret)
    if as_json:
        print_json({"id": key_id, "pool": stored.key.pool, "upstream": upstream.name} | outcome)
    else:
        click.echo(f"{upstream.name}: {outcome['detail']}")
    return 0 if outcome["ok"] else 1


def _print_switched(stored: StoredKey, *, as_json: bool) -> None:
    if as_json:
        print_json(pool_row(stored))
        return
    state = "on" if stored.key.enabled else "off"
    click.echo(f"{stored.key.id} of {stored.key.pool} is {state}")


def _upstream_of(pool_name: str, settings: Settings) -> Upstream:
    """The first upstream that uses a pool and may be reached from here."""
    catalog = load_catalog_file(settings.config_path, settings, environment())
    using = [each for each in catalog.upstreams.values() if each.key_pool == pool_name]
    if not using:
        raise NotFound(f"no upstream has the keyPool {pool_name}: there is nobody to ask")
    reachable = [each for each in using if not each.require_proxy]
    if not reachable:
        raise NotFound(f"{using[0].name} is reached through outbound proxies only: not asked")
    return reachable[0]


def _ask(upstream: Upstream, secret: str) -> dict[str, Any]:
    """What an upstream says to a request for its models; its words are not shown."""
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    url = f"{upstream.scheme}://{host}:{upstream.port}{upstream.prefix}/v1/models"
    try:
        answer = httpx.get(
            url, headers=_headers(upstream.dialect, secret), timeout=TIMEOUT_S, trust_env=False
        )
    except httpx.HTTPError as error:
        detail = f"no answer ({type(error).__name__})"
        return {"ok": False, "status": None, "fault": None, "detail": detail}
    fault = fault_of(answer.status_code, answer.content)
    detail = f"answers {answer.status_code}"
    if fault is not None:
        detail += f": {fault.value}"
    elif not answer.is_success:
        detail += ", which says nothing of the key"
    return {
        "ok": answer.is_success,
        "status": answer.status_code,
        "fault": fault.value if fault else None,
        "detail": detail,
    }


def _headers(dialect: Dialect, secret: str) -> dict[str, str]:
    if dialect is Dialect.ANTHROPIC:
        return {"x-api-key": secret, "anthropic-version": "2023-06-01"}
    return {"authorization": f"Bearer {secret}"}
