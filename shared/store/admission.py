"""Key look-up and rate limit in one round trip."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from bson import Int64
from pymongo import WriteConcern

from shared.domain.accounts import Admission, Principal, RateWindow, Role, Tier
from shared.domain.limits import BUCKETS, WINDOW_S, Balances, TierLimits, limit_of, rate_state
from shared.store.client import AsyncDb, Document, translating_errors
from shared.store.find_and_modify import FindAndModify, encoded, within

FIXED_NAME = "_proxy"

_NOT_ADMITTED = Admission(principal=None, admitted=False, rate=None)
_EMPTY = {"$literal": [0] * BUCKETS}
# The fixed proxy key's window: inactive, so that no look-up by hash finds it.
_FIXED = {
    "userId": "",
    "name": FIXED_NAME,
    "hash": FIXED_NAME,
    "prefix": "",
    "last4": "",
    "label": "",
    "isPrimary": False,
    "tier": Tier.PRO.value,
    "rpm": None,
    "accountRpm": None,
    "role": Role.USER.value,
    "isActive": False,
    "ownerActive": False,
    "lastUsedAt": None,
}
_BALANCE_FIELDS = {
    "_id": 0,
    "creditsNano": 1,
    "heldNano": 1,
    "refCreditsNano": 1,
    "refHeldNano": 1,
    "creditsExpireAt": 1,
}


class _Outcome(NamedTuple):
    """What one update told: the answer, and what decides about a second look."""

    admission: Admission
    sec: int
    by_tier: bool
    tier: Tier


def window_update(
    limits: TierLimits, now: Any = "$$NOW", window: RateWindow = RateWindow.REQUESTS
) -> list[dict[str, Any]]:
    """Pipeline that advances a key's window and counts one request if its limit allows.

    The same arithmetic as `shared.domain.limits.SlidingWindow`, on the server's clock. A refused
    request changes nothing but the passing of time.

    Args:
        limits: Requests per minute of each tier.
        now: Aggregation expression of the present.
        window: Which of the key's windows.
    """
    limit = {
        "$ifNull": [
            "$rpm",
            "$accountRpm",
            {"$cond": [{"$eq": ["$tier", Tier.PRO.value]}, limits.pro, limits.dev]},
        ]
    }
    buckets, admitted = f"${window}.buckets", f"${window}.admitted"
    counted = {
        "$concatArrays": [
            {"$slice": [buckets, WINDOW_S]},
            [{"$add": [{"$last": buckets}, 1]}],
        ]
    }
    return [
        {"$set": {window.value: _advanced(now, window)}},
        {"$set": {f"{window}.admitted": {"$lt": [{"$sum": buckets}, limit]}}},
        {
            "$set": {
                f"{window}.buckets": {"$cond": [admitted, counted, buckets]},
                "lastUsedAt": {"$cond": [admitted, now, "$lastUsedAt"]},
            }
        },
    ]


def _advanced(now: Any, window: RateWindow) -> dict[str, Any]:
    """Expression of the window at the second of `now`; see `SlidingWindow` for the rules."""
    now_s = {"$toLong": {"$floor": {"$divide": [{"$toLong": now}, 1000]}}}
    buckets = {"$ifNull": [f"${window}.buckets", _EMPTY]}
    padded = {"$concatArrays": ["$$buckets", _EMPTY]}
    shifted = {"$slice": [padded, {"$toInt": {"$min": ["$$step", BUCKETS]}}, BUCKETS]}
    folded = {"$concatArrays": [{"$literal": [0] * WINDOW_S}, [{"$sum": "$$buckets"}]]}
    branches = [
        {"case": {"$gt": ["$$step", 0]}, "then": {"sec": "$$now", "buckets": shifted}},
        {"case": {"$lt": ["$$step", -WINDOW_S]}, "then": {"sec": "$$now", "buckets": folded}},
    ]
    moved = {"$switch": {"branches": branches, "default": {"sec": "$$sec", "buckets": "$$buckets"}}}
    with_step = {"$let": {"vars": {"step": {"$subtract": ["$$now", "$$sec"]}}, "in": moved}}
    sec = {"$ifNull": [f"${window}.sec", {"$literal": Int64(0)}]}
    return {"$let": {"vars": {"now": now_s, "sec": sec, "buckets": buckets}, "in": with_step}}


def _reply_fields(window: RateWindow) -> dict[str, Any]:
    """What an update answers of a key: whose it is, its limits, and the state of one window."""
    filled = {"$map": {"input": f"${window}.buckets", "in": {"$gt": ["$$this", 0]}}}
    return {
        **dict.fromkeys(("_id", "userId", "name", "role", "tier", "rpm", "accountRpm"), 1),
        "sec": f"${window}.sec",
        "admitted": f"${window}.admitted",
        "used": {"$sum": f"${window}.buckets"},
        "oldest": {"$indexOfArray": [filled, True]},
    }


class _Count:
    """The update that counts in one window, and what it answers, encoded once.

    Attributes:
        limits: Requests per minute of each tier.
    """

    def __init__(self, limits: TierLimits, window: RateWindow) -> None:
        self.limits = limits
        self.update = [encoded(stage) for stage in window_update(limits, window=window)]
        self.fields = encoded(_reply_fields(window))


class MongoKeyGate:
    """`KeyGate` over `user_keys`.

    The counter is written with w:1: losing a few counts to a fail-over is the price of speed, and
    no money hangs on it.
    """

    def __init__(self, database: AsyncDb, *, rpm_dev: int, rpm_pro: int) -> None:
        self._database = database
        self._keys = database.get_collection("user_keys", write_concern=WriteConcern(w=1))
        self._updates = FindAndModify(self._keys)
        limits, lifted = TierLimits(dev=rpm_dev, pro=rpm_pro), TierLimits(dev=rpm_pro, pro=rpm_pro)
        self._counts = {window: _Count(limits, window) for window in RateWindow}
        self._lifted = {window: _Count(lifted, window) for window in RateWindow}

    async def admit(self, key_hash: str, window: RateWindow = RateWindow.REQUESTS) -> Admission:
        """See `KeyGate.admit`.

        A second look is taken only when the tier's limit refuses: with the main credits used up
        and referral credits left, the pro limit applies.
        """
        key = {"hash": key_hash, "isActive": True, "ownerActive": True}
        deadline_s = self._updates.deadline_s()
        with translating_errors():
            outcome = await self._count(key, self._counts[window], deadline_s)
            if outcome is None:
                return _NOT_ADMITTED
            if await self._is_lifted(outcome, deadline_s):
                lifted = await self._count(key, self._lifted[window], deadline_s)
                outcome = lifted or outcome
        return outcome.admission

    async def admit_fixed(self, window: RateWindow = RateWindow.REQUESTS) -> Admission:
        """See `KeyGate.admit_fixed`; the window is a document of its own, made when missing."""
        deadline_s = self._updates.deadline_s()
        with translating_errors():
            outcome = await self._count_fixed(window, deadline_s)
            if outcome is None:
                await self._insert_fixed(deadline_s)
                outcome = await self._count_fixed(window, deadline_s)
        return _NOT_ADMITTED if outcome is None else outcome.admission

    async def ping(self) -> None:
        """See `KeyGate.ping`."""
        with translating_errors():
            await self._database.client.admin.command("ping")

    async def _count_fixed(self, window: RateWindow, deadline_s: float) -> _Outcome | None:
        return await self._count({"_id": FIXED_NAME}, self._counts[window], deadline_s)

    async def _insert_fixed(self, deadline_s: float) -> None:
        made = {"$mergeObjects": [_FIXED, {"createdAt": "$$NOW"}, "$$ROOT"]}
        with within(deadline_s):
            await self._keys.update_one({"_id": FIXED_NAME}, [{"$replaceWith": made}], upsert=True)

    async def _count(self, key: Document, count: _Count, deadline_s: float) -> _Outcome | None:
        found = await self._updates.run(key, count.update, count.fields, deadline_s)
        return None if found is None else _outcome(found, count.limits)

    async def _is_lifted(self, outcome: _Outcome, deadline_s: float) -> bool:
        if outcome.admission.admitted or not outcome.by_tier or outcome.tier is Tier.PRO:
            return False
        principal = outcome.admission.principal
        if principal is None or not principal.billed:
            return False
        with within(deadline_s):
            account = await self._database["users"].find_one(
                {"_id": principal.user_id}, projection=_BALANCE_FIELDS
            )
        now = datetime.fromtimestamp(outcome.sec, UTC)
        return account is not None and _balances(account).pays_by_referral(now)


def _outcome(found: Document, limits: TierLimits) -> _Outcome:
    tier = Tier(found["tier"])
    key_rpm, account_rpm = found.get("rpm"), found.get("accountRpm")
    limit = limit_of(tier, account_rpm, key_rpm, limits)
    rate = rate_state(limit, found["used"], found["oldest"])
    admission = Admission(_principal(found), admitted=found["admitted"], rate=rate)
    return _Outcome(admission, found["sec"], key_rpm is None and account_rpm is None, tier)


def _principal(found: Document) -> Principal:
    return Principal(
        user_id=found["userId"],
        username=found["name"],
        key_id=found["_id"],
        role=Role(found["role"]),
        billed=found["_id"] != FIXED_NAME,
    )


def _balances(account: Document) -> Balances:
    return Balances(
        credits_nano=account["creditsNano"],
        held_nano=account["heldNano"],
        referral_nano=account["refCreditsNano"],
        referral_held_nano=account["refHeldNano"],
        credits_expire_at=account.get("creditsExpireAt"),
    )
