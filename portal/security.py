"""Headers and cookies that keep pages to themselves."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask, request
from flask.wrappers import Response
from flask_talisman import Talisman

SESSION_DAYS = 14
MAX_FORM_BYTES = 256 * 1024

# Bootstrap's style sheet draws its small marks with data: images; everything else is ours.
CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def init_security(app: Flask, *, secure: bool) -> None:
    """Set cookie flags, size limits and headers.

    Args:
        app: The application.
        secure: Pages are served over TLS: cookies insist on it, and browsers are told to.
    """
    app.config.update(
        SESSION_COOKIE_NAME="trollllm_session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=SESSION_DAYS),
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=100,
    )
    Talisman(
        app,
        force_https=False,  # the reverse proxy's matter: a redirect here would use the Host header
        session_cookie_secure=secure,
        session_cookie_samesite="Lax",
        strict_transport_security=secure,
        strict_transport_security_include_subdomains=False,  # other hosts are not ours to bind
        content_security_policy=CONTENT_SECURITY_POLICY,
        frame_options="DENY",
        referrer_policy="same-origin",
        permissions_policy={"camera": "()", "microphone": "()", "geolocation": "()"},
    )
    app.after_request(_keep_private)


def _keep_private(response: Response) -> Response:
    """Pages are of one person and one moment; only static files may be kept."""
    if request.endpoint is None or not request.endpoint.endswith("static"):
        response.headers["Cache-Control"] = "no-store"
    return response
