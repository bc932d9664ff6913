from __future__ import annotations

import pytest
from pymongo import MongoClient

from portal import create_app
from tests.support.portal import CATALOG, CHEAP, Visitor


@pytest.fixture
def dead_app(settings, store):
    """A portal whose database is gone."""
    with MongoClient("mongodb://127.0.0.1:9/?timeoutMS=300", connect=False) as client:
        yield create_app(settings, client["gone"], catalog=lambda: CATALOG, password_cost=CHEAP)


def test_unknown_pages_are_in_the_portals_look(visitor):
    answer = visitor.get("/nope")
    assert answer.status_code == 404
    text = answer.get_data(as_text=True)
    assert "Page not found" in text
    assert "TrollLLM" in text


def test_wrong_methods_name_the_right_ones(visitor):
    answer = visitor.client.delete("/")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_too_large_a_form(visitor):
    answer = visitor.client.post("/login", data={"username": "x" * 300_000})
    assert answer.status_code == 413


def test_a_dead_database_is_told_and_nothing_else(dead_app, settings):
    visitor = Visitor(dead_app.test_client())
    assert visitor.get("/").status_code == 200  # needs no database for a stranger
    answer = visitor.login("ada")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    text = answer.get_data(as_text=True)
    assert "The database does not answer" in text
    assert "127.0.0.1:9" not in text
    assert "Traceback" not in text


def test_a_session_survives_a_dead_database(dead_app, member):
    cookie = member.client.get_cookie("trollllm_session").value
    client = dead_app.test_client()
    client.set_cookie("trollllm_session", cookie)
    for path in ("/dashboard", "/", "/keys", "/nope"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "The database does not answer" in answer.get_data(as_text=True)
    client.set_cookie("lang", "vi")
    assert "Cơ sở dữ liệu không phản hồi" in client.get("/dashboard").get_data(as_text=True)


def test_health_of_a_dead_database(dead_app):
    answer = dead_app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "unavailable"})


def test_an_unexpected_error_tells_nothing_of_the_inside(app, caplog):
    def broken():
        raise RuntimeError("secret detail")

    app.add_url_rule("/broken", view_func=broken)
    answer = app.test_client().get("/broken")
    assert answer.status_code == 500
    text = answer.get_data(as_text=True)
    assert "Something broke" in text
    assert "secret detail" not in text
    assert "secret detail" in caplog.text
