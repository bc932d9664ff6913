"""API keys: create, list masked, rotate, revoke. A full key is on one answer and never again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import StringField
from wtforms.validators import InputRequired, Length, Regexp

from portal.forms import Form
from portal.pages import connect_snippets
from portal.services import services
from portal.session import current_account, require_login
from portal.snippets import KEY_PLACEHOLDER
from shared.domain.keys import NewKey
from shared.errors import Conflict, NotFound

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("api_keys", __name__, url_prefix="/keys")
bp.before_request(require_login)

_LONGEST_LABEL = 40


class KeyForm(Form):
    """A new key."""

    label = StringField(
        _l("Label"),
        [
            InputRequired(_l("Give the key a label, so that you know it again.")),
            Length(max=_LONGEST_LABEL, message=_l("This is too long.")),
            Regexp(r"[^\x00-\x1f\x7f]+\Z", message=_l("Use plain characters only.")),
        ],
        filters=[lambda text: (text or "").strip()],
        render_kw={"maxlength": _LONGEST_LABEL, "autocomplete": "off"},
    )


@bp.get("")
def index() -> ResponseReturnValue:
    """The keys, masked, and how to use them."""
    return _page(KeyForm())


@bp.post("")
def create() -> ResponseReturnValue:
    """A new key, shown on this answer alone."""
    form = KeyForm()
    fault = form.fault()
    if fault or not form.validate():
        if fault:
            form.label.errors = [fault]
        return _page(form), 422
    try:
        new_key = services().keys.create(current_account().id, label=form.label.data or "")
    except Conflict:
        form.label.errors = [_("You have as many keys as an account may: revoke one first.")]
        return _page(form), 409
    return _page(KeyForm(formdata=None), new_key), 201


@bp.post("/<key_id>/rotate")
def rotate(key_id: str) -> ResponseReturnValue:
    """A new secret for a key, shown on this answer alone; the old one stops."""
    try:
        new_key = services().keys.rotate(current_account().id, key_id)
    except NotFound:
        abort(404)
    except Conflict:
        flash(_("This key was changed at the same moment elsewhere. Nothing was done."), "warning")
        return redirect(url_for("api_keys.index"))
    return _page(KeyForm(formdata=None), new_key)


@bp.post("/<key_id>/revoke")
def revoke(key_id: str) -> ResponseReturnValue:
    """Stop a key for good."""
    try:
        key = services().keys.revoke(key_id, current_account().id)
    except NotFound:
        abort(404)
    flash(_("The key %(label)s is revoked.", label=key.label or key.prefix), "success")
    return redirect(url_for("api_keys.index"))


def _page(form: KeyForm, new_key: NewKey | None = None) -> str:
    own = services()
    secret = new_key.secret if new_key else KEY_PLACEHOLDER
    return render_template(
        "api_keys/index.html",
        keys=own.keys.list_for(current_account().id),
        form=form,
        new_key=new_key,
        snippets=connect_snippets(own.catalog(), secret),
        reload_path=url_for("api_keys.index") if new_key else None,
    )
