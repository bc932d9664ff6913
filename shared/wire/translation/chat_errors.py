"""Errors that an upstream of OpenAI's dialect reports where an answer should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.errors import GatewayError
from shared.wire.errors import upstream_failed
from shared.wire.token_counts import object_of
from shared.wire.upstream_errors import MAX_MESSAGE, is_account_fault, redact

_STATUS = {
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "overloaded_error": 529,
    "timeout_error": 504,
    "api_error": 502,
}
# By `type` or `code`; codes may be HTTP statuses. What is not listed is an `api_error`.
_KINDS = {
    "invalid_request_error": "invalid_request_error",
    "context_length_exceeded": "invalid_request_error",
    "content_filter": "invalid_request_error",
    "400": "invalid_request_error",
    "422": "invalid_request_error",
    "rate_limit_error": "rate_limit_error",
    "rate_limit_exceeded": "rate_limit_error",
    "too_many_requests": "rate_limit_error",
    "requests": "rate_limit_error",
    "tokens": "rate_limit_error",
    "429": "rate_limit_error",
    "overloaded_error": "overloaded_error",
    "engine_overloaded": "overloaded_error",
    "service_unavailable": "overloaded_error",
    "503": "overloaded_error",
    "529": "overloaded_error",
    "timeout": "timeout_error",
    "timeout_error": "timeout_error",
    "request_timeout": "timeout_error",
    "408": "timeout_error",
    "504": "timeout_error",
}
# About the gateway's own account and key: no client's business.
_OURS = frozenset(
    {
        "authentication_error",
        "invalid_api_key",
        "permission_error",
        "permission_denied",
        "401",
        "402",
        "403",
    }
)


def reports_error(answer: dict[str, Any]) -> bool:
    """Whether a body or a chunk is an error: has `error`, or is one, as vLLM's are."""
    return bool(answer.get("error")) or answer.get("object") == "error"


def reported_error(data: bytes, secrets: Sequence[str] = ()) -> GatewayError:
    """The error in a body or a chunk, with the upstream's own message, fit to be shown.

    Errors about the gateway's account keep their message to themselves.

    Args:
        data: The body or the chunk.
        secrets: Further words to blot out: the upstream's host, its key.
    """
    answer = object_of(data) or {}
    error = answer.get("error") or answer
    fields = error if isinstance(error, dict) else {"message": error}
    names = [_name(fields.get(name)) for name in ("type", "code")]
    message = fields.get("message")
    ours = is_account_fault(429, data) or not _OURS.isdisjoint(names)
    if ours or not isinstance(message, str) or not message:
        return upstream_failed(
            "the upstream reported " + redact(data[:MAX_MESSAGE].decode(errors="replace"), secrets)
        )
    kind = next((_KINDS[name] for name in names if name in _KINDS), "api_error")
    return GatewayError(
        _STATUS[kind], "upstream_error", kind, redact(message, secrets)[:MAX_MESSAGE]
    )


def _name(value: Any) -> str:
    return str(value).lower() if isinstance(value, str | int) else ""
