"""What every error of the gateway's own must be like."""

from __future__ import annotations

from shared.domain.catalog import Dialect
from tests.support.gateway_worker import UPSTREAM_KEY
from tests.support.raw_client import Answer

# Of software, of places, and of what upstreams of tests say.
NEVER_SHOWN = ("mitmproxy", "127.0.0.1", "evil.test", "html", UPSTREAM_KEY)


def check_error(answer: Answer, status: int, dialect: Dialect, *, bodyless: bool = False) -> None:
    """An error of ours: JSON in the dialect, ids, nothing of mitmproxy's or an upstream's."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == answer.headers["request-id"]
    assert answer.headers["x-request-id"].startswith("req_")
    assert "server" not in answer.headers
    shown = f"{answer.headers} {answer.body.decode()}".lower()
    assert not [word for word in NEVER_SHOWN if word in shown]
    if bodyless:
        return
    error = answer.json["error"]
    assert answer.json["request_id"] == answer.headers["request-id"]
    assert error["message"]
    if dialect is Dialect.ANTHROPIC:
        assert answer.json["type"] == "error"
        assert set(error) == {"type", "message"}
    else:
        assert set(error) == {"type", "message", "param", "code"}
