"""Errors as the providers word them, with what they give away of accounts; pure."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

ORGANISATION = "org-SIMULATORORGANISATION01"
WORKSPACE = "5ac1d0e5-0000-4000-8000-51a1a70b0001"
RETRY_AFTER_S = 5
HTML = (
    b"<html>\r\n<head><title>%d error</title></head>\r\n<body>\r\n<center><h1>%d error</h1>"
    b"</center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error: OpenAI's `type`, `code` and `param`, or Anthropic's `type` in `kind`."""

    status: int
    kind: str
    message: str
    code: str | None = None
    param: str | None = None
    retry_after_s: int | None = None


class Refused(Exception):
    """A request the provider does not take."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


OPENAI = {
    400: Refusal(
        400,
        "invalid_request_error",
        "Invalid value for 'messages[0].content'.",
        "invalid_value",
        "messages[0].content",
    ),
    401: Refusal(
        401,
        "invalid_request_error",
        "Incorrect API key provided: {key}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        "invalid_api_key",
    ),
    402: Refusal(402, "insufficient_quota", "Insufficient Balance", "insufficient_balance"),
    403: Refusal(
        403,
        "request_forbidden",
        f"Project of {ORGANISATION} does not have access to model `{{model}}`.",
        "unsupported_country_region_territory",
    ),
    404: Refusal(
        404,
        "invalid_request_error",
        "The model `{model}` does not exist or you do not have access to it.",
        "model_not_found",
    ),
    408: Refusal(408, "server_error", "Request timed out."),
    409: Refusal(
        409, "invalid_request_error", "The resource is locked. Please try again.", "conflict"
    ),
    413: Refusal(
        413, "invalid_request_error", "Maximum content size limit exceeded.", "request_too_large"
    ),
    422: Refusal(422, "invalid_request_error", "Unprocessable entity.", "unprocessable_entity"),
    429: Refusal(
        429,
        "requests",
        f"Rate limit reached for {{model}} in organization {ORGANISATION} on requests "
        f"per min (RPM): Limit 500, Used 500, Requested 1. Please try again in "
        f"{RETRY_AFTER_S}s. Visit https://platform.openai.com/account/rate-limits to "
        "learn more.",
        "rate_limit_exceeded",
        retry_after_s=RETRY_AFTER_S,
    ),
    500: Refusal(
        500,
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
    502: Refusal(502, "server_error", "Bad gateway."),
    503: Refusal(
        503, "service_unavailable", "The engine is currently overloaded, please try again later"
    ),
    504: Refusal(504, "server_error", "Gateway timeout."),
    529: Refusal(529, "server_error", "Overloaded, please try again later", "overloaded"),
}
ANTHROPIC = {
    400: Refusal(400, "invalid_request_error",
                 "messages.0.content: Input should be a valid list"),
    401: Refusal(401, "authentication_error", "invalid x-api-key"),
    402: Refusal(402, "billing_error", "Your organization's payment is overdue."),
    403: Refusal(403, "permission_error",
                 f"Your API key of workspace {WORKSPACE} does not have permission to use the "
                 "specified resource."),
    404: Refusal(404, "not_found_error", "model: {model}"),
    408: Refusal(408, "timeout_error", "Request timed out"),
    409: Refusal(409, "invalid_request_error", "The request conflicts with another one"),
    413: Refusal(413, "request_too_large", "Request exceeds the maximum size"),
    422: Refusal(422, "invalid_request_error", "Unprocessable entity"),
    429: Refusal(429, "rate_limit_error",
                 "This request would exceed the rate limit for your organization "
                 f"({WORKSPACE}) of 50 requests per minute. For details, refer to: "
                 "https://docs.claude.com/en/api/rate-limits.", retry_after_s=RETRY_AFTER_S),
    500: Refusal(500, "api_error", "Internal server error"),
    502: Refusal(502, "api_error", "Bad gateway"),
    503: Refusal(503, "api_error", "Service unavailable"),
    504: Refusal(504, "timeout_error", "Request timed out"),
    529: Refusal(529, "overloaded_error", "Overloaded"),
}  # fmt: skip
OPENAI_VARIANTS = {
    "quota": (
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "budget": (
        "budget_exceeded",
        "400",
        "ExceededBudget: User=simulator over budget. Spend: 10.01, Budget: 10.0",
    ),
    "context": (
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. However, your messages "
        "resulted in 210000 tokens. Please reduce the length of the messages.",
    ),
}
ANTHROPIC_VARIANTS = {
    "credit": ("invalid_request_error",
               "Your credit balance is too low to access the Anthropic API. Please go to Plans "
               "& Billing to upgrade or purchase credits."),
    "budget": ("budget_exceeded",
               "ExceededBudget: User=simulator over budget. Spend: 10.01, Budget: 10.0"),
    "context": ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
}  # fmt: skip


def openai_failure(status: int, variant: str, model: str, key: str) -> Refusal:
    """OpenAI's error of a status; variants `quota`, `budget`, `context`, `after-SECONDS`."""
    base = OPENAI.get(status, Refusal(status, "server_error", f"Error {status}."))
    if variant in OPENAI_VARIANTS:
        kind, code, message = OPENAI_VARIANTS[variant]
        return Refusal(status, kind, message, code)
    message = base.message.replace("{model}", model).replace("{key}", masked(key))
    wait = _wait(variant, base)
    return Refusal(status, base.kind, message, base.code, base.param, wait)


def anthropic_failure(status: int, variant: str, model: str) -> Refusal:
    """Anthropic's error of a status; variants `credit`, `budget`, `context`, `after-SECONDS`."""
    base = ANTHROPIC.get(status, Refusal(status, "api_error", f"Error {status}"))
    if variant in ANTHROPIC_VARIANTS:
        kind, message = ANTHROPIC_VARIANTS[variant]
        return Refusal(status, kind, message)
    message = base.message.replace("{model}", model)
    return Refusal(status, base.kind, message, retry_after_s=_wait(variant, base))


def _wait(variant: str, base: Refusal) -> int | None:
    word, _, seconds = variant.partition("-")
    return int(seconds) if word == "after" and seconds.isdigit() else base.retry_after_s


def masked(key: str) -> str:
    """A key as OpenAI shows it in its 401."""
    return f"{key[:8]}{'*' * 12}{key[-4:]}"


def openai_error(refusal: Refusal) -> dict[str, object]:
    """The body of an OpenAI error."""
    return {
        "error": {
            "message": refusal.message,
            "type": refusal.kind,
            "param": refusal.param,
            "code": refusal.code,
        }
    }


def anthropic_error(refusal: Refusal, request_id: str) -> dict[str, object]:
    """The body of an Anthropic error."""
    error = {"type": refusal.kind, "message": refusal.message}
    return {"type": "error", "error": error, "request_id": request_id}


def html_page(status: int) -> bytes:
    """What an edge in front of a provider answers by itself."""
    return HTML % (status, status)


def encoded(value: object) -> bytes:
    """Compact JSON."""
    return orjson.dumps(value)
