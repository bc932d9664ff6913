"""What every real client must manage through the gateway, whichever dialect is upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.client_house import (
    STALLS,
    ClientHouse,
    answered,
    expected_charges,
    model_id,
    record_cost,
    reported_tokens,
)
from tests.support.client_jobs import PNG, TEXT, TOOL_SAID, Client, Failure, Job, Outcome, Scenario
from tests.support.gateway import UPSTREAM_KEY, Account

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
ENDED = ("stop", "end_turn", "completed")
THOUGHT = "The user said 6 words; repeat them."
TOO_MANY_TOKENS = 10**9
PATHS = {"openai": ("/v1/chat/completions", "/v1/responses"), "anthropic": ("/v1/messages",)}
PACED = "sim-pace-400-25"
BYTES_PER_TOKEN = 3
# What comes of an upstream that fails half-way: the status where nothing was sent yet, and the end.
BROKEN = {
    "sim-cut-6": (502, "upstream_error"),
    "sim-break-6": (502, "upstream_error"),
    STALLS: (504, "upstream_timeout"),
}


@dataclass(frozen=True)
class Manners:
    """What is a client's own.

    Attributes:
        errors: Class of its error for each status.
        torn: Class of its error for a stream that breaks.
        torn_by_upstream: The same, when the upstream's own error event says so.
        reads_thinking: Whether it reads thinking, and sends back what it read.
    """

    errors: Mapping[int, str]
    torn: str
    torn_by_upstream: str = ""
    reads_thinking: bool = True

    def torn_class(self, name: str) -> str:
        """Class of its error for a stream of a simulated model that breaks."""
        return self.torn_by_upstream or self.torn if name.startswith("sim-break") else self.torn


@dataclass(frozen=True)
class Trial:
    """A client at a model of one upstream dialect."""

    house: ClientHouse
    client: Client
    manners: Manners
    dialect: str

    def job(self, account: Account, scenario: Scenario, name: str, *, stream: bool) -> Job:
        """A job at a simulated model."""
        url = self.house.gateway.base_url
        return Job(scenario, url, account.key, model_id(self.dialect, name), stream)

    def succeed(self, account: Account, scenario: Scenario, name: str, *, stream: bool) -> Outcome:
        """Have a job done that ends well, and check its bill and what the client was told of it."""
        outcome = self.client.run(self.job(account, scenario, name, stream=stream))
        assert outcome.failure is None, outcome
        assert outcome.finish in ENDED, outcome
        log = self.house.sent()
        assert [entry["path"] in PATHS[self.dialect] for entry in log] == [True] * len(log)
        assert [answered(entry) for entry in log] == [(200, stream, "complete")] * len(log)
        assert self.house.charges(account) == expected_charges(log)
        told = (outcome.input_tokens, outcome.output_tokens)
        assert told == reported_tokens(log), (told, log)
        for record in self.house.records(account, len(log)):
            assert (record["endReason"], record["usage"]["estimated"]) == ("complete", False)
        return outcome

    def fail(self, account: Account, job: Job) -> Failure:
        """Have a job done that fails, for nothing."""
        outcome = self.client.run(job)
        assert outcome.failure is not None, outcome
        assert self.house.charges(account) == []
        return outcome.failure


class ClientTrials:
    """Tests of clients; a subclass has a fixture `trial`, one for each client and dialect."""

    @BOTH
    def test_text(self, trial: Trial, stream: bool) -> None:
        account = trial.house.account()
        outcome = trial.succeed(account, "text", "sim-echo", stream=stream)
        assert outcome.text == TEXT
        (entry,) = trial.house.sent()
        assert entry["keySuffix"] == UPSTREAM_KEY[-len(entry["keySuffix"]) :]
        assert account.key not in str(entry)

    @BOTH
    def test_tools_in_a_loop(self, trial: Trial, stream: bool) -> None:
        account = trial.house.account()
        outcome = trial.succeed(account, "tools", "sim-tools", stream=stream)
        assert outcome.calls == [{"city": "value"}]
        assert outcome.text == f"The tool said: {TOOL_SAID}"
        assert len(trial.house.sent()) == 2

    @BOTH
    def test_a_picture(self, trial: Trial, stream: bool) -> None:
        account = trial.house.account()
        outcome = trial.succeed(account, "image", "sim-echo", stream=stream)
        assert outcome.text == TEXT
        (entry,) = trial.house.sent()
        assert pictures_of(entry["json"]) == [PNG]

    @BOTH
    def test_thinking_arrives_and_goes_back(self, trial: Trial, stream: bool) -> None:
        account = trial.house.account()
        outcome = trial.succeed(account, "think", "sim-think", stream=stream)
        reads = trial.manners.reads_thinking
        assert outcome.thinking == (THOUGHT * 2 if reads else "")
        assert outcome.text == TEXT
        _, second = trial.house.sent()
        # Chat Completions has no thinking that its upstream could check.
        signed = second["path"] != "/v1/chat/completions"
        assert len(proofs_of_thinking(second)) == (signed and reads)

    @BOTH
    def test_refusals(self, trial: Trial, stream: bool) -> None:
        """A wrong key, an empty purse, an unknown model, a bad parameter: nothing goes upstream."""
        rich, poor = trial.house.account(), trial.house.account(credits_nano=1)
        good = trial.job(rich, "text", "sim-echo", stream=stream)
        refused = {
            401: replace(good, key="sk-trollllm-wrong"),
            402: replace(good, key=poor.key),
            404: replace(good, model="no-such-model"),
            400: replace(good, max_tokens=TOO_MANY_TOKENS),
        }
        for status, job in refused.items():
            failure = trial.fail(rich, job)
            assert (failure.name, failure.status) == (trial.manners.errors[status], status)
        assert trial.house.charges(poor) == []
        assert trial.house.sent() == []

    @BOTH
    def test_the_rate_limit(self, trial: Trial, stream: bool) -> None:
        account = trial.house.account(rpm=1)
        trial.succeed(account, "text", "sim-echo", stream=stream)
        job = trial.job(account, "text", "sim-echo", stream=stream)
        failure = trial.client.run(job).failure
        assert failure is not None
        assert (failure.name, failure.status) == (trial.manners.errors[429], 429)
        assert len(trial.house.sent()) == len(trial.house.charges(account)) == 1

    @BOTH
    def test_errors_of_the_upstream(self, trial: Trial, stream: bool) -> None:
        account = trial.house.account()
        for upstream_status, status in ((429, 429), (500, 502), (529, 529)):
            name = f"sim-error-{upstream_status}"
            failure = trial.fail(account, trial.job(account, "text", name, stream=stream))
            assert (failure.name, failure.status) == (trial.manners.errors[status], status)

    @pytest.mark.parametrize("name", BROKEN)
    def test_an_upstream_that_fails_before_the_answer_is_whole(
        self, trial: Trial, name: str
    ) -> None:
        account = trial.house.account()
        status, _ = BROKEN[name]
        failure = trial.fail(account, trial.job(account, "text", name, stream=False))
        assert (failure.name, failure.status) == (trial.manners.errors[status], status)

    @pytest.mark.parametrize("name", BROKEN)
    def test_a_stream_that_breaks_raises(self, trial: Trial, name: str) -> None:
        account = trial.house.account()
        job = trial.job(account, "text", name, stream=True)
        failure = trial.client.run(job).failure
        assert failure is not None
        assert failure.name == trial.manners.torn_class(name)
        (charge,) = trial.house.charges(account)
        (record,) = trial.house.records(account, 1)
        assert record["endReason"] == BROKEN[name][1]
        assert record["usage"]["estimated"]
        assert charge == record["costNano"] == record_cost(record) > 0

    def test_leaving_in_the_midst_of_a_stream(self, trial: Trial) -> None:
        """It is billed for what was produced, and the upstream is left too."""
        account = trial.house.account()
        outcome = trial.client.run(trial.job(account, "leave", PACED, stream=True))
        assert outcome.failure is None, outcome
        assert outcome.text.startswith("w0 w1 w2")
        ended = trial.house.simulator.wait_for(lambda log: log[0]["answer"]["end"])
        assert ended[0]["answer"]["end"] == "client_left"
        (charge,) = trial.house.charges(account)
        (record,) = trial.house.records(account, 1)
        assert record["endReason"] == "client_disconnected"
        assert charge == record["costNano"] == record_cost(record)
        produced = " ".join(f"w{number}" for number in range(ended[0]["answer"]["events"]))
        least, most = (-(-len(text) // BYTES_PER_TOKEN) for text in (outcome.text, produced))
        assert least <= record["usage"]["output"] <= most, (outcome, record)
        assert record["usage"]["input"] > 0


def pictures_of(body: Mapping[str, Any]) -> list[str]:
    """Pictures in a request, in base64, each in the form of the request's dialect."""
    found = []
    for turn in body.get("messages") or body["input"]:
        for part in turn["content"] if isinstance(turn["content"], list) else []:
            url = {
                "image_url": lambda part: part["image_url"]["url"],
                "input_image": lambda part: part["image_url"],
                "image": lambda part: "data:{media_type};{type},{data}".format(**part["source"]),
            }.get(part["type"])
            if url is not None:
                found.append(url(part).removeprefix("data:image/png;base64,"))
    return found


def proofs_of_thinking(entry: Mapping[str, Any]) -> Sequence[str]:
    """Signatures or seals of the thinking in a request; the simulator has checked them."""
    body = entry["json"]
    items = [item.get("encrypted_content") for item in body.get("input", [])]
    blocks = [
        block
        for turn in body.get("messages", [])
        if isinstance(turn["content"], list)
        for block in turn["content"]
    ]
    signatures = [block["signature"] for block in blocks if block["type"] == "thinking"]
    return [proof for proof in (*items, *signatures) if proof]
