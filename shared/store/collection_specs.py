"""Collections as they must be: validators and indexes.

Validators are the last door: money is `long` and nothing else, since a stored double, and NaN above
all, passes checks such as `credits <= 0`. A Python int is stored as a 32-bit one when it is small:
money is therefore always written as `bson.Int64`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from shared.domain.upstream_keys import Fault

TTL_INDEX = "createdAt_ttl"

_MONEY = {"bsonType": "long"}
_COUNT = {"bsonType": ["int", "long"], "minimum": 0}
_TEXT = {"bsonType": "string"}
_BOOL = {"bsonType": "bool"}
_DATE = {"bsonType": "date"}
_OPTIONAL_DATE = {"bsonType": ["date", "null"]}
_OPTIONAL_TEXT = {"bsonType": ["string", "null"]}
_OPTIONAL_RPM = {"bsonType": ["int", "long", "null"], "minimum": 1}
_WINDOW = {
    "bsonType": "object",
    "required": ["sec", "buckets"],
    "properties": {"sec": {"bsonType": "long"}, "buckets": {"bsonType": "array"}},
}
_ROLE = {"enum": ["user", "admin"]}
_TIER = {"enum": ["dev", "pro"]}
_PURSE = {"enum": ["main", "referral"]}
_LEDGER_KIND = {
    "enum": [
        "charge",
        "topup",
        "refund",
        "adjustment",
        "expiry",
        "referral",
        "redemption",
        "released",
        "late",
    ]
}


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """One collection.

    Attributes:
        name: Its name.
        required: Fields that every document has.
        fields: `$jsonSchema` of fields; others are free.
        indexes: Beside that of `_id`.
    """

    name: str
    required: Sequence[str]
    fields: Mapping[str, Mapping[str, Any]]
    indexes: Sequence[IndexModel] = ()

    @property
    def validator(self) -> dict[str, Any]:
        """The collection's validator."""
        return {
            "$jsonSchema": {
                "bsonType": "object",
                "required": list(self.required),
                "properties": {name: dict(rule) for name, rule in self.fields.items()},
            }
        }


def _users() -> CollectionSpec:
    hold = {
        "bsonType": "object",
        "required": ["amountNano", "purse", "worker", "at"],
        "properties": {"amountNano": _MONEY, "purse": _PURSE, "worker": _TEXT, "at": _DATE},
    }
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "username": _TEXT,
        "passwordHash": _OPTIONAL_TEXT,
        "role": _ROLE,
        "tier": _TIER,
        "rpm": _OPTIONAL_RPM,
        "isActive": _BOOL,
        "creditsNano": _MONEY,
        "heldNano": _MONEY,
        "refCreditsNano": _MONEY,
        "refHeldNano": _MONEY,
        "holds": {"bsonType": "object", "additionalProperties": hold},
        "tokensUsed": {"bsonType": "long"},
        "creditsExpireAt": _OPTIONAL_DATE,
        "createdAt": _DATE,
    }
    optional = {"passwordHash", "rpm", "creditsExpireAt"}
    indexes = [
        IndexModel("username", name="username", unique=True),
        IndexModel(
            "referralCode",
            name="referralCode",
            unique=True,
            partialFilterExpression={"referralCode": {"$type": "string"}},
        ),
        _positive("heldNano"),
        _positive("refHeldNano"),
    ]
    return CollectionSpec("users", sorted(fields.keys() - optional), fields, indexes)


def _positive(field: str) -> IndexModel:
    """Index of the few documents where a field is above 0."""
    return IndexModel(field, name=field, partialFilterExpression={field: {"$gt": 0}})


def _user_keys() -> CollectionSpec:
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "userId": _TEXT,
        "name": _TEXT,
        "hash": _TEXT,
        "prefix": _TEXT,
        "last4": _TEXT,
        "label": _TEXT,
        "isPrimary": _BOOL,
        "tier": _TIER,
        "rpm": _OPTIONAL_RPM,
        "accountRpm": _OPTIONAL_RPM,
        "role": _ROLE,
        "isActive": _BOOL,
        "ownerActive": _BOOL,
        "createdAt": _DATE,
        "lastUsedAt": _OPTIONAL_DATE,
        "window": _WINDOW,
        "countWindow": _WINDOW,
    }
    optional = {"rpm", "accountRpm", "lastUsedAt", "window", "countWindow"}
    indexes = [
        IndexModel("hash", name="hash", unique=True),
        IndexModel([("userId", ASCENDING), ("createdAt", ASCENDING)], name="userId_createdAt"),
        IndexModel(
            "userId",
            name="one_primary",
            unique=True,
            partialFilterExpression={"isPrimary": True},
        ),
    ]
    return CollectionSpec("user_keys", sorted(fields.keys() - optional), fields, indexes)


