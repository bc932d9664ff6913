"""`trollllm user` and `trollllm topup`: accounts and their credits."""

from __future__ import annotations

import sys
from typing import Any

import click

from scripts.cli.output import json_option, print_json, print_rows
from scripts.cli.session import load_settings, open_database
from shared.domain.accounts import Account, Purse, Role, Tier
from shared.domain.ledger import Move, RowKind
from shared.domain.money import format_usd, parse_usd
from shared.domain.passwords import hash_password, password_fault
from shared.errors import MoneyError, NotFound, StoreRefused
from shared.settings import Settings
from shared.store.client import SyncDatabase
from shared.store.users import KEEP, Keep, UserStore

PAGE = 500
COLUMNS = ("username", "role", "tier", "rpm", "isActive", "credits", "refCredits", "createdAt")
_ROLES = click.Choice([role.value for role in Role])
_TIERS = click.Choice([tier.value for tier in Tier])


class Amount(click.ParamType[int]):
    """USD as typed, nano-USD in the program."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or refuse as wrong usage."""
        if isinstance(value, int):
            return value
        try:
            return parse_usd(str(value))
        except MoneyError as error:
            self.fail(str(error), param, ctx)


class Rpm(click.ParamType[int | Keep | None]):
    """Requests per minute; `none` gives the limit of the tier back."""

    name = "N|none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Keep | None:
        """Parse, or refuse as wrong usage."""
        if value is None or isinstance(value, int | Keep):
            return value
        if value == "none":
            return None
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 1_000_000):
            self.fail("a whole number from 1 to 1000000, or none", param, ctx)
        return int(value)


def user_store(database: SyncDatabase, settings: Settings) -> UserStore:
    """Accounts, with the settings' rules for credits."""
    return UserStore(database, credit_days=settings.credit_days)


def require_account(users: UserStore, name: str) -> Account:
    """The account of a name.

    Raises:
        NotFound: There is none.
    """
    account = users.by_name(name)
    if account is None:
        raise NotFound(f"no user {name}: `trollllm user list` shows all")
    return account


def account_row(account: Account) -> dict[str, Any]:
    """An account as it is printed."""
    return {
        "id": account.id,
        "username": account.username,
        "role": account.role.value,
        "tier": account.tier.value,
        "rpm": account.rpm,
        "isActive": account.is_active,
        "credits": format_usd(account.credits_nano),
        "refCredits": format_usd(account.ref_credits_nano),
        "held": format_usd(account.held_nano),
        "tokensUsed": account.tokens_used,
        "creditsExpireAt": account.credits_expire_at,
        "createdAt": account.created_at,
    }


@click.group()
def user() -> None:
    """Accounts."""


@user.command("create")
@click.argument("name")
@click.option("--role", type=_ROLES, default=Role.USER.value, show_default=True)
@click.option("--tier", type=_TIERS, default=Tier.DEV.value, show_default=True)
@click.option("--rpm", type=Rpm(), default=None, help="Requests per minute of its own.")
@click.option("--credits", "credits_nano", type=Amount(), default="0", help="Opening credits.")
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")
@json_option
def create(
    *,
    name: str,
    role: str,
    tier: str,
    rpm: int | None,
    credits_nano: int,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Create the account NAME.

    Without a password it can hold keys but cannot log in to the portal.
    """
    password_hash = _password_hash(name) if password_stdin else None
    opening = (
        Move(RowKind.TOPUP, Purse.MAIN, credits_nano, "opening credits", actor="cli")
        if credits_nano
        else None
    )
    settings = load_settings()
    with open_database(settings) as database:
        account = user_store(database, settings).create(
            name, password_hash, role=Role(role), tier=Tier(tier), rpm=rpm, opening=opening
        )
    if as_json:
        print_json(account_row(account))
    else:
        click.echo(f"created {account.role.value} {account.username} ({account.id})")


@user.command("list")
@json_option
def list_users(as_json: bool) -> None:
    """List all accounts."""
    settings = load_settings()
    rows: list[dict[str, Any]] = []
    with open_database(settings) as database:
        users = user_store(database, settings)
        while page := users.page(after=rows[-1]["username"] if rows else "", limit=PAGE):
            rows += map(account_row, page)
    none = "no users yet: `trollllm user create NAME` makes one"
    print_rows(rows, COLUMNS, as_json=as_json, none=none)


@user.command("set")
@click.argument("name")
@click.option("--role", type=_ROLES)
@click.option("--tier", type=_TIERS)
@click.option("--rpm", type=Rpm(), default=KEEP, help="Of its own; `none` for that of the tier.")
@click.option("--active/--inactive", "is_active", default=None, help="Inactive: no key works.")
@click.option("--password-stdin", is_flag=True, help="Read a new password from standard input.")
@json_option
def set_user(
    *,
    name: str,
    role: str | None,
    tier: str | None,
    rpm: int | Keep | None,
    is_active: bool | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Change the account NAME."""
    password_hash = _password_hash(name) if password_stdin else None
    settings = load_settings()
    with open_database(settings) as database:
        users = user_store(database, settings)
        account = users.change(
            require_account(users, name).id,
            role=KEEP if role is None else Role(role),
            tier=KEEP if tier is None else Tier(tier),
            rpm=rpm,
            is_active=KEEP if is_active is None else is_active,
        )
        if password_hash is not None:
            account = users.set_password_hash(account.id, password_hash)
    print_rows([account_row(account)], COLUMNS, as_json=as_json, none="")


@click.command()
@click.argument("name")
@click.argument("usd", type=Amount())
@click.option("--reason", required=True, help="Stands in the ledger.")
@json_option
def topup(name: str, usd: int, reason: str, as_json: bool) -> None:
    """Add USD to the credits of the account NAME."""
    settings = load_settings()
    with open_database(settings) as database:
        users = user_store(database, settings)
        row = users.top_up(require_account(users, name).id, usd, reason=reason, actor="cli")
        account = require_account(users, name)
    balance = format_usd(account.credits_nano)
    if as_json:
        amount = format_usd(row.amount_nano)
        print_json({"id": row.id, "username": name, "amount": amount, "credits": balance})
    else:
        click.echo(f"{account.username} has {balance} USD (ledger row {row.id})")


def _password_hash(username: str) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    fault = password_fault(password, username)
    if fault is not None:
        raise StoreRefused(fault)
    return hash_password(password)
