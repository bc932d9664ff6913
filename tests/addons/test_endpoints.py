import json
from dataclasses import replace
from typing import Any

import pytest

from addons.endpoints import Endpoints
from addons.services import Services
from shared.domain.accounts import Principal
from shared.domain.catalog import Dialect
from shared.errors import GatewayError, StoreUnavailable
from tests.support.gateway_fakes import ADMIN, BOB, PROXY
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    bare_context,
    flow_of,
    gate_of,
    pools_of,
    run,
    services,
)
from tests.support.gateway_worker import CONTEXT_WINDOW, MAX_OUTPUT, model


def with_models(made: Services) -> Services:
    models = [
        model("one", Dialect.OPENAI, upstream="raw-openai"),
        model("two/b", Dialect.ANTHROPIC, upstream="raw-anthropic"),
        model("hidden", Dialect.OPENAI, upstream="raw-openai", listed=False),
        model("unplaced", Dialect.OPENAI, upstream=None),
    ]
    made.catalog = replace(
        made.catalog, models={each.id: each for each in models}, aliases={"alias": "one"}
    )
    return made


async def ask(made: Services, path: str, dialect: Dialect = Dialect.OPENAI, **context: Any):
    draining = context.pop("draining", False)
    flow = flow_of(bare_context(dialect, endpoint=path, **context))
    await run(Endpoints(made, lambda: draining).request, flow)
    return flow.response


async def content(*args: Any, **fields: Any) -> Any:
    response = await ask(*args, **fields)
    assert response is not None
    return json.loads(response.content or b"")


@pytest.mark.parametrize("path", ["/", "/api/hello"])
async def test_there_is_somebody_here(path: str) -> None:
    response = await ask(services(), path)
    assert response is not None
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["x-request-id"] == REQUEST_ID


@pytest.mark.parametrize("principal", [None, BOB])
async def test_health_tells_strangers_one_word(principal: object) -> None:
    assert await content(services(), "/health", principal=principal) == {"status": "ok"}


async def test_health_tells_an_admin_more() -> None:
    found = await content(services(), "/health", principal=ADMIN)
    checks = {"database": "ok", "journal": "ok", "draining": False}
    assert found == {"status": "ok", "checks": checks}


async def test_health_without_a_database() -> None:
    made = services()
    gate_of(made).error = StoreUnavailable("mongodb://user:pass@host")
    response = await ask(made, "/health", principal=ADMIN)
    assert response is not None
    assert response.status_code == 503
    found = json.loads(response.content or b"")
    assert found["status"] == "degraded"
    assert found["checks"]["database"] == "unavailable"
    assert "mongodb" not in str(found)


async def test_health_while_draining() -> None:
    response = await ask(services(), "/health", draining=True)
    assert response is not None
    assert response.status_code == 503


async def test_models_as_openai_lists_them() -> None:
    found = await content(with_models(services()), "/v1/models")
    assert found["object"] == "list"
    assert [each["id"] for each in found["data"]] == ["one", "two/b"]
    assert {each["object"] for each in found["data"]} == {"model"}
    assert all(isinstance(each["created"], int) for each in found["data"])


async def test_models_as_anthropic_lists_them() -> None:
    found = await content(with_models(services()), "/v1/models", Dialect.ANTHROPIC)
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("one", "two/b", False)
    first = found["data"][0]
    assert (first["type"], first["id"]) == ("model", "one")
    assert (first["max_tokens"], first["max_input_tokens"]) == (MAX_OUTPUT, CONTEXT_WINDOW)


async def test_pages_are_asked_for_in_the_query() -> None:
    made = with_models(services())
    flow = flow_of(bare_context(endpoint="/v1/models"), path=b"/v1/models?after_id=one&limit=1")
    await run(Endpoints(made, lambda: False).request, flow)
    assert flow.response is not None
    found = json.loads(flow.response.content or b"")
    assert ([each["id"] for each in found["data"]], found["has_more"]) == (["two/b"], False)


async def test_a_list_of_nothing() -> None:
    found = await content(services(), "/v1/models", Dialect.ANTHROPIC)
    assert (found["data"], found["first_id"], found["last_id"]) == ([], None, None)


@pytest.mark.parametrize(
    ("name", "model_id"),
    [("one", "one"), ("alias", "one"), ("two/b", "two/b"), ("hidden", "hidden")],
)
async def test_one_model(name: str, model_id: str) -> None:
    found = await content(with_models(services()), f"/v1/models/{name}")
    assert (found["id"], found["object"]) == (model_id, "model")


@pytest.mark.parametrize("name", ["three", "ONE", "../one", "unplaced"])
async def test_a_model_that_is_not_there(name: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await ask(with_models(services()), f"/v1/models/{name}")
    assert (caught.value.status, caught.value.param) == (404, "model")


async def test_an_admin_sees_keys_by_pool() -> None:
    made = services()
    pools_of(made).add("a", "sk-one-canary", "sk-two-canary")
    pools_of(made).add("b", "sk-three-canary")
    pools_of(made).out = {"uk_2"}
    found = await content(made, "/keys/status", principal=ADMIN)
    shown = {
        pool: [(key["id"], key["healthy"]) for key in keys] for pool, keys in found["pools"].items()
    }
    assert shown == {"a": [("uk_1", True), ("uk_2", False)], "b": [("uk_1", True)]}
    assert "canary" not in str(found)


async def test_keys_are_shown_as_requests_are_served_by_them() -> None:
    made = services()
    pools_of(made).add("a", "secret")
    pools_of(made).error = StoreUnavailable("down")
    assert list((await content(made, "/keys/status", principal=ADMIN))["pools"]) == ["a"]
    made.pools = None
    assert await content(made, "/keys/status", principal=ADMIN) == {"pools": {}}


@pytest.mark.parametrize("principal", [BOB, PROXY])
async def test_keys_are_an_admins_to_see(principal: Principal) -> None:
    with pytest.raises(GatewayError) as caught:
        await ask(services(), "/keys/status", principal=principal)
    assert (caught.value.status, caught.value.code) == (403, "permission_denied")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_what_goes_upstream_is_left_alone(path: str) -> None:
    assert await ask(services(), path) is None


async def test_what_was_refused_stays_refused() -> None:
    flow = flow_of(bare_context(endpoint="/health"), response=answer_of(426))
    await run(Endpoints(services(), lambda: False).request, flow)
    assert flow.response is not None
    assert flow.response.status_code == 426
