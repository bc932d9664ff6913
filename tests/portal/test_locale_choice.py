from __future__ import annotations

import pytest

VIETNAMESE = {"Accept-Language": "vi"}


def language(visitor, path="/login", **headers) -> str:
    text = visitor.get(path, headers=headers).get_data(as_text=True)
    return text.split('<html lang="')[1].split('"')[0]


def test_the_account_comes_before_the_cookie_and_the_browser(member, users, account):
    member.client.set_cookie("lang", "zh")
    assert language(member, "/dashboard", **VIETNAMESE) == "zh-CN"
    users.change(account.id, language="en")
    assert language(member, "/dashboard", **VIETNAMESE) == "en"
    assert language(member, "/dashboard?lang=vi") == "vi"


def test_a_new_account_keeps_the_language_it_registered_in(visitor, users):
    data = {"username": "grace", "password": "correct horse battery", "referralCode": ""}
    visitor.post("/register", data, headers=VIETNAMESE)
    assert users.by_name("grace").language == "vi"


@pytest.mark.parametrize("wish", ["xx", "", "../../etc", "<script>"])
def test_a_language_nobody_offers_is_ignored(visitor, wish):
    answer = visitor.get("/", query_string={"lang": wish}, headers=VIETNAMESE)
    assert '<html lang="vi">' in answer.get_data(as_text=True)
    assert not any("lang=" in cookie for cookie in answer.headers.getlist("Set-Cookie"))
