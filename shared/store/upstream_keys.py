"""Keys of pools, for command line, portal and housekeeping."""

from __future__ import annotations

import secrets
from typing import Any

from pymongo.client_session import ClientSession

from shared.domain.identifiers import RandomBytes, new_id
from shared.domain.upstream_keys import KeyHealth, UpstreamKey
from shared.domain.upstream_secrets import pool_name_fault, secret_fault
from shared.errors import Conflict, NotFound, StoreRefused
from shared.store.audit import AuditLog, Change
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.sealing import Sealer
from shared.store.transactions import in_transaction
from shared.store.upstream_key_documents import (
    COLLECTION,
    STAMP,
    StoredKey,
    audited,
    health_document,
    inserting,
    new_key_document,
    place_of,
    stored_key_from,
)


class UpstreamKeyStore:
    """Reads and changes `upstream_keys`; every change is in the audit log.

    Args:
        database: Where; `ensure_schema` has been run on it.
        sealer: Of secrets.
        actor: Who makes the changes, for the audit log.
        audit: The audit log.
        random_bytes: Source of ids.
    """

    def __init__(
        self,
        database: SyncDatabase,
        sealer: Sealer,
        *,
        actor: str,
        audit: AuditLog | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._keys = database[COLLECTION]
        self._sealer = sealer
        self._actor = actor
        self._audit = audit or AuditLog()
        self._random_bytes = random_bytes

    def add(
        self,
        pool: str,
        secret: str,
        *,
        label: str = "",
        backup: bool = False,
        rpm: int | None = None,
    ) -> StoredKey:
        """Put a key into a pool, which exists as soon as it has one.

        Args:
            pool: Name of the pool.
            secret: The key; it is stored sealed.
            label: What operators call it.
            backup: Serves only in the place of a key that is out.
            rpm: Requests per minute over all workers, None for no limit.

        Raises:
            StoreRefused: The secret can be no key, or the name no pool's.
            Conflict: The pool has this key already.
        """
        fault = pool_name_fault(pool) or secret_fault(secret)
        if fault is not None:
            raise StoreRefused(fault)
        key_id = new_id("uk", self._random_bytes)
        key = UpstreamKey(key_id, pool, label=label, backup=backup, rpm=rpm)
        document = new_key_document(key, secret, self._sealer)
        try:
            return in_transaction(self._database, lambda session: self._insert(session, document))
        except Conflict as error:
            raise Conflict(self._taken(document)) from error

    def listed(self, pool: str | None = None) -> list[StoredKey]:
        """Keys of a pool, or of all, the oldest first within each."""
        query = {} if pool is None else {"pool": pool}
        with translating_errors():
            found = self._keys.find(query).sort([("pool", 1), ("createdAt", 1), ("_id", 1)])
            return [stored_key_from(document) for document in found]

    def get(self, key_id: str) -> StoredKey:
        """A key.

        Raises:
            NotFound: No such key.
        """
        with translating_errors():
            document = self._keys.find_one({"_id": key_id})
        if document is None:
            raise NotFound(f"no upstream key {key_id}")
        return stored_key_from(document)

    def secret_of(self, stored: StoredKey) -> str:
        """A key's secret.

        Raises:
            Unsealable: It was sealed with another TROLLLM_SECRET_KEY.
        """
        return self._sealer.open(stored.sealed, place_of(stored.key.id))

    def enable(self, key_id: str) -> StoredKey:
        """Switch a key on, as healthy as a new one: the operator says that it works.

        Raises:
            NotFound: No such key.
        """
        fresh = {"enabled": True, "health": health_document(KeyHealth())}
        return self._change(key_id, "upstream_key.enable", fresh)

    def disable(self, key_id: str) -> StoredKey:
        """Switch a key off; it stays off until it is switched on.

        Raises:
            NotFound: No such key.
        """
        return self._change(key_id, "upstream_key.disable", {"enabled": False})

    def _insert(self, session: ClientSession, document: Document) -> StoredKey:
        key = {"_id": document["_id"]}
        self._keys.update_one(key, inserting(document), upsert=True, session=session)
        made: Document = self._keys.find_one(key, session=session) or {}
        self._write(session, "upstream_key.add", None, made)
        return stored_key_from(made)

    def _taken(self, document: Document) -> str:
        same = {"pool": document["pool"], "fingerprint": document["fingerprint"]}
        with translating_errors():
            found = self._keys.find_one(same, {"_id": 1}) or {"_id": ""}
        return f"the pool {document['pool']} has this key already: {found['_id']}"

    def _change(self, key_id: str, action: str, fields: dict[str, Any]) -> StoredKey:
        def act(session: ClientSession) -> StoredKey:
            update = {"$set": fields} | STAMP
            before = self._keys.find_one_and_update({"_id": key_id}, update, session=session)
            if before is None:
                raise NotFound(f"no upstream key {key_id}")
            after = before | fields
            self._write(session, action, before, after)
            return stored_key_from(after)

        return in_transaction(self._database, act)

    def _write(
        self, session: ClientSession, action: str, before: Document | None, after: Document
    ) -> None:
        was = None if before is None else audited(before)
        change = Change(self._actor, action, after["_id"], was, audited(after))
        if change.before != change.after:
            self._audit.write(self._database, session, change)
