from __future__ import annotations

import json

from scripts.benchmark.scenarios import Scenario, lone_stream, paced_scenario, scenarios
from scripts.benchmark.targets import MODELS
from scripts.simulator.behaviour import Pace, behaviour_of

OTHER = {"openai": "anthropic", "anthropic": "openai"}


def all_scenarios() -> list[Scenario]:
    return [*scenarios(8), paced_scenario(9), lone_stream()]


def test_sizes_are_those_of_the_names() -> None:
    by_name = {scenario.name: len(scenario.request("h", "k" * 52)) for scenario in all_scenarios()}
    for name, size in by_name.items():
        expected = 87_000 if name.startswith("87 KB") else 2_000
        assert abs(size - expected) < 0.05 * expected, name


def test_every_model_is_configured_for_the_gateway() -> None:
    for scenario in all_scenarios():
        client = "anthropic" if scenario.path.startswith("/v1/messages") else "openai"
        upstream = OTHER[client] if "translated" in scenario.name else client
        assert json.loads(scenario.body)["model"] in MODELS[upstream]


def test_a_stream_has_50_events() -> None:
    behaviour = behaviour_of(json.loads(lone_stream().body)["model"])
    assert isinstance(behaviour, Pace)
    # The role, the end, the usage and `[DONE]` come with the words.
    assert behaviour.count + 4 == 50
