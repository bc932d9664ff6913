"""What an upstream's refusal says about the key it was sent with."""

from __future__ import annotations

from shared.domain.upstream_keys import Fault
from shared.wire.upstream_errors import is_account_fault

_BY_STATUS = {
    401: Fault.AUTH,
    402: Fault.BUDGET,
    403: Fault.AUTH,
    408: Fault.TIMEOUT,
    429: Fault.RATE_LIMITED,
    504: Fault.TIMEOUT,
}
_LONGEST_RETRY_AFTER_DIGITS = 6


def may_be_fault(status: int) -> bool:
    """Whether an answer of that status has to be read to its end before it can be judged."""
    return status >= 500 or status in _BY_STATUS or status == 400


def fault_of(status: int, body: bytes) -> Fault | None:
    """The fault behind an upstream's answer, None when it is about the request itself.

    Args:
        status: The upstream's status.
        body: The whole body: some errors about our account are dressed as 400 or 429.
    """
    if is_account_fault(status, body):
        return Fault.BUDGET
    if status >= 500:
        return _BY_STATUS.get(status, Fault.SERVER)
    return _BY_STATUS.get(status)


def retry_after_s(value: str) -> float | None:
    """Seconds of a `retry-after` header; None for a date, for none, or for nonsense."""
    if not value.isascii() or not value.isdecimal():
        return None
    return float(value) if len(value) <= _LONGEST_RETRY_AFTER_DIGITS else None
