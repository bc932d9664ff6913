from __future__ import annotations

import pytest


def test_start_page_tells_models_prices_and_this_servers_address(visitor):
    answer = visitor.get("/")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "claude-sonnet-4-20250514" in text
    assert "$3.15" in text  # 3.00 with the multiplier of 1.05 in
    assert "$15.75" in text
    assert 'base_url="http://127.0.0.1:8080/v1"' not in text  # escaped in HTML
    assert "base_url=&#34;http://127.0.0.1:8080/v1&#34;" in text
    assert "unlisted" not in text
    assert "No price yet" in text


def test_host_header_is_never_shown(visitor):
    text = visitor.get("/", headers={"Host": "evil.example"}).get_data(as_text=True)
    assert "evil.example" not in text


def test_public_url_is_what_snippets_name(make_app):
    app = make_app(public_url="https://llm.example.org/")
    text = app.test_client().get("/").get_data(as_text=True)
    assert "https://llm.example.org/v1" in text


def test_health(visitor):
    answer = visitor.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("code", "words"),
    [("en", "Models and prices"), ("vi", "Mô hình và giá"), ("zh", "模型与价格")],
)
def test_language_by_query_is_remembered(visitor, code, words):
    answer = visitor.get(f"/?lang={code}")
    assert words in answer.get_data(as_text=True)
    assert words in visitor.get("/").get_data(as_text=True)


def test_language_by_header(visitor):
    answer = visitor.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})
    assert '<html lang="zh-CN">' in answer.get_data(as_text=True)


def test_chosen_language_is_kept_in_the_account(member, users, account):
    answer = member.post("/language", {"lang": "vi", "next": "/dashboard?days=7"}, page="/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/dashboard?days=7"
    assert users.get(account.id).language == "vi"
    assert '<html lang="vi">' in member.get("/dashboard").get_data(as_text=True)


def test_unknown_language_is_refused(visitor):
    assert visitor.post("/language", {"lang": "xx"}, page="/").status_code == 422


def test_language_form_never_leads_away(visitor):
    answer = visitor.post("/language", {"lang": "en", "next": "//evil.example"}, page="/")
    assert answer.headers["Location"] == "/"


def test_static_files_are_kept_and_pages_are_not(visitor):
    page = visitor.get("/")
    assert page.headers["Cache-Control"] == "no-store"
    path = page.get_data(as_text=True).split('rel="stylesheet" href="')[-1].split('"')[0]
    with visitor.get(path) as style:
        assert style.status_code == 200
        assert "max-age=31536000" in style.headers["Cache-Control"]
