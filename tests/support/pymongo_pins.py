"""Fingerprints of the functions of pymongo that the direct connections lean on.

`python -m tests.support.pymongo_pins` writes them anew, once the tests of shared/store have passed
with another version.
"""

from __future__ import annotations

from pathlib import Path

from pymongo.asynchronous.mongo_client import AsyncMongoClient, _ClientCheckout
from pymongo.asynchronous.pool import AsyncConnection, Pool, _PoolCheckout
from pymongo.network_layer import AsyncNetworkingInterface, PyMongoProtocol
from pymongo.pool_shared import _AgnosticBaseConnection, _AgnosticBasePool

from tests.support.pins import Pins

PINS = Pins(
    "pymongo",
    "4.20.0",
    Path(__file__).resolve().parents[1] / "shared" / "store" / "pins",
    {
        # A connection to the primary is checked out, and handed back closed.
        AsyncMongoClient: ("_conn_for_writes", "_checkout", "_select_server", "close"),
        _ClientCheckout: ("__init__", "__aenter__", "__aexit__", "contribute_socket", "handle"),
        _PoolCheckout: ("__aenter__", "__aexit__"),
        Pool: ("_get_conn", "connect", "checkin"),
        _AgnosticBasePool: ("_checkin_apply", "stale_generation"),
        # `conn`, `address`, `generation`, `service_id` and `pool_ref` are set here.
        _AgnosticBaseConnection: ("__init__",),
        AsyncConnection: ("__init__", "close_conn", "_close_conn"),
        # The pair of transport and protocol, and what the protocol does when it ends.
        AsyncNetworkingInterface: ("__init__", "close"),
        PyMongoProtocol: (
            "__init__",
            "write",
            "read",
            "buffer_updated",
            "close",
            "connection_lost",
            "wait_closed",
        ),
    },
)

if __name__ == "__main__":
    PINS.write()
