from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.session import SessionUser, load_user


def test_a_session_names_account_and_password_version(account):
    user = load_user(SessionUser(account).get_id(), lambda _id: account)
    assert user.account == account


def test_a_session_from_before_a_password_change_is_void(account):
    session_id = SessionUser(account).get_id()
    later = account.password_changed_at + timedelta(seconds=1)
    changed = replace(account, password_changed_at=later)
    assert load_user(session_id, lambda _id: changed) is None


@pytest.mark.parametrize("session_id", ["", ".", "usr_x", "usr_x.1.2"])
def test_a_broken_session_is_void(account, session_id):
    assert load_user(session_id, lambda _id: account) is None


def test_gone_and_inactive_accounts_have_no_session(account):
    session_id = SessionUser(account).get_id()
    assert load_user(session_id, lambda _id: None) is None
    assert load_user(session_id, lambda _id: replace(account, is_active=False)) is None
