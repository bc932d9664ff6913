"""How commands print data: a table for people, JSON with `--json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

Row = Mapping[str, Any]


def json_option[F: Callable[..., Any]](command: F) -> F:
    """Adds `--json`, handed to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def print_json(value: Any) -> None:
    """One JSON document on one line; times as RFC 3339."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def print_rows(rows: Sequence[Row], columns: Sequence[str], *, as_json: bool, none: str) -> None:
    """Rows as a table of some columns, or as a JSON list of all fields.

    Args:
        rows: Of the same fields.
        columns: Which fields people see.
        as_json: Whether machines read this.
        none: What people see when there are no rows.
    """
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        click.echo(none)
        return
    table = [list(columns), *([_cell(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    for line in table:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def counted(count: int, noun: str) -> str:
    """A count and what it counts, which is one or many: `1 row`, `0 rows`.

    Args:
        count: How many.
        noun: In the singular, its plural made by an `s`.
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _plain(value) if isinstance(value, datetime) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)
