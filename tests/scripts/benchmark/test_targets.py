from __future__ import annotations

import json
import urllib.request

import pytest

from scripts.benchmark.processes import other_core
from scripts.benchmark.scenarios import Scenario, paced_scenario, scenarios
from scripts.benchmark.targets import KEYS, BenchError, Target, gateway, mitmdump, simulator

pytestmark = pytest.mark.e2e


def answer(target: Target, scenario: Scenario, key: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{target.port}{scenario.path}",
        data=scenario.body,
        headers={
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
        },
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        body: bytes = response.read()
    return body


def test_the_gateway_answers_every_scenario_with_its_own_key() -> None:
    with simulator(other_core()) as upstream, gateway(upstream.port) as target:
        assert len(set(target.keys)) == KEYS
        assert target.helpers
        for scenario in [*scenarios(1), paced_scenario(1)]:
            assert scenario.end in answer(target, scenario, target.keys[0])
        url = f"http://127.0.0.1:{upstream.port}/_log"
        with urllib.request.urlopen(url, timeout=5) as response:
            log = [json.loads(line) for line in response]
    assert len(log) == 6
    assert target.keys[0] not in json.dumps(log)


def test_a_bare_mitmdump_answers() -> None:
    with simulator(other_core()) as upstream, mitmdump(upstream.port) as target:
        scenario = scenarios(1)[0]
        assert scenario.end in answer(target, scenario, target.keys[0])


def test_a_target_that_cannot_start_says_so() -> None:
    with pytest.raises(BenchError, match="ended with"), mitmdump(upstream_port=-1):
        pass
