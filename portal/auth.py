"""Registering, signing in, signing out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.errors import too_many
from portal.faults import sentence
from portal.forms import Form
from portal.services import Services, services
from portal.session import sign_in, sign_out, signed_in
from portal.targets import local_target
from shared.domain.accounts import Account, Purse
from shared.domain.ledger import Move, RowKind
from shared.domain.passwords import MAX_LENGTH, hash_password, password_fault, verify_password
from shared.domain.usernames import username_fault
from shared.errors import Conflict

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("auth", __name__)

_LONGEST_NAME = 64
_PASSWORD_LENGTH = Length(max=MAX_LENGTH, message=_l("This is too long."))
_NAME_LENGTH = Length(max=_LONGEST_NAME, message=_l("This is too long."))


class LoginForm(Form):
    """Name and password of an account."""

    username = StringField(
        _l("User name"),
        [InputRequired(_l("Enter your user name.")), _NAME_LENGTH],
        filters=[lambda text: (text or "").strip().lower()],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(
        _l("Password"),
        [
            InputRequired(_l("Enter your password.")),
            _PASSWORD_LENGTH,
        ],
        render_kw={"autocomplete": "current-password"},
    )


class RegisterForm(Form):
    """A new account. Field names are those of the JSON API."""

    username = StringField(
        _l("User name"),
        [InputRequired(_l("Choose a user name.")), _NAME_LENGTH],
        filters=[lambda text: (text or "").strip().lower()],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(
        _l("Password"),
        [
            InputRequired(_l("Choose a password.")),
            _PASSWORD_LENGTH,
        ],
        render_kw={"autocomplete": "new-password"},
    )
    referralCode = StringField(  # noqa: N815 - a name of the outside
        _l("Referral code"),
        [_NAME_LENGTH],
        filters=[lambda text: (text or "").strip()],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )


@bp.get("/login")
def login() -> ResponseReturnValue:
    """The form; who is signed in goes on."""
    if signed_in() is not None:
        return redirect(_target())
    return _login_page(LoginForm())


@bp.post("/login")
def log_in() -> ResponseReturnValue:
    """Check name and password; the answer tells nothing about who exists."""
    form = LoginForm()
    fault = form.fault()
    if fault or not form.validate():
        return _login_page(form, fault), 422
    account = _verified(services(), form.username.data or "", form.password.data or "")
    if account is None:
        return _login_page(form, _("User name or password is wrong.")), 401
    sign_in(account)
    return redirect(_target())


@bp.get("/register")
def register() -> ResponseReturnValue:
    """The form, with a referral code taken from the address."""
    if signed_in() is not None:
        return redirect(url_for("dashboard.index"))
    form = RegisterForm(referralCode=request.args.get("ref", "")[:_LONGEST_NAME])
    return _register_page(form)


@bp.post("/register")
def sign_up() -> ResponseReturnValue:
    """Create an account and sign it in."""
    own = services()
    if own.settings.signup == "closed":
        return _register_page(RegisterForm()), 403
    form = RegisterForm()
    fault = form.fault()
    if fault or not form.validate() or not _acceptable(form, own):
        return _register_page(form, fault), 422
    wait_s = own.throttle.register_wait_s(_address())
    if wait_s:
        raise too_many(wait_s)
    account = _created(form, own)
    if account is None:
        return _register_page(form), 409
    sign_in(account)
    flash(_("Welcome, %(name)s. Your account is ready.", name=account.username), "success")
    return redirect(url_for("dashboard.index"))


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """End the session."""
    sign_out()
    return redirect(url_for("pages.index"))


def _verified(own: Services, username: str, password: str) -> Account | None:
    """The active account that a name and password belong to; as slow when there is none."""
    address = _address()
    wait_s = own.throttle.login_wait_s(username, address)
    if wait_s:
        raise too_many(wait_s)
    found = own.users.credentials(username)
    stored = found.password_hash if found else None
    matches = verify_password(password, stored, cost=own.password_cost)
    if found is None or not matches or not found.account.is_active:
        own.throttle.login_failed(address)
        return None
    own.throttle.login_succeeded(username, address)
    return found.account


def _acceptable(form: RegisterForm, own: Services) -> bool:
    """Apply the domain's rules; says at the field what is wrong."""
    username, password = form.username.data or "", form.password.data or ""
    faults = [
        (form.username, username_fault(username)),
        (form.password, password_fault(password, username)),
    ]
    for field, fault in faults:
        if fault is not None:
            field.errors = [*field.errors, sentence(fault)]
    return not any(fault for _field, fault in faults) and _invited(form, own)


def _invited(form: RegisterForm, own: Services) -> bool:
    """Whether the referral code is somebody's, where one is given or needed."""
    code = form.referralCode.data or ""
    if not code and own.settings.signup != "invite":
        return True
    if code and own.users.by_referral_code(code) is not None:
        return True
    message = _("This referral code is not known.") if code else _("A referral code is needed.")
    form.referralCode.errors = [*form.referralCode.errors, message]
    return False


def _created(form: RegisterForm, own: Services) -> Account | None:
    """The new account; None when the name is or was somebody's."""
    username, password = form.username.data or "", form.password.data or ""
    inviter = own.users.by_referral_code(form.referralCode.data or "")
    try:
        return own.users.create(
            username,
            hash_password(password, cost=own.password_cost),
            language=str(get_locale()),
            referred_by=inviter.id if inviter else "",
            opening=_opening(own.settings.signup_credits_nano),
        )
    except Conflict:
        form.username.errors = [*form.username.errors, _("This user name is taken.")]
        return None


def _opening(credits_nano: int) -> Move | None:
    if credits_nano <= 0:
        return None
    return Move(RowKind.TOPUP, Purse.MAIN, credits_nano, "sign-up credits", "signup")


def _login_page(form: LoginForm, refusal: str | None = None) -> str:
    target = local_target(request.args.get("next"))
    return render_template("auth/login.html", form=form, refusal=refusal, target=target)


def _register_page(form: RegisterForm, refusal: str | None = None) -> str:
    return render_template("auth/register.html", form=form, refusal=refusal)


def _target() -> str:
    return local_target(request.args.get("next")) or url_for("dashboard.index")


def _address() -> str:
    return request.remote_addr or ""
