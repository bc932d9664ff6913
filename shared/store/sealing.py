"""Secrets at rest: sealed with AES-256-GCM, under a key derived from `TROLLLM_SECRET_KEY`.

A sealed secret is `v1.` and base64url of nonce, ciphertext and tag. It is bound to the place it is
kept at: copied to another document, it does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.domain.identifiers import RandomBytes
from shared.domain.keys import Purpose, derive_secret
from shared.errors import Unsealable

_VERSION = "v1"
_NONCE_LENGTH = 12


class Sealer:
    """Seals secrets, opens them, and tells equal ones without opening any.

    Args:
        secret_key: `TROLLLM_SECRET_KEY`.
        random_bytes: Source of nonces.

    Raises:
        ValueError: The secret key is empty.
    """

    def __init__(self, secret_key: str, random_bytes: RandomBytes = secrets.token_bytes) -> None:
        self._cipher = AESGCM(derive_secret(secret_key, Purpose.ENCRYPTION))
        self._fingerprint_key = derive_secret(secret_key, Purpose.FINGERPRINT)
        self._random_bytes = random_bytes

    def seal(self, secret: str, place: str) -> str:
        """A secret as it is stored at `place`, such as `upstream_keys/uk_…`."""
        nonce = self._random_bytes(_NONCE_LENGTH)
        sealed = nonce + self._cipher.encrypt(nonce, secret.encode(), place.encode())
        return f"{_VERSION}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, place: str) -> str:
        """The secret that was sealed for `place`.

        Raises:
            Unsealable: It was sealed with another key or for another place, or is damaged.
        """
        version, _, text = sealed.partition(".")
        if version != _VERSION:
            raise Unsealable(f"{place}: sealed in a form that this version does not know")
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
            opened = self._cipher.decrypt(raw[:_NONCE_LENGTH], raw[_NONCE_LENGTH:], place.encode())
        except (InvalidTag, ValueError):
            raise Unsealable(
                f"{place}: does not open: sealed with another TROLLLM_SECRET_KEY, or damaged; put "
                "the former key back, or add the secret anew"
            ) from None
        return opened.decode()

    def fingerprint(self, secret: str) -> str:
        """HMAC-SHA-256 as 64 hex digits: equal for equal secrets, and tells nothing else."""
        return hmac.new(self._fingerprint_key, secret.encode(), hashlib.sha256).hexdigest()
