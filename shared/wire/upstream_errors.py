"""An upstream's own errors: which are about our account, and how the others are passed on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from shared.errors import GatewayError
from shared.wire.token_counts import object_of

MAX_MESSAGE = 4000

# Statuses that speak of the client's request and keep their status, type and wording.
PASSED_ON = frozenset({400, 404, 413, 422})

_ACCOUNT_CODES = frozenset(
    {
        "insufficient_quota",
        "budget_exceeded",
        "exceededbudget",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "billing_error",
    }
)
# Only at the beginning: an error may quote what a client wrote further on.
_ACCOUNT_WORDING = re.compile(
    r"(?:[\w.]{1,60}(?:Error|Exception) ?[:-] ?){0,4}"
    r"(?:b?'?\{[^{}]{0,40}\"error\": ?\{[^{}]{0,80}\"message\": ?\")?"
    r"(?:your credit balance is too low"
    r"|exceededbudget"
    r"|budget has been exceeded"
    r"|you exceeded your current quota"
    r"|insufficient_quota"
    r"|this organization has been disabled"
    r"|your account is not active)",
    re.IGNORECASE,
)
_SECRETS = (
    (re.compile(r"\b(?:sk|fk|pk|rk)-[A-Za-z0-9_*.-]{6,}"), "[key]"),
    (re.compile(r"\bBearer +[^\s\"',}]+", re.IGNORECASE), "Bearer [key]"),
    (re.compile(r"\b(?:org|proj|acct|wrkspc|workspace)[-_][A-Za-z0-9]{6,}"), "[id]"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "[id]"),
    (re.compile(r"\b(?:https?|wss?)://[^\s\"'<>)\]}]+", re.IGNORECASE), "[url]"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "[address]"),
)
_KNOWN_HOSTS = ("api.openai.com", "api.anthropic.com", "llm-proxy.app.all-hands.dev")
_KINDS = {
    400: "invalid_request_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
}


def is_account_fault(status: int, body: bytes) -> bool:
    """Whether an error is about our account at the upstream rather than about the request.

    Such keys are unusable until someone pays: Anthropic's 400 "credit balance is too low",
    LiteLLM's and OpenHands' `ExceededBudget` 400, OpenAI's 429 `insufficient_quota`. Only the
    error's own code, type and the beginning of its message are looked at, so that a client
    cannot disable a key by having its words quoted in an error.

    Args:
        status: The upstream's status.
        body: The upstream's body.
    """
    if status not in (400, 402, 403, 429):
        return False
    error = _error_of(body)
    names = {str(error.get(name)).lower() for name in ("code", "type")}
    if names & _ACCOUNT_CODES:
        return True
    message = error.get("message")
    return isinstance(message, str) and _ACCOUNT_WORDING.match(message) is not None


def clean_upstream_error(status: int, body: bytes, secrets: Sequence[str] = ()) -> GatewayError:
    """An upstream's error about the request, fit to be shown.

    Status, type, code, parameter and wording are kept, since coding agents match on them;
    hosts, URLs, keys and organisation ids are not.

    Args:
        status: The upstream's status.
        body: The upstream's body, in either dialect.
        secrets: Further words to blot out: the upstream's host, its key.
    """
    error = _error_of(body)
    message = error.get("message")
    text = message if isinstance(message, str) and message else "The model provider refused this."
    return GatewayError(
        status=status,
        code=_code(error.get("code")),
        kind=_word(error.get("type")) or _KINDS.get(status, "invalid_request_error"),
        message=redact(text, secrets)[:MAX_MESSAGE],
        param=_word(error.get("param")),
    )


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` without keys, hosts, addresses and organisation ids, and without `secrets`."""
    for secret in secrets:
        if secret:
            text = re.sub(re.escape(secret), "[removed]", text, flags=re.IGNORECASE)
    for pattern, placeholder in _SECRETS:
        text = pattern.sub(placeholder, text)
    for host in _KNOWN_HOSTS:
        text = re.sub(re.escape(host), "[host]", text, flags=re.IGNORECASE)
    return text


def _error_of(body: bytes) -> dict[str, Any]:
    """The object that holds type and message: in `error`, or the body itself."""
    parsed = object_of(body) or {}
    inner = parsed.get("error")
    if isinstance(inner, dict):
        return inner
    if isinstance(inner, str):
        return {"message": inner}
    return parsed


def _code(value: object) -> str:
    """A code; some upstreams give a number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _word(value) or ""


def _word(value: object) -> str | None:
    """A type or parameter: short and harmless, else None."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.\[\]-]{1,100}", value):
        return redact(value)
    return None
