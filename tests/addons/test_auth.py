import pytest

from addons.auth import ApiKeyAuth, credential
from addons.context import RequestContext
from shared.domain.accounts import RateState, RateWindow
from shared.domain.keys import generate_key
from shared.errors import GatewayError, StoreUnavailable
from tests.support.gateway_fakes import BOB, PEPPER, PROXY, FakeGate
from tests.support.gateway_flows import answer_of, bare_context, flow_of
from tests.support.gateway_worker import PROXY_KEY

KEY = "sk-troll-" + "a" * 49


def given(authorization: list[str] | None = None, api_key: list[str] | None = None):
    return {"authorization": authorization or [], "x-api-key": api_key or []}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (given([f"Bearer {KEY}"]), KEY),
        (given([f"bearer {KEY}"]), KEY),
        (given([f"BEARER   {KEY}  "]), KEY),
        (given([f"  Bearer {KEY}"]), KEY),
        (given(None, [KEY]), KEY),
        (given(None, [f"\t{KEY} "]), KEY),
        (given([f"Bearer {KEY}"], [KEY]), KEY),
        (given(None, ["anything"]), "anything"),
    ],
)
def test_the_one_key(headers: dict[str, list[str]], expected: str) -> None:
    assert credential(headers) == expected


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (given(), 401),
        (given([""]), 401),
        (given(["Bearer"]), 401),
        (given(["Bearer "]), 401),
        (given(["Basic dXNlcjpwYXNz"]), 401),
        (given([KEY]), 401),
        (given([f"Bearer\t{KEY}"]), 401),
        (given(None, [""]), 401),
        (given(None, ["k" * 257]), 401),
        (given(None, ["k\u00e9y"]), 401),
        (given([f"Bearer {KEY}"] * 2), 400),
        (given(None, [KEY] * 2), 400),
        (given([f"Bearer {KEY}"], [KEY + "x"]), 400),
        (given(["Basic dXNlcjpwYXNz"], [KEY]), 400),
    ],
)
def test_no_key_or_too_many(headers: dict[str, list[str]], status: int) -> None:
    with pytest.raises(GatewayError) as caught:
        credential(headers)
    assert caught.value.status == status


@pytest.fixture
def gate() -> FakeGate:
    return FakeGate()


def keyed_flow(key: str, path: str = "/v1/chat/completions"):
    context = bare_context(endpoint=path)
    flow = flow_of(context)
    flow.request.headers["authorization"] = f"Bearer {key}"
    return flow, context


async def test_a_good_key_gives_principal_and_rate(gate: FakeGate) -> None:
    key = gate.add_key(BOB)
    flow, context = keyed_flow(key)
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert context.principal == BOB
    assert context.rate == gate.rate


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    ("path", "window"),
    [
        ("/v1/chat/completions", RateWindow.REQUESTS),
        ("/v1/models", RateWindow.REQUESTS),
        ("/v1/messages/count_tokens", RateWindow.COUNTS),
    ],
)
async def test_counts_of_tokens_have_a_window_of_their_own(
    gate: FakeGate, path: str, window: RateWindow, fixed: bool
) -> None:
    flow, _ = keyed_flow(PROXY_KEY if fixed else gate.add_key(BOB), path)
    await ApiKeyAuth(gate, PEPPER, PROXY_KEY).requestheaders(flow)
    assert gate.counted_in == [window]


async def test_keys_never_stay_on_a_flow(gate: FakeGate) -> None:
    flow, _ = keyed_flow(gate.add_key(BOB))
    for name in ("x_api_key", "cookie", "proxy-authorization", "api-key"):
        flow.request.headers[name] = "secret"
    flow.request.path = "/v1/messages?key=secret&beta=true"
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert list(flow.request.headers) == []
    assert flow.request.path == "/v1/messages?beta=true"


