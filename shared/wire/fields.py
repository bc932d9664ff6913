"""Checks of the fields of a JSON object, each with a message that names the field."""

from __future__ import annotations

from typing import Any, NoReturn

from shared.wire.errors import invalid_request

MAX_MAX_TOKENS = 10_000_000
MAX_MODEL_NAME = 256

Fields = dict[str, Any]


def refuse(param: str, problem: str) -> NoReturn:
    """Raise the 400 for one parameter.

    Raises:
        GatewayError: Always.
    """
    raise invalid_request(f"{param}: {problem}", param)


def model_name(fields: Fields) -> str:
    """The model, a string of 1 to 256 printable characters at least in form."""
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        refuse("model", "must be a string that names a model")
    if len(model) > MAX_MODEL_NAME or "\x00" in model:
        refuse("model", f"must be at most {MAX_MODEL_NAME} characters without NUL")
    return model


def boolean(fields: Fields, name: str) -> bool:
    """A boolean; absent and null are False."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        refuse(name, "must be true or false")
    return bool(value)


def integer(fields: Fields, name: str, low: int, high: int) -> int | None:
    """An integer within bounds; absent and null are None."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(name, "must be an integer")
    if not low <= value <= high:
        refuse(name, f"must be between {low} and {high}")
    return value


def dictionary(fields: Fields, name: str) -> Fields | None:
    """An object; absent and null are None."""
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        refuse(name, "must be an object")
    return value


def objects(fields: Fields, name: str) -> list[Fields]:
    """A list of objects; absent and null are empty."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        refuse(name, "must be a list")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            refuse(f"{name}[{index}]", "must be an object")
    return value


def check_types(fields: Fields, kinds: dict[str, tuple[type, ...]]) -> None:
    """Check optional fields against the types they may have; null is absent."""
    for name, allowed in kinds.items():
        value = fields.get(name)
        if value is None:
            continue
        wrong_bool = isinstance(value, bool) and bool not in allowed
        if wrong_bool or not isinstance(value, allowed):
            words = " or ".join(_WORDS[kind] for kind in allowed if kind in _WORDS)
            refuse(name, f"must be {words}")


def strings(fields: Fields, name: str) -> None:
    """Check that a field, if it is a list, holds strings alone."""
    value = fields.get(name)
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        refuse(name, "must hold strings alone")


def forbid(fields: Fields, names: frozenset[str], why: str) -> None:
    """Refuse fields that are there with anything but null or false."""
    for name in names & fields.keys():
        value = fields[name]
        if value is not None and value is not False:
            refuse(name, why)


def one_of(fields: Fields, name: str, allowed: tuple[str, ...], why: str) -> None:
    """Refuse a field that is there with any other value than null or those allowed."""
    value = fields.get(name)
    if value is not None and value not in allowed:
        refuse(name, why)


_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}

NUMBER = (int, float)
STORED = "refers to an object stored upstream, which this gateway does not allow"
UNPRICED = "has no price here"
ROUTED = "chooses how a request is served, which is decided here"
# What routers such as LiteLLM and OpenRouter take from a body: another model than the one that is
# priced, another address or key than ours, an answer that was made up.
ROUTING_FIELDS = frozenset(
    {
        "fallbacks",
        "fallback",
        "context_window_fallbacks",
        "content_policy_fallbacks",
        "models",
        "model_list",
        "route",
        "api_base",
        "base_url",
        "api_key",
        "api_version",
        "custom_llm_provider",
        "user_config",
        "extra_body",
        "extra_headers",
        "mock_response",
        "num_retries",
    }
)
