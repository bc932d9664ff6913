"""mitmproxy's Master with the gateway's addons and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from mitmproxy.addons import core, errorcheck, next_layer, proxyserver, tlsconfig
from mitmproxy.master import Master
from mitmproxy.options import Options

from addons.proxy.hooks import FaultHandler, HookTable
from addons.proxy.layer import CutRequests, GatewayHttpLayer
from addons.proxy.mode import MODE_SPEC, Listening
from addons.proxy.waiting import Waiting

# Beyond every deadline of ours: mitmproxy's own watch on idle connections never decides.
TCP_TIMEOUT_S = 3600


class GatewayMaster(Master):
    """Runs the proxy of one worker.

    Attributes:
        listening: Socket and limits, read by the `gateway:` mode.
        proxyserver: mitmproxy's addon that owns listeners and connections.
    """

    def __init__(
        self,
        listening: Listening,
        addons: Sequence[object],
        fault_handler: FaultHandler,
        conf_dir: Path,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(Options(), event_loop=loop)
        # The stock master logs everything through handlers of its own.
        self._legacy_log_events.uninstall()
        self.proxyserver = proxyserver.Proxyserver()
        self.addons = self._hook_table(fault_handler)
        self.addons.add(
            core.Core(),
            self.proxyserver,
            next_layer.NextLayer(),
            tlsconfig.TlsConfig(),
            *addons,
            errorcheck.ErrorCheck(),
        )
        self.options.update(
            mode=[MODE_SPEC],
            confdir=str(conf_dir),
            connection_strategy="lazy",
            http2=False,
            http3=False,
            rawtcp=False,
            websocket=False,
            tcp_timeout=TCP_TIMEOUT_S,
        )
        self.addons.freeze()
        # `Options` is no mapping: it has `keys`, and cannot be iterated.
        options = {name: getattr(self.options, name) for name in self.options.keys()}  # noqa: SIM118
        self.listening = replace(listening, options=SimpleNamespace(**options))

    def _hook_table(self, fault_handler: FaultHandler) -> HookTable:
        self.options.changed.disconnect(self.addons._configure_all)
        table = HookTable(self)
        table.fault_handler = fault_handler
        return table

    async def stop_accepting(self) -> None:
        """Close this worker's listener; its connections live on."""
        for instance in self.proxyserver.servers:
            if instance.is_running:
                await instance.stop()

    def waiting(self) -> list[Waiting]:
        """Client connections without a request under way."""
        found = []
        for handler in self.proxyserver.connections.values():
            layer = handler.layer
            if isinstance(layer, GatewayHttpLayer) and layer.waiting_since is not None:
                host = handler.client.peername[0]
                found.append(Waiting(host, layer.waiting_since, not layer.idle, handler))
        return found

    async def close(self, connections: Iterable[Waiting]) -> None:
        """Close client connections."""
        for connection in connections:
            await connection.handler.on_timeout()

    async def cut_requests(self) -> None:
        """End live answers with an error, in the client's dialect."""
        for handler in list(self.proxyserver.connections.values()):
            await handler.server_event(CutRequests())


def quiet_logs() -> None:
    """Keep mitmproxy's chatter about every connection out of the way."""
    for name in ("mitmproxy", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
