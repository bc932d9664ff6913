import pytest

from shared.domain.upstream_keys import Fault
from shared.wire.upstream_faults import fault_of, may_be_fault, retry_after_s

CREDIT = (
    b'{"type":"error","error":{"type":"invalid_request_error",'
    b'"message":"Your credit balance is too low to access the Anthropic API."}}'
)
QUOTA = b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}'
PLAIN = b'{"error":{"message":"no","type":"invalid_request_error"}}'


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, PLAIN, None),
        (404, PLAIN, None),
        (413, PLAIN, None),
        (422, PLAIN, None),
        (400, CREDIT, Fault.BUDGET),
        (429, QUOTA, Fault.BUDGET),
        (429, PLAIN, Fault.RATE_LIMITED),
        (401, PLAIN, Fault.AUTH),
        (402, PLAIN, Fault.BUDGET),
        (403, PLAIN, Fault.AUTH),
        (408, PLAIN, Fault.TIMEOUT),
        (500, PLAIN, Fault.SERVER),
        (503, b"<html>", Fault.SERVER),
        (504, b"", Fault.TIMEOUT),
        (529, PLAIN, Fault.SERVER),
    ],
)
def test_what_a_refusal_says_about_the_key(status: int, body: bytes, fault: Fault | None) -> None:
    assert fault_of(status, body) is fault
    assert fault is None or may_be_fault(status)


@pytest.mark.parametrize("status", [200, 404, 413, 422])
def test_what_needs_no_reading(status: int) -> None:
    assert not may_be_fault(status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("9" * 7, None),
        ("\u0663", None),
    ],
)
def test_how_long_to_wait(value: str, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds
