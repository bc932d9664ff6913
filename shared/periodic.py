"""Work that is done again and again for as long as a process lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from shared.errors import TrollError

log = logging.getLogger(__name__)


async def repeat(name: str, interval_s: float, act: Callable[[], Awaitable[object]]) -> None:
    """Do `act` every `interval_s` seconds, for the first time after the first interval.

    A failure is logged and the next turn tries again: what is repeated here is repeated because
    it must not stop.
    """
    while True:
        await asyncio.sleep(interval_s)
        await attempt(name, act)


async def attempt(name: str, act: Callable[[], Awaitable[object]]) -> bool:
    """Do `act` once; a failure is logged. True when it succeeded."""
    try:
        await act()
    except TrollError as error:
        log.warning("%s failed and will be tried again: %s", name, error)
        return False
    except Exception:  # the boundary of a background task
        log.exception("%s failed unexpectedly and will be tried again", name)
        return False
    return True
