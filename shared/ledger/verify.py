"""Checks the books: every invariant of the ledger, in one snapshot of the database.

Synchronous, for the command line and for the auditor. Sums are made by the database, so that a
million rows take seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
from bson.int64 import Int64
from pymongo.client_session import ClientSession

from shared.domain.accounts import Purse
from shared.domain.ledger import RowKind
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.ledger_rows import late_id

UNAPPLIED_S = 10.0
_TIMEOUT_S = 120
_SHOWN = 20
_BALANCES = {
    Purse.MAIN: ("creditsNano", "heldNano"),
    Purse.REFERRAL: ("refCreditsNano", "refHeldNano"),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant.

    Attributes:
        rule: Its name, such as `balance`.
        where: Account or row at fault.
        message: What was expected and what was found.
        rows: Ids of the rows that show it, the newest few.
    """

    rule: str
    where: str
    message: str
    rows: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f" ({', '.join(self.rows)})" if self.rows else ""
        return f"{self.rule}: {self.where}: {self.message}{shown}"


@dataclass(frozen=True, slots=True)
class Audit:
    """Outcome of a check.

    Attributes:
        accounts: How many were checked.
        rows: How many ledger rows.
        violations: What is wrong; empty when the books are right.
    """

    accounts: int
    rows: int
    violations: tuple[Violation, ...] = field(default=())

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.violations


def verify(database: SyncDatabase, *, unapplied_s: float = UNAPPLIED_S) -> Audit:
    """Check every account and row.

    Args:
        database: Where; a replica set, whose snapshot is read.
        unapplied_s: How old a row may be whose hold still stands.

    Raises:
        StoreUnavailable: No answer in time.
    """
    with (
        translating_errors(),
        pymongo.timeout(_TIMEOUT_S),
        database.client.start_session(snapshot=True) as session,
    ):
        return _Books(database, session, unapplied_s).audit()


