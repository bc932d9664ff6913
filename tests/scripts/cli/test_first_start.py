import pytest

from scripts.cli.demo_env import FILE, read_demo_env
from scripts.cli.first_start import ensure_accounts
from shared.domain.keys import Purpose, derive_secret, hash_key, well_formed
from shared.domain.passwords import verify_password
from shared.settings import Settings
from shared.store.schema import ensure_schema


@pytest.fixture
def settings(tmp_path):
    return Settings.load({"TROLLLM_HOME": str(tmp_path), "TROLLLM_SECRET_KEY": "s" * 32})


@pytest.fixture
def accounts(database, settings):
    ensure_schema(database)
    return lambda **options: ensure_accounts(database, settings, **options)


def test_an_admin_is_made_once(accounts, database, settings):
    made = accounts(with_demo=False)
    assert set(made) == {"ADMIN_USERNAME", "ADMIN_PASSWORD"}
    admin = database.users.find_one({"username": made["ADMIN_USERNAME"]})
    assert admin["role"] == "admin"
    assert verify_password(made["ADMIN_PASSWORD"], admin["passwordHash"])
    assert accounts(with_demo=False) == {}
    assert read_demo_env(settings.home) == made
    assert (settings.home / FILE).stat().st_mode & 0o777 == 0o600


def test_a_demo_user_comes_with_credits_and_a_key(accounts, database, settings):
    made = accounts(with_demo=True)
    demo = database.users.find_one({"username": made["DEMO_USERNAME"]})
    assert demo["role"] == "user"
    assert demo["creditsNano"] > 0
    assert database.ledger.count_documents({"userId": demo["_id"], "kind": "topup"}) == 1
    assert well_formed(made["DEMO_API_KEY"])
    pepper = derive_secret(settings.secret_key, Purpose.KEY_PEPPER)
    assert database.user_keys.find_one({"hash": hash_key(made["DEMO_API_KEY"], pepper)})
    assert accounts(with_demo=True) == {}


def test_a_lost_file_gives_a_new_key(accounts, settings):
    first = accounts(with_demo=True)
    (settings.home / FILE).unlink()
    again = accounts(with_demo=True)
    assert set(again) == {"DEMO_API_KEY"}
    assert again["DEMO_API_KEY"] != first["DEMO_API_KEY"]


def test_a_taken_name_is_left_alone(accounts, database):
    accounts(with_demo=False)
    database.users.update_one({"username": "admin"}, {"$set": {"role": "user"}})
    assert accounts(with_demo=False)["ADMIN_USERNAME"] == "admin2"
