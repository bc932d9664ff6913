"""Pages for everyone: the start page, the choice of language, the health check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template, request
from flask.wrappers import Response
from werkzeug.wrappers import Response as BaseResponse

from portal.languages import LANGUAGES
from portal.locale_choice import remember
from portal.price_list import example_model, price_list
from portal.services import services
from portal.session import signed_in
from portal.snippets import KEY_PLACEHOLDER, Snippet, snippets
from portal.targets import local_target
from shared.domain.catalog import Catalog, Dialect
from shared.errors import StoreError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("pages", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    """What this is, what it costs, how to connect."""
    catalog = services().catalog()
    return render_template(
        "pages/index.html", models=price_list(catalog), snippets=connect_snippets(catalog)
    )


@bp.post("/language")
def language() -> ResponseReturnValue:
    """Remember the chosen language, in the account too, and go back."""
    chosen = request.form.get("lang", "")
    if chosen not in LANGUAGES:
        abort(422)
    account = signed_in()
    if account is not None:
        services().users.change(account.id, language=chosen)
    answer: BaseResponse = redirect(local_target(request.form.get("next")) or "/")
    if isinstance(answer, Response):
        remember(answer, chosen)
    return answer


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether the portal can serve: the database answers."""
    try:
        services().ping()
    except StoreError:
        return {"status": "unavailable"}, 503
    return {"status": "ok"}


def connect_snippets(catalog: Catalog, key: str = KEY_PLACEHOLDER) -> list[Snippet]:
    """Snippets that name this server and models it has."""
    return snippets(
        services().addresses.gateway,
        key,
        example_model(catalog, Dialect.OPENAI),
        example_model(catalog, Dialect.ANTHROPIC),
    )
