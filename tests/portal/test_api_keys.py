from __future__ import annotations

import re

import pytest

from shared.domain.keys import Purpose, derive_secret, hash_key, well_formed
from shared.store.keys import MAX_ACTIVE_KEYS, KeyStore

KEY = re.compile(r"sk-troll-[0-9A-Za-z]{49}")


@pytest.fixture
def keys(store, settings):
    return KeyStore(store, derive_secret(settings.secret_key, Purpose.KEY_PEPPER))


def shown_key(answer) -> str:
    found = set(KEY.findall(answer.get_data(as_text=True)))
    assert len(found) == 1
    return found.pop()


def test_strangers_have_no_keys_page(visitor):
    assert visitor.get("/keys").status_code == 302


def test_without_keys_the_page_says_what_to_do(member):
    assert "No keys yet" in member.get("/keys").get_data(as_text=True)


def test_a_new_key_is_shown_once_and_works(member, store, settings):
    answer = member.post("/keys", {"label": "laptop"})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    secret = shown_key(answer)
    assert well_formed(secret)
    pepper = derive_secret(settings.secret_key, Purpose.KEY_PEPPER)
    assert store["user_keys"].find_one({"hash": hash_key(secret, pepper)})["label"] == "laptop"
    text = answer.get_data(as_text=True)
    assert text.count(secret) == 5  # the field and four snippets
    assert 'data-reload-path="/keys"' in text
    later = member.get("/keys").get_data(as_text=True)
    assert secret not in later
    assert f"{secret[:12]}…{secret[-4:]}" in later


@pytest.mark.parametrize("label", ["", "   ", "x" * 41, "tab\there", "line\nbreak"])
def test_unusable_labels_make_no_key(member, store, label):
    assert member.post("/keys", {"label": label}).status_code == 422
    assert store["user_keys"].count_documents({}) == 0


def test_fields_nobody_asked_for_make_no_key(member, store):
    assert member.post("/keys", {"label": "x", "rpm": "100000"}).status_code == 422
    assert store["user_keys"].count_documents({}) == 0


def test_markup_in_a_label_is_text(member):
    text = member.post("/keys", {"label": "<script>alert(1)</script>"}).get_data(as_text=True)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_an_account_has_only_so_many_keys(member, keys, account):
    for number in range(MAX_ACTIVE_KEYS):
        keys.create(account.id, label=str(number))
    answer = member.post("/keys", {"label": "one more"})
    assert answer.status_code == 409
    assert "revoke one first" in answer.get_data(as_text=True)


def test_rotating_shows_the_new_key_and_ends_the_old(member, keys, account, store):
    old = keys.create(account.id, label="laptop")
    before = store["user_keys"].find_one({"_id": old.key.id})["hash"]
    answer = member.post(f"/keys/{old.key.id}/rotate", page="/keys")
    assert answer.status_code == 200
    assert shown_key(answer) != old.secret
    assert store["user_keys"].find_one({"_id": old.key.id})["hash"] != before


def test_revoking_ends_a_key(member, keys, account):
    made = keys.create(account.id, label="laptop")
    answer = member.post(f"/keys/{made.key.id}/revoke", page="/keys")
    assert answer.headers["Location"] == "/keys"
    assert not keys.get(made.key.id).is_active
    assert "The key laptop is revoked." in member.get("/keys").get_data(as_text=True)


@pytest.mark.parametrize("act", ["rotate", "revoke"])
def test_keys_of_others_do_not_exist(member, keys, new_account, act):
    made = keys.create(new_account("eve").id, label="not-yours")
    assert member.post(f"/keys/{made.key.id}/{act}", page="/keys").status_code == 404
    assert member.post(f"/keys/key_unknown/{act}", page="/keys").status_code == 404
    assert keys.get(made.key.id).is_active
    assert "not-yours" not in member.get("/keys").get_data(as_text=True)


@pytest.mark.parametrize("act", ["rotate", "revoke"])
def test_changes_take_a_token(member, keys, account, act):
    made = keys.create(account.id, label="laptop")
    assert member.client.post(f"/keys/{made.key.id}/{act}").status_code == 403
