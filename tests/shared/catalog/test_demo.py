from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.simulator.behaviour import behaviour_of
from shared.catalog.demo import BEHAVIOURS, KEY_VARIABLE, demo_config
from shared.catalog.loading import load_catalog
from shared.domain.catalog import Catalog, Dialect
from shared.settings import Settings

URL = "http://127.0.0.1:9000"


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    bare = Settings(home=tmp_path, config_path=tmp_path / "config.json")
    return load_catalog(demo_config(URL), bare, {KEY_VARIABLE: "sim-key-canary"})


def test_every_model_is_priced_listed_and_ends_at_the_simulator(catalog: Catalog) -> None:
    for model_id, model in catalog.models.items():
        target = catalog.resolve(model_id)
        assert target is not None
        assert (target.upstream.host, target.upstream.port) == ("127.0.0.1", 9000)
        assert target.upstream.api_key == "sim-key-canary"
        assert target.upstream.dialect is model.dialect
        assert model.price is not None
        assert model.price.base.output > 0
        assert model.listed


def test_no_name_reaches_a_real_provider(catalog: Catalog) -> None:
    for name in ("gpt-5", "claude-opus-4-1", "claude-3-5-haiku-20241022"):
        assert catalog.resolve(name) is None


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_stands_in_both_dialects(catalog: Catalog, behaviour: str) -> None:
    assert behaviour_of(behaviour) is not None
    openai, anthropic = catalog.models[behaviour], catalog.models[f"claude-{behaviour}"]
    assert (openai.dialect, anthropic.dialect) == (Dialect.OPENAI, Dialect.ANTHROPIC)
    assert openai.upstream_model == anthropic.upstream_model == behaviour


def test_familiar_names_echo(catalog: Catalog) -> None:
    for name in ("claude-sonnet-4-20250514", "claude-sonnet-4", "gpt-4.1-mini"):
        target = catalog.resolve(name)
        assert target is not None
        assert target.model.upstream_model == "sim-echo"


def test_the_key_is_not_in_the_text() -> None:
    text = demo_config(URL)
    assert json.loads(text)["upstreams"]["simulator-openai"]["apiKey"] == "${SIMULATOR_KEY}"
