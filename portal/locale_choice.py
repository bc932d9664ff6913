"""Choose language and time zone for each request, and remember a choice."""

from __future__ import annotations

from flask import Flask, current_app, has_request_context, request
from flask.wrappers import Response
from flask_babel import Babel

from portal.languages import DEFAULT_LANGUAGE, LANGUAGES, choose_language, choose_zone
from portal.session import signed_in

LANGUAGE_COOKIE = "lang"
ZONE_COOKIE = "tz"
_YEAR_S = 365 * 24 * 3600


def init_locale(app: Flask, catalogues: str) -> None:
    """Set Flask-Babel up on the catalogues of a folder."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = catalogues
    Babel(app, locale_selector=_language, timezone_selector=_zone)
    app.after_request(_remember_query)


def remember(response: Response, language: str) -> None:
    """Keep a chosen language in a cookie."""
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=_YEAR_S,
        httponly=True,
        samesite="Lax",
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
    )


def _language() -> str:
    if not has_request_context():
        return DEFAULT_LANGUAGE
    account = signed_in()
    wishes = (
        request.args.get("lang"),
        account.language if account else None,
        request.cookies.get(LANGUAGE_COOKIE),
    )
    return choose_language(wishes, request.accept_languages)


def _zone() -> str:
    return choose_zone(request.cookies.get(ZONE_COOKIE))


def _remember_query(response: Response) -> Response:
    wish = request.args.get("lang")
    if wish is not None and wish in LANGUAGES:
        remember(response, wish)
    return response
