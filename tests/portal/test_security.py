from __future__ import annotations

import pytest


@pytest.mark.parametrize("path", ["/", "/login", "/healthz", "/nope"])
def test_headers_of_every_answer(visitor, path):
    headers = visitor.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_pages_hold_no_inline_script_or_style(member):
    for path in ("/", "/dashboard", "/keys", "/logs"):
        text = member.get(path).get_data(as_text=True)
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        assert text.count("<script") == text.count("<script src=")


def cookie_of(client, **more) -> str:
    answer = client.get("/login", **more)
    return answer.headers["Set-Cookie"]


def test_cookie_flags_on_plain_http(app):
    cookie = cookie_of(app.test_client())
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_cookie_flags_and_hsts_behind_tls(make_app, account):
    app = make_app(public_url="https://llm.example.org", trusted_proxies=("127.0.0.1",))
    client = app.test_client()
    headers = {"X-Forwarded-Proto": "https"}
    assert "Secure" in cookie_of(client, headers=headers)
    strict = client.get("/", headers=headers).headers["Strict-Transport-Security"]
    assert "max-age" in strict
    assert "includeSubDomains" not in strict
    answer = client.get("/?lang=vi", headers=headers)
    assert all("Secure" in value for value in answer.headers.getlist("Set-Cookie"))


def test_redirects_are_relative(visitor):
    answer = visitor.get("/dashboard", headers={"Host": "evil.example"})
    assert answer.headers["Location"] == "/login?next=%2Fdashboard"
