"""Whether a MongoDB server can be used, told in one line when it cannot."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, PyMongoError, ServerSelectionTimeoutError

from shared.errors import StoreError, StoreRefused, StoreUnavailable
from shared.store.client import DEFAULT_DATABASE, Document, SyncClient, translate

MINIMUM_VERSION = (6, 0)
_PROBE_TIMEOUT_MS = 2_000


def check_server(client: SyncClient) -> None:
    """Make sure of a reachable replica set of a supported version that lets us in.

    Raises:
        StoreUnavailable: Nothing answers there.
        StoreRefused: No replica set, too old, or wrong credentials; the message mends it.
    """
    try:
        hello = client.admin.command("hello")
        version = client.admin.command("buildInfo")["versionArray"]
        # Both of these are answered to anyone; a read is not.
        client.get_default_database(DEFAULT_DATABASE)["users"].find_one({}, {"_id": 1})
    except PyMongoError as error:
        raise _complaint(client, error) from error
    _require_replica_set(client, hello)
    _require_version(version)


def _complaint(client: SyncClient, error: PyMongoError) -> StoreError:
    if isinstance(error, ServerSelectionTimeoutError):
        return _unselectable(client)
    if isinstance(error, ConfigurationError):
        # The address was accepted when the client was made: this is the wire version.
        return StoreRefused("MongoDB is too old for the driver: 6.0 or newer is needed")
    return translate(error)


def _require_version(version: list[int]) -> None:
    if tuple(version[:2]) < MINIMUM_VERSION:
        found = ".".join(str(part) for part in version[:3])
        raise StoreRefused(f"MongoDB {found} is too old: 6.0 or newer is needed")


def _require_replica_set(client: SyncClient, hello: dict[str, Any]) -> None:
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return
    host, port = client.address or ("localhost", 27017)
    raise StoreRefused(
        f"MongoDB at {host}:{port} is no replica set, which transactions need: restart mongod "
        f"with --replSet rs0, then run once in mongosh: {_initiate('rs0', host, port)}"
    )


def _unselectable(client: SyncClient) -> StoreUnavailable | StoreRefused:
    """Why no server could be chosen: not initiated yet, or not there."""
    servers = client.topology_description.server_descriptions()
    for (host, port), server in servers.items():
        if server.server_type_name == "RSGhost":
            name = _set_name(host, port or 27017)
            return StoreRefused(
                f"the replica set at {host}:{port} has not been initiated: run once in mongosh: "
                f"{_initiate(name, host, port or 27017)}"
            )
    places = ", ".join(f"{host}:{port}" for host, port in servers) or "the address of MONGODB_URI"
    return StoreUnavailable(
        f"no usable MongoDB server at {places}: is it running, and are MONGODB_URI's host, port "
        "and replicaSet right?"
    )


def _set_name(host: str, port: int) -> str:
    """Name the server was started with, which `rs.initiate` must repeat; `rs0` when hidden."""
    probe: MongoClient[Document] = MongoClient(
        host, port, directConnection=True, timeoutMS=_PROBE_TIMEOUT_MS
    )
    with probe:
        try:
            options = probe.admin.command("getCmdLineOpts")["parsed"]
        except PyMongoError:
            return "rs0"
    replication: dict[str, str] = options.get("replication", {})
    return replication.get("replSetName") or replication.get("replSet") or "rs0"


def _initiate(name: str, host: str, port: int) -> str:
    return f'rs.initiate({{_id: "{name}", members: [{{_id: 0, host: "{host}:{port}"}}]}})'
