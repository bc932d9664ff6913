"""Fingerprints of the functions of mitmproxy that the gateway overrides or leans on.

`python -m tests.support.mitmproxy_pins` writes them anew, once the tests over sockets have passed
with another version.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from h11 import _readers
from mitmproxy import addonmanager, flow, http, master
from mitmproxy.addons import proxyserver
from mitmproxy.net.http import http1, validate
from mitmproxy.proxy import layer, mode_servers, server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _events, _http1

from tests.support.pins import Pins, difference, pin

__all__ = ["VERSION", "difference", "functions", "pin", "stored"]

VERSION = "12.2.3"
FOLDER = Path(__file__).resolve().parents[1] / "addons" / "proxy" / "pins"

PINNED: dict[type, tuple[str, ...]] = {
    layer.Layer: ("__init__", "handle_event", "_Layer__process", "_Layer__continue"),
    layers.HttpLayer: (
        "__init__",
        "_handle_event",
        "event_to_child",
        "make_stream",
        "get_connection",
        "register_connection",
    ),
    layers.HttpClient: ("_handle_event",),
    layers.HttpStream: (
        "__init__",
        "_handle_event",
        "state_wait_for_request_headers",
        "state_consume_request_body",
        "make_server_connection",
        "state_wait_for_response_headers",
        "start_response_stream",
        "state_stream_response_body",
        "state_consume_response_body",
        "send_response",
        "flow_done",
        "check_body_size",
        "check_invalid",
        "check_killed",
        "handle_protocol_error",
        "state_errored",
        "state_done",
    ),
    _http1.Http1Connection: (
        "__init__",
        "_handle_event",
        "start",
        "read_body",
        "wait",
        "mark_done",
    ),
    _http1.Http1Server: ("__init__", "send", "read_headers", "mark_done"),
    _http1.Http1Client: ("__init__", "send", "read_headers"),
    _events.ErrorCode: ("http_status_code",),
    _readers.ChunkedReader: ("__init__", "__call__"),
    addonmanager.AddonManager: ("__init__", "register", "add", "handle_lifecycle", "trigger_event"),
    master.Master: ("__init__", "run", "running", "done", "shutdown"),
    proxyserver.Proxyserver: ("__init__", "register_connection", "setup_servers"),
    server.ConnectionHandler: (
        "__init__",
        "handle_client",
        "open_connection",
        "wakeup",
        "handle_connection",
        "drain_writers",
        "on_timeout",
        "hook_task",
        "server_event",
        "close_connection",
    ),
    server.LiveConnectionHandler: ("__init__",),
    server.TimeoutWatchdog: ("__init__", "watch", "disarm", "register_activity"),
    mode_servers.ProxyConnectionHandler: ("__init__", "handle_hook"),
    mode_servers.ServerInstance: ("__init_subclass__", "make", "start", "stop", "handle_stream"),
    mode_servers.AsyncioServerInstance: ("__init__", "_start", "_stop", "listen"),
    http.Headers: ("__init__", "get_all"),
    http.Request: ("__init__",),
    http.Response: ("__init__", "make"),
    flow.Flow: ("kill",),
}
FUNCTIONS: tuple[Callable[..., Any], ...] = (
    http1.read_request_head,
    http1.expected_http_body_size,
    http1.connection_close,
    http1.assemble_request_head,
    http1.assemble_response_head,
    http1.assemble_response,
    validate.validate_headers,
    _http1.make_body_reader,
    _http1.should_make_pipe,
)

_PINS = Pins("mitmproxy", VERSION, FOLDER, PINNED, FUNCTIONS)
functions = _PINS.all
stored = _PINS.stored

if __name__ == "__main__":
    _PINS.write()
