"""Every error a client can get, and its rendering in either dialect.

The constructors are the rows of the error table; each says what was wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.formats import WireFormat

_NO_RETRY = {"x-should-retry": "false"}


def error_body(error: GatewayError, dialect: Dialect, request_id: str) -> bytes:
    """Render as the JSON body of a response.

    OpenAI: `{"error": {"message", "type", "param", "code"}, "request_id"}`; Anthropic:
    `{"type": "error", "error": {"type", "message"}, "request_id"}`.
    """
    return orjson.dumps(_error_object(error, dialect, request_id))


def error_event(error: GatewayError, spoken: WireFormat | Dialect, request_id: str) -> bytes:
    """Render as one server-sent event, which both SDKs raise as an error.

    It starts with an empty line, so that it stands by itself even after a torn event. In a stream
    of responses it is the documented `error` event, with the object beside it that the SDK looks
    for; it stands outside of the upstream's sequence, whose numbers are not known here.
    """
    form = WireFormat.of(spoken)
    fields = _error_object(error, form.dialect, request_id)
    if form is WireFormat.RESPONSES:
        flat = {"code": error.code or None, "message": error.message, "param": error.param}
        fields = {"type": "error", "sequence_number": 0, **flat, **fields}
    name = b"" if form is WireFormat.CHAT else b"event: error\n"
    return b"\n\n" + name + b"data: " + orjson.dumps(fields) + b"\n\n"


def _error_object(error: GatewayError, dialect: Dialect, request_id: str) -> Mapping[str, Any]:
    if dialect is Dialect.ANTHROPIC:
        inner = {"type": error.kind, "message": error.message}
        return {"type": "error", "error": inner, "request_id": request_id}
    fields = {
        "message": error.message,
        "type": error.kind,
        "param": error.param,
        "code": error.code or None,
    }
    return {"error": fields, "request_id": request_id}


def conflicting_credentials() -> GatewayError:
    """Two credentials that differ, or the same header twice."""
    message = "Send one API key, in either Authorization or x-api-key, once."
    return GatewayError(400, "invalid_request", "invalid_request_error", message)


def invalid_request(message: str, param: str | None = None) -> GatewayError:
    """An unusable body or parameter; `param` is its path, such as `messages[0].role`."""
    return GatewayError(400, "invalid_request", "invalid_request_error", message, param)


def invalid_api_key() -> GatewayError:
    """No key, or one that is malformed, unknown, revoked or of an inactive account."""
    message = "Invalid API key. Send your key as `Authorization: Bearer KEY` or `x-api-key: KEY`."
    return GatewayError(401, "invalid_api_key", "authentication_error", message)


def friend_key_inactive() -> GatewayError:
    """A friend key that its owner has switched off."""
    message = "This friend key is switched off. Ask its owner."
    return GatewayError(403, "friend_key_inactive", "permission_error", message)


def model_not_allowed(model: str) -> GatewayError:
    """A friend key whose owner has not enabled the model."""
    message = f"This friend key may not use the model {_quoted(model)}. Ask its owner."
    return GatewayError(403, "model_not_allowed", "permission_error", message, "model")


def friend_key_limit_exceeded(model: str) -> GatewayError:
    """A friend key that has spent the day's limit of the model."""
    message = (
        f"This friend key's daily limit for {_quoted(model)} is spent. It starts anew at 00:00 UTC."
    )
    return GatewayError(
        402, "friend_key_limit_exceeded", "billing_error", message, headers=_NO_RETRY
    )


def admin_only() -> GatewayError:
    """An operator's endpoint, asked for with the key of a user."""
    message = "This endpoint needs the key of an admin."
    return GatewayError(403, "permission_denied", "permission_error", message)


def insufficient_credits(affordable_tokens: int, top_up_url: str) -> GatewayError:
    """Not enough free credits for this request.

    Args:
        affordable_tokens: Largest max_tokens the account could pay for; 0 if there is none.
        top_up_url: Where to add credits.
    """
    advice = (
        f"Your credits allow max_tokens of at most {affordable_tokens} for it. "
        if affordable_tokens > 0
        else ""
    )
    message = f"Not enough credits for this request. {advice}Top up at {top_up_url}"
    return GatewayError(402, "insufficient_credits", "billing_error", message, headers=_NO_RETRY)