async def test_keys_are_taken_off_refused_flows_too(gate: FakeGate) -> None:
    flow, _ = keyed_flow(gate.add_key(BOB))
    flow.response = answer_of(404)
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert "authorization" not in flow.request.headers
    assert gate.looked_up == []


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        ("?", ""),
        ("?beta=true", "?beta=true"),
        ("?key=secret&beta=true", "?beta=true"),
        ("?beta=false", ""),
        ("?beta=true1", ""),
    ],
)
async def test_of_a_query_only_beta_stays(gate: FakeGate, query: str, kept: str) -> None:
    flow, _ = keyed_flow(gate.add_key(BOB))
    flow.request.path = f"/v1/messages{query}"
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert flow.request.path == f"/v1/messages{kept}"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/v1/models?limit=2&key=secret&after_id=a%2Fb", "/v1/models?limit=2&after_id=a%2Fb"),
        ("/v1/models?before_id=x&beta=true", "/v1/models?before_id=x"),
        ("/v1/models?key=secret", "/v1/models"),
        ("/v1/models/m?limit=2", "/v1/models/m"),
    ],
)
async def test_of_a_list_s_query_only_paging_stays(gate: FakeGate, path: str, kept: str) -> None:
    flow, _ = keyed_flow(gate.add_key(BOB), path.partition("?")[0])
    flow.request.path = path
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert flow.request.path == kept


@pytest.mark.parametrize("fixed", [None, PROXY_KEY])
async def test_an_unknown_key_is_401(gate: FakeGate, fixed: str | None) -> None:
    flow, context = keyed_flow(generate_key())
    with pytest.raises(GatewayError) as caught:
        await ApiKeyAuth(gate, PEPPER, fixed).requestheaders(flow)
    assert caught.value.status == 401
    assert context.principal is None


@pytest.mark.parametrize("key", ["sk-troll-short", KEY, PROXY_KEY, "eyJhbGciOi.eyJzdWIi.c2ln"])
async def test_a_key_that_cannot_be_is_not_looked_up(gate: FakeGate, key: str) -> None:
    flow, _ = keyed_flow(key)
    with pytest.raises(GatewayError):
        await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert gate.looked_up == []


async def test_the_fixed_key_is_the_proxy(gate: FakeGate) -> None:
    flow, context = keyed_flow(PROXY_KEY)
    await ApiKeyAuth(gate, PEPPER, PROXY_KEY).requestheaders(flow)
    assert context.principal == PROXY
    assert gate.looked_up == []


async def test_over_the_limit_is_429(gate: FakeGate) -> None:
    flow, context = keyed_flow(gate.add_key(BOB))
    gate.admitting, gate.rate = False, RateState(10, 0, 42)
    with pytest.raises(GatewayError) as caught:
        await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert (caught.value.status, caught.value.headers["retry-after"]) == (429, "42")
    assert context.rate == gate.rate


@pytest.mark.parametrize("path", ["/", "/nowhere"])
async def test_paths_without_keys_look_nothing_up(gate: FakeGate, path: str) -> None:
    flow, context = keyed_flow(gate.add_key(BOB), path)
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert gate.looked_up == []
    assert context.principal is None


@pytest.mark.parametrize("failure", ["key", "gate", None])
async def test_health_looks_at_a_key_and_forgives_it(gate: FakeGate, failure: str | None) -> None:
    flow, context = keyed_flow("nonsense" if failure == "key" else gate.add_key(BOB), "/health")
    gate.error = StoreUnavailable("down") if failure == "gate" else None
    await ApiKeyAuth(gate, PEPPER).requestheaders(flow)
    assert context.principal == (None if failure else BOB)


async def test_a_database_that_is_down_is_not_a_wrong_key(gate: FakeGate) -> None:
    flow, _ = keyed_flow(gate.add_key(BOB))
    gate.error = StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        await ApiKeyAuth(gate, PEPPER).requestheaders(flow)


async def test_a_flow_that_the_gatekeeper_never_saw_is_an_error(gate: FakeGate) -> None:
    with pytest.raises(LookupError):
        await ApiKeyAuth(gate, PEPPER).requestheaders(flow_of())
    assert RequestContext.find(flow_of()) is None
