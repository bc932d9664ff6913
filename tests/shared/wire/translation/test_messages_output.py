from __future__ import annotations

from typing import Any

import pytest

from shared.errors import GatewayError
from shared.wire.translation.messages_output import output_fields

CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}
LOOSE = {"type": "object", "properties": {"x": {"type": "integer"}}}


def enabled(budget: Any) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def effort(level: Any, **fields: Any) -> dict[str, Any]:
    return {"output_config": {"effort": level}, **fields}


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, None),
        ({"thinking": {}}, None),
        pytest.param({"thinking": {"type": "adaptive"}}, None, id="tricky-28 adaptive"),
        pytest.param({"thinking": {"type": "disabled"}}, "low", id="tricky-28 disabled"),
        ({"thinking": {"type": "between_tools"}}, "low"),
        pytest.param(enabled(1024), "low", id="tricky-28 budget 1024"),
        (enabled(2047), "low"),
        pytest.param(enabled(2048), "medium", id="tricky-28 budget 2048"),
        (enabled(4095), "medium"),
        pytest.param(enabled(4096), "high", id="tricky-28 budget 4096"),
        (enabled(31999), "high"),
        pytest.param(effort("low"), "low", id="tricky-28 effort"),
        (effort("medium"), "medium"),
        (effort("high", thinking={"type": "adaptive"}), "high"),
        (effort("xhigh"), "high"),
        (effort("max"), "high"),
        (effort("low", **enabled(9000)), "low"),
        (effort("high", thinking={"type": "disabled"}), "low"),
    ],
)
def test_effort(given: Any, made: str | None) -> None:
    assert output_fields(given, "gpt-5").get("reasoning_effort") == made
    assert output_fields(given, "gpt-4o") == {}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        pytest.param(CLOSED, True, id="tricky-27 held to"),
        pytest.param(LOOSE, False, id="tricky-27 a hint"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_a_schema(schema: Any, strict: bool, old: bool) -> None:
    form = {"type": "json_schema", "schema": schema}
    given = {"output_format": form} if old else {"output_config": {"format": form}}
    described = {"name": "answer", "schema": schema, "strict": strict}
    assert output_fields(given, "gpt-4o") == {
        "response_format": {"type": "json_schema", "json_schema": described}
    }


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (effort("immense"), "output_config.effort"),
        (effort(["low"]), "output_config.effort"),
        ({"thinking": {"type": "on"}}, "thinking.type"),
        ({"thinking": {"budget_tokens": 2048}}, "thinking.type"),
        (enabled(None), "thinking.budget_tokens"),
        (enabled(1023), "thinking.budget_tokens"),
        (enabled(True), "thinking.budget_tokens"),
        (enabled("2048"), "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type"),
        ({"output_config": {"format": "json"}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_format": {"type": "text"}}, "output_format.type"),
    ],
)
def test_refused(given: Any, param: str) -> None:
    for model in ("gpt-5", "gpt-4o"):
        with pytest.raises(GatewayError) as caught:
            output_fields(given, model)
        assert (caught.value.status, caught.value.param) == (400, param)
