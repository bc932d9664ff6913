import pytest
from mitmproxy import http

from addons.context import RequestContext
from addons.gatekeeper import ENDPOINTS, Gatekeeper, decoded, dialect_of, endpoint_at
from shared.domain.accounts import RateWindow
from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.formats import WireFormat
from tests.support.gateway_flows import flow_of


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_is_found(path: str) -> None:
    assert endpoint_at(path) is ENDPOINTS[path]


@pytest.mark.parametrize(
    "path", ["/v1/models/gpt-5", "/v1/models/anthropic/claude", "/v1/models/x"]
)
def test_models_have_a_path_each(path: str) -> None:
    endpoint = endpoint_at(path)
    assert endpoint is not None
    assert (endpoint.method, endpoint.keyed, endpoint.billed) == ("GET", True, False)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "//v1/messages",
        "/v1/messages/",
        "/v1/models/",
        "/V1/messages",
        "/v1",
        "/health/x",
        "/v1/responses/",
        "/v1/responses/resp_1",
        "/v1/responses/compact",
    ],
)
def test_everything_else_is_nowhere(path: str) -> None:
    assert endpoint_at(path) is None


def test_what_costs_money_needs_a_key() -> None:
    assert all(each.keyed for each in ENDPOINTS.values() if each.billed)
    assert {path for path, each in ENDPOINTS.items() if each.billed} == {
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/responses",
    }


def test_counts_of_tokens_are_free_and_counted_apart() -> None:
    endpoint = ENDPOINTS["/v1/messages/count_tokens"]
    assert endpoint.format is WireFormat.COUNT_TOKENS
    assert (endpoint.keyed, endpoint.billed) == (True, False)
    apart = [path for path, each in ENDPOINTS.items() if each.window is RateWindow.COUNTS]
    assert apart == ["/v1/messages/count_tokens"]


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/v1/models/anthropic%2Fclaude", "/v1/models/anthropic/claude"),
        ("/v1/models/a%2fb%3Ac", "/v1/models/a/b:c"),
        ("/v1/models/a%252Fb", "/v1/models/a%2Fb"),
        ("/v1/models/%ff", "/v1/models/%ff"),
        ("/v1%2Fmessages", "/v1%2Fmessages"),
        ("/v1/%6Dessages", "/v1/%6Dessages"),
    ],
)
def test_ids_of_models_alone_are_decoded(path: str, read: str) -> None:
    assert decoded(path) == read


def test_an_encoded_id_is_found() -> None:
    flow = flow_of(method=b"GET", path=b"/v1/models/anthropic%2Fclaude")
    gatekeeper().requestheaders(flow)
    assert RequestContext.of(flow).endpoint == "/v1/models/anthropic/claude"


@pytest.mark.parametrize(
    ("path", "version", "dialect"),
    [
        ("/v1/messages", False, Dialect.ANTHROPIC),
        ("/v1/messages/count_tokens", False, Dialect.ANTHROPIC),
        ("/v1/chat/completions", True, Dialect.OPENAI),
        ("/v1/models", False, Dialect.OPENAI),
        ("/v1/models", True, Dialect.ANTHROPIC),
        ("/v1/models/x", True, Dialect.ANTHROPIC),
        ("/health", True, Dialect.OPENAI),
        ("/nowhere", False, Dialect.OPENAI),
    ],
)
def test_the_dialect_of_a_path(path: str, version: bool, dialect: Dialect) -> None:
    headers = http.Headers(anthropic_version="2023-06-01") if version else http.Headers()
    assert dialect_of(path, headers) is dialect


def gatekeeper(*, overloaded: bool = False) -> Gatekeeper:
    return Gatekeeper(1000, lambda: overloaded, lambda: "req_1")


def test_a_request_gets_its_context() -> None:
    flow = flow_of(path=b"/v1/messages?beta=true", http_version=b"HTTP/1.1")
    gatekeeper().requestheaders(flow)
    context = RequestContext.of(flow)
    assert (context.request_id, context.endpoint) == ("req_1", "/v1/messages")
    assert context.dialect is Dialect.ANTHROPIC
    assert not context.http_1_0
    assert not context.closes
    assert context.arrived_at.tzinfo is not None


@pytest.mark.parametrize(
    ("version", "connection", "closes"),
    [
        (b"HTTP/1.1", None, False),
        (b"HTTP/1.1", "close", True),
        (b"HTTP/1.0", None, True),
        (b"HTTP/1.0", "keep-alive", False),
    ],
)
def test_what_the_client_wants_of_its_connection(
    version: bytes, connection: str | None, closes: bool
) -> None:
    flow = flow_of(http_version=version)
    if connection:
        flow.request.headers["connection"] = connection
    gatekeeper().requestheaders(flow)
    context = RequestContext.of(flow)
    assert (context.closes, context.http_1_0) == (closes, version == b"HTTP/1.0")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        (b"POST", b"/nowhere", {}, 404),
        (b"POST", b"/v1/messages%2e", {}, 404),
        (b"POST", b"/v1/messages#x", {}, 404),
        (b"GET", b"/v1/models/a%252fb", {}, 404),
        (b"GET", b"/v1/messages", {}, 405),
        (b"post", b"/v1/messages", {}, 405),
        (b"POST", b"/v1/models", {}, 405),
        (b"GET", b"/", {}, 405),
        (b"POST", b"/v1/messages", {"content-encoding": "gzip"}, 415),
        (b"GET", b"/v1/messages", {"upgrade": "websocket"}, 426),
        (b"POST", b"/v1/messages", {"content-length": "1001"}, 413),
    ],
)
def test_refusals(method: bytes, path: bytes, headers: dict[str, str], status: int) -> None:
    flow = flow_of(method=method, path=path)
    flow.request.headers.update(headers)
    with pytest.raises(GatewayError) as caught:
        gatekeeper().requestheaders(flow)
    assert caught.value.status == status
    assert ("allow" in caught.value.headers) == (status == 405)
    assert RequestContext.find(flow) is not None


@pytest.mark.parametrize(
    "headers", [{"content-length": "1000"}, {"content-encoding": "Identity"}, {}]
)
def test_ordinary_heads_pass(headers: dict[str, str]) -> None:
    flow = flow_of()
    flow.request.headers.update(headers)
    gatekeeper().requestheaders(flow)
    assert RequestContext.find(flow) is not None
    assert flow.response is None


@pytest.mark.parametrize(
    ("method", "path", "refused"),
    [(b"POST", b"/v1/messages", True), (b"GET", b"/health", False), (b"GET", b"/v1/models", False)],
)
def test_only_what_goes_upstream_is_shed(method: bytes, path: bytes, refused: bool) -> None:
    flow = flow_of(method=method, path=path)
    if not refused:
        gatekeeper(overloaded=True).requestheaders(flow)
        return
    with pytest.raises(GatewayError) as caught:
        gatekeeper(overloaded=True).requestheaders(flow)
    assert (caught.value.status, caught.value.headers["retry-after"]) == (529, "1")
