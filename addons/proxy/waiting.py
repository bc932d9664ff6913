"""Client connections that wait for their next request, and which of them are too many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mitmproxy.proxy.server import ConnectionHandler


@dataclass(frozen=True, slots=True)
class Waiting:
    """A connection without a request under way.

    Attributes:
        address: Host of the client.
        since_s: Monotonic clock from when it waits.
        head_begun: Part of its next request is here.
        handler: Of the connection.
    """

    address: str
    since_s: float
    head_begun: bool
    handler: ConnectionHandler


def surplus(waiting: Iterable[Waiting], cap: int, until_s: float) -> list[Waiting]:
    """What is to be closed so that no address has more than `cap`: those that waited longest.

    Args:
        waiting: All that wait now.
        cap: Connections for each address.
        until_s: What began to wait later is spared: its request may be on its way.
    """
    by_address: defaultdict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        by_address[one.address].append(one)
    chosen = []
    for those in by_address.values():
        if len(those) > cap:
            longest_first = sorted(those, key=lambda one: one.since_s)
            chosen += [one for one in longest_first[:-cap] if one.since_s <= until_s]
    return chosen
