"""The application factory of `portal/__init__.py`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal import create_app
from shared.errors import StoreRefused
from tests.support.portal import CATALOG


def test_without_a_database_setting_there_is_no_portal(settings):
    with pytest.raises(ValueError, match="MONGODB_URI is not set"):
        create_app(settings, catalog=lambda: CATALOG)


def test_without_a_secret_there_is_no_portal(settings, store):
    with pytest.raises(ValueError, match="TROLLLM_SECRET_KEY"):
        create_app(replace(settings, secret_key=""), store, catalog=lambda: CATALOG)


def test_an_unusable_connection_string_is_refused_without_being_shown(settings):
    unusable = replace(settings, mongodb_uri="nonsense://ada:hunter2@localhost")
    with pytest.raises(StoreRefused) as caught:
        create_app(unusable, catalog=lambda: CATALOG)
    assert "hunter2" not in str(caught.value)


def test_it_serves_over_the_database_of_the_settings(settings, mongod):
    own = replace(settings, mongodb_uri=mongod.uri("portal"))
    app = create_app(own, catalog=lambda: CATALOG)
    assert app.test_client().get("/healthz").status_code == 200
    app.extensions["trollllm"].database.client.close()


def test_two_applications_share_nothing(make_app, account):
    one, two = make_app(), make_app(secret_key="t" * 40)
    client = one.test_client()
    client.get("/login")
    cookie = client.get_cookie("trollllm_session").value
    other = two.test_client()
    other.set_cookie("trollllm_session", cookie)
    with other.session_transaction() as session:
        assert dict(session) == {}
