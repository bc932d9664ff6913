"""An account's requests: the list, and each with its receipt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _

from portal.receipt import is_capped, subtotal_usd
from portal.services import services
from portal.session import current_account, require_login
from shared.domain.accounts import RequestRecord
from shared.store.ledger_reader import Cursor

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("logs", __name__, url_prefix="/logs")
bp.before_request(require_login)

PAGE_SIZE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_CURSOR = 200


@bp.get("")
def index() -> ResponseReturnValue:
    """Newest first, paged by key."""
    text = request.args.get("cursor")
    cursor = parse_cursor(text)
    if text and cursor is None:
        abort(404)
    logs, username = services().logs, current_account().username
    found = logs.newest(username, after=cursor, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    more = len(found) > PAGE_SIZE
    return render_template(
        "logs/index.html",
        newest=shown,
        cursor=text,
        next_cursor=format_cursor(shown[-1]) if more else None,
    )


@bp.get("/<request_id>")
def show(request_id: str) -> ResponseReturnValue:
    """One request with its receipt; another's is as unknown as one that never was."""
    own, account = services(), current_account()
    record = own.logs.get(request_id, account.username)
    if record is None:
        abort(404)
    key = own.keys.get(record.key_id, account.id)
    bill = own.receipts.get(request_id, account.username)
    return render_template(
        "logs/show.html",
        record=record,
        receipt=bill,
        subtotal=bill and subtotal_usd(bill),
        capped=bill is not None and is_capped(bill),
        key_label=(key.label or key.prefix) if key else None,
        bucket_names=_bucket_names(),
    )


def format_cursor(record: RequestRecord) -> str:
    """Where a page ends, for the address of the next."""
    age = record.created_at - _EPOCH
    return f"{age // timedelta(milliseconds=1)}.{record.request_id}"


def parse_cursor(text: str | None) -> Cursor | None:
    """Inverse of `format_cursor`; None when it is none."""
    moment, _dot, request_id = (text or "")[:_LONGEST_CURSOR].partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 15 and request_id):
        return None
    return Cursor(_EPOCH + timedelta(milliseconds=int(moment)), request_id)


def _bucket_names() -> dict[str, str]:
    return {
        "input": _("Input tokens"),
        "output": _("Output tokens"),
        "cacheWrite5m": _("Cache write, 5 minutes"),
        "cacheWrite1h": _("Cache write, 1 hour"),
        "cacheHit": _("Cache read"),
        "webSearches": _("Web searches"),
    }
