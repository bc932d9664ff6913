"""ApiKeyAuth and RateLimit: who is asking, and how often. One look-up answers both."""

from __future__ import annotations

import contextlib
import hmac

from mitmproxy import http

from addons.context import RequestContext, is_open
from addons.gatekeeper import MODELS, endpoint_at
from shared.domain.accounts import Admission, RateWindow
from shared.domain.keys import hash_key, well_formed
from shared.errors import GatewayError, StoreError
from shared.store.interfaces import KeyGate
from shared.wire import errors as refusals
from shared.wire.model_list import PAGING

MAX_KEY_LENGTH = 256
_CREDENTIAL_HEADERS = (b"authorization", b"x-api-key")
_SECRET_HEADERS = frozenset(
    (*_CREDENTIAL_HEADERS, b"x_api_key", b"cookie", b"proxy-authorization", b"api-key")
)


class ApiKeyAuth:
    """Turns the client's key into a principal, within its rate limit.

    The key is taken off the flow whatever comes of it: nothing behind this addon can show it.
    """

    def __init__(self, gate: KeyGate, pepper: bytes, fixed_key: str | None = None) -> None:
        self._gate = gate
        self._pepper = pepper
        self._fixed_key = fixed_key.encode() if fixed_key else None

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Authenticate and count one request.

        Raises:
            GatewayError: 400 for credentials that contradict each other, 401 or 429.
            StoreUnavailable: The database did not answer.
        """
        given = _take_credentials(flow.request.headers)
        _drop_query(flow.request)
        if not is_open(flow):
            return
        context = RequestContext.of(flow)
        endpoint = endpoint_at(context.endpoint)
        if endpoint is None:
            return
        if endpoint.keyed:
            await self._require(context, given, endpoint.window)
        elif endpoint.shows_more and any(given.values()):
            with contextlib.suppress(GatewayError, StoreError):
                await self._require(context, given, endpoint.window)

    async def _require(
        self, context: RequestContext, given: dict[str, list[str]], window: RateWindow
    ) -> None:
        admission = await self._admit(credential(given), window)
        context.principal, context.rate = admission.principal, admission.rate
        if admission.principal is None:
            raise refusals.invalid_api_key()
        if not admission.admitted and admission.rate is not None:
            raise refusals.rate_limited(admission.rate.reset_s, admission.rate.limit)

    async def _admit(self, key: str, window: RateWindow) -> Admission:
        if self._fixed_key and hmac.compare_digest(key.encode(), self._fixed_key):
            return await self._gate.admit_fixed(window)
        if not well_formed(key):
            raise refusals.invalid_api_key()
        return await self._gate.admit(hash_key(key, self._pepper), window)


def _drop_query(request: http.Request) -> None:
    """Keep nothing of a query but what is served: keys are put there, though they do not count."""
    path, mark, query = request.path.partition("?")
    if not mark:
        return
    fields = query.split("&")
    if path == MODELS:
        kept = [field for field in fields if field.partition("=")[0] in PAGING]
    else:
        kept = ["beta=true"] if "beta=true" in fields else []
    request.path = f"{path}?{'&'.join(kept)}" if kept else path


def credential(given: dict[str, list[str]]) -> str:
    """The one key among the credential headers.

    Args:
        given: Values of `authorization` and `x-api-key`, as received.

    Raises:
        GatewayError: 400 when a header is repeated or the two differ, 401 when there is no
            usable key.
    """
    for values in given.values():
        if len(values) > 1:
            raise refusals.conflicting_credentials()
    keys = {key for key in (_bearer(given), _api_key(given)) if key is not None}
    if len(keys) > 1:
        raise refusals.conflicting_credentials()
    key = keys.pop() if keys else ""
    if not key or len(key) > MAX_KEY_LENGTH or not key.isascii():
        raise refusals.invalid_api_key()
    return key


def _take_credentials(headers: http.Headers) -> dict[str, list[str]]:
    """Take every header that may hold a secret off a request; those that may be ours by name."""
    given: dict[str, list[str]] = {}
    kept = []
    for field in headers.fields:
        name = field[0].lower()
        if name not in _SECRET_HEADERS:
            kept.append(field)
        elif name in _CREDENTIAL_HEADERS:
            value = field[1].decode("utf-8", "surrogateescape")
            if value.strip():
                given.setdefault(name.decode(), []).append(value)
    headers.fields = tuple(kept)
    return given


def _bearer(given: dict[str, list[str]]) -> str | None:
    values = given.get("authorization")
    if not values:
        return None
    scheme, _, token = values[0].strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _api_key(given: dict[str, list[str]]) -> str | None:
    values = given.get("x-api-key")
    return values[0].strip() if values else None
