from __future__ import annotations

import json
from typing import Any

from scripts.simulator.http_message import Reply, Request
from scripts.simulator.request_log import Exchange, RequestLog

HEADERS = (("X-Api-Key", "sk-secret-0123"), ("Accept", "a"), ("accept", "b"))


def request(body: bytes = b'{"a":1}') -> Request:
    return Request("POST", "/v1/messages?beta=true", "HTTP/1.1", HEADERS, body)


def opened(log: RequestLog, body: bytes = b'{"a":1}', **more: Any) -> Exchange:
    return log.open(5.0, request(body), Reply(200, [], (), **more), model="m")


def lines(log: RequestLog) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.lines().splitlines()]


def test_a_request_is_shown_as_it_came() -> None:
    log = RequestLog()
    opened(log)
    (line,) = lines(log)
    assert line["headers"] == [list(pair) for pair in HEADERS]
    assert (line["method"], line["path"]) == ("POST", "/v1/messages?beta=true")
    assert (line["body"], line["json"], line["bodyBytes"]) == ('{"a":1}', {"a": 1}, 7)
    assert (line["model"], line["number"], line["keySuffix"]) == ("m", 1, "ret-0123")


def test_redaction_hides_secrets_only() -> None:
    log = RequestLog(redact=True)
    opened(log)
    assert b"sk-secret" not in log.lines()
    (line,) = lines(log)
    assert line["headers"] == [["X-Api-Key", "[hidden]…0123"], ["Accept", "a"], ["accept", "b"]]
    assert (line["keySuffix"], line["keySha256"]) == ("0123", None)


def test_an_answer_is_followed() -> None:
    log = RequestLog()
    exchange = opened(log, is_stream=True)
    exchange.started(6.0)
    exchange.sent(10)
    exchange.sent(4)
    (line,) = lines(log)
    assert line["answer"]["end"] is None
    exchange.ended("client_left", 7.0)
    (line,) = lines(log)
    answer = line["answer"]
    assert (answer["events"], answer["bytes"], answer["end"]) == (2, 14, "client_left")
    assert (answer["clientLeft"], answer["firstByteAt"], answer["endedAt"]) == (True, 6.0, 7.0)


def test_events_of_a_recording_are_counted_in_its_bytes() -> None:
    exchange = opened(RequestLog(), is_stream=True, recorded=b"data: a\r\n\r\ndata: b\n\n")
    exchange.sent(11)
    assert exchange.events == 1
    exchange.sent(9)
    assert exchange.events == 2


def test_a_body_is_shown_up_to_the_cap() -> None:
    log = RequestLog(body_cap_bytes=3)
    opened(log, b'"\xc3\xa4\xc3\xa4"')
    (line,) = lines(log)
    assert (line["body"], line["json"], line["bodyBytes"]) == ('"ä', "ää", 6)


def test_what_is_no_json_is_shown_as_text() -> None:
    log = RequestLog()
    opened(log, b"\xff{")
    (line,) = lines(log)
    assert (line["body"], line["json"]) == ("\ufffd{", None)


def test_the_oldest_bodies_go_first() -> None:
    log = RequestLog(body_budget_bytes=10)
    for number in range(3):
        opened(log, b"%d" % number * 5)
    assert [line["bodyDropped"] for line in lines(log)] == [True, False, False]
    assert [line["bodyBytes"] for line in lines(log)] == [5, 5, 5]


def test_the_oldest_entries_go_first() -> None:
    log = RequestLog(max_entries=2)
    for _ in range(3):
        opened(log)
    assert [line["number"] for line in lines(log)] == [2, 3]


def test_clear() -> None:
    log = RequestLog()
    opened(log)
    log.clear()
    assert lines(log) == []
    opened(log)
    assert [line["number"] for line in lines(log)] == [1]
