"""The `gateway:` proxy mode: a reverse proxy on a socket that the supervisor opened.

Its target is a black hole. A flow leaves only with a plan, see `addons.proxy.plan`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mitmproxy import ctx
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from mitmproxy.proxy.mode_specs import ReverseMode

from addons.proxy.connection import GatewayConnectionHandler
from addons.proxy.layer import GatewayHttpLayer
from addons.proxy.plan import LayerPolicy

BLACK_HOLE = "http://127.0.0.1:1"
MODE_SPEC = f"gateway:{BLACK_HOLE}"
BACKLOG = 4096
# What is read at once, and half of what waits to be looked at: hundreds of senders may be served.
READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Listening:
    """What the master gives its server instance.

    Attributes:
        listener: The inherited socket.
        policy: Of the proxy layer.
        options: A plain copy of mitmproxy's options: looking one up there costs a microsecond,
            and the layers look up dozens for every request.
        started: Called once connections are accepted.
    """

    listener: socket.socket
    policy: LayerPolicy
    options: Any = None
    started: Callable[[], None] = lambda: None


class GatewayMode(ReverseMode):
    """`gateway:http://127.0.0.1:1`."""


class GatewayInstance(AsyncioServerInstance[GatewayMode]):
    """Accepts on the inherited socket; a draining worker just stops accepting."""

    # The parent may also listen for UDP, and so returns a union.
    async def listen(self, _host: str, _port: int) -> list[asyncio.Server]:  # type: ignore[override]
        """Serve the socket of the master; host and port of the options mean nothing here."""
        listening = _listening()
        server = await asyncio.start_server(
            self.handle_stream, sock=listening.listener, backlog=BACKLOG, limit=READ_BYTES // 2
        )
        listening.started()
        return [server]

    def make_top_layer(self, context: Context) -> GatewayHttpLayer:
        """Plain HTTP/1 from the first byte: nothing is guessed."""
        context.server.address = self.mode.address
        return GatewayHttpLayer(context, _listening().policy)

    # The parent also takes the streams of its Rust side, which this mode never sees.
    async def handle_stream(  # type: ignore[override]
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None = None
    ) -> None:
        """Serve one client connection."""
        assert writer is not None
        # A plain attribute of asyncio's transports, 256 KB unless told otherwise.
        writer.transport.max_size = READ_BYTES  # type: ignore[attr-defined]
        handler = GatewayConnectionHandler(
            ctx.master, reader, writer, _listening().options, self.mode
        )
        handler.layer = self.make_top_layer(handler.layer.context)
        with self.manager.register_connection(handler.layer.context.client.id, handler):
            await handler.handle_client()


def _listening() -> Listening:
    # `ctx.master` is typed as mitmproxy's own Master; in a worker it is a GatewayMaster.
    listening: Listening = ctx.master.listening  # type: ignore[attr-defined]
    return listening
