from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.simulator import SimulatorClient, running_simulator

BODY = {"model": "sim-echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
VERSION = {"anthropic-version": "2023-06-01"}
KEY = {"x-api-key": "sk-good-key-1234"}


@pytest.fixture(scope="module")
def guarded() -> Iterator[SimulatorClient]:
    with running_simulator(keys=["sk-good-key-1234", "other"], redact=True) as running:
        yield running


def post(
    simulator: SimulatorClient, path: str, headers: dict[str, str], **more: object
) -> httpx.Response:
    options = more or {"json": BODY}
    return httpx.post(simulator.base_url + path, headers=headers, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/some/prefix/v1/chat/completions",
        "/v1/messages",
        "/v1/messages?beta=true",
        "/p/v1/messages",
    ],
)
def test_paths(simulator: SimulatorClient, path: str) -> None:
    assert post(simulator, path, KEY | VERSION).status_code == 200
    assert simulator.log()[0]["path"] == path


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/v1/chat/completions", "You didn't provide an API key."),
        ("/v1/messages", "x-api-key header is required"),
        ("/v1/models", "You didn't provide an API key."),
    ],
)
def test_a_key_is_demanded(simulator: SimulatorClient, path: str, error: str) -> None:
    response = post(simulator, path, VERSION if "messages" in path else {})
    assert response.status_code == 401
    assert response.json()["error"]["message"].startswith(error)
    assert simulator.log()[0]["note"].startswith(error)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_only_the_keys_given_are_good(guarded: SimulatorClient, path: str) -> None:
    assert post(guarded, path, KEY | VERSION).status_code == 200
    assert post(guarded, path, {"authorization": "Bearer other"} | VERSION).status_code == 200
    wrong = post(guarded, path, {"authorization": "Bearer sk-wrong-0000"} | VERSION)
    assert wrong.status_code == 401


def test_redaction_covers_the_whole_log(guarded: SimulatorClient) -> None:
    post(guarded, "/v1/messages", KEY | VERSION)
    text = httpx.get(f"{guarded.base_url}/_log").text
    assert "sk-good-key" not in text
    assert '"keySuffix":"1234"' in text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"\xff"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_bodies_must_be_json_objects(simulator: SimulatorClient, path: str, content: bytes) -> None:
    response = post(simulator, path, KEY | VERSION, content=content)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/", "/v1/responses/x", "/v1/chat/completions/x", "/v2/models"])
def test_unknown_paths(simulator: SimulatorClient, path: str) -> None:
    assert post(simulator, path, KEY).status_code == 404


def test_models(simulator: SimulatorClient) -> None:
    url = f"{simulator.base_url}/p/v1/models"
    assert httpx.get(url, headers=KEY).json()["object"] == "list"
    assert httpx.get(url, headers=KEY | VERSION).json()["has_more"] is False
    assert httpx.get(f"{url}/sim-echo", headers=KEY).json()["id"] == "sim-echo"
    assert httpx.get(f"{url}/nothing", headers=KEY).status_code == 404
    assert httpx.get(f"{url}/nothing", headers=KEY | VERSION).json()["type"] == "error"


def test_a_head_request_has_no_body(simulator: SimulatorClient) -> None:
    with httpx.Client() as client:
        for _ in range(2):
            response = client.head(f"{simulator.base_url}/v1/models", headers=KEY)
            assert (response.status_code, response.content) == (200, b"")


def test_answers_name_their_request(simulator: SimulatorClient) -> None:
    openai = post(simulator, "/v1/chat/completions", KEY)
    anthropic = post(simulator, "/v1/messages", KEY | VERSION)
    assert openai.headers["x-request-id"].startswith("req_")
    assert "openai-organization" in openai.headers
    assert anthropic.headers["request-id"].startswith("req_011")
    assert "anthropic-organization-id" in anthropic.headers


def test_headers_are_logged_as_they_came(simulator: SimulatorClient) -> None:
    pairs = [("X-Twice", "a"), ("x-api-key", "k"), ("x-TWICE", "b")]
    httpx.post(f"{simulator.base_url}/v1/chat/completions", json=BODY, headers=pairs)
    (entry,) = simulator.log()
    assert [pair for pair in entry["headers"] if tuple(pair) in pairs] == [list(p) for p in pairs]
    assert (entry["json"], entry["model"]) == (BODY, "sim-echo")


def test_the_log_keeps_the_order_and_can_be_cleared(simulator: SimulatorClient) -> None:
    for number in range(5):
        post(simulator, f"/{number}/v1/chat/completions", KEY)
    assert [entry["path"][1] for entry in simulator.log()] == list("01234")
    simulator.clear()
    assert simulator.log() == []


def test_clearing_the_log_keeps_the_caches(simulator: SimulatorClient) -> None:
    body = BODY | {"cache_control": {"type": "ephemeral"}}
    reads = []
    for _ in range(2):
        response = post(simulator, "/v1/messages", KEY | VERSION, json=body)
        reads.append(response.json()["usage"]["cache_read_input_tokens"])
        simulator.clear()
    assert reads[0] == 0
    assert reads[1] > 0


def test_unknown_control_paths(simulator: SimulatorClient) -> None:
    assert httpx.get(f"{simulator.base_url}/_nothing").status_code == 404
    assert simulator.log() == []
