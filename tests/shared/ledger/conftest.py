"""Requests as the gateway opens them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.accounts import Hold, OpenRequest, Purse, RequestRecord
from shared.domain.usage import Usage


def opened(number: int = 1, hold: Hold | None = None) -> OpenRequest:
    held = hold or Hold(f"req_{number:026d}", "usr_1", "ann", 5_000, Purse.REFERRAL)
    record = RequestRecord(
        request_id=held.request_id,
        username=held.username,
        user_id=held.user_id,
        key_id="key_1",
        endpoint="/v1/chat/completions",
        model="gpt-5",
        upstream="main",
        upstream_key_id="",
        status=0,
        end_reason="",
        stream=True,
        usage=Usage(input=77, estimated=True),
        cost_nano=0,
        price_version="v1",
        attempts=0,
        ttft_ms=None,
        duration_ms=0,
        created_at=datetime(2026, 3, 1, 23, 59, 59, 123000, tzinfo=UTC),
    )
    return OpenRequest(held, record)


@pytest.fixture
def make_open() -> Any:
    return opened
