"""What models of OpenAI's dialect differ in, as far as their names tell."""

from __future__ import annotations

import re

# gpt-5-chat-latest and its kind do not reason.
_REASONING = re.compile(r"o[1-9](?:-|$)|gpt-oss|gpt-[5-9](?![0-9])(?!.*-chat)")
_O_SERIES = re.compile(r"o[1-9](?:-|$)")


def reasons(name: str) -> bool:
    """Whether a model takes `reasoning_effort`, and takes no sampling parameters."""
    return bool(_REASONING.match(_bare(name)))


def calls_one_tool_at_a_time(name: str) -> bool:
    """Whether a model never calls tools in parallel and refuses to be told so."""
    return bool(_O_SERIES.match(_bare(name)))


def _bare(name: str) -> str:
    """A name without the provider before it and without the mark of a tuned model."""
    return name.lower().rpartition("/")[2].removeprefix("ft:")
