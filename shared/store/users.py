"""Accounts, for portal and command line."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from shared.domain.accounts import Account, Purse, Role, Tier
from shared.domain.identifiers import RandomBytes, base62, new_id
from shared.domain.ledger import LedgerRow, Move, RowKind
from shared.domain.usernames import username_fault
from shared.errors import Conflict, NotFound, StoreRefused
from shared.store.account_documents import account_document, account_from, owner_fields
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.moves import Moves
from shared.store.transactions import Clock, in_transaction, utc_now


class Keep(Enum):
    """Says that a field stays as it is, where None is a value of its own."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account and what its password is checked against."""

    account: Account
    password_hash: str | None = field(repr=False)


class UserStore:
    """Reads and changes `users`, and what other collections repeat of it.

    Args:
        database: Where; `ensure_schema` has been run on it.
        credit_days: Days that bought credits live; None for ever.
        clock: The present.
        random_bytes: Source of ids and referral codes.
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
        self._users = database["users"]
        self._clock = clock
        self._random_bytes = random_bytes
        self._moves = Moves(
            database, credit_days=credit_days, clock=clock, random_bytes=random_bytes
        )

    def create(
        self,
        username: str,
        password_hash: str | None,
        *,
        role: Role = Role.USER,
        tier: Tier = Tier.DEV,
        rpm: int | None = None,
        language: str = "",
        referred_by: str = "",
        opening: Move | None = None,
    ) -> Account:
        """Create an account, with an opening move of money if one is given.

        Args:
            username: Lower case; see `shared.domain.usernames`.
            password_hash: As `hash_password` gives it; None for an account without login.
            role: What it may do.
            tier: Rate-limit tier.
            rpm: Requests per minute of its own.
            language: Of the portal.
            referred_by: Id of the account whose referral code was given.
            opening: Such as sign-up credits, made in the same transaction.

        Raises:
            StoreRefused: The name cannot be used; the message says why.
            Conflict: The name is or was somebody's.
        """
        fault = username_fault(username)
        if fault is not None:
            raise StoreRefused(fault)
        account = replace(
            self._new_account(username, role, tier, rpm, language), referred_by=referred_by
        )
        try:
            in_transaction(
                self._database,
                lambda session: self._insert(session, account, password_hash, opening),
            )
        except Conflict as error:
            raise Conflict(f"the user name {username} is taken") from error
        return self._required(account.id)

    def get(self, user_id: str) -> Account | None:
        """The account of an id."""
        return self._one({"_id": user_id})

    def by_name(self, username: str) -> Account | None:
        """The account of a name, in whatever case."""
        return self._one({"username": username.lower()})

    def by_referral_code(self, code: str) -> Account | None:
        """The active account that a referral code belongs to."""
        return self._one({"referralCode": code, "isActive": True}) if code else None

    def credentials(self, username: str) -> Credentials | None:
        """The account of a name and its password hash."""
        with translating_errors():
            document = self._users.find_one({"username": username.lower()})
        if document is None:
            return None
        return Credentials(account_from(document), document.get("passwordHash"))

    def page(self, *, after: str = "", search: str = "", limit: int = 50) -> list[Account]:
        """Accounts by name, those after the name `after`, whose name starts with `search`."""
        query: dict[str, Any] = {"username": {"$gt": after}}
        if search:
            query["username"]["$regex"] = "^" + re.escape(search.lower())
        with translating_errors():
            found = self._users.find(query).sort("username", 1).limit(limit)
            return [account_from(document) for document in found]

    def has_admin(self) -> bool:
        """Whether there is an account that may administer."""
        return self._one({"role": Role.ADMIN.value}) is not None

    def set_password_hash(self, user_id: str, password_hash: str) -> Account:
        """Store a new password; sessions and tokens issued before are void by its date.

        Raises:
            NotFound: No such account.
        """
        change = {"passwordHash": password_hash, "passwordChangedAt": self._clock()}
        with translating_errors():
            return account_from(self._updated(user_id, change))

    def change(
        self,
        user_id: str,
        *,
        role: Role | Keep = KEEP,
        tier: Tier | Keep = KEEP,
        rpm: int | Keep | None = KEEP,
        is_active: bool | Keep = KEEP,
        language: str | Keep = KEEP,
        discord_id: str | Keep = KEEP,
    ) -> Account:
        """Change an account and, in the same transaction, what its keys repeat of it.

        Raises:
            NotFound: No such account.
        """
        wanted = {
            "role": role.value if isinstance(role, Role) else role,
            "tier": tier.value if isinstance(tier, Tier) else tier,
            "rpm": rpm,
            "isActive": is_active,
            "language": language,
            "discordId": discord_id,
        }
        changes = {name: value for name, value in wanted.items() if value is not KEEP}
        if not changes:
            return self._required(user_id)
        return in_transaction(
            self._database, lambda session: self._apply(session, user_id, changes)
        )

    def top_up(
        self,
        user_id: str,
        amount_nano: int,
        *,
        reason: str,
        kind: RowKind = RowKind.TOPUP,
        purse: Purse = Purse.MAIN,
        reference: str = "",
        idempotency_key: str | None = None,
        actor: str = "",
    ) -> LedgerRow:
        """Move money on an account; see `Move` for the arguments and `Moves.make` for the rest.

        Raises:
            MoneyError: No amount, or no reason.
            NotFound: No such account.
            Conflict: The idempotency key belongs to another move.
        """
        move = Move(kind, purse, amount_nano, reason, reference, idempotency_key, actor)
        return self._moves.make(user_id, move)

    def _new_account(
        self, username: str, role: Role, tier: Tier, rpm: int | None, language: str
    ) -> Account:
        now = self._clock()
        return Account(
            id=new_id("usr", self._random_bytes),
            username=username,
            role=role,
            tier=tier,
            rpm=rpm,
            is_active=True,
            credits_nano=0,
            held_nano=0,
            ref_credits_nano=0,
            ref_held_nano=0,
            tokens_used=0,
            credits_expire_at=None,
            language=language,
            created_at=now,
            password_changed_at=now,
            referral_code=base62(int.from_bytes(self._random_bytes(7)), 10),
        )

    def _insert(
        self,
        session: ClientSession,
        account: Account,
        password_hash: str | None,
        opening: Move | None,
    ) -> None:
        claim = {"_id": account.username, "userId": account.id, "createdAt": account.created_at}
        self._database["usernames"].insert_one(claim, session=session)
        self._users.insert_one(account_document(account, password_hash), session=session)
        if opening is not None:
            self._moves.within(session, account.id, opening)

    def _apply(self, session: ClientSession, user_id: str, changes: Document) -> Account:
        account = account_from(self._updated(user_id, changes, session))
        self._database["user_keys"].update_many(
            {"userId": user_id}, {"$set": owner_fields(account)}, session=session
        )
        return account

    def _updated(
        self, user_id: str, changes: Document, session: ClientSession | None = None
    ) -> Document:
        document = self._users.find_one_and_update(
            {"_id": user_id},
            {"$set": changes},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if document is None:
            raise NotFound(f"no account {user_id}")
        return document

    def _one(self, query: Document) -> Account | None:
        with translating_errors():
            document = self._users.find_one(query)
        return None if document is None else account_from(document)

    def _required(self, user_id: str) -> Account:
        account = self.get(user_id)
        if account is None:
            raise NotFound(f"no account {user_id}")
        return account
