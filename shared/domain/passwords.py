"""Passwords: which are acceptable, how they are hashed and verified."""

from __future__ import annotations

import base64
import hashlib

import bcrypt

MIN_LENGTH = 10
MAX_LENGTH = 1024
DEFAULT_COST = 12

# Lower case; variants with digits or marks around them are caught by stripping those first.
_COMMON = frozenset(
    {
        "administrator",
        "asdfghjkl",
        "baseball",
        "changeme",
        "dragon",
        "football",
        "iloveyou",
        "letmein",
        "liverpool",
        "master",
        "monkey",
        "mypassword",
        "password",
        "passwordpassword",
        "princess",
        "qazwsxedc",
        "qwertyuiop",
        "qwerty",
        "starwars",
        "sunshine",
        "superman",
        "trollllm",
        "trustno",
        "welcome",
        "zxcvbnm",
    }
)
_COMMON_WHOLE = frozenset(
    {
        "0123456789",
        "0987654321",
        "1029384756",
        "1122334455",
        "1212121212",
        "1234554321",
        "123456789a",
        "1234567890",
        "12345678910",
        "123456789012",
        "123123123123",
        "1q2w3e4r5t",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "9876543210",
        "abcdefghij",
        "abcdefghijk",
        "a123456789",
        "abcd123456",
        "q1w2e3r4t5",
        "qwer123456",
    }
)


def password_fault(password: str, username: str) -> str | None:
    """What is wrong with a new password, in one sentence; None when nothing is."""
    if len(password) < MIN_LENGTH:
        return f"a password has at least {MIN_LENGTH} characters"
    if len(password) > MAX_LENGTH:
        return f"a password has at most {MAX_LENGTH} characters"
    lowered = password.lower()
    if username.lower() == lowered or lowered == username.lower() * 2:
        return "a password must not be the user name"
    if _is_common(lowered):
        return "this password is among the most common ones"
    return None


def hash_password(password: str, *, cost: int = DEFAULT_COST) -> str:
    """Bcrypt over the SHA-256 of a password, so that no byte beyond 72 is ignored.

    Args:
        password: As typed.
        cost: bcrypt's work factor, 4 to 31; each step doubles the time.
    """
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode()


def verify_password(password: str, hashed: str | None, *, cost: int = DEFAULT_COST) -> bool:
    """Whether a password is the one that was hashed.

    Args:
        password: As typed.
        hashed: What is stored; None when there is no such account, which takes as long.
        cost: Work factor of stored hashes, for that case.
    """
    decoy = f"$2b${cost:02d}${'.' * 53}"
    matches = bcrypt.checkpw(_digest(password), (hashed or decoy).encode())
    return matches and hashed is not None


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest())


def _is_common(lowered: str) -> bool:
    core = lowered.strip("0123456789!@#$%^&*()-_=+.,?/ ")
    return len(set(lowered)) <= 2 or core in _COMMON or lowered in _COMMON_WHOLE
