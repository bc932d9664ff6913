"""The one way in which money moves without a request: a ledger row and its balance, together."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from bson import Int64
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from shared.domain.accounts import Purse
from shared.domain.identifiers import RandomBytes, new_id
from shared.domain.ledger import LedgerRow, Move, RowKind
from shared.errors import Conflict, NotFound
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.ledger_reader import row_from
from shared.store.transactions import Clock, in_transaction, utc_now

_BALANCE = {Purse.MAIN: "creditsNano", Purse.REFERRAL: "refCreditsNano"}
_EXTENDING = (RowKind.TOPUP, RowKind.REDEMPTION)


class Moves:
    """Makes moves of money.

    Args:
        database: Where.
        credit_days: Days that main credits live after they were last bought; None for ever.
        clock: The present.
        random_bytes: Source of row ids.
    """

    def __init__(
        self,
        database: SyncDatabase,
        *,
        credit_days: int | None = None,
        clock: Clock = utc_now,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._credit_days = credit_days
        self._clock = clock
        self._random_bytes = random_bytes

    def make(self, user_id: str, move: Move) -> LedgerRow:
        """Make a move once.

        Returns:
            The row; of the first time, when the same move was made under its key before.

        Raises:
            NotFound: No such account.
            Conflict: The idempotency key belongs to another move.
            StoreUnavailable: Whether it was made is unknown; the same key may be sent again.
        """
        try:
            return in_transaction(
                self._database, lambda session: self.within(session, user_id, move)
            )
        except Conflict:
            if move.idempotency_key is None:
                raise
            return self._made_before(user_id, move)

    def within(self, session: ClientSession, user_id: str, move: Move) -> LedgerRow:
        """Make a move inside a transaction that does more than that.

        Raises:
            NotFound: No such account.
        """
        before = self._add(session, user_id, move.purse, move.amount_nano)
        if self._credit_days is not None and _extends(move):
            self._extend(session, before, timedelta(days=self._credit_days))
        return self._insert(session, before, move)

    def _add(
        self, session: ClientSession, user_id: str, purse: Purse, amount_nano: int
    ) -> Document:
        """Change a balance; returns the account as it was."""
        before = self._database["users"].find_one_and_update(
            {"_id": user_id},
            {"$inc": {_BALANCE[purse]: Int64(amount_nano)}},
            return_document=ReturnDocument.BEFORE,
            session=session,
        )
        if before is None:
            raise NotFound(f"no account {user_id}")
        return before

    def _extend(self, session: ClientSession, before: Document, life: timedelta) -> None:
        """Move the expiry on; what has lapsed by now must not come back to life by it."""
        now = self._clock()
        lapsed_nano = _lapsed_nano(before, now)
        if lapsed_nano > 0:
            reason = f"expired on {before['creditsExpireAt']:%Y-%m-%d}"
            self._add(session, before["_id"], Purse.MAIN, -lapsed_nano)
            self._insert(session, before, Move(RowKind.EXPIRY, Purse.MAIN, -lapsed_nano, reason))
        self._database["users"].update_one(
            {"_id": before["_id"]}, {"$max": {"creditsExpireAt": now + life}}, session=session
        )

    def _insert(self, session: ClientSession, account: Document, move: Move) -> LedgerRow:
        document = _row_document(new_id("led", self._random_bytes), account, move, self._clock())
        self._database["ledger"].insert_one(document, session=session)
        return row_from(document)

    def _made_before(self, user_id: str, move: Move) -> LedgerRow:
        with translating_errors():
            document = self._database["ledger"].find_one(
                {"userId": user_id, "idempotencyKey": move.idempotency_key}
            )
        if document is None or not _is_same(row_from(document), move):
            raise Conflict("this idempotency key was used for another move of money")
        return row_from(document)


def _extends(move: Move) -> bool:
    return move.purse is Purse.MAIN and move.kind in _EXTENDING


def _lapsed_nano(account: Document, now: datetime) -> int:
    """Main credits that expired and are not held by a request under way."""
    expires_at = account.get("creditsExpireAt")
    if expires_at is None or expires_at > now:
        return 0
    return int(account["creditsNano"]) - int(account["heldNano"])


def _is_same(row: LedgerRow, move: Move) -> bool:
    made = (row.kind, row.purse, row.amount_nano, row.reason, row.reference)
    return made == (move.kind, move.purse, move.amount_nano, move.reason, move.reference)


def _row_document(row_id: str, account: Document, move: Move, now: datetime) -> Document:
    document: dict[str, Any] = {
        "_id": row_id,
        "userId": account["_id"],
        "username": account["username"],
        "kind": move.kind.value,
        "purse": move.purse.value,
        "amountNano": Int64(move.amount_nano),
        "reason": move.reason,
        "reference": move.reference,
        "actor": move.actor,
        "createdAt": now,
    }
    if move.idempotency_key is not None:
        document["idempotencyKey"] = move.idempotency_key
    return document
