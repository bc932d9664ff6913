from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bson import Int64

from shared.domain.accounts import Account, Role, Tier
from shared.store.account_documents import (
    account_document,
    account_from,
    key_document,
    key_from,
    secret_fields,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANN = Account(
    id="usr_1",
    username="ann",
    role=Role.ADMIN,
    tier=Tier.PRO,
    rpm=5,
    is_active=False,
    credits_nano=1,
    held_nano=2,
    ref_credits_nano=3,
    ref_held_nano=4,
    tokens_used=5,
    credits_expire_at=NOW,
    language="vi",
    created_at=NOW,
    password_changed_at=NOW,
    discord_id="77",
    referral_code="code",
)


def test_an_account_comes_back_as_it_was() -> None:
    document = account_document(ANN, "hash")
    assert account_from(document) == ANN
    assert document["passwordHash"] == "hash"
    assert document["holds"] == {}


def test_money_is_written_as_int64_and_read_as_int() -> None:
    document = account_document(ANN, None)
    money = [value for name, value in document.items() if name.endswith("Nano")]
    assert [type(value) for value in money] == [Int64] * 4
    assert type(account_from(document).credits_nano) is int


def test_what_an_older_document_lacks_has_a_meaning() -> None:
    document = account_document(ANN, None)
    for name in ("rpm", "creditsExpireAt", "language", "passwordChangedAt", "discordId"):
        del document[name]
    expected = replace(ANN, rpm=None, credits_expire_at=None, language="", discord_id="")
    assert account_from(document) == expected


def test_a_key_repeats_its_account() -> None:
    secret = secret_fields("sk-troll-0123456789", "the hash")
    document = key_document("key_1", ANN, secret, label="laptop", rpm=3, is_primary=True, now=NOW)
    assert document["role"] == "admin"
    assert document["ownerActive"] is False
    assert document["window"] == {"sec": 0, "buckets": [0] * 61}
    key = key_from(document)
    assert (key.tier, key.account_rpm, key.rpm, key.username) == (Tier.PRO, 5, 3, "ann")
    assert (key.prefix, key.last4) == ("sk-troll-012", "6789")
    assert "sk-troll-0123456789" not in str(document)