class _Books:
    """The database at one moment."""

    def __init__(self, database: SyncDatabase, session: ClientSession, unapplied_s: float) -> None:
        self._users = database["users"]
        self._ledger = database["ledger"]
        self._session = session
        self._unapplied = timedelta(seconds=unapplied_s)

    def audit(self) -> Audit:
        """Every check."""
        accounts = list(self._users.find({}, _ACCOUNT_FIELDS, session=self._session))
        sums, rows = self._sums()
        unapplied = self._unapplied_rows(accounts)
        violations: list[Violation] = []
        for account in accounts:
            violations += _held_faults(account)
            violations += self._balance_faults(account, sums, unapplied)
        violations += self._stale_faults(unapplied)
        violations += self._row_faults()
        violations += _strangers(sums, accounts)
        return Audit(len(accounts), rows, tuple(violations))

    def _sums(self) -> tuple[dict[tuple[str, str], int], int]:
        """Sum of the rows by account and purse, and how many rows there are."""
        key = {"user": "$userId", "purse": "$purse"}
        total = {"_id": key, "total": {"$sum": "$amountNano"}, "rows": {"$sum": 1}}
        found = list(self._aggregate([{"$group": total}]))
        sums = {(one["_id"]["user"], one["_id"]["purse"]): one["total"] for one in found}
        return sums, sum(one["rows"] for one in found)

    def _unapplied_rows(self, accounts: Iterable[Document]) -> dict[str, list[Document]]:
        """Charges whose hold still stands, by account: written, not yet taken from the balance."""
        held = [name for account in accounts for name in account["holds"]]
        query = {"_id": {"$in": held}}
        by_account: defaultdict[str, list[Document]] = defaultdict(list)
        for row in self._ledger.find(query, session=self._session) if held else ():
            by_account[row["userId"]].append(row)
        return by_account

    def _balance_faults(
        self,
        account: Document,
        sums: Mapping[tuple[str, str], int],
        unapplied: Mapping[str, list[Document]],
    ) -> Iterator[Violation]:
        for purse, (balance, _held) in _BALANCES.items():
            waiting = sum(
                row["amountNano"]
                for row in unapplied.get(account["_id"], ())
                if row["purse"] == purse
            )
            expected = sums.get((account["_id"], purse.value), 0) - waiting
            if account[balance] != expected:
                message = f"{balance} is {account[balance]}, its rows say {expected}"
                rows = self._newest(account["_id"], purse)
                yield Violation("balance", account["_id"], message, rows)

    def _stale_faults(self, unapplied: Mapping[str, list[Document]]) -> Iterator[Violation]:
        oldest = datetime.now(UTC) - self._unapplied
        for user_id, rows in unapplied.items():
            stale = tuple(row["_id"] for row in rows if row["createdAt"] < oldest)
            if stale:
                message = f"{len(stale)} charges older than {self._unapplied} are not applied"
                yield Violation("unapplied", user_id, message, stale[:_SHOWN])

    def _row_faults(self) -> Iterator[Violation]:
        odd = {"amountNano": {"$not": {"$type": "long"}}}
        yield from self._rows_that("integers", odd, "amountNano is no int64")
        foreign = {"kind": RowKind.CHARGE.value, "$expr": {"$ne": ["$_id", "$requestId"]}}
        yield from self._rows_that("once", foreign, "a charge not under its request's id")
        positive = {
            "kind": {"$in": [RowKind.CHARGE.value, RowKind.LATE.value]},
            "amountNano": {"$gte": 0},
        }
        yield from self._rows_that("sign", positive, "a charge that does not take money")
        paid = {"kind": RowKind.RELEASED.value, "amountNano": {"$ne": 0}}
        yield from self._rows_that("sign", paid, "a release that moves money")
        yield from self._late_faults()

    def _late_faults(self) -> Iterator[Violation]:
        """A late bill needs a release in the place of the charge."""
        late = list(self._ledger.find({"kind": RowKind.LATE.value}, session=self._session))
        query = {"_id": {"$in": [row["requestId"] for row in late]}, "kind": "released"}
        released = {row["_id"] for row in self._ledger.find(query, session=self._session)}
        for row in late:
            request_id = row["requestId"]
            if request_id not in released or row["_id"] != late_id(request_id):
                message = "billed late without having been released"
                yield Violation("once", row["userId"], message, (row["_id"], request_id))

    def _rows_that(self, rule: str, query: Document, message: str) -> Iterator[Violation]:
        for row in self._ledger.find(query, session=self._session).limit(_SHOWN):
            yield Violation(rule, row["userId"], message, (str(row["_id"]),))

    def _newest(self, user_id: str, purse: Purse) -> tuple[str, ...]:
        query = {"userId": user_id, "purse": purse.value}
        found = self._ledger.find(query, {"_id": 1}, session=self._session)
        return tuple(str(row["_id"]) for row in found.sort("createdAt", -1).limit(_SHOWN))

    def _aggregate(self, stages: list[Document]) -> Iterator[Document]:
        return iter(self._ledger.aggregate(stages, session=self._session))


_ACCOUNT_FIELDS = {
    "creditsNano": 1,
    "heldNano": 1,
    "refCreditsNano": 1,
    "refHeldNano": 1,
    "holds": 1,
    "tokensUsed": 1,
}


def _held_faults(account: Document) -> Iterator[Violation]:
    held: defaultdict[str, int] = defaultdict(int)
    for hold in account["holds"].values():
        held[hold["purse"]] += hold["amountNano"]
    for purse, (balance, field_name) in _BALANCES.items():
        if account[field_name] != held[purse]:
            message = f"{field_name} is {account[field_name]}, its holds add up to {held[purse]}"
            yield Violation("held", account["_id"], message, tuple(account["holds"])[:_SHOWN])
        for name in (balance, field_name):
            # The driver reads a long as Int64, and an int32 as int.
            if not isinstance(account[name], Int64):
                yield Violation("integers", account["_id"], f"{name} is no int64")


def _strangers(
    sums: Mapping[tuple[str, str], Any], accounts: Iterable[Document]
) -> Iterator[Violation]:
    known = {account["_id"] for account in accounts}
    for user_id, purse in sums:
        if user_id not in known:
            yield Violation("account", str(user_id), f"rows of {purse}, and no such account")
