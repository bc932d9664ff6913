"""The simulator: decides the reply to each request and keeps the log of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import orjson

from scripts.simulator.completions import Call, Completions, refusal_reply
from scripts.simulator.connection import Connection
from scripts.simulator.dialects import Anthropic, Dialect, OpenAI, Responses
from scripts.simulator.errors import Refused, encoded
from scripts.simulator.http_message import Reply, Request
from scripts.simulator.http_parser import MalformedRequest
from scripts.simulator.models import model_reply
from scripts.simulator.options import SimulatorOptions
from scripts.simulator.plans import JSON_TYPE
from scripts.simulator.replay import CaseFolder
from scripts.simulator.request_log import Exchange, RequestLog

MESSAGES = "/v1/messages"
MODELS = "/v1/models"
RESPONSES = "/v1/responses"
POSTED = ("/v1/chat/completions", RESPONSES, MESSAGES, "/v1/messages/count_tokens")


class Simulator:
    """A stand-in for the providers.

    Args:
        options: See SimulatorOptions.
        clock: Seconds since the epoch.
        numbers: Numbers of requests, of which all ids are made.
    """

    def __init__(
        self,
        options: SimulatorOptions,
        clock: Callable[[], float],
        numbers: Iterator[int] | None = None,
    ) -> None:
        self.log = RequestLog(redact=options.redact, body_cap_bytes=options.body_cap)
        self._options = options
        self._clock = clock
        self._numbers = count(1) if numbers is None else numbers
        self._completions = Completions(CaseFolder(options.cases), options.split, clock)
        self._connections: set[Connection] = set()
        self._opened = 0
        self._controls = 0
        self._openai = OpenAI()
        self._responses = Responses()
        self._anthropic = Anthropic()

    # -- connections

    def opened(self, connection: Connection) -> None:
        """A client connected."""
        self._opened += 1
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        self._controls += connection.is_control

    def drop_connections(self) -> None:
        """Ends all connections at once."""
        for connection in list(self._connections):
            connection.abort()

    def connection_counts(self) -> dict[str, int]:
        """Connections opened since the start and open now, those of the control paths left out."""
        controls = sum(connection.is_control for connection in self._connections)
        return {
            "opened": self._opened - self._controls - controls,
            "open": len(self._connections) - controls,
        }

    # -- requests

    def answer(self, request: Request) -> tuple[Reply, Exchange]:
        """Decides the reply and opens its log entry."""
        if request.path.startswith("/_"):
            reply = self._control(request)
            return reply, Exchange(0, self._clock(), request, reply)
        dialect = self._dialect(request)
        number = next(self._numbers)
        body, model, note = _parsed(request.body), None, None
        try:
            self._check_key(request, dialect)
            model = _model_of(body)
            reply = self._provide(request, dialect, body, number)
        except Refused as refused:
            note = refused.refusal.message
            reply = refusal_reply(dialect, refused.refusal, number)
        if request.method == "HEAD":
            reply = Reply.whole(reply.status, reply.headers, b"")
        return reply, self.log.open(self._clock(), request, reply, model=model, note=note)

    def refuse(self, error: MalformedRequest) -> tuple[Reply, Exchange]:
        """The 400 to bytes that are no request; they are logged as they came."""
        reply = Reply.whole(400, [("content-type", "text/plain")], b"400 Bad Request")
        request = Request("", "", "", (), error.head)
        note = f"malformed: {error}"
        return reply, self.log.open(self._clock(), request, reply, note=note)

    def _dialect(self, request: Request) -> Dialect:
        is_models = f"{MODELS}/" in f"{request.path}/"
        if is_models and request.header("anthropic-version") is not None:
            return self._anthropic
        if f"{MESSAGES}/" in f"{request.path}/":
            return self._anthropic
        return self._responses if request.path.endswith(RESPONSES) else self._openai

    def _check_key(self, request: Request, dialect: Dialect) -> None:
        key = request.key
        if not key or (self._options.keys and key not in self._options.keys):
            raise Refused(dialect.unauthorised(key))

    def _provide(
        self, request: Request, dialect: Dialect, body: Mapping[str, Any] | None, number: int
    ) -> Reply:
        if request.method in {"GET", "HEAD"} and f"{MODELS}/" in f"{request.path}/":
            return self._models(request, dialect, number)
        if request.method != "POST" or not request.path.endswith(POSTED):
            raise Refused(dialect.unknown_path(request.method, request.path))
        if body is None:
            raise Refused(dialect.unreadable())
        model = _model_of(body) or ""
        return self._completions.reply(Call(dialect, request, body, model, number))

    def _models(self, request: Request, dialect: Dialect, number: int) -> Reply:
        name = request.path.partition(f"{MODELS}/")[2]
        found = model_reply(name, is_anthropic=dialect is self._anthropic)
        if found is None:
            raise Refused(dialect.failure(404, "", name, request.key))
        return Reply.whole(200, [JSON_TYPE, *dialect.headers(number)], found)

    # -- control

    def _control(self, request: Request) -> Reply:
        json_lines = ("content-type", "application/x-ndjson")
        match request.method, request.path:
            case "GET", "/_log":
                return Reply.whole(200, [json_lines], self.log.lines())
            case "GET", "/_connections":
                return Reply.whole(200, [JSON_TYPE], encoded(self.connection_counts()))
            case "DELETE", "/_log":
                self.log.clear()
                return Reply.whole(204, [], b"")
            case "DELETE", "/_state":
                self.log.clear()
                self._completions.clear()
                return Reply.whole(204, [], b"")
        return Reply.whole(404, [JSON_TYPE], encoded({"error": "no such control path"}))


def _parsed(body: bytes) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _model_of(body: Mapping[str, Any] | None) -> str | None:
    model = body.get("model") if body else None
    return model if isinstance(model, str) else None
