"""What tests have a client do, and what it tells of it, whatever its language and dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

type Scenario = Literal["text", "tools", "image", "think", "leave"]

TEXT = "one two three, Grüße und 你好"
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
TOOL_NAME = "weather"
TOOL_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL_SAID = "sunny"


@dataclass(frozen=True)
class Job:
    """One thing to do.

    Attributes:
        scenario: `text` asks once; `tools` answers the call of a tool and ends; `image` sends a
            picture with the text; `think` asks twice and sends back all of the first answer;
            `leave` goes away in the midst of a stream.
        base_url: Origin of the gateway, without a path.
        key: What to present there.
        model: Which model to ask.
        stream: Whether to ask for a stream.
        text: What to say.
        image: A PNG, in base64.
        max_tokens: Limit of the answer; one that is no good is passed on as it is.
        leave_after: Pieces of text after which `leave` goes away.
    """

    scenario: Scenario
    base_url: str
    key: str
    model: str
    stream: bool = False
    text: str = TEXT
    image: str = PNG
    max_tokens: int = 2000
    leave_after: int = 5


@dataclass(frozen=True)
class Failure:
    """An error that a client raised: its class, and the HTTP status that it tells, if any."""

    name: str
    status: int | None
    message: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a client read; texts and `finish` of the last answer, the rest of all answers.

    Attributes:
        finish: Why the answer ended, in the client's own word.
        calls: Arguments of calls of tools.
        failure: What it raised instead.
    """

    text: str = ""
    thinking: str = ""
    finish: str = ""
    calls: list[Any] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    failure: Failure | None = None


class Client(Protocol):
    """A real client of the gateway."""

    def run(self, job: Job) -> Outcome:
        """Do a job; what the client raises is in the outcome."""


def merged(first: Outcome, last: Outcome) -> Outcome:
    """The outcome of two calls."""
    return Outcome(
        text=last.text,
        thinking=first.thinking + last.thinking,
        finish=last.finish,
        calls=first.calls + last.calls,
        input_tokens=first.input_tokens + last.input_tokens,
        output_tokens=first.output_tokens + last.output_tokens,
    )
