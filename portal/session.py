"""Who is signed in: the one module that talks to Flask-Login."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, current_app, g, session
from flask_login import (
    AnonymousUserMixin,
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)

from shared.domain.accounts import Account

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

_DOT = "."


# Flask-Login has no types: its class is Any.
class SessionUser(UserMixin):  # type: ignore[misc]
    """An account as Flask-Login sees it.

    The session holds its id and the time of its last password change, so that a change of the
    password ends every other session.
    """

    def __init__(self, account: Account) -> None:
        """Wrap a loaded account."""
        self.account = account
        self.username = account.username

    @property
    def is_active(self) -> bool:
        """Whether the account may sign in."""
        return self.account.is_active

    def get_id(self) -> str:
        """What the session holds."""
        return f"{self.account.id}{_DOT}{_version(self.account)}"


def load_user(session_id: str, by_id: Callable[[str], Account | None]) -> SessionUser | None:
    """The user of a session; None when it is void."""
    user_id, _, version = session_id.partition(_DOT)
    account = by_id(user_id)
    if account is None or not account.is_active or version != _version(account):
        return None
    return SessionUser(account)


def init_sessions(app: Flask, by_id: Callable[[str], Account | None]) -> None:
    """Set Flask-Login up; views of closed blueprints send strangers to the login page."""
    manager = LoginManager(app)
    manager.login_view = "auth.login"
    manager.login_message = None
    app.extensions["login_manager"] = manager
    manager.user_loader(lambda session_id: load_user(session_id, by_id))


def require_login() -> ResponseReturnValue | None:
    """For `before_request` of a blueprint: who is not signed in goes to the login page."""
    if current_user.is_authenticated:
        return None
    answer: ResponseReturnValue = _manager().unauthorized()
    return answer


def signed_in() -> Account | None:
    """The account of this request, None for a stranger."""
    return current_user.account if current_user.is_authenticated else None


def current_account() -> Account:
    """The account of this request, in views behind `require_login`."""
    account: Account = current_user.account
    return account


def sign_in(account: Account) -> None:
    """Start a session of its own: nothing of the one before survives, its id least of all."""
    session.clear()
    session["sid"] = secrets.token_urlsafe(16)
    session.permanent = True
    login_user(SessionUser(account))


def sign_out() -> None:
    """End the session."""
    logout_user()
    session.clear()


def be_anonymous() -> None:
    """Render what follows as for a stranger, without asking the database who it is."""
    g._login_user = AnonymousUserMixin()


def _manager() -> LoginManager:
    manager: LoginManager = current_app.extensions["login_manager"]
    return manager


def _version(account: Account) -> str:
    return str(int(account.password_changed_at.timestamp() * 1000))
