"""What a Chat Completions answer says in words of its own, from those of the Messages API."""

from __future__ import annotations

from typing import Any

from shared.domain.usage import Usage

Fields = dict[str, Any]

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# Batches have no tier in OpenAI's words.
_SERVICE_TIERS = {"standard": "default", "priority": "priority"}


def finish_reason(stop_reason: object, *, calls: bool) -> str:
    """OpenAI's `finish_reason`; where the reason is unknown or missing, calls decide.

    Args:
        stop_reason: As the upstream gave it.
        calls: The answer calls tools.
    """
    known = _FINISH_REASONS.get(stop_reason) if isinstance(stop_reason, str) else None
    return known or ("tool_calls" if calls else "stop")


def refusal_of(fields: Fields) -> str | None:
    """Why the model refused, from the object that holds `stop_reason`; None if it does not say."""
    details = fields.get("stop_details")
    if fields.get("stop_reason") != "refusal" or not isinstance(details, dict):
        return None
    explanation = details.get("explanation")
    return explanation if isinstance(explanation, str) else None


def service_tier(usage: object) -> str | None:
    """OpenAI's name of the tier that a usage object of the Messages API reports, if it has one."""
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    return _SERVICE_TIERS.get(tier) if isinstance(tier, str) else None


def usage_object(usage: Usage) -> Fields:
    """Usage as OpenAI gives it: its prompt tokens include those read from a cache or written."""
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_hit,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def url_citations(citations: list[Any], start: int, end: int) -> list[Fields]:
    """Annotations of one block of text, one for each address that it cites.

    Citations of documents have no address and no place in this dialect: they are left out.

    Args:
        citations: As the Messages API gives them.
        start: Where the text begins in the whole content, characters.
        end: Where it ends.
    """
    titles: dict[str, str] = {}
    for citation in citations:
        url, title = _source(citation)
        if url is not None:
            titles.setdefault(url, title if isinstance(title, str) else url)
    places = {"start_index": start, "end_index": end}
    return [
        {"type": "url_citation", "url_citation": {**places, "title": title, "url": url}}
        for url, title in titles.items()
    ]


def _source(citation: object) -> tuple[str | None, object]:
    """Address and title of what a citation cites; searches of one's own name any source."""
    if not isinstance(citation, dict):
        return None, None
    url = citation.get("url") or citation.get("source")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        return None, None
    return url, citation.get("title")
