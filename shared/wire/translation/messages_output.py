"""How much to think and in which form to answer, from Anthropic's dialect."""

from __future__ import annotations

from shared.wire.fields import Fields, refuse
from shared.wire.translation.openai_models import reasons
from shared.wire.translation.strict_schemas import fits_strict_mode

MIN_BUDGET = 1024

_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}
# Budgets below the number are the effort beside it; others are high.
_BUDGETS = ((2048, "low"), (4096, "medium"))


def output_fields(given: Fields, model: str) -> Fields:
    """`reasoning_effort` and `response_format`, as far as there is something to say.

    Raises:
        GatewayError: 400, for values that Anthropic's dialect does not have.
    """
    config = given.get("output_config") or {}
    effort = _effort(given.get("thinking") or {}, config)
    made: Fields = {"reasoning_effort": effort} if effort and reasons(model) else {}
    if config.get("format") is not None:
        made["response_format"] = _response_format(config["format"], "output_config.format")
    elif given.get("output_format") is not None:
        made["response_format"] = _response_format(given["output_format"], "output_format")
    return made


def _effort(thinking: Fields, config: Fields) -> str | None:
    """What the client asks for; where it asks twice, effort goes before budget."""
    thought = _thinking_effort(thinking)
    asked = config.get("effort")
    if asked is not None and not (isinstance(asked, str) and asked in _EFFORTS):
        refuse("output_config.effort", f"must be one of {', '.join(_EFFORTS)}")
    if asked is None or thinking.get("type") == "disabled":
        return thought
    return _EFFORTS[asked]


def _thinking_effort(thinking: Fields) -> str | None:
    kind = thinking.get("type")
    if kind in ("disabled", "between_tools"):
        # What every model that reasons takes, and the least.
        return "low"
    if kind == "enabled":
        return _effort_of_budget(thinking.get("budget_tokens"))
    if thinking and kind != "adaptive":
        refuse("thinking.type", "must be enabled, adaptive, between_tools or disabled")
    return None


def _effort_of_budget(budget: object) -> str:
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < MIN_BUDGET:
        refuse("thinking.budget_tokens", f"must be an integer of at least {MIN_BUDGET}")
    return next((effort for limit, effort in _BUDGETS if budget < limit), "high")


def _response_format(asked: object, path: str) -> Fields:
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        refuse(f"{path}.type", "must be json_schema")
    schema = asked.get("schema")
    if not isinstance(schema, dict):
        refuse(f"{path}.schema", "must be an object")
    described = {"name": "answer", "schema": schema, "strict": fits_strict_mode(schema)}
    return {"type": "json_schema", "json_schema": described}
