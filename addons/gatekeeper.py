"""Gatekeeper: the first addon. Gives every request its id and refuses what is not served here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from mitmproxy import http
from mitmproxy.net.http.http1 import connection_close

from addons.context import RequestContext
from addons.request_id import new_request_id
from shared.domain.accounts import RateWindow
from shared.domain.catalog import Dialect
from shared.wire import errors as refusals
from shared.wire.formats import WireFormat


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of the listener.

    Attributes:
        method: The one it takes.
        keyed: Whether it needs a key.
        format: Of requests that go upstream; None where they are answered here.
        billed: Whether it costs money.
        window: Which of a key's windows counts it.
        shows_more: Whether a key that is given anyway is looked at.
    """

    method: str
    keyed: bool
    format: WireFormat | None = None
    billed: bool = False
    window: RateWindow = RateWindow.REQUESTS
    shows_more: bool = False


CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"
KEYS_STATUS = "/keys/status"

ENDPOINTS = {
    CHAT: Endpoint("POST", keyed=True, format=WireFormat.CHAT, billed=True),
    MESSAGES: Endpoint("POST", keyed=True, format=WireFormat.MESSAGES, billed=True),
    RESPONSES: Endpoint("POST", keyed=True, format=WireFormat.RESPONSES, billed=True),
    COUNT_TOKENS: Endpoint(
        "POST", keyed=True, format=WireFormat.COUNT_TOKENS, window=RateWindow.COUNTS
    ),
    MODELS: Endpoint("GET", keyed=True),
    KEYS_STATUS: Endpoint("GET", keyed=True),
    "/health": Endpoint("GET", keyed=False, shows_more=True),
    "/": Endpoint("HEAD", keyed=False),
    "/api/hello": Endpoint("HEAD", keyed=False),
}
_MODEL = Endpoint("GET", keyed=True)


def endpoint_at(path: str) -> Endpoint | None:
    """The endpoint of a path without its query, None when there is none."""
    endpoint = ENDPOINTS.get(path)
    if endpoint is None and path.startswith(MODELS + "/") and len(path) > len(MODELS) + 1:
        return _MODEL
    return endpoint


def decoded(path: str) -> str:
    """A path whose model id is read as clients write it: with its slashes percent-encoded.

    All other paths are served as they are written here, and in no other way.
    """
    if not path.startswith(MODELS + "/"):
        return path
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return path


def dialect_of(path: str, headers: http.Headers) -> Dialect:
    """Dialect of the answers at a path; model lists follow the client's version header."""
    if path.startswith(MESSAGES):
        return Dialect.ANTHROPIC
    if path.startswith(MODELS) and "anthropic-version" in headers:
        return Dialect.ANTHROPIC
    return Dialect.OPENAI


class Gatekeeper:
    """Opens the context of a request; refuses paths, methods and bodies that are not served."""

    def __init__(
        self,
        max_body: int,
        overloaded: Callable[[], bool],
        request_id: Callable[[], str] = new_request_id,
    ) -> None:
        self._max_body = max_body
        self._overloaded = overloaded
        self._request_id = request_id

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Attach the context, then check the head.

        Raises:
            GatewayError: 404, 405, 413, 415, 426 or 529.
        """
        request = flow.request
        path = decoded(request.path.partition("?")[0])
        dialect = dialect_of(path, request.headers)
        RequestContext(
            self._request_id(),
            path,
            dialect,
            datetime.now(UTC),
            http_1_0=request.http_version == "HTTP/1.0",
            closes=connection_close(request.http_version, request.headers),
        ).attach(flow)
        endpoint = endpoint_at(path)
        if endpoint is None or "%" in path or "#" in request.path:
            raise refusals.not_found()
        self._check_head(request, endpoint)
        if endpoint.format is not None and self._overloaded():
            raise refusals.overloaded()

    def _check_head(self, request: http.Request, endpoint: Endpoint) -> None:
        if "upgrade" in request.headers:
            raise refusals.upgrade_refused()
        # As it was sent: `request.method` is in upper case always.
        if request.data.method != endpoint.method.encode():
            raise refusals.method_not_allowed([endpoint.method])
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise refusals.unsupported_encoding()
        if int(request.headers.get("content-length", "0")) > self._max_body:
            raise refusals.request_too_large(self._max_body)
