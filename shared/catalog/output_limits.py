"""How much a model may answer at most, for models whose config.json entry does not say.

The price data has no such figure. What is put in where a client gives no max_tokens must not
be more than the upstream takes, so families with a small limit are named here; the providers'
model pages give the figures.
"""

from __future__ import annotations

import fnmatch

DEFAULT_MAX_OUTPUT_TOKENS = 64_000
DEFAULT_CONTEXT_WINDOW = 200_000

# The first pattern that matches counts.
_LIMITS = (
    ("gpt-3.5*", 4_096),
    ("gpt-4-turbo*", 4_096),
    ("gpt-4o*", 16_384),
    ("chatgpt-4o*", 16_384),
    ("gpt-4.1*", 32_768),
    ("gpt-4.5*", 16_384),
    ("gpt-4", 8_192),
    ("gpt-4-*", 4_096),
    ("gpt-5*-chat*", 16_384),
    ("gpt-5*", 128_000),
    ("o1-mini*", 65_536),
    ("o1-preview*", 32_768),
    ("o[134]*", 100_000),
    ("claude-3-5-*", 8_192),
    ("claude-3-7-*", 64_000),
    ("claude-3-*", 4_096),
    ("claude-opus-4", 32_000),
    ("claude-opus-4-0*", 32_000),
    ("claude-opus-4-1*", 32_000),
    ("claude-opus-4-2025*", 32_000),
    ("claude-[12v]*", 4_096),
)


def max_output_of(name: str) -> int:
    """Most output tokens of one answer of a model by that name; 64,000 if nothing is known."""
    plain = name.rpartition("/")[2].lower()
    for pattern, limit in _LIMITS:
        if fnmatch.fnmatchcase(plain, pattern):
            return limit
    return DEFAULT_MAX_OUTPUT_TOKENS
