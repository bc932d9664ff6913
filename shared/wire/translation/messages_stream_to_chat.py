"""A stream of the Messages API, as it passes, for a client of Chat Completions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from shared.errors import StreamError
from shared.wire.anthropic_usage import AnthropicUsageFields
from shared.wire.errors import error_event
from shared.wire.formats import WireFormat
from shared.wire.sse import Event
from shared.wire.token_counts import object_of
from shared.wire.translation.chat_answer import (
    Fields,
    finish_reason,
    refusal_of,
    service_tier,
    usage_object,
)
from shared.wire.translation.chat_deltas import Block, Counts, Deltas, opened
from shared.wire.translation.errors import stream_error
from shared.wire.translation.interfaces import Asked

# The dialect has no pings; a comment keeps the connection from looking idle.
_COMMENT = b": ping\n\n"
_DELTA = b"content_block_delta"
_DONE = b"data: [DONE]\n\n"
# Most events by far: more text, without escapes.
_PLAIN = re.compile(
    rb'\{"type":"content_block_delta","index":(0|[1-9]\d{0,8}),'
    rb'"delta":\{"type":"text_delta","text":"([^"\\\x00-\x1f]+)"\} *\}'
)


class MessagesToChatStream:
    """Turns the events of a message into chunks of a chat completion.

    The first chunk has the role. What follows the last block waits for the end of the message:
    the chunk with the finish reason, the chunk with usage if the client asked for it, `[DONE]`.

    Attributes:
        failed: The upstream reported an error; it has been told to the client.
        ended: The stream's last event has been written, complete or failed.
    """

    def __init__(self, asked: Asked) -> None:
        self.failed = False
        self.ended = False
        self._asked = asked
        self._counts = Counts()
        self._open: dict[int, Block] = {}
        self._usage = AnthropicUsageFields()
        self._usage_reported = False
        self._stop: Fields = {}
        self._identity = b""
        self._before = self._before_text = b""
        self._after = self._after_text = b""
        self._out: list[bytes] = []

    def translate(self, events: list[Event]) -> bytes:
        """As `StreamTranslator.translate`."""
        self._out = []
        for name, data in events:
            if self.ended:
                break
            if name != _DELTA or not self._pass_text(data):
                self._take(name, data)
        return b"".join(self._out)

    def flush(self) -> bytes:
        """As `StreamTranslator.flush`."""
        if not self.ended:
            raise StreamError("the stream ended early")
        return b""

    def _pass_text(self, data: bytes) -> bool:
        """Pass plain text on without parsing it; False where it is to be looked at."""
        plain = _PLAIN.fullmatch(data)
        if plain is None:
            return False
        index, text = plain.groups()
        block = self._open.get(int(index))
        if block is None or not block.is_text:
            return False
        try:
            self._counts.characters += len(text.decode())
        except UnicodeDecodeError:
            return False
        self._out.append(b"%b%b%b" % (self._before_text, text, self._after_text))
        return True

    def _take(self, name: bytes, data: bytes) -> None:
        if name and name not in _TAKE:
            return
        fields = object_of(data)
        if fields is None:
            raise StreamError("an event is no JSON object")
        take = _TAKE.get(name or _type_of(fields))
        if take is not None:
            take(self, fields)

    def _ping(self, _fields: Fields) -> None:
        self._out.append(_COMMENT)

    def _message_start(self, fields: Fields) -> None:
        message = _object_in(fields, "message")
        self._take_usage(message.get("usage"))
        if self._before:
            return  # some upstreams start anew in mid-stream: what was said has been said
        identity, model = message.get("id"), message.get("model")
        asked = self._asked
        head = {
            "id": identity if isinstance(identity, str) else f"chatcmpl-{asked.request_id}",
            "object": "chat.completion.chunk",
            "created": asked.created_s,
            "model": model if isinstance(model, str) else "",
        }
        tier = service_tier(message.get("usage"))
        if tier is not None:
            head["service_tier"] = tier
        self._identity = b"data: " + orjson.dumps(head)[:-1]
        self._before = self._identity + b',"choices":[{"index":0,"delta":'
        # OpenAI gives every other chunk an empty usage where one with usage will come.
        usage = b',"usage":null' if asked.wants_usage else b""
        self._after = b',"finish_reason":null}]' + usage + b"}\n\n"
        self._before_text = self._before + b'{"content":"'
        self._after_text = b'"}' + self._after
        self._say(({"role": "assistant", "content": ""},))

    def _block_start(self, fields: Fields) -> None:
        self._check_started()
        index = _index_of(fields)
        self._close(index)
        block = opened(_object_in(fields, "content_block"), self._counts)
        self._open[index] = block
        self._say(block.begin())

    def _block_delta(self, fields: Fields) -> None:
        block = self._open.get(_index_of(fields))
        if block is None:
            raise StreamError("a delta of a block that is not open")
        self._say(block.grow(_object_in(fields, "delta")))

    def _block_stop(self, fields: Fields) -> None:
        self._close(_index_of(fields))

    def _close(self, index: int) -> None:
        block = self._open.pop(index, None)
        if block is not None:
            self._say(block.stop())

    def _message_delta(self, fields: Fields) -> None:
        delta = fields.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason") is not None:
            self._stop = delta
        self._take_usage(fields.get("usage"))

    def _message_stop(self, _fields: Fields) -> None:
        self._check_started()
        for index in tuple(self._open):
            self._close(index)
        refusal = refusal_of(self._stop)
        if refusal is not None:
            self._say(({"refusal": refusal},))
        self._say_last()
        self._out.append(_DONE)
        self.ended = True

    def _error(self, fields: Fields) -> None:
        error = stream_error(fields, self._asked.secrets)
        self._out.append(error_event(error, WireFormat.CHAT, self._asked.request_id))
        self.failed = self.ended = True

    def _take_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage.merge(usage)
            self._usage_reported = True

    def _check_started(self) -> None:
        """No block opens and nothing ends before the message has; so nothing is said before it."""
        if not self._before:
            raise StreamError("an answer without a message_start")

    def _say(self, deltas: Deltas) -> None:
        for delta in deltas:
            self._out.append(b"%b%b%b" % (self._before, orjson.dumps(delta), self._after))

    def _say_last(self) -> None:
        """The chunk with the finish reason, and the one with usage."""
        reason = finish_reason(self._stop.get("stop_reason"), calls=self._counts.calls > 0)
        wants_usage = self._asked.wants_usage
        last: Fields = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        self._say_chunk(last | ({"usage": None} if wants_usage else {}))
        if wants_usage and self._usage_reported:
            self._say_chunk({"choices": [], "usage": usage_object(self._usage.usage())})

    def _say_chunk(self, fields: Fields) -> None:
        self._out += (self._identity, b",", orjson.dumps(fields)[1:], b"\n\n")


def _type_of(fields: Fields) -> bytes:
    kind = fields.get("type")
    return kind.encode() if isinstance(kind, str) else b""


def _index_of(fields: Fields) -> int:
    index = fields.get("index")
    if not isinstance(index, int):
        raise StreamError("a block without an index")
    return index


def _object_in(fields: Fields, name: str) -> Fields:
    found = fields.get(name)
    if not isinstance(found, dict):
        raise StreamError(f"{name} is no object")
    return found


_TAKE: dict[bytes, Callable[[MessagesToChatStream, Fields], None]] = {
    b"ping": MessagesToChatStream._ping,
    b"message_start": MessagesToChatStream._message_start,
    b"content_block_start": MessagesToChatStream._block_start,
    _DELTA: MessagesToChatStream._block_delta,
    b"content_block_stop": MessagesToChatStream._block_stop,
    b"message_delta": MessagesToChatStream._message_delta,
    b"message_stop": MessagesToChatStream._message_stop,
    b"error": MessagesToChatStream._error,
}
