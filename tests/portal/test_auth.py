from __future__ import annotations

import io
import re

import pytest

from shared.domain.accounts import Purse
from shared.store.ledger_reader import LedgerReader
from tests.support.portal import PASSWORD, Visitor

REGISTER = {"username": "grace", "password": PASSWORD, "referralCode": ""}


def test_register_signs_in_and_keeps_no_plain_password(visitor, store):
    answer = visitor.post("/register", REGISTER)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/dashboard")
    assert "grace" in visitor.get("/dashboard").get_data(as_text=True)
    stored = store["users"].find_one({"username": "grace"})
    assert PASSWORD not in str(stored)


def test_names_are_stored_in_lower_case(visitor, users):
    visitor.post("/register", REGISTER | {"username": " Grace "})
    assert users.by_name("grace") is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "short"}, "A password has at least 10 characters."),
        ({"password": "password123"}, "This password is among the most common ones."),
        ({"password": "x" * 1025}, "This is too long."),
        ({"password": ""}, "Choose a password."),
        ({"username": "a"}, "A user name has 3 to 32 characters"),
        ({"username": "<b>x</b>"}, "A user name has 3 to 32 characters"),
        ({"username": "x" * 70}, "This is too long."),
        ({"username": "null"}, "This user name is reserved."),
        ({"role": "admin"}, "This form has no such field: role"),
        ({"creditsNano": "1000000000"}, "This form has no such field: creditsNano"),
        ({"password[$ne]": ""}, "This form has no such field: password[$ne]"),
        ({"username": ["grace", "heidi"]}, "A field was sent twice: username"),
        ({"referralCode": "nobody"}, "This referral code is not known."),
    ],
)
def test_unusable_registrations_say_what_is_wrong(visitor, store, changes, words):
    answer = visitor.post("/register", REGISTER | changes)
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)
    assert store["users"].count_documents({}) == 0


def test_missing_fields_are_no_server_error(visitor):
    assert visitor.post("/register", {}).status_code == 422
    assert visitor.post("/login", {}).status_code == 422


def test_a_file_is_no_string(visitor):
    data = REGISTER | {"csrf_token": visitor.token("/register")}
    data["username"] = (io.BytesIO(b"grace"), "name.txt")
    answer = visitor.client.post("/register", data=data, content_type="multipart/form-data")
    assert answer.status_code == 422


def test_a_taken_name_is_told(visitor, account):
    answer = visitor.post("/register", REGISTER | {"username": account.username})
    assert answer.status_code == 409
    assert "This user name is taken." in answer.get_data(as_text=True)


def test_sign_up_credits_are_a_ledger_row(make_app, users, store):
    visitor = Visitor(make_app(signup_credits_nano=2_500_000_000).test_client())
    visitor.post("/register", REGISTER)
    account = users.by_name("grace")
    rows = LedgerReader(store).newest(account.id)
    assert account.credits_nano == 2_500_000_000
    assert [(row.amount_nano, row.purse) for row in rows] == [(2_500_000_000, Purse.MAIN)]


def test_closed_sign_up_refuses(make_app, store):
    visitor = Visitor(make_app(signup="closed").test_client())
    page = visitor.get("/register").get_data(as_text=True)
    assert "Registration is closed" in page
    assert visitor.post("/register", REGISTER, page="/login").status_code == 403
    assert store["users"].count_documents({}) == 0


def test_invitation_needs_a_known_code(make_app, account, users):
    visitor = Visitor(make_app(signup="invite").test_client())
    assert "A referral code is needed." in visitor.post("/register", REGISTER).get_data(
        as_text=True
    )
    assert f'value="{account.referral_code}"' in visitor.get(
        f"/register?ref={account.referral_code}"
    ).get_data(as_text=True)
    answer = visitor.post("/register", REGISTER | {"referralCode": account.referral_code})
    assert answer.status_code == 302
    assert users.by_name("grace").referred_by == account.id


def test_login_leads_to_the_page_asked_for(visitor, account):
    answer = visitor.get("/logs?cursor=1.req_a")
    assert answer.status_code == 302
    target = answer.headers["Location"]
    assert target.startswith("/login?next=")
    answer = visitor.post(target, {"username": account.username, "password": PASSWORD})
    assert answer.headers["Location"] == "/logs?cursor=1.req_a"


@pytest.mark.parametrize("evil", ["//evil", "/\\evil", "/%5Cevil", "https://evil", "/%2F/evil"])
def test_login_never_leads_away(visitor, account, evil):
    data = {"csrf_token": visitor.token(), "username": account.username, "password": PASSWORD}
    answer = visitor.client.post("/login", query_string={"next": evil}, data=data)
    assert answer.headers["Location"] == "/dashboard"


def test_wrong_password_and_unknown_name_get_the_same_answer(visitor, account):
    def answer(name):
        page = visitor.login(name, "wrong password")
        text = page.get_data(as_text=True).replace(name, "NAME")
        # The token carries the second it was made in, so it is struck out by its place.
        return page.status_code, re.sub(r'(name="csrf_token"[^>]*value=")[^"]+', r"\1", text)

    assert answer(account.username)[0] == 401
    assert answer(account.username)[1] == answer("nobody")[1]


def test_an_inactive_account_cannot_sign_in_and_is_signed_out(member, users, account):
    users.change(account.id, is_active=False)
    assert member.get("/dashboard").status_code == 302
    assert member.login(account.username).status_code == 401


def test_the_session_is_another_after_login(visitor, account):
    visitor.get("/login")
    before = visitor.client.get_cookie("trollllm_session").value
    with visitor.client.session_transaction() as session:
        session["planted"] = "by someone else"
    visitor.login(account.username)
    with visitor.client.session_transaction() as session:
        assert "planted" not in session
    assert visitor.client.get_cookie("trollllm_session").value != before


def test_a_new_password_ends_other_sessions(member, users, account):
    users.set_password_hash(account.id, "$2b$04$" + "x" * 53)
    assert member.get("/dashboard").status_code == 302


def test_logout_ends_the_session(member):
    assert member.post("/logout", page="/dashboard").headers["Location"] == "/"
    assert member.get("/dashboard").status_code == 302


def test_logout_takes_a_post(member):
    answer = member.get("/logout")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_forms_without_a_token_are_refused(visitor, account):
    data = {"username": account.username, "password": PASSWORD}
    answer = visitor.client.post("/login", data=data)
    assert answer.status_code == 403
    assert "This form has expired" in answer.get_data(as_text=True)


def test_json_is_no_form(visitor):
    body = {"username": "ada", "password": {"$ne": None}}
    assert visitor.client.post("/login", json=body).status_code == 403
    headers = {"X-CSRFToken": visitor.token()}
    assert visitor.client.post("/login", json=body, headers=headers).status_code == 422


def test_guessing_is_slowed_down_even_with_the_right_password(visitor, account):
    codes = [visitor.login(account.username, "wrong password").status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
    answer = visitor.login(account.username)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 3600
    assert "Too many attempts" in answer.get_data(as_text=True)


def test_registering_is_slowed_down(visitor):
    codes = []
    for number in range(12):
        codes.append(visitor.post("/register", REGISTER | {"username": f"u{number}0"}).status_code)
        visitor.client.delete_cookie("trollllm_session")
    assert codes == [302] * 10 + [429] * 2
