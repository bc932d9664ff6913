"""The two aggregation-pipeline updates on `users` that move holds.

Both are built once and shared: only small literals change from call to call, which keeps the
client's share of a reserve or a settlement small. Temporary fields start with an underscore and
are gone before the document is stored.

Amounts are nano-USD as int64; `Int64` makes sure that a small one is not stored as int32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson.int64 import Int64

from shared.domain.money import check_nano
from shared.store.find_and_modify import encoded

Expression = dict[str, Any]
Stage = Mapping[str, Any]

_EXPIRED: Expression = {
    "$and": [{"$gt": ["$creditsExpireAt", None]}, {"$lte": ["$creditsExpireAt", "$$NOW"]}]
}
_MAIN_FREE: Expression = {
    "$cond": [_EXPIRED, Int64(0), {"$subtract": ["$creditsNano", "$heldNano"]}]
}
_REFERRAL_FREE: Expression = {"$subtract": ["$refCreditsNano", "$refHeldNano"]}

FREE_NANO: Expression = {
    "$let": {
        "vars": {"main": _MAIN_FREE},
        "in": {
            "$cond": [
                {"$gt": ["$$main", 0]},
                "$$main",
                {"$max": [_REFERRAL_FREE, Int64(0)]},
            ]
        },
    }
}
"""What the purse that would pay has free; never negative."""

_AFFORDABLE: Stage = {
    "$set": {
        "_hold.free": FREE_NANO,
        "_hold.purse": {"$cond": [{"$gt": [_MAIN_FREE, 0]}, "main", "referral"]},
    }
}
_GRANT: Stage = {
    "$set": {
        "_hold.granted": {
            "$let": {
                "vars": {"amount": {"$min": ["$_hold.free", "$_hold.full"]}},
                "in": {
                    "$cond": [
                        {
                            "$and": [
                                "$isActive",
                                {"$not": ["$_hold.existing"]},
                                {"$gte": ["$$amount", "$_hold.minimum"]},
                            ]
                        },
                        "$$amount",
                        Int64(0),
                    ]
                },
            }
        }
    }
}
_DECISION = [encoded(_AFFORDABLE), encoded(_GRANT)]
_GRANTED = encoded({"$gt": ["$_hold.granted", 0]})
_FREE_ANSWER = encoded(FREE_NANO)


def _granted_from(purse: str) -> Expression:
    return {"$cond": [{"$eq": ["$_hold.purse", purse]}, "$_hold.granted", Int64(0)]}


_HELD = encoded({"$add": ["$heldNano", _granted_from("main")]})
_REFERRAL_HELD = encoded({"$add": ["$refHeldNano", _granted_from("referral")]})
_RESERVE_DONE = encoded({"$unset": "_hold"})


def nano(amount: int) -> Int64:
    """An amount as the database keeps it.

    Raises:
        MoneyError: Not an integer, negative, or beyond int64.
    """
    return Int64(check_nano(amount, signed=False))


def reserve_pipeline(
    request_id: str, worker_id: str, full_nano: int, minimum_nano: int
) -> list[Stage]:
    """Put `holds.<request_id>` on an account that can afford it; otherwise change nothing.

    A hold of that name that is there already is left alone, so that a command that is sent twice
    holds once.
    """
    path = f"holds.{request_id}"
    ask = {
        "full": nano(full_nano),
        "minimum": nano(max(1, minimum_nano)),
        "existing": f"${path}",
    }
    hold = {
        "amountNano": "$_hold.granted",
        "purse": "$_hold.purse",
        "worker": {"$literal": worker_id},
        "at": "$$NOW",
    }
    kept = {"$ifNull": [f"${path}", "$$REMOVE"]}
    grant = {
        path: {"$cond": [_GRANTED, hold, kept]},
        "heldNano": _HELD,
        "refHeldNano": _REFERRAL_HELD,
    }
    return [{"$set": {"_hold": ask}}, *_DECISION, {"$set": grant}, _RESERVE_DONE]


def reserve_answer(request_id: str) -> Expression:
    """Projection of what a reserve needs to know: the hold, or why there is none."""
    return {
        "_id": 0,
        "username": 1,
        "isActive": 1,
        "hold": f"$holds.{request_id}",
        "freeNano": _FREE_ANSWER,
    }


_EXISTING_HOLDS: Expression = {"$objectToArray": {"$ifNull": ["$holds", {}]}}
_SPLIT: Stage = {
    "$set": {
        "_end.hit": {
            "$filter": {"input": _EXISTING_HOLDS, "cond": {"$in": ["$$this.k", "$_end.ids"]}}
        },
        "_end.kept": {
            "$filter": {
                "input": _EXISTING_HOLDS,
                "cond": {"$not": [{"$in": ["$$this.k", "$_end.ids"]}]},
            }
        },
    }
}


def _sum_over_hits(value: Any, purse: str | None = None) -> Expression:
    hits: Any = "$_end.hit"
    if purse is not None:
        hits = {"$filter": {"input": hits, "cond": {"$eq": ["$$this.v.purse", purse]}}}
    return {"$sum": {"$map": {"input": hits, "in": value}}}


def _given(column: str) -> Expression:
    return {"$arrayElemAt": [f"$_end.{column}", {"$indexOfArray": ["$_end.ids", "$$this.k"]}]}


_APPLY: Stage = {
    "$set": {
        "creditsNano": {"$subtract": ["$creditsNano", _sum_over_hits(_given("costs"), "main")]},
        "heldNano": {"$subtract": ["$heldNano", _sum_over_hits("$$this.v.amountNano", "main")]},
        "refCreditsNano": {
            "$subtract": ["$refCreditsNano", _sum_over_hits(_given("costs"), "referral")]
        },
        "refHeldNano": {
            "$subtract": ["$refHeldNano", _sum_over_hits("$$this.v.amountNano", "referral")]
        },
        "tokensUsed": {"$add": ["$tokensUsed", _sum_over_hits(_given("tokens"))]},
        "holds": {"$arrayToObject": "$_end.kept"},
    }
}
_END_DONE: Stage = {"$unset": "_end"}


def end_pipeline(
    request_ids: Sequence[str], costs_nano: Sequence[int], tokens: Sequence[int]
) -> list[Stage]:
    """Charge and remove those of the given holds that are still there; others change nothing.

    That alone makes a settlement idempotent: whoever comes second finds no hold.

    Args:
        request_ids: Names of the holds.
        costs_nano: What each cost; the purse of its hold pays.
        tokens: What each adds to `tokensUsed`.
    """
    given = {
        "ids": list(request_ids),
        "costs": [nano(cost) for cost in costs_nano],
        "tokens": [Int64(count) for count in tokens],
    }
    return [{"$set": {"_end": {"$literal": given}}}, _SPLIT, _APPLY, _END_DONE]
