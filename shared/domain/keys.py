"""API keys: how they are made, checked without a look-up, and hashed for storage.

A key is a prefix (`sk-troll-` or `fk-`), 43 base62 characters of 256 random bits, and 6 base62
characters of a CRC32 over all before it, so that a mistyped key costs no database look-up.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.domain.accounts import Tier
from shared.domain.identifiers import BASE62, RandomBytes, base62

USER_PREFIX = "sk-troll-"
FRIEND_PREFIX = "fk-"
SECRET_LENGTH = 43
CHECK_LENGTH = 6

_ALPHABET = frozenset(BASE62)


class Purpose(StrEnum):
    """What a key derived from `TROLLLM_SECRET_KEY` is for; each gets its own."""

    KEY_PEPPER = "key-pepper"
    SESSION = "session"
    JWT = "jwt"
    ENCRYPTION = "encryption"
    FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored API key, without its secret.

    Attributes:
        id: `user_keys._id`.
        user_id: Owner.
        username: Owner's name.
        prefix: First 12 characters of the key.
        last4: Its last 4.
        label: What the owner calls it.
        is_primary: Exactly one active key of an account is.
        tier: Tier of the account.
        rpm: Requests per minute of its own, None for the account's.
        account_rpm: Requests per minute of the account, None for the tier's.
        is_active: False once revoked or rotated.
        created_at: UTC.
        last_used_at: UTC, None before its first request.
    """

    id: str
    user_id: str
    username: str
    prefix: str
    last4: str
    label: str
    is_primary: bool
    tier: Tier
    rpm: int | None
    account_rpm: int | None
    is_active: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `secret` is the full key and is shown this once."""

    secret: str = field(repr=False)
    key: ApiKey


def generate_key(random_bytes: RandomBytes = secrets.token_bytes, prefix: str = USER_PREFIX) -> str:
    """A new key with 256 random bits."""
    body = prefix + base62(int.from_bytes(random_bytes(32)), SECRET_LENGTH)
    return body + _check(body)


def well_formed(key: str) -> bool:
    """Whether prefix, length, characters and checksum are those of a key; looks nothing up."""
    prefix = next((p for p in (USER_PREFIX, FRIEND_PREFIX) if key.startswith(p)), None)
    if prefix is None or len(key) != len(prefix) + SECRET_LENGTH + CHECK_LENGTH:
        return False
    if not _ALPHABET.issuperset(key[len(prefix) :]):
        return False
    return key[-CHECK_LENGTH:] == _check(key[:-CHECK_LENGTH])


def hash_key(key: str, pepper: bytes) -> str:
    """HMAC-SHA-256 of a key as 64 hex digits: what is stored and looked up."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def key_prefix(key: str) -> str:
    """First 12 characters, for display."""
    return key[:12]


def key_last4(key: str) -> str:
    """Last 4 characters, for display."""
    return key[-4:]


def derive_secret(secret_key: str, purpose: Purpose) -> bytes:
    """32 bytes for one purpose, by HKDF-SHA-256 from `TROLLLM_SECRET_KEY`.

    Raises:
        ValueError: The secret is empty.
    """
    if not secret_key:
        raise ValueError("TROLLLM_SECRET_KEY is empty")
    info = f"trollllm/{purpose.value}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret_key.encode())


def _check(body: str) -> str:
    return base62(zlib.crc32(body.encode()), CHECK_LENGTH)
