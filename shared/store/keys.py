"""API keys, for portal and command line."""

from __future__ import annotations

import secrets
from typing import Final

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from shared.domain.accounts import Account
from shared.domain.identifiers import RandomBytes, new_id
from shared.domain.keys import ApiKey, NewKey, generate_key, hash_key
from shared.errors import Conflict, NotFound
from shared.store.account_documents import (
    account_from,
    key_document,
    key_from,
    secret_fields,
)
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.transactions import Clock, in_transaction, utc_now

MAX_ACTIVE_KEYS: Final = 20
"""Each key has a window of its own: without a bound, many keys would be no limit at all."""


class KeyStore:
    """Reads and changes `user_keys`.

    While an account has active keys, exactly one of them is primary. Changes of one account's set
    of keys are serialised by a write to the account, inside the transaction.

    Args:
        database: Where; `ensure_schema` has been run on it.
        pepper: Of `hash_key`; derived with `Purpose.KEY_PEPPER`.
        clock: The present.
        random_bytes: Source of keys and ids.
    """

    def __init__(
        self,
        database: SyncDatabase,
        pepper: bytes,
        *,
        clock: Clock = utc_now,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._keys = database["user_keys"]
        self._pepper = pepper
        self._clock = clock
        self._random_bytes = random_bytes

    def create(self, user_id: str, *, label: str = "", rpm: int | None = None) -> NewKey:
        """A new key; the first active one of an account is primary.

        Args:
            user_id: Owner.
            label: What the owner calls it.
            rpm: Requests per minute of its own, which rules over the account's; None for that.

        Returns:
            The key with its secret, which is stored nowhere.

        Raises:
            NotFound: No such account.
            Conflict: The account has `MAX_ACTIVE_KEYS` already.
        """
        secret = generate_key(self._random_bytes)
        key = in_transaction(
            self._database, lambda session: self._insert(session, user_id, secret, label, rpm)
        )
        return NewKey(secret, key)

    def get(self, key_id: str, user_id: str | None = None) -> ApiKey | None:
        """A key; with `user_id` only if it is that account's."""
        with translating_errors():
            document = self._keys.find_one(_owned(key_id, user_id))
        return None if document is None else key_from(document)

    def list_for(self, user_id: str, *, active_only: bool = True) -> list[ApiKey]:
        """Keys of an account, oldest first."""
        query = {"userId": user_id} | ({"isActive": True} if active_only else {})
        with translating_errors():
            found = self._keys.find(query).sort([("createdAt", 1), ("_id", 1)])
            return [key_from(document) for document in found]

    def primary(self, user_id: str) -> ApiKey | None:
        """The primary key of an account, if it has any key."""
        with translating_errors():
            document = self._keys.find_one({"userId": user_id, "isPrimary": True})
        return None if document is None else key_from(document)

    def revoke(self, key_id: str, user_id: str | None = None) -> ApiKey:
        """Stop a key at once and for good; the oldest other one becomes primary if it was.

        Args:
            key_id: Which; one that is revoked already stays so.
            user_id: Only if it is this account's.

        Raises:
            NotFound: No such key.
        """
        key = self._required(key_id, user_id)
        return in_transaction(self._database, lambda session: self._revoke(session, key))

    def rotate(self, user_id: str, key_id: str | None = None) -> NewKey:
        """Give a key a new secret; the old one stops with the same write.

        The key keeps its id, label and window, so that rotating it does not reset its limit.

        Args:
            user_id: Owner.
            key_id: Which of the owner's; None for the primary one.

        Raises:
            NotFound: No such active key.
            Conflict: Another rotation was faster; its secret is the one that holds.
        """
        query = {"userId": user_id, "isActive": True}
        query |= {"isPrimary": True} if key_id is None else {"_id": key_id}
        with translating_errors():
            before = self._keys.find_one(query, {"hash": 1})
            if before is None:
                raise NotFound("no such active key")
            return self._rotated(before)

    def make_primary(self, user_id: str, key_id: str) -> ApiKey:
        """Make an active key the primary one of its account.

        Raises:
            NotFound: No such active key of that account.
        """
        return in_transaction(
            self._database, lambda session: self._make_primary(session, user_id, key_id)
        )

    def change(self, key_id: str, user_id: str, *, label: str, rpm: int | None) -> ApiKey:
        """Rename a key and set its own limit.

        Raises:
            NotFound: No such active key of that account.
        """
        with translating_errors():
            return self._set(None, _active(user_id, key_id), {"label": label, "rpm": rpm})

    def _insert(
        self, session: ClientSession, user_id: str, secret: str, label: str, rpm: int | None
    ) -> ApiKey:
        owner = self._locked_owner(session, user_id)
        active = {"userId": user_id, "isActive": True}
        if self._keys.count_documents(active, session=session) >= MAX_ACTIVE_KEYS:
            raise Conflict(f"an account has at most {MAX_ACTIVE_KEYS} keys: revoke one first")
        primary = {"userId": user_id, "isPrimary": True}
        document = key_document(
            new_id("key", self._random_bytes),
            owner,
            secret_fields(secret, hash_key(secret, self._pepper)),
            label=label,
            rpm=rpm,
            is_primary=self._keys.find_one(primary, {"_id": 1}, session=session) is None,
            now=self._clock(),
        )
        self._keys.insert_one(document, session=session)
        return key_from(document)

    def _locked_owner(self, session: ClientSession, user_id: str) -> Account:
        """The account, written to so that other changes of it or its keys wait for this one."""
        document = self._database["users"].find_one_and_update(
            {"_id": user_id},
            {"$set": {"keysChangedAt": self._clock()}, "$inc": {"keysVersion": 1}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if document is None:
            raise NotFound(f"no account {user_id}")
        return account_from(document)

    def _revoke(self, session: ClientSession, key: ApiKey) -> ApiKey:
        self._locked_owner(session, key.user_id)
        revoked = self._set(session, {"_id": key.id}, {"isActive": False, "isPrimary": False})
        self._appoint(session, key.user_id)
        return revoked

    def _appoint(self, session: ClientSession, user_id: str) -> None:
        """Make the oldest active key primary if none is."""
        if self._keys.find_one({"userId": user_id, "isPrimary": True}, session=session):
            return
        self._keys.find_one_and_update(
            {"userId": user_id, "isActive": True},
            {"$set": {"isPrimary": True}},
            sort=[("createdAt", 1), ("_id", 1)],
            session=session,
        )

    def _make_primary(self, session: ClientSession, user_id: str, key_id: str) -> ApiKey:
        self._locked_owner(session, user_id)
        self._keys.update_many(
            {"userId": user_id, "isPrimary": True}, {"$set": {"isPrimary": False}}, session=session
        )
        return self._set(session, _active(user_id, key_id), {"isPrimary": True})

    def _rotated(self, before: Document) -> NewKey:
        secret = generate_key(self._random_bytes)
        fields = secret_fields(secret, hash_key(secret, self._pepper))
        changes = fields | {"createdAt": self._clock(), "lastUsedAt": None}
        unchanged = {"_id": before["_id"], "hash": before["hash"], "isActive": True}
        try:
            return NewKey(secret, self._set(None, unchanged, changes))
        except NotFound as error:
            raise Conflict("the key was rotated or revoked at the same moment") from error

    def _set(self, session: ClientSession | None, query: Document, changes: Document) -> ApiKey:
        document = self._keys.find_one_and_update(
            query, {"$set": changes}, return_document=ReturnDocument.AFTER, session=session
        )
        if document is None:
            raise NotFound("no such active key")
        return key_from(document)

    def _required(self, key_id: str, user_id: str | None) -> ApiKey:
        key = self.get(key_id, user_id)
        if key is None:
            raise NotFound(f"no key {key_id}")
        return key


def _owned(key_id: str, user_id: str | None) -> Document:
    return {"_id": key_id} | ({} if user_id is None else {"userId": user_id})


def _active(user_id: str, key_id: str) -> Document:
    return {"_id": key_id, "userId": user_id, "isActive": True}
