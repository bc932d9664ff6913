"""An upstream's errors in the words of a client of the other dialect.

Status and wording stay, since coding agents match on them; type and code become those of the
client's dialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.errors import upstream_failed
from shared.wire.upstream_errors import clean_upstream_error, is_account_fault

# Anthropic's type and OpenAI's code of each status.
_WORDS = {
    400: ("invalid_request_error", "invalid_request"),
    404: ("not_found_error", "not_found"),
    413: ("request_too_large", "request_too_large"),
    422: ("invalid_request_error", "invalid_request"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    504: ("timeout_error", "upstream_timeout"),
    529: ("overloaded_error", "overloaded"),
}
_OTHERWISE = ("api_error", "upstream_error")
_CODES = dict([*_WORDS.values(), _OTHERWISE])
_STATUSES = {kind: status for status, (kind, _) in reversed(_WORDS.items())}
# About the gateway's own account and key: no client's business.
_OURS = frozenset({"authentication_error", "permission_error", "billing_error"})


def translated_error(error: GatewayError, client: Dialect) -> GatewayError:
    """An upstream's error about the request, for a client of the other dialect.

    Args:
        error: As `clean_upstream_error` made it from the upstream's answer.
        client: The client's dialect.
    """
    kind, _ = _WORDS.get(error.status, _OTHERWISE)
    if client is Dialect.OPENAI and error.kind in _CODES:
        kind = error.kind
    return replace(error, kind=kind, code=error.code or _CODES[kind])


def stream_error(event: dict[str, Any], secrets: Sequence[str] = ()) -> GatewayError:
    """An error that an Anthropic upstream reported in mid-stream, for an OpenAI client.

    One about the gateway's own account says no more than that the upstream failed.

    Args:
        event: The upstream's event; type and message stand in its `error`.
        secrets: Further words to blot out: the upstream's host, its key.
    """
    try:
        data = orjson.dumps(event)
    except orjson.JSONEncodeError:  # nested beyond all measure
        return upstream_failed("an error in mid-stream that cannot be read")
    fields = event.get("error")
    kind = str(fields.get("type")) if isinstance(fields, dict) else ""
    error = clean_upstream_error(_STATUSES.get(kind, 502), data, secrets)
    if kind in _OURS or is_account_fault(400, data):
        return upstream_failed(f"in mid-stream: {error.message}")
    return translated_error(error if kind in _CODES else replace(error, kind=""), Dialect.OPENAI)
