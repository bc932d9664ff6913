from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.identifiers import BASE62
from shared.domain.keys import (
    FRIEND_PREFIX,
    USER_PREFIX,
    Purpose,
    derive_secret,
    generate_key,
    hash_key,
    key_last4,
    key_prefix,
    well_formed,
)

ZEROS = generate_key(lambda count: b"\0" * count)


@pytest.mark.parametrize("prefix", [USER_PREFIX, FRIEND_PREFIX])
def test_shape(prefix: str) -> None:
    key = generate_key(prefix=prefix)
    assert key.startswith(prefix)
    assert len(key) == len(prefix) + 43 + 6
    assert set(key[len(prefix) :]) <= set(BASE62)
    assert well_formed(key)


def test_the_form_of_a_key_never_changes() -> None:
    assert ZEROS == "sk-troll-" + "0" * 43 + "2WE44j"


def test_all_randomness_is_in_the_key() -> None:
    assert generate_key(lambda count: b"\xff" * count) != ZEROS
    assert generate_key(lambda count: b"\0" * (count - 1) + b"\1") != ZEROS


@given(st.integers(0, len(ZEROS) - 1), st.sampled_from(BASE62 + "-_ é\0"))
def test_a_mistyped_character_is_found(position: int, character: str) -> None:
    mistyped = ZEROS[:position] + character + ZEROS[position + 1 :]
    assert well_formed(mistyped) is (mistyped == ZEROS)


@given(st.integers(0, len(ZEROS) - 2))
def test_swapped_neighbours_are_found(position: int) -> None:
    key = generate_key(lambda count: bytes(range(count)))
    swapped = key[:position] + key[position + 1] + key[position] + key[position + 2 :]
    assert well_formed(swapped) is (swapped == key)


@given(st.text(max_size=300))
def test_whatever_is_sent_has_an_answer(text: str) -> None:
    assert well_formed(text) is False
    assert well_formed(USER_PREFIX + text) is False


@pytest.mark.parametrize(
    "key",
    ["", "sk-troll-", "fk-", ZEROS + "0", ZEROS[:-1], ZEROS.upper(), " " + ZEROS, "sk-" + ZEROS],
)
def test_not_well_formed(key: str) -> None:
    assert not well_formed(key)


def test_hash_is_hmac_sha256_under_the_pepper() -> None:
    expected = hmac.new(b"pepper", ZEROS.encode(), hashlib.sha256).hexdigest()
    assert hash_key(ZEROS, b"pepper") == expected
    assert hash_key(ZEROS, b"other") != expected


def test_display_parts() -> None:
    assert key_prefix(ZEROS) == "sk-troll-000"
    assert key_last4(ZEROS) == "E44j"


def test_each_purpose_has_its_own_secret_and_keeps_it() -> None:
    derived = {derive_secret("secret", purpose) for purpose in Purpose}
    assert len(derived) == len(Purpose)
    assert {len(secret) for secret in derived} == {32}
    assert derive_secret("secret", Purpose.JWT) == derive_secret("secret", Purpose.JWT)
    assert derive_secret("other", Purpose.JWT) not in derived


def test_derivation_is_hkdf_of_rfc_5869() -> None:
    extracted = hmac.new(b"\0" * 32, b"secret", hashlib.sha256).digest()
    expanded = hmac.new(extracted, b"trollllm/key-pepper\1", hashlib.sha256).digest()
    assert derive_secret("secret", Purpose.KEY_PEPPER) == expanded


def test_an_empty_secret_derives_nothing() -> None:
    with pytest.raises(ValueError, match="TROLLLM_SECRET_KEY"):
        derive_secret("", Purpose.JWT)
