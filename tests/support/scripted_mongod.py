"""A server that says which version of MongoDB it is, and has nothing else to say.

Versions that are too old are not installed anywhere here; what is asked of one before it is refused
is three commands.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import bson

_HEADER = struct.Struct("<iiii")
_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013


class ScriptedMongod(socketserver.ThreadingTCPServer):
    """The primary of a replica set of one, on a free port of the loopback.

    Attributes:
        version: As `buildInfo` tells it, such as `(5, 0, 31)`.
        wire_version: As `hello` tells it, such as 13 for 5.0.
    """

    allow_reuse_address = True

    def __init__(self, version: Sequence[int], wire_version: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.version = version
        self.wire_version = wire_version

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def reply(self, command: dict[str, Any]) -> dict[str, Any]:
        """What a command is answered with."""
        name = next(iter(command)).lower()
        if name in ("hello", "ismaster"):
            return self._hello()
        if name == "buildinfo":
            text = ".".join(str(part) for part in self.version)
            return {"version": text, "versionArray": [*self.version, 0], "ok": 1.0}
        if name == "find":
            space = f"{command['$db']}.{command['find']}"
            return {"cursor": {"id": bson.Int64(0), "ns": space, "firstBatch": []}, "ok": 1.0}
        return {"ok": 0.0, "code": 59, "errmsg": f"no such command: {name}"}

    def _hello(self) -> dict[str, Any]:
        me = f"127.0.0.1:{self.port}"
        return {
            "setName": "rs0",
            "hosts": [me],
            "primary": me,
            "me": me,
            "isWritablePrimary": True,
            "ismaster": True,
            "helloOk": True,
            "minWireVersion": 0,
            "maxWireVersion": self.wire_version,
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "ok": 1.0,
        }


class _Connection(socketserver.StreamRequestHandler):
    server: ScriptedMongod

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # clients end as they like
            while header := self.rfile.read(_HEADER.size):
                length, request_id, _, kind = _HEADER.unpack(header)
                body = self.rfile.read(length - _HEADER.size)
                self.wfile.write(self._answer(request_id, kind, body))

    def _answer(self, request_id: int, kind: int, body: bytes) -> bytes:
        if kind == _OP_MSG:
            # Flags, then one section of kind 0.
            reply = b"\0\0\0\0\0" + bson.encode(self.server.reply(bson.decode(body[5:])))
            return _HEADER.pack(_HEADER.size + len(reply), 0, request_id, _OP_MSG) + reply
        assert kind == _OP_QUERY, kind
        # Flags, name of the collection, two numbers, then the command.
        command = bson.decode(body[body.index(b"\0", 4) + 9 :])
        reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self.server.reply(command))
        return _HEADER.pack(_HEADER.size + len(reply), 0, request_id, _OP_REPLY) + reply


@contextmanager
def running_scripted_mongod(version: Sequence[int], wire_version: int) -> Iterator[ScriptedMongod]:
    """One in a thread, for as long as the context lasts; its clients leave before."""
    with ScriptedMongod(version, wire_version) as server:
        thread = threading.Thread(target=server.serve_forever, name="scripted mongod")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
