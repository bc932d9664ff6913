"""Accounts and API keys as documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import Int64

from shared.domain.accounts import Account, Role, Tier
from shared.domain.keys import ApiKey, key_last4, key_prefix
from shared.domain.limits import BUCKETS
from shared.store.client import Document


def account_document(account: Account, password_hash: str | None) -> Document:
    """Document of a new account, without holds."""
    return {
        "_id": account.id,
        "username": account.username,
        "passwordHash": password_hash,
        "role": account.role.value,
        "tier": account.tier.value,
        "rpm": account.rpm,
        "isActive": account.is_active,
        "creditsNano": Int64(account.credits_nano),
        "heldNano": Int64(account.held_nano),
        "refCreditsNano": Int64(account.ref_credits_nano),
        "refHeldNano": Int64(account.ref_held_nano),
        "holds": {},
        "tokensUsed": Int64(account.tokens_used),
        "creditsExpireAt": account.credits_expire_at,
        "language": account.language,
        "createdAt": account.created_at,
        "passwordChangedAt": account.password_changed_at,
        "discordId": account.discord_id,
        "referralCode": account.referral_code,
        "referredBy": account.referred_by,
    }


def account_from(document: Mapping[str, Any]) -> Account:
    """Inverse of `account_document`."""
    return Account(
        id=document["_id"],
        username=document["username"],
        role=Role(document["role"]),
        tier=Tier(document["tier"]),
        rpm=document.get("rpm"),
        is_active=document["isActive"],
        credits_nano=int(document["creditsNano"]),
        held_nano=int(document["heldNano"]),
        ref_credits_nano=int(document["refCreditsNano"]),
        ref_held_nano=int(document["refHeldNano"]),
        tokens_used=int(document["tokensUsed"]),
        credits_expire_at=document.get("creditsExpireAt"),
        language=document.get("language", ""),
        created_at=document["createdAt"],
        password_changed_at=document.get("passwordChangedAt", document["createdAt"]),
        discord_id=document.get("discordId", ""),
        referral_code=document.get("referralCode", ""),
        referred_by=document.get("referredBy", ""),
    )


def owner_fields(account: Account) -> Document:
    """What every key repeats of its account, so that one look-up tells all."""
    return {
        "tier": account.tier.value,
        "role": account.role.value,
        "accountRpm": account.rpm,
        "ownerActive": account.is_active,
    }


def secret_fields(secret: str, key_hash: str) -> Document:
    """What is kept of a full key."""
    return {"hash": key_hash, "prefix": key_prefix(secret), "last4": key_last4(secret)}


def key_document(
    key_id: str,
    owner: Account,
    secret: Document,
    *,
    label: str,
    rpm: int | None,
    is_primary: bool,
    now: datetime,
) -> Document:
    """Document of a new, active key; `secret` as `secret_fields` gives it."""
    return {
        "_id": key_id,
        "userId": owner.id,
        "name": owner.username,
        **secret,
        "label": label,
        "isPrimary": is_primary,
        "rpm": rpm,
        **owner_fields(owner),
        "isActive": True,
        "createdAt": now,
        "lastUsedAt": None,
        "window": {"sec": Int64(0), "buckets": [0] * BUCKETS},
    }


def key_from(document: Mapping[str, Any]) -> ApiKey:
    """A stored key."""
    return ApiKey(
        id=document["_id"],
        user_id=document["userId"],
        username=document["name"],
        prefix=document["prefix"],
        last4=document["last4"],
        label=document["label"],
        is_primary=document["isPrimary"],
        tier=Tier(document["tier"]),
        rpm=document.get("rpm"),
        account_rpm=document.get("accountRpm"),
        is_active=document["isActive"],
        created_at=document["createdAt"],
        last_used_at=document.get("lastUsedAt"),
    )
