import logging

import pytest

from addons.master import TCP_TIMEOUT_S, quiet_logs
from tests.support.gateway_worker import RunningWorker, request

MITMPROXY_S_OWN = ["Core", "Proxyserver", "NextLayer", "TlsConfig", "ErrorCheck"]


def test_of_mitmproxy_s_addons_only_these(worker: RunningWorker) -> None:
    chain = worker.worker.master.addons.chain
    own = [one for one in chain if type(one).__module__.startswith("mitmproxy.")]
    assert [type(one).__name__ for one in own] == MITMPROXY_S_OWN


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("connection_strategy", "lazy"),
        ("http2", False),
        ("http3", False),
        ("rawtcp", False),
        ("websocket", False),
        ("tcp_timeout", TCP_TIMEOUT_S),
        ("store_streamed_bodies", False),
        ("body_size_limit", None),
    ],
)
def test_its_options(worker: RunningWorker, option: str, value: object) -> None:
    master = worker.worker.master
    assert getattr(master.options, option) == value
    assert getattr(master.listening.options, option) == value


def test_it_stores_no_flow(worker: RunningWorker) -> None:
    worker.ask(request("GET", "/health"))
    worker.wait_for(lambda: not worker.worker.master.proxyserver.connections)
    assert worker.worker.master.addons.get("view") is None


def test_no_chatter_about_connections(
    worker: RunningWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    worker.ask(request("GET", "/health"))
    assert not [one for one in caplog.records if one.name.startswith("mitmproxy")]


def test_quiet_is_for_less_than_warnings() -> None:
    quiet_logs()
    for name in ("mitmproxy", "asyncio"):
        assert logging.getLogger(name).level == logging.WARNING
