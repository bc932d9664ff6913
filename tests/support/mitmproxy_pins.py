"""Fingerprints of the functions of mitmproxy that the gateway overrides or leans on.

`python -m tests.support.mitmproxy_pins` writes them anew, once the tests over sockets have passed
with another version. Nothing of mitmproxy's text is stored: a hash of the syntax tree without
comments, docstrings and layout, the signature, and the names that are called.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from h11 import _readers
from mitmproxy import addonmanager, flow, http, master
from mitmproxy.addons import proxyserver
from mitmproxy.net.http import http1, validate
from mitmproxy.proxy import layer, mode_servers, server
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import _events, _http1

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


@dataclass(frozen=True)
class Pin:
    """What one function looks like.

    Attributes:
        digest: Of its syntax tree.
        signature: As `inspect` tells it.
        statements: How many.
        calls: Names of what it calls, sorted.
    """

    digest: str
    signature: str
    statements: int
    calls: tuple[str, ...]


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Everything that is pinned, by name."""
    for owner, names in PINNED.items():
        for name in names:
            member = inspect.getattr_static(owner, name)
            function = getattr(member, "__func__", member)
            yield f"{owner.__name__}.{name}", inspect.unwrap(function)
    for function in FUNCTIONS:
        yield f"{function.__module__}.{function.__name__}", inspect.unwrap(function)


def pin(function: Callable[..., Any]) -> Pin:
    """The fingerprint of a function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:] or [ast.Pass()]
    called = {_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    digest = hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()[:16]
    return Pin(digest, str(inspect.signature(function)), statements, tuple(sorted(called)))


def stored() -> dict[str, Pin]:
    """The fingerprints that the gateway was tested with."""
    content = json.loads((FOLDER / f"{VERSION}.json").read_text())
    return {
        name: Pin(**{**fields, "calls": tuple(fields["calls"])}) for name, fields in content.items()
    }


def difference(name: str, old: Pin, new: Pin) -> str:
    """What has changed, in words; empty when nothing has."""
    if old == new:
        return ""
    lines = [f"{name} has changed:"]
    if old.signature != new.signature:
        lines += [f"  signature was {old.signature}", f"            is  {new.signature}"]
    if old.statements != new.statements:
        lines.append(f"  statements: {old.statements} -> {new.statements}")
    lines += [f"  no longer calls {each}" for each in sorted({*old.calls} - {*new.calls})]
    lines += [f"  now calls {each}" for each in sorted({*new.calls} - {*old.calls})]
    if len(lines) == 1:
        lines.append("  same signature, same calls: the logic between them differs")
    return "\n".join(lines)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def _plain(node: object) -> object:
    """A tree without positions and without what is empty: alike in every Python."""
    if isinstance(node, ast.AST):
        fields = [(name, _plain(value)) for name, value in ast.iter_fields(node)]
        skipped = ("ctx", "kind", "type_comment")
        kept = [(n, value) for n, value in fields if value not in (None, []) and n not in skipped]
        return (type(node).__name__, kept)
    if isinstance(node, list):
        return [_plain(each) for each in node]
    return node


def main() -> None:
    """Write the fingerprints of the installed version."""
    FOLDER.mkdir(exist_ok=True)
    content = {name: asdict(pin(function)) for name, function in functions()}
    path = FOLDER / f"{version('mitmproxy')}.json"
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    print(f"{len(content)} functions pinned in {path}")


if __name__ == "__main__":
    main()
