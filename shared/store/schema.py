"""Bring a database to the collections, validators and indexes that the code relies on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymongo
from pymongo import IndexModel
from pymongo.errors import OperationFailure

from shared.errors import StoreRefused
from shared.store.client import Document, SyncDatabase, translating_errors
from shared.store.collection_specs import TTL_INDEX, CollectionSpec, collections

# An index on a collection that has grown takes longer than one operation may.
_BUILD_TIMEOUT_S = 600
_TRIES = 20
_PAUSE_S = 0.1

_NAMESPACE_EXISTS = 48
_OTHER_INDEX = {85, 86}
# Another process is about the same work: lock timeout, conflicting operation, index being built.
_BUSY = {24, 112, 117, 276, 12_587, 12_586}


def ensure_schema(database: SyncDatabase, *, log_days: int = 90) -> None:
    """Create and mend collections and indexes. Idempotent, and safe in several processes at once.

    A second run reads two kinds of listings and changes nothing.

    Args:
        database: Where.
        log_days: How long request logs are kept; changing it changes the index.

    Raises:
        StoreUnavailable: No answer in time.
        StoreRefused: An index or collection of that name exists with another meaning.
    """
    with translating_errors(), pymongo.timeout(_BUILD_TIMEOUT_S):
        validators = _existing_validators(database)
        for spec in collections(log_days):
            _ensure_validator(database, spec, validators)
            _ensure_indexes(database, spec)


def _existing_validators(database: SyncDatabase) -> dict[str, Any]:
    listed = database.list_collections(filter={"type": "collection"})
    return {entry["name"]: entry["options"].get("validator") for entry in listed}


def _ensure_validator(
    database: SyncDatabase, spec: CollectionSpec, existing: Mapping[str, Any]
) -> None:
    if spec.name not in existing and _create(database, spec):
        return
    if existing.get(spec.name) != spec.validator:
        _patiently(lambda: database.command("collMod", spec.name, validator=spec.validator))


def _create(database: SyncDatabase, spec: CollectionSpec) -> bool:
    """Create a collection; False when another process was faster."""
    try:
        database.create_collection(spec.name, check_exists=False, validator=spec.validator)
    except OperationFailure as error:
        if error.code == _NAMESPACE_EXISTS:
            return False
        raise
    return True


def _ensure_indexes(database: SyncDatabase, spec: CollectionSpec) -> None:
    collection = database[spec.name]
    existing = collection.index_information()
    _ensure_ttl(database, spec, existing)
    wanted = [model for model in spec.indexes if not _is_there(model, existing)]
    try:
        if wanted:
            _patiently(lambda: collection.create_indexes(wanted))
    except OperationFailure as error:
        if error.code in _OTHER_INDEX:
            raise StoreRefused(_other_index(spec, wanted)) from error
        raise


def _other_index(spec: CollectionSpec, wanted: Sequence[IndexModel]) -> str:
    names = ", ".join(model.document["name"] for model in wanted)
    return (
        f"an index of {spec.name} exists with another meaning ({names}): look at "
        f"db.{spec.name}.getIndexes() in mongosh, drop it, and start again"
    )


def _is_there(model: IndexModel, existing: Mapping[str, Document]) -> bool:
    """Whether the index exists with its meaning; the server refuses another of its name."""
    index = model.document
    found = existing.get(index["name"])
    if found is None:
        return False
    meant = (list(index["key"].items()), index.get("unique", False))
    is_meant = (found["key"], found.get("unique", False)) == meant
    partial = "partialFilterExpression"
    return is_meant and found.get(partial) == index.get(partial)


def _ensure_ttl(
    database: SyncDatabase, spec: CollectionSpec, existing: Mapping[str, Document]
) -> None:
    wanted = _lifetime_s(spec)
    found = existing.get(TTL_INDEX)
    if wanted is None or found is None or found.get("expireAfterSeconds") == wanted:
        return
    change = {"name": TTL_INDEX, "expireAfterSeconds": wanted}
    _patiently(lambda: database.command("collMod", spec.name, index=change))


def _lifetime_s(spec: CollectionSpec) -> int | None:
    ttl: IndexModel | None = next(
        (model for model in spec.indexes if model.document["name"] == TTL_INDEX), None
    )
    return None if ttl is None else int(ttl.document["expireAfterSeconds"])


def _patiently(act: Callable[[], object]) -> None:
    """Run a change, again while another process is in the way."""
    for _ in range(_TRIES - 1):
        try:
            act()
        except OperationFailure as error:
            if error.code not in _BUSY:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
    act()
