"""A worker that kills itself with SIGKILL at a chosen point, a limited number of times.

`FAULT_AT` names the point; `FAULT_DIR` is a directory in which every kill leaves a file, and
`FAULT_TIMES` says how many there may be.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from addons.__main__ import main
from shared.ledger.journal import Journal
from shared.ledger.ledger import Ledger
from shared.store.holds import MongoHoldStore


def die() -> None:
    """Die, if there is a kill left."""
    directory = Path(os.environ["FAULT_DIR"])
    for number in range(int(os.environ["FAULT_TIMES"])):
        try:
            (directory / f"kill-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)


def die_after(owner: type, name: str, when: Callable[..., bool] = lambda *_, **__: True) -> None:
    """Die once an async method has done its work."""
    method = getattr(owner, name)

    @functools.wraps(method)
    async def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = await method(*args, **kwargs)
        if when(*args, **kwargs):
            die()
        return result

    setattr(owner, name, wrapped)


def die_before(owner: type, name: str) -> None:
    """Die when a method is called."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        die()
        return method(*args, **kwargs)

    setattr(owner, name, wrapped)


def _charges(*args: Any, **_kwargs: Any) -> bool:
    return any(record.cost_nano for _, record in args[1])


POINTS: dict[str, Callable[[], None]] = {
    "after-reserve": lambda: die_after(MongoHoldStore, "reserve"),
    "after-journal-line": lambda: die_after(Ledger, "open"),
    "mid-stream": lambda: die_before(Ledger, "checkpoint"),
    "after-settle-line": lambda: die_after(Ledger, "settle"),
    "after-row-insert": lambda: die_after(MongoHoldStore, "_record", when=_charges),
    "after-balance-update": lambda: die_after(MongoHoldStore, "settle", when=_charges),
    "before-truncation": lambda: die_before(Journal, "acknowledge"),
}

if __name__ == "__main__":
    POINTS[os.environ["FAULT_AT"]]()
    sys.exit(main())
