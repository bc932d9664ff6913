"""Lists of models, as both official SDKs read and page them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from pymongo.database import Database

from tests.support.gateway import (
    UPSTREAM_KEY,
    add_account,
    config_for,
    model,
    running_gateway,
)
from tests.support.simulator import SimulatorClient

pytestmark = pytest.mark.e2e

NAMES = ["gpt-1", "openrouter/anthropic/claude", "claude-2", "gpt-3", "vendor:model@4"]
VERSION = {"anthropic-version": "2023-06-01"}


@dataclass(frozen=True)
class Clients:
    """Both SDKs and plain HTTP, at one gateway."""

    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    http: httpx.Client


@pytest.fixture
def clients(
    bank: Database[dict[str, Any]], database_uri: str, simulator: SimulatorClient, home: Path
) -> Iterator[Clients]:
    models = [model("anthropic" if "claude" in name else "openai", name) for name in NAMES]
    config = config_for(simulator.base_url, models)
    key = add_account(bank, "lister", 0).key
    env = {"UPSTREAM_KEY": UPSTREAM_KEY}
    with running_gateway(home, database_uri, config, workers=1, env=env) as gateway:
        url = gateway.base_url
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as one,
            anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as other,
            gateway.client(key) as plain,
        ):
            yield Clients(one, other, plain)


def test_models(clients: Clients) -> None:
    """One gateway answers for all of it."""
    assert [each.id for each in clients.openai.models.list()] == NAMES
    assert [each.id for each in clients.anthropic.models.list()] == NAMES
    for limit in (1, 2, 4, 5):
        paged = list(clients.anthropic.models.list(limit=limit))
        assert [each.id for each in paged] == NAMES
    page = clients.anthropic.models.list(limit=2, after_id=NAMES[1])
    assert ([each.id for each in page.data], page.has_more) == (NAMES[2:4], True)
    assert (page.first_id, page.last_id) == (NAMES[2], NAMES[3])
    before = clients.anthropic.models.list(limit=2, before_id=NAMES[3])
    assert ([each.id for each in before.data], before.has_more) == (NAMES[1:3], True)
    assert [each.id for each in before.get_next_page().data] == NAMES[:1]
    for name in NAMES:
        assert clients.openai.models.retrieve(name).id == name
        assert clients.anthropic.models.retrieve(name).id == name
        assert clients.http.get(f"/v1/models/{name}").json()["id"] == name
    with pytest.raises(openai.NotFoundError) as openai_error:
        clients.openai.models.retrieve("no/such model")
    assert openai_error.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError) as anthropic_error:
        clients.anthropic.models.retrieve("no/such model")
    assert isinstance(anthropic_error.value.body, dict)
    assert anthropic_error.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError, match="limit"):
        clients.anthropic.models.list(limit=0)
    wrong = clients.http.get("/v1/models", params={"after_id": "nobody"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "after_id")
    assert "data" in clients.http.get("/v1/models", headers=VERSION).json()
