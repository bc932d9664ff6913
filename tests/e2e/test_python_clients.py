"""The official SDKs for Python through a real gateway, at upstreams of both dialects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client_house import DIALECTS, ClientHouse, client_house
from tests.support.client_trials import ClientTrials, Manners, Trial
from tests.support.python_clients import ChatClient, MessagesClient, ResponsesClient

pytestmark = pytest.mark.e2e

SAME = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    502: "InternalServerError",
}
OPENAI = {**SAME, 402: "APIStatusError", 504: "InternalServerError", 529: "InternalServerError"}
ANTHROPIC = {
    **SAME,
    402: "PaymentRequiredError",
    504: "GatewayTimeoutError",
    529: "OverloadedError",
}
CLIENTS = {
    "chat": (ChatClient(), Manners(OPENAI, torn="APIError")),
    # It hands on an error event of the upstream, and says itself that the end is missing.
    "responses": (
        ResponsesClient(),
        Manners(OPENAI, torn="APIError", torn_by_upstream="RuntimeError"),
    ),
    "messages": (MessagesClient(), Manners(ANTHROPIC, torn="APIStatusError")),
}
# Responses are served by upstreams that speak them alone.
CASES = [
    (name, dialect)
    for name in CLIENTS
    for dialect in DIALECTS
    if name != "responses" or dialect == "openai"
]


@pytest.fixture(scope="module")
def house(
    mongod: Any, _mongo_client: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClientHouse]:
    database = _mongo_client["e2e_python_clients"]
    with client_house(mongod, database, tmp_path_factory.mktemp("python")) as opened:
        yield opened


@pytest.fixture(params=CASES, ids="-".join)
def trial(house: ClientHouse, request: pytest.FixtureRequest) -> Trial:
    name, dialect = request.param
    client, manners = CLIENTS[name]
    return Trial(house, client, manners, dialect)


class TestPythonClients(ClientTrials):
    """Each SDK in each of its dialects."""
