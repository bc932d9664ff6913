from __future__ import annotations

from shared.domain.keys import Purpose, derive_secret, hash_key


def test_stores_are_over_the_applications_database(app, store):
    own = app.extensions["trollllm"]
    account = own.users.create("grace", None)
    assert store["users"].find_one({"_id": account.id}) is not None
    own.ping()


def test_a_key_made_here_is_hashed_with_the_shared_pepper(app, store, settings):

    own = app.extensions["trollllm"]
    made = own.keys.create(own.users.create("grace", None).id)
    pepper = derive_secret(settings.secret_key, Purpose.KEY_PEPPER)
    assert store["user_keys"].find_one({"hash": hash_key(made.secret, pepper)}) is not None