def _usernames() -> CollectionSpec:
    """Every name ever given out, so that none is given out again."""
    fields = {"_id": _TEXT, "userId": _TEXT, "createdAt": _DATE}
    return CollectionSpec("usernames", sorted(fields), fields)


def _ledger() -> CollectionSpec:
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "userId": _TEXT,
        "username": _TEXT,
        "kind": _LEDGER_KIND,
        "purse": _PURSE,
        "amountNano": _MONEY,
        "reason": _TEXT,
        "createdAt": _DATE,
    }
    newest = [("userId", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)]
    indexes = [
        IndexModel(newest, name="userId_newest"),
        IndexModel(
            [("userId", ASCENDING), ("idempotencyKey", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotencyKey": {"$type": "string"}},
        ),
    ]
    return CollectionSpec("ledger", sorted(fields), fields, indexes)


def _request_logs(log_days: int) -> CollectionSpec:
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "username": _TEXT,
        "userId": _TEXT,
        "endpoint": _TEXT,
        "model": _TEXT,
        "status": {"bsonType": ["int", "long"]},
        "endReason": _TEXT,
        "usage": {"bsonType": "object"},
        "costNano": _MONEY,
        "attempts": _COUNT,
        "durationMs": _COUNT,
        "createdAt": _DATE,
    }
    newest = [("username", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)]
    indexes = [
        IndexModel(newest, name="username_newest"),
        IndexModel("createdAt", name=TTL_INDEX, expireAfterSeconds=log_days * 86_400),
    ]
    return CollectionSpec("request_logs", sorted(fields), fields, indexes)


def _prices() -> CollectionSpec:
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "model": _TEXT,
        "base": {"bsonType": "object"},
        "tiers": {"bsonType": "array"},
        "multiplier": _TEXT,
        "source": _TEXT,
        "createdAt": _DATE,
    }
    return CollectionSpec("prices", sorted(fields), fields)


def _workers() -> CollectionSpec:
    fields = {"_id": _TEXT, "host": _TEXT, "startedAt": _DATE, "heartbeatAt": _DATE}
    return CollectionSpec("workers", sorted(fields), fields)


def _upstream_keys() -> CollectionSpec:
    health = {
        "bsonType": "object",
        "required": ["reason", "until", "trips"],
        "properties": {
            "reason": {"enum": [None, *(fault.value for fault in Fault)]},
            "until": _OPTIONAL_DATE,
            "trips": _COUNT,
        },
    }
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "pool": _TEXT,
        "label": _TEXT,
        "last4": _TEXT,
        "fingerprint": _TEXT,
        "sealed": _TEXT,
        "enabled": _BOOL,
        "backup": _BOOL,
        "standsInFor": _OPTIONAL_TEXT,
        "rpm": _OPTIONAL_RPM,
        "health": health,
        "requests": _COUNT,
        "errors": _COUNT,
        "createdAt": _DATE,
        "changedAt": _DATE,
        "lastUsedAt": _OPTIONAL_DATE,
        "window": _WINDOW,
    }
    optional = {"lastUsedAt", "window"}
    indexes = [
        IndexModel(["pool", "fingerprint"], name="pool_fingerprint", unique=True),
        # One backup at most stands in for a key, whoever appoints it.
        IndexModel(
            "standsInFor",
            name="standsInFor",
            unique=True,
            partialFilterExpression={"standsInFor": {"$type": "string"}},
        ),
    ]
    return CollectionSpec("upstream_keys", sorted(fields.keys() - optional), fields, indexes)


def _audit_log() -> CollectionSpec:
    fields: dict[str, Mapping[str, Any]] = {
        "_id": _TEXT,
        "actor": _TEXT,
        "action": _TEXT,
        "target": _TEXT,
        "before": {"bsonType": ["object", "null"]},
        "after": {"bsonType": ["object", "null"]},
        "createdAt": _DATE,
    }
    indexes = [
        IndexModel(["target", ("createdAt", DESCENDING)], name="target_newest"),
        IndexModel([("createdAt", DESCENDING)], name="newest"),
    ]
    return CollectionSpec("audit_log", sorted(fields), fields, indexes)


def collections(log_days: int) -> tuple[CollectionSpec, ...]:
    """Every collection; request logs are kept for `log_days` days."""
    return (
        _users(),
        _user_keys(),
        _usernames(),
        _ledger(),
        _request_logs(log_days),
        _prices(),
        _workers(),
        _upstream_keys(),
        _audit_log(),
    )
