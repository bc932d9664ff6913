"""Error pages in the portal's look. They tell what to do, and nothing of the inside."""

from __future__ import annotations

import logging

from flask import Flask, make_response, render_template
from flask.wrappers import Response
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_wtf.csrf import CSRFError
from pymongo.errors import PyMongoError
from werkzeug.exceptions import HTTPException, TooManyRequests

from portal.session import be_anonymous
from shared.errors import StoreError

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 5


def register_errors(app: Flask) -> None:
    """Answer every error of `app` with a page."""
    app.register_error_handler(CSRFError, _forged)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(StoreError, _database)
    app.register_error_handler(PyMongoError, _database)
    app.register_error_handler(Exception, _unexpected)


def too_many(wait_s: int) -> TooManyRequests:
    """A refusal for now: wait `wait_s` seconds."""
    return TooManyRequests(retry_after=wait_s)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    if status >= 500:
        be_anonymous()
    try:
        answer = _page(status, *_words(status, _wait_s(error)))
    except (StoreError, PyMongoError) as failure:  # the page asks who is signed in
        return _database(failure)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            answer.headers[name] = value
    return answer


def _forged(error: CSRFError) -> Response:
    log.info("form without a valid token: %s", error.description)
    return _page(
        403,
        _("This form has expired"),
        _("For your safety a form works for a limited time. Go back, reload the page, try again."),
    )


def _database(error: Exception) -> Response:
    be_anonymous()
    log.warning("database: %s", type(error).__name__)
    answer = _page(
        503,
        _("The database does not answer"),
        _("Nothing of yours is lost. Requests are refused until it is back; try again soon."),
        retry=True,
    )
    answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return answer


def _unexpected(error: Exception) -> Response:
    be_anonymous()
    log.error("unexpected error", exc_info=error)
    return _page(500, *_words(500))


def _page(status: int, title: str, text: str, *, retry: bool = False) -> Response:
    body = render_template("errors/fault.html", status=status, title=title, text=text, retry=retry)
    return make_response(body, status)


def _wait_s(error: HTTPException) -> int:
    """Seconds that the error asks to wait; 0 when it does not."""
    wait = error.retry_after if isinstance(error, TooManyRequests) else None
    return wait if isinstance(wait, int) else 0


def _words(status: int, wait_s: int = 0) -> tuple[str, str]:
    again = ngettext("Try again in %(num)s second.", "Try again in %(num)s seconds.", wait_s)
    words = {
        403: (_("Not for you"), _("Your account may not open this page.")),
        404: (_("Page not found"), _("There is nothing at this address, or it is not yours.")),
        405: (_("Not that way"), _("This address does not take that kind of request.")),
        413: (_("Too large"), _("What was sent is larger than any form here.")),
        429: (_("Too many attempts"), again if wait_s else _("Wait a moment, then try again.")),
        500: (_("Something broke"), _("It is our fault and has been noted. Try again.")),
    }
    return words.get(status, (_("That did not work"), _("The request cannot be answered.")))
