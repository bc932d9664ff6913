"""SDKs for Node through a real gateway, at upstreams of both dialects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.client_house import DIALECTS, ClientHouse, client_house
from tests.support.client_trials import ClientTrials, Manners, Trial
from tests.support.node_clients import NodeClient, node_client

pytestmark = pytest.mark.e2e

SAME = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    502: "InternalServerError",
}
OPENAI = {**SAME, 402: "APIError", 504: "InternalServerError", 529: "InternalServerError"}
ANTHROPIC = {
    **SAME,
    402: "PaymentRequiredError",
    504: "GatewayTimeoutError",
    529: "OverloadedError",
}
AI = dict.fromkeys((*SAME, 402, 504, 529), "APICallError")
CLIENTS = {
    "openai": ("openai.mjs",),
    "anthropic": ("anthropic.mjs",),
    "ai-chat": ("ai.mjs", "chat"),
    "ai-responses": ("ai.mjs", "responses"),
    "ai-messages": ("ai.mjs", "messages"),
}
MANNERS = {
    "openai": Manners(OPENAI, torn="APIError"),
    "anthropic": Manners(ANTHROPIC, torn="APIError"),
    # Its provider for OpenAI knows no thinking in Chat Completions.
    "ai-chat": Manners(AI, torn="StreamError", reads_thinking=False),
    "ai-responses": Manners(AI, torn="StreamError"),
    "ai-messages": Manners(AI, torn="StreamError"),
}
# Responses are served by upstreams that speak them alone.
CASES = [
    (name, dialect)
    for name in CLIENTS
    for dialect in DIALECTS
    if name != "ai-responses" or dialect == "openai"
]


@pytest.fixture(scope="module")
def clients() -> Iterator[Mapping[str, NodeClient]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(node_client(*args)) for name, args in CLIENTS.items()}


@pytest.fixture(scope="module")
def house(
    clients: Mapping[str, NodeClient],  # without them nothing need be started
    mongod: Any,
    _mongo_client: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ClientHouse]:
    database = _mongo_client["e2e_node_clients"]
    with client_house(mongod, database, tmp_path_factory.mktemp("node")) as opened:
        yield opened


@pytest.fixture(params=CASES, ids="-".join)
def trial(
    house: ClientHouse, clients: Mapping[str, NodeClient], request: pytest.FixtureRequest
) -> Trial:
    name, dialect = request.param
    return Trial(house, clients[name], MANNERS[name], dialect)


class TestNodeClients(ClientTrials):
    """Each SDK in each of its dialects."""
