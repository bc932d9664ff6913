"""`trollllm bill` and `trollllm ledger`: receipts, and whether the books are right."""

from __future__ import annotations

from typing import Any

import click

from scripts.cli.output import counted, json_option, print_json
from scripts.cli.session import load_settings, open_database
from shared.domain.money import format_usd
from shared.errors import TrollError
from shared.ledger.receipts import Receipt, receipt
from shared.ledger.verify import Violation, verify


@click.group()
def bill() -> None:
    """Receipts."""


@bill.command("show")
@click.argument("request_id", metavar="REQUEST_ID")
@json_option
def show(request_id: str, as_json: bool) -> int:
    """Show the receipt of REQUEST_ID and recompute it; fails if the result differs."""
    with open_database(load_settings()) as database:
        found = receipt(database, request_id)
    if as_json:
        print_json(receipt_document(found))
    else:
        click.echo("\n".join(receipt_lines(found)))
    if not found.matches:
        raise TrollError(f"{request_id}: {mismatch(found)}")
    return 0


def receipt_document(found: Receipt) -> dict[str, Any]:
    """A receipt as JSON; money in USD."""
    return {
        "requestId": found.request_id,
        "username": found.username,
        "model": found.model,
        "kind": found.kind and found.kind.value,
        "purse": found.purse and found.purse.value,
        "usage": found.usage.to_document(),
        "priceVersion": found.price_version,
        "priceSource": found.price_source,
        "lines": [
            {
                "bucket": line.bucket,
                "count": line.count,
                "rate": str(line.rate),
                "per": line.per,
                "usd": str(line.cost_usd),
            }
            for line in found.lines
        ],
        "multiplier": str(found.multiplier),
        "hold": _usd(found.hold_nano),
        "charged": _usd(found.charged_nano),
        "recomputed": _usd(found.recomputed_nano),
        "matches": found.matches,
        "createdAt": found.created_at,
    }


def receipt_lines(found: Receipt) -> list[str]:
    """A receipt for people: usage, price, formula, result."""
    paid = f"{found.kind.value}, {found.purse.value} credits" if found.kind and found.purse else ""
    estimated = " (estimated)" if found.usage.estimated else ""
    lines = [
        f"Request   {found.request_id}",
        f"Account   {found.username}",
        *([f"Model     {found.model}"] if found.model else []),
        f"Ledger    {paid or 'no row: nothing was charged'}",
        f"Price     {found.price_version or '-'} ({found.price_source or 'not known'})",
        f"Usage     {found.usage.total_input} in, {found.usage.output} out{estimated}",
        "",
    ]
    lines += [
        f"  {line.bucket:<14} {line.count:>10} x {line.rate} / {line.per:,} = {line.cost_usd}"
        for line in found.lines
    ]
    lines += [
        f"  x {found.multiplier}",
        "",
        f"Charged     {_usd(found.charged_nano)} USD",
        f"Recomputed  {_usd(found.recomputed_nano) or 'impossible'} USD",
    ]
    return lines


def mismatch(found: Receipt) -> str:
    """Why a receipt is not what was charged."""
    if found.recomputed_nano is None:
        return f"price version {found.price_version or '(none)'} is not known any more"
    charged, expected = _usd(found.charged_nano), _usd(found.recomputed_nano)
    return f"{charged} USD were charged, usage and price make {expected}"


@click.group()
def ledger() -> None:
    """The books."""


@ledger.command("verify")
@json_option
def verify_ledger(as_json: bool) -> int:
    """Check every invariant of the books; fails, naming the rows, when one is broken."""
    with open_database(load_settings()) as database:
        audit = verify(database)
    if as_json:
        violations = [_violation_document(violation) for violation in audit.violations]
        print_json(
            {
                "ok": audit.sound,
                "accounts": audit.accounts,
                "rows": audit.rows,
                "violations": violations,
            }
        )
    else:
        for violation in audit.violations:
            click.echo(str(violation))
        state = "sound" if audit.sound else counted(len(audit.violations), "violation")
        read = f"{counted(audit.accounts, 'account')}, {counted(audit.rows, 'row')}"
        click.echo(f"{read}: {state}")
    return 0 if audit.sound else 1


def _violation_document(violation: Violation) -> dict[str, Any]:
    return {
        "rule": violation.rule,
        "where": violation.where,
        "message": violation.message,
        "rows": list(violation.rows),
    }


def _usd(nano: int | None) -> str | None:
    return None if nano is None else format_usd(nano)
