"""What the gateway asks of a translation, whatever its direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from shared.wire.sse import Event


@dataclass(frozen=True, slots=True)
class TargetModel:
    """What a request translation needs to know of the model it is for.

    Attributes:
        name: The model's name at its upstream; some features differ between models.
        max_output_tokens: The most it can answer.
    """

    name: str
    max_output_tokens: int


@dataclass(frozen=True, slots=True)
class TranslatedRequest:
    """A request in the upstream's dialect.

    Attributes:
        body: Its fields, new objects where anything differs. `model` is put in when it is sent; so
            is the limit of output tokens, where the client gave none.
        dropped: Parameters that were left out by a documented rule, for the log.
    """

    body: dict[str, Any] = field(repr=False)
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the translation of an answer must know of the request.

    Attributes:
        request_id: Ours, for error events.
        created_s: Unix time for answers whose dialect wants one, seconds.
        wants_usage: The client asked for the usage chunk of an OpenAI stream.
        secrets: Words that no error may show: the upstream's host, its key.
    """

    request_id: str
    created_s: int
    wants_usage: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


class StreamTranslator(Protocol):
    """Turns the upstream's stream into the client's, as it passes.

    Attributes:
        failed: The upstream reported an error; it has been told to the client.
        ended: The stream's last event has been written, complete or failed; nothing follows it.
    """

    failed: bool
    ended: bool

    def translate(self, events: list[Event]) -> bytes:
        """Take the next events of the upstream; returns whole events, possibly none.

        Raises:
            StreamError: The upstream sent what is no event of its dialect.
        """

    def flush(self) -> bytes:
        """The upstream has ended: the events that remain.

        Raises:
            StreamError: The upstream had not said that its stream was complete.
        """
