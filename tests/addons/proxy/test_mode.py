import asyncio
import socket

import pytest
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode

from addons.proxy.mode import BLACK_HOLE, MODE_SPEC, GatewayInstance, GatewayMode
from tests.support.gateway_worker import RunningWorker, request


def test_the_mode_is_known_by_its_name() -> None:
    mode = ProxyMode.parse(MODE_SPEC)
    assert isinstance(mode, GatewayMode)
    assert mode.type_name == "gateway"
    assert (mode.scheme, mode.address) == ("http", ("127.0.0.1", 1))
    assert isinstance(ServerInstance.make(mode, None), GatewayInstance)  # type: ignore[arg-type]


def test_the_black_hole_takes_no_connection() -> None:
    host, port = BLACK_HOLE.removeprefix("http://").split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=1)


def test_it_listens_on_the_socket_it_was_given_and_no_other(worker: RunningWorker) -> None:
    (instance,) = worker.worker.master.proxyserver.servers
    assert instance.listen_addrs == (("127.0.0.1", worker.port),)


def test_every_connection_starts_with_our_layer(worker: RunningWorker) -> None:
    with worker.client() as client:
        client.ask(request("GET", "/health"))
        (handler,) = worker.worker.master.proxyserver.connections.values()
        assert type(handler.layer).__name__ == "GatewayHttpLayer"
        assert handler.layer.context.server.address == ("127.0.0.1", 1)


def test_connections_are_taken_in_parallel(worker: RunningWorker) -> None:
    clients = [worker.client() for _ in range(50)]
    for client in clients:
        client.send(request("GET", "/health"))
    assert [client.read().status for client in clients] == [200] * 50
    for client in clients:
        client.close()


def test_the_loop_belongs_to_the_worker(worker: RunningWorker) -> None:
    assert isinstance(worker.loop, asyncio.AbstractEventLoop)
