"""Making a fresh mongod the primary of a replica set of one, with one user."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from shared.errors import MongodError

_READY_TIMEOUT_S = 60.0
_PAUSE_S = 0.02
_AUTHENTICATION_FAILED = 18
_NOT_YET_INITIALISED = 94
_INVALID_REPLICA_SET_CONFIG = 93

type Client = MongoClient[dict[str, Any]]


class Credentials(NamedTuple):
    """The one user of an embedded server."""

    user: str
    password: str


def prepare_node(
    port: int, name: str, credentials: Credentials, check_alive: Callable[[], None]
) -> None:
    """Wait for the server on a loopback port and make it a writable primary with a user.

    A new server is initiated and gets its user through the localhost exception; one that knows
    itself under another port is given the new one.

    Args:
        port: Where it listens.
        name: Name of the replica set.
        credentials: User to create, or to log in as.
        check_alive: Raises once the process has ended, with the reason.

    Raises:
        MongodError: It is not ready within 60 s, or holds another user's data.
    """
    deadline = time.monotonic() + _READY_TIMEOUT_S
    with _connect(port) as anonymous:
        _wait_until(deadline, check_alive, lambda: _answers(anonymous))
        fresh = _initiate(anonymous, name, port)
        if fresh:
            _wait_until(deadline, check_alive, lambda: _is_primary(anonymous))
            _create_user(anonymous, credentials)
    with _connect(port, credentials) as client:
        if not fresh:
            _log_in(client)
            _move(client, port)
        _wait_until(deadline, check_alive, lambda: _is_primary(client))


def _connect(port: int, credentials: Credentials | None = None) -> Client:
    user, password = credentials or (None, None)
    return MongoClient(
        "127.0.0.1",
        port,
        directConnection=True,
        serverSelectionTimeoutMS=200,
        username=user,
        password=password,
    )


def _wait_until(
    deadline: float, check_alive: Callable[[], None], condition: Callable[[], bool]
) -> None:
    while not condition():
        check_alive()
        if time.monotonic() > deadline:
            raise MongodError(f"mongod was not ready within {_READY_TIMEOUT_S:g} s: see its log")
        time.sleep(_PAUSE_S)


def _answers(client: Client) -> bool:
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _is_primary(client: Client) -> bool:
    try:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False


def _initiate(client: Client, name: str, port: int) -> bool:
    """True when the server was new; one with users does not let a stranger initiate."""
    members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
    try:
        client.admin.command("replSetInitiate", {"_id": name, "members": members})
    except OperationFailure:
        return False
    return True


def _create_user(client: Client, credentials: Credentials) -> None:
    client.admin.command("createUser", credentials.user, pwd=credentials.password, roles=["root"])


def _log_in(client: Client) -> None:
    try:
        client.admin.command("replSetGetConfig")
    except OperationFailure as error:
        if error.code != _AUTHENTICATION_FAILED:
            raise
        raise MongodError(
            "mongod refuses the kept credentials: its data is another's; move the folder away"
        ) from None


def _move(client: Client, port: int) -> None:
    """Tell the node its address of today; it was another port the last time."""
    config = client.admin.command("replSetGetConfig")["config"]
    member = config["members"][0]
    if member["host"] == f"127.0.0.1:{port}":
        return
    member["host"] = f"127.0.0.1:{port}"
    config["version"] += 1
    client.admin.command("replSetReconfig", config, force=True)
