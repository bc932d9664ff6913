"""Which translation goes from one dialect to the other."""

from __future__ import annotations

from shared.domain.catalog import Dialect
from shared.wire.errors import invalid_request, upstream_failed
from shared.wire.parsed_request import ParsedRequest
from shared.wire.translation.interfaces import (
    Asked,
    StreamTranslator,
    TargetModel,
    TranslatedRequest,
)

_PATH_OF = {Dialect.OPENAI: "/v1/messages", Dialect.ANTHROPIC: "/v1/chat/completions"}


def translate_request(parsed: ParsedRequest, target: TargetModel) -> TranslatedRequest:
    """A client's request in the other dialect.

    Raises:
        GatewayError: 400, with the parameter that cannot be carried.
    """
    message = f"The model {parsed.model or target.name} is served at {_PATH_OF[parsed.dialect]}."
    raise invalid_request(message, "model")


def translate_answer(client: Dialect, body: bytes, asked: Asked) -> bytes:
    """A 2xx answer in one piece, from the other dialect into the client's.

    Raises:
        GatewayError: 502, for a body that is no answer.
    """
    size = len(body)
    raise upstream_failed(f"{asked.request_id}: no translation of {size} bytes into {client}")


def stream_translator(client: Dialect, asked: Asked) -> StreamTranslator:
    """A new translator of a stream of the other dialect into the client's."""
    raise upstream_failed(f"{asked.request_id}: no translation into {client}")
