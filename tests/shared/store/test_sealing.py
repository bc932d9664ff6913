from __future__ import annotations

import base64

import pytest

from shared.errors import Unsealable
from shared.store.sealing import Sealer

KEY = "a secret key for tests"
SECRET = "sk-upstream-canary"
PLACE = "upstream_keys/uk_1"


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(KEY)


@pytest.mark.parametrize("secret", [SECRET, "", "khoá bí mật", "x" * 10_000])
def test_what_was_sealed_opens(sealer: Sealer, secret: str) -> None:
    assert Sealer(KEY).open(sealer.seal(secret, PLACE), PLACE) == secret


def test_what_is_stored_tells_nothing(sealer: Sealer) -> None:
    first, second = (sealer.seal(SECRET, PLACE) for _ in range(2))
    assert first != second
    assert first.startswith("v1.")
    raw = base64.urlsafe_b64decode(first.removeprefix("v1."))
    assert SECRET.encode() not in raw
    assert len(raw) == 12 + len(SECRET) + 16


def test_another_key_opens_nothing(sealer: Sealer) -> None:
    with pytest.raises(Unsealable, match="TROLLLM_SECRET_KEY"):
        Sealer("another").open(sealer.seal(SECRET, PLACE), PLACE)


def test_a_secret_stays_at_its_place(sealer: Sealer) -> None:
    with pytest.raises(Unsealable):
        sealer.open(sealer.seal(SECRET, PLACE), "upstream_keys/uk_2")


@pytest.mark.parametrize(
    ("sealed", "why"),
    [
        ("", "does not know"),
        (SECRET, "does not know"),
        ("v2.AAAA", "does not know"),
        ("v1.", "does not open"),
        ("v1.AAAA", "does not open"),
        ("v1.not base64!", "does not open"),
        ("v1." + "A" * 80, "does not open"),
        ("v1.é", "does not open"),
    ],
)
def test_garbage_is_told(sealer: Sealer, sealed: str, why: str) -> None:
    with pytest.raises(Unsealable, match=why) as caught:
        sealer.open(sealed, PLACE)
    assert PLACE in str(caught.value)


def test_a_changed_byte_is_found(sealer: Sealer) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sealer.seal(SECRET, PLACE).removeprefix("v1.")))
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(Unsealable):
            sealer.open("v1." + base64.urlsafe_b64encode(changed).decode(), PLACE)


def test_fingerprints_tell_equal_from_different(sealer: Sealer) -> None:
    assert sealer.fingerprint(SECRET) == Sealer(KEY).fingerprint(SECRET)
    assert sealer.fingerprint(SECRET) != sealer.fingerprint(SECRET + "x")
    assert sealer.fingerprint(SECRET) != Sealer("another").fingerprint(SECRET)
    assert len(sealer.fingerprint(SECRET)) == 64


def test_there_is_no_sealing_without_a_secret_key() -> None:
    with pytest.raises(ValueError, match="TROLLLM_SECRET_KEY"):
        Sealer("")
