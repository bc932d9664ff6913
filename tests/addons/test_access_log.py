import logging

import pytest

from addons.access_log import AccessLog, shown_path
from tests.support.gateway_flows import (
    REQUEST_ID,
    answer_of,
    answered_context,
    bare_context,
    flow_of,
    ledger_of,
    routed_context,
    services,
)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "addons.access_log"]


@pytest.fixture(autouse=True)
def _at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="addons.access_log")


def test_an_answer_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    made = services()
    AccessLog(made).response(flow_of(answered_context(made), response=answer_of(201)))
    (line,) = lines(caplog)
    start = f"{REQUEST_ID} bob /v1/chat/completions 201 raw-openai/m complete "
    assert line.startswith(start)
    assert line.removeprefix(start).removesuffix("ms").isdigit()
    assert ledger_of(made).logged == []


def test_a_lost_client_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    made = services()
    context = answered_context(made)
    context.end_reason = "client_disconnected"
    AccessLog(made).error(flow_of(context, error=True))
    (line,) = lines(caplog)
    assert " 499 " in line
    assert "client_disconnected" in line


def test_nothing_of_the_request_or_the_answer_is_told(caplog: pytest.LogCaptureFixture) -> None:
    made = services()
    flow = flow_of(answered_context(made), response=answer_of(content=b"the answer"))
    flow.request.headers["authorization"] = "Bearer secret"
    flow.request.path = "/v1/chat/completions?key=secret"
    AccessLog(made).response(flow)
    (line,) = lines(caplog)
    for word in ("secret", "the answer", "Say something"):
        assert word not in line


def test_strangers_have_no_name(caplog: pytest.LogCaptureFixture) -> None:
    AccessLog(services()).response(flow_of(bare_context(), response=answer_of(401)))
    assert lines(caplog)[0].startswith(f"{REQUEST_ID} - /v1/chat/completions 401 - ")


def test_a_refusal_of_somebody_known_is_recorded() -> None:
    made = services()
    context = routed_context(made)
    context.end_reason = "refused:insufficient_credits"
    AccessLog(made).response(flow_of(context, response=answer_of(402)))
    (record,) = ledger_of(made).logged
    assert (record.status, record.end_reason) == (402, "refused:insufficient_credits")
    assert (record.cost_nano, record.usage.total) == (0, 0)


@pytest.mark.parametrize("case", ["nobody", "opened", "not refused"])
def test_other_ends_are_not(case: str) -> None:
    made = services()
    context = routed_context(made)
    context.end_reason = "" if case == "not refused" else "refused:internal_error"
    context.opened = case == "opened"
    if case == "nobody":
        context.principal = None
    AccessLog(made).response(flow_of(context, response=answer_of(500)))
    assert ledger_of(made).logged == []


@pytest.mark.parametrize("hook", ["response", "error"])
def test_a_flow_without_a_context_is_no_line(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    getattr(AccessLog(services()), hook)(flow_of(response=answer_of()))
    assert lines(caplog) == []


def test_a_flow_without_an_answer_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    AccessLog(services()).response(flow_of(bare_context()))
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1/models", "/v1/models"),
        ("/v1/models/sk-troll-abc", "/v1/models/…"),
        ("/sk-troll-abc", "(unknown path)"),
    ],
)
def test_only_known_paths_are_written(path: str, shown: str) -> None:
    assert shown_path(path) == shown
