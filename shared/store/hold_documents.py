"""Holds as the database tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.accounts import Hold, HoldRefused, HoldRequest, Purse


def reserve_outcome(request: HoldRequest, found: Mapping[str, Any] | None) -> Hold | HoldRefused:
    """What came of a reserve, from the account as `reserve_answer` shows it; None: no account."""
    if found is None:
        return HoldRefused(active=False, free_nano=0)
    hold = found.get("hold")
    if hold is None:
        return HoldRefused(active=found["isActive"], free_nano=int(found["freeNano"]))
    return Hold(
        request_id=request.request_id,
        user_id=request.user_id,
        username=found["username"],
        amount_nano=int(hold["amountNano"]),
        purse=Purse(hold["purse"]),
    )


def aged_holds(which: Mapping[str, Any], older_than_s: float) -> list[dict[str, Any]]:
    """Stages over `users` that find holds of that age, by the server's clock.

    Args:
        which: Expression over `$$this`, a hold as `{k: request id, v: hold}`.
        older_than_s: Least age.
    """
    old = {"$subtract": ["$$NOW", int(older_than_s * 1000)]}
    wanted = {"$and": [which, {"$lte": ["$$this.v.at", old]}]}
    holds = {"$filter": {"input": {"$objectToArray": "$holds"}, "cond": wanted}}
    return [
        {"$match": {"$or": [{"heldNano": {"$gt": 0}}, {"refHeldNano": {"$gt": 0}}]}},
        {"$project": {"username": 1, "holds": holds}},
        {"$match": {"holds.0": {"$exists": True}}},
    ]


def holds_in(account: Mapping[str, Any]) -> list[Hold]:
    """Holds of an account as `aged_holds` shows it."""
    return [
        Hold(
            request_id=entry["k"],
            user_id=account["_id"],
            username=account["username"],
            amount_nano=int(entry["v"]["amountNano"]),
            purse=Purse(entry["v"]["purse"]),
        )
        for entry in account["holds"]
    ]
