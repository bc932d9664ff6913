"""Which translation goes from one dialect to the other."""

from __future__ import annotations

from shared.domain.catalog import Dialect
from shared.wire.parsed_request import ParsedRequest
from shared.wire.translation.chat_answer_to_messages import translate_completion
from shared.wire.translation.chat_stream_to_messages import ChatToMessagesStream
from shared.wire.translation.chat_to_messages import translate_chat
from shared.wire.translation.interfaces import (
    Asked,
    StreamTranslator,
    TargetModel,
    TranslatedRequest,
)
from shared.wire.translation.messages_answer_to_chat import translate_message
from shared.wire.translation.messages_stream_to_chat import MessagesToChatStream
from shared.wire.translation.messages_to_chat import translate_messages


def translate_request(parsed: ParsedRequest, target: TargetModel) -> TranslatedRequest:
    """A client's request in the other dialect.

    Raises:
        GatewayError: 400, with the parameter that cannot be carried.
    """
    if parsed.dialect is Dialect.OPENAI:
        return translate_chat(parsed, target)
    return translate_messages(parsed, target)


def translate_answer(client: Dialect, body: bytes, asked: Asked) -> bytes:
    """A 2xx answer in one piece, from the other dialect into the client's.

    Raises:
        GatewayError: 502, for a body that is no answer.
    """
    if client is Dialect.OPENAI:
        return translate_message(body, asked)
    return translate_completion(body, asked)


def stream_translator(client: Dialect, asked: Asked) -> StreamTranslator:
    """A new translator of a stream of the other dialect into the client's."""
    return MessagesToChatStream(asked) if client is Dialect.OPENAI else ChatToMessagesStream(asked)
