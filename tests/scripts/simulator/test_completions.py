from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.simulator import SimulatorClient

SAID = [{"role": "user", "content": "one two three"}]
OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
BOTH = pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])


def ask(
    simulator: SimulatorClient, path: str, model: str, key: str = "sk-key-0001", **more: Any
) -> httpx.Response:
    body = {"model": model, "messages": SAID, "max_tokens": 100, **more}
    headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    return httpx.post(simulator.base_url + path, json=body, headers=headers, timeout=10)


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    return error


@BOTH
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 500, 502, 503, 529])
def test_errors(simulator: SimulatorClient, path: str, status: int) -> None:
    response = ask(simulator, path, f"sim-error-{status}", stream=True)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert error_of(response)["message"]
    assert "retry-after" not in response.headers


@BOTH
def test_too_many_requests_say_when_to_come_back(simulator: SimulatorClient, path: str) -> None:
    assert ask(simulator, path, "sim-error-429").headers["retry-after"] == "5"
    assert ask(simulator, path, "sim-error-429-after-9").headers["retry-after"] == "9"


@BOTH
def test_bodies_that_are_no_json(simulator: SimulatorClient, path: str) -> None:
    page = ask(simulator, path, "sim-error-502-html")
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html")
    assert "cloudflare" in page.text
    assert ask(simulator, path, "sim-error-500-empty").content == b""
    assert ask(simulator, path, "sim-garbage").text.startswith("<!doctype")
    assert ask(simulator, path, "sim-empty", stream=True).content == b""


@BOTH
def test_some_keys_fail(simulator: SimulatorClient, path: str) -> None:
    model = "sim-key-0001-429+0002-401"
    keys = {"sk-key-0001": 429, "sk-key-0002": 401, "sk-key-0003": 200}
    for key, status in keys.items():
        assert ask(simulator, path, model, key=key).status_code == status


@BOTH
def test_flaky_fails_at_first(simulator: SimulatorClient, path: str) -> None:
    statuses = [ask(simulator, path, "sim-flaky-2-503").status_code for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    simulator.reset()
    assert ask(simulator, path, "sim-flaky-2-503").status_code == 503


@BOTH
def test_unknown_behaviours_are_unknown_models(simulator: SimulatorClient, path: str) -> None:
    assert ask(simulator, path, "sim-nothing").status_code == 404
    missing = ask(simulator, path, "replay:provider/case--1#9")
    assert missing.status_code == 404
    assert "has 3 turns" in error_of(missing)["message"]


@BOTH
def test_a_replay_is_not_judged(simulator: SimulatorClient, path: str) -> None:
    response = ask(simulator, path, "replay:case--1#1", messages=[])
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert error_of(response)["code"] == "x"
    assert "server" not in response.headers


@BOTH
def test_a_broken_stream_ends_in_an_error(simulator: SimulatorClient, path: str) -> None:
    response = ask(simulator, path, "sim-break-3", stream=True)
    assert response.status_code == 200
    events = response.text.strip().split("\n\n")
    assert len(events) == 4
    assert '"error":{' in events[-1]
    assert "[DONE]" not in response.text
    assert "message_stop" not in response.text
    assert ask(simulator, path, "sim-break-3").status_code == 500


@BOTH
def test_gzip_is_unpacked_to_the_same(simulator: SimulatorClient, path: str) -> None:
    packed = ask(simulator, path, "sim-gzip", stream=True)
    assert packed.headers["content-encoding"] == "gzip"
    assert " three" in packed.text


@BOTH
def test_slow_answers_late(simulator: SimulatorClient, path: str) -> None:
    assert ask(simulator, path, "sim-slow-100").status_code == 200
    entry = simulator.log()[0]
    assert entry["answer"]["firstByteAt"] - entry["at"] >= 0.099


def test_usage_in_the_log_is_what_was_told(simulator: SimulatorClient) -> None:
    told = ask(simulator, OPENAI, "sim-echo").json()["usage"]
    ask(simulator, OPENAI, "sim-nousage")
    log = simulator.log()
    assert [entry["answer"]["usage"] for entry in log] == [told, None]


def test_a_repeated_prefix_is_cached_by_anthropic(simulator: SimulatorClient) -> None:
    system = [{"type": "text", "text": "s" * 400, "cache_control": {"type": "ephemeral"}}]
    first = ask(simulator, ANTHROPIC, "sim-echo", system=system).json()["usage"]
    second = ask(simulator, ANTHROPIC, "sim-echo", system=system).json()["usage"]
    other = ask(simulator, ANTHROPIC, "sim-echo", key="other", system=system).json()["usage"]
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] > 100
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert first["input_tokens"] == second["input_tokens"]
    assert other == first


def test_a_repeated_prefix_is_cached_by_openai(simulator: SimulatorClient) -> None:
    long = [{"role": "system", "content": "s" * 8000}, *SAID]
    first = ask(simulator, OPENAI, "sim-echo", messages=long).json()["usage"]
    second = ask(simulator, OPENAI, "sim-echo", messages=long).json()["usage"]
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert second["prompt_tokens_details"]["cached_tokens"] == 1920
    assert first["prompt_tokens"] == second["prompt_tokens"]


def test_tokens_are_counted_as_they_are_billed(simulator: SimulatorClient) -> None:
    billed = ask(simulator, ANTHROPIC, "sim-echo").json()["usage"]["input_tokens"]
    counted = ask(simulator, f"{ANTHROPIC}/count_tokens?beta=true", "sim-echo").json()
    assert counted == {"input_tokens": billed}
