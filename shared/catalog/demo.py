"""A configuration for trying everything out against the simulator."""

from __future__ import annotations

import json
from typing import Any

# Holds the key that the simulator demands; config.json never does.
KEY_VARIABLE = "SIMULATOR_KEY"

# What the simulator does is chosen by the model name that it receives.
BEHAVIOURS = (
    "sim-echo",
    "sim-tools",
    "sim-think",
    "sim-nousage",
    "sim-error-400",
    "sim-error-401",
    "sim-error-429",
    "sim-error-500",
    "sim-error-529",
    "sim-slow-2000",
    "sim-pace-50-20",
    "sim-pace-50-100",
    "sim-stall-5",
    "sim-cut-5",
)

_SONNET = {
    "input": 3.0,
    "output": 15.0,
    "cacheWrite": 3.75,
    "cacheWrite1h": 6.0,
    "cacheHit": 0.3,
    "webSearch": 10,
}
_HAIKU = {
    "input": 1.0,
    "output": 5.0,
    "cacheWrite": 1.25,
    "cacheWrite1h": 2.0,
    "cacheHit": 0.1,
    "webSearch": 10,
}
_GPT = {"input": 2.0, "output": 8.0, "cacheWrite": 2.0, "cacheWrite1h": 2.0, "cacheHit": 0.5}
_GPT_MINI = {"input": 0.4, "output": 1.6, "cacheWrite": 0.4, "cacheWrite1h": 0.4, "cacheHit": 0.1}

_FRIENDLY: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("claude-sonnet-4-20250514", "anthropic", _SONNET),
    ("claude-haiku-4-5-20251001", "anthropic", _HAIKU),
    ("gpt-4.1", "openai", _GPT),
    ("gpt-4.1-mini", "openai", _GPT_MINI),
)


def demo_config(simulator_url: str) -> str:
    """Text of a config.json whose models all end at the simulator.

    Models with familiar names answer like `sim-echo`. Every behaviour stands once for each
    dialect: `sim-echo` speaks OpenAI's, `claude-sim-echo` Anthropic's. There are no routes, so
    that no name can reach a real provider.

    Args:
        simulator_url: Its origin, such as `http://127.0.0.1:9000`.
    """
    models = [_model(name, dialect, "sim-echo", price) for name, dialect, price in _FRIENDLY]
    models[0]["aliases"] = ["claude-sonnet-4"]
    models[1]["aliases"] = ["claude-haiku-4-5"]
    for behaviour in BEHAVIOURS:
        models.append(_model(behaviour, "openai", behaviour, _GPT_MINI))
        models.append(_model(f"claude-{behaviour}", "anthropic", behaviour, _HAIKU))
    document = {
        "upstreams": {
            f"simulator-{dialect}": {
                "dialect": dialect,
                "baseUrl": simulator_url,
                "apiKey": f"${{{KEY_VARIABLE}}}",
            }
            for dialect in ("anthropic", "openai")
        },
        "routes": [],
        "models": models,
    }
    return json.dumps(document, indent=2) + "\n"


def _model(name: str, dialect: str, behaviour: str, price: dict[str, float]) -> dict[str, Any]:
    return {
        "id": name,
        "type": dialect,
        "upstream": f"simulator-{dialect}",
        "upstreamModel": behaviour,
        "maxOutputTokens": 8192,
        "contextWindow": 200_000,
        "pricing": price,
    }
