from __future__ import annotations

import json

import pytest

from scripts.simulator.behaviour import behaviour_of
from scripts.simulator.models import NAMES, model_reply


@pytest.mark.parametrize("name", NAMES)
def test_every_name_means_something(name: str) -> None:
    assert behaviour_of(name) is not None
    for is_anthropic in (True, False):
        found = model_reply(name, is_anthropic=is_anthropic)
        assert found is not None
        assert json.loads(found)["id"] == name


def test_unknown_models_are_none() -> None:
    assert model_reply("sim-other", is_anthropic=False) is None


def test_lists() -> None:
    openai = json.loads(model_reply("", is_anthropic=False) or b"")
    anthropic = json.loads(model_reply("", is_anthropic=True) or b"")
    assert [entry["id"] for entry in openai["data"]] == list(NAMES)
    assert [entry["id"] for entry in anthropic["data"]] == list(NAMES)
    assert (openai["object"], anthropic["has_more"]) == ("list", False)
