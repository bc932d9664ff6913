"""Waiting until what was started answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import httpx

_PAUSE_S = 0.1


def wait_until_ready(
    urls: Sequence[str], timeout_s: float, gone: Callable[[], bool] = lambda: False
) -> Sequence[str]:
    """Wait until every URL answers 200.

    Args:
        urls: On this machine.
        timeout_s: Patience.
        gone: Tells that waiting is of no use any more.

    Returns:
        Those that did not answer in time: none when all is well.
    """
    deadline = time.monotonic() + timeout_s
    waiting = list(urls)
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while waiting and time.monotonic() < deadline and not gone():
            waiting = [url for url in waiting if not _answers(client, url)]
            if waiting:
                time.sleep(_PAUSE_S)
    return waiting


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
