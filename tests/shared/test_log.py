import io
import logging

import pytest

from shared.log import REDACTED, configure, redact

SECRET = "q7Zk2mT9wXc4LbV1"


@pytest.mark.parametrize(
    "text",
    [
        f"key sk-troll-{SECRET}{SECRET}",
        f"key=sk-ant-api03-{SECRET}",
        f"fk-{SECRET}",
        f"sk_live_{SECRET}",
        f"whsec_{SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"authorization: bearer {SECRET}",
        f"Authorization: {SECRET}",
        f"{{'x-api-key': '{SECRET}', 'a': 1}}",
        f"(b'x-api-key', b'{SECRET}')",
        f"X-API-Key={SECRET}",
        f"Cookie: session={SECRET}",
        f"mongodb://user:{SECRET}@127.0.0.1/trollllm",
        f"proxy http://{SECRET}:x@example.com:8080",
    ],
)
def test_what_looks_like_a_key_is_struck_out(text):
    assert SECRET not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "request req_abc took 12 ms on claude-sonnet-4-20250514",
        "http://127.0.0.1:8080/v1/messages",
        "uses sk-lite",
        "an authorization problem",
        "listening on [::1]:8080",
    ],
)
def test_ordinary_lines_stay(text):
    assert redact(text) == text


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = before
    for name in ("addons", "portal", "shared", "scripts"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_arguments_and_tracebacks_are_redacted_too(root_logger):
    out = io.StringIO()
    configure(debug=False, stream=out)
    try:
        int(f"sk-troll-{SECRET}")
    except ValueError:
        logging.getLogger("shared.x").exception("failed with %s", f"Bearer {SECRET}")
    assert SECRET not in out.getvalue()
    assert "Traceback" in out.getvalue()
    assert sum(not line.startswith(" ") for line in out.getvalue().splitlines()) == 1


@pytest.mark.parametrize(("debug", "level"), [(True, logging.DEBUG), (False, logging.INFO)])
def test_debug_opens_our_own_loggers_and_no_others(root_logger, debug, level):
    configure(debug=debug, stream=io.StringIO())
    assert logging.getLogger("addons.billing").getEffectiveLevel() == level
    assert logging.getLogger("pymongo.command").getEffectiveLevel() == logging.WARNING
