import os

import pytest

from scripts.cli.session import load_serving_settings, load_settings, open_database
from shared.errors import MongodError, StoreError
from shared.store.embedded import EmbeddedMongod


@pytest.fixture(autouse=True)
def _in_a_clean_place(command):
    """Environment and log are put back."""


def test_the_database_of_the_uri_gets_its_schema(monkeypatch, database_uri):
    monkeypatch.setenv("MONGODB_URI", database_uri)
    with open_database(load_settings()) as database:
        assert "users" in database.list_collection_names()


def test_an_embedded_one_is_started_for_the_command_and_stopped(tmp_path):
    settings = load_settings()
    with open_database(settings) as database:
        database.things.insert_one({"_id": 1})
        assert (tmp_path / "home" / "mongo" / "uri").exists()
    with EmbeddedMongod(tmp_path / "home" / "mongo"), open_database(settings) as database:
        assert database.things.find_one() == {"_id": 1}


def test_a_server_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/x?timeoutMS=500")
    with (
        pytest.raises(StoreError, match="no usable MongoDB server"),
        open_database(load_settings()),
    ):
        pass


def test_a_serving_process_hands_on_what_it_found(monkeypatch, database_uri):
    monkeypatch.setenv("MONGODB_URI", database_uri)
    settings = load_serving_settings()
    assert settings.secret_key
    assert os.environ["TROLLLM_SECRET_KEY"] == settings.secret_key


def test_a_serving_process_does_not_start_a_database():
    with pytest.raises(MongodError, match="set MONGODB_URI, or start all with"):
        load_serving_settings()