def rate_limited(retry_after_s: int, limit: int | None = None) -> GatewayError:
    """Too many requests in 60 s, of this key; `limit` is how many are allowed."""
    allowed = f" ({limit} requests per minute)" if limit is not None else ""
    message = f"Rate limit exceeded{allowed}. Try again in {retry_after_s} s."
    return _with_retry(429, "rate_limit_exceeded", "rate_limit_error", message, retry_after_s)


def model_not_found(name: str) -> GatewayError:
    """A model that neither config.json, an alias nor the price data names."""
    message = f"The model {_quoted(name)} does not exist. GET /v1/models lists those that do."
    return GatewayError(404, "model_not_found", "not_found_error", message, "model")


def request_too_large(limit_bytes: int) -> GatewayError:
    """A body beyond the limit."""
    message = f"The request body is larger than {limit_bytes} bytes."
    return GatewayError(413, "request_too_large", "request_too_large", message)


def unsupported_encoding() -> GatewayError:
    """A compressed body."""
    message = "Compressed request bodies are not supported. Send the JSON without encoding."
    return GatewayError(415, "unsupported", "invalid_request_error", message)


def upgrade_refused() -> GatewayError:
    """A websocket or h2c upgrade."""
    message = "Upgrades are not supported. Use plain HTTP/1.1 and server-sent events."
    return GatewayError(426, "unsupported", "invalid_request_error", message)


def not_found() -> GatewayError:
    """An unknown path."""
    return GatewayError(404, "not_found", "not_found_error", "There is no such endpoint.")


def method_not_allowed(allowed: Sequence[str]) -> GatewayError:
    """A known path with the wrong method."""
    names = ", ".join(allowed)
    message = f"Wrong method. This endpoint takes {names}."
    return GatewayError(405, "not_found", "not_found_error", message, headers={"allow": names})


def service_unavailable(detail: str, retry_after_s: int = 5) -> GatewayError:
    """Database down, draining, no price, no key, no healthy proxy; `detail` is for the log."""
    message = f"The service cannot take this request now. Try again in {retry_after_s} s."
    return _with_retry(
        503, "service_unavailable", "api_error", message, retry_after_s, detail=detail
    )


def overloaded() -> GatewayError:
    """More live requests than this worker takes."""
    message = "The service is overloaded. Try again in a moment."
    return _with_retry(529, "overloaded", "overloaded_error", message, 1)


def internal_error(detail: str = "") -> GatewayError:
    """A fault of ours; `detail` is for the log."""
    message = "Something went wrong here. It has been logged; try again."
    return GatewayError(500, "internal_error", "api_error", message, detail=detail)


def upstream_failed(detail: str = "") -> GatewayError:
    """The upstream is unreachable or failed; `detail` is for the log."""
    message = "The model provider failed to answer. Try again."
    return GatewayError(502, "upstream_error", "api_error", message, detail=detail)


def upstream_timed_out(detail: str = "") -> GatewayError:
    """The upstream is too slow; `detail` is for the log."""
    message = "The model provider took too long to answer. Try again."
    return GatewayError(504, "upstream_timeout", "timeout_error", message, detail=detail)


def upstream_rate_limited(retry_after_s: int, detail: str = "") -> GatewayError:
    """The upstream's own limit, or all keys cooling down; the earliest time to try again."""
    message = f"The model provider is at its limit. Try again in {retry_after_s} s."
    return _with_retry(
        429, "rate_limit_exceeded", "rate_limit_error", message, retry_after_s, detail=detail
    )


def upstream_overloaded(detail: str = "") -> GatewayError:
    """The upstream said 529, after all retries."""
    message = "The model provider is overloaded. Try again in a moment."
    return GatewayError(529, "overloaded", "overloaded_error", message, detail=detail)


def _with_retry(
    status: int, code: str, kind: str, message: str, retry_after_s: int, *, detail: str = ""
) -> GatewayError:
    headers = {"retry-after": str(max(1, retry_after_s))}
    return GatewayError(status, code, kind, message, headers=headers, detail=detail)


def _quoted(name: str) -> str:
    """A name from outside, safe to show: short, printable, on one line."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in name[:128])
    return f"`{printable}`"
