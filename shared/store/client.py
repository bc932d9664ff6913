"""Connections to MongoDB, and what its failures are called here.

Every client is made with `timeoutMS`: it bounds a whole operation, from the choice of a server to
the last byte of the answer. `serverSelectionTimeoutMS` alone does not: a frozen server has been
selected already, and a read from it would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)
from pymongo.uri_parser import parse_uri

from shared.errors import Conflict, StoreError, StoreRefused, StoreUnavailable
from shared.store import direct

Document = dict[str, Any]
SyncClient = MongoClient[Document]
SyncDatabase = Database[Document]
AsyncDb = AsyncDatabase[Document]

DEFAULT_DATABASE = "trollllm"
GATEWAY_TIMEOUT_MS = 800
# Few: to log in takes both sides some 10 ms, so a burst must not meet with an empty pool, and
# sixteen connections carry thousands of operations a second.
GATEWAY_POOL = 16
PORTAL_TIMEOUT_MS = 5_000

_DUPLICATE_KEY = 11000
_BAD_CREDENTIALS = {13, 18, 8000}
_INVALID_DOCUMENT = 121
_URI_FORM = "mongodb://user:password@host:27017/trollllm?replicaSet=rs0"


class AsyncClient(AsyncMongoClient[Document]):
    """pymongo's client and, for the few commands of every request, connections used directly.

    Attributes:
        direct: Those connections; they are closed with the client.
        timeout_s: Bound of one operation, seconds.
    """

    def __init__(self, uri: str, *, timeout_ms: int, max_pool: int) -> None:
        super().__init__(uri, **_options(timeout_ms, max_pool + direct.CONNECTIONS))
        self.timeout_s = timeout_ms / 1000
        self.direct = direct.DirectCommands(self)

    async def close(self) -> None:
        """See `AsyncMongoClient.close`; what is checked out of a pool it would leave open."""
        try:
            await super().close()
        finally:
            await self.direct.close()

    aclose = close


def connect(uri: str, *, timeout_ms: int = PORTAL_TIMEOUT_MS, max_pool: int = 50) -> SyncClient:
    """Client for portal, housekeeping and command line; does not wait for the server.

    Args:
        uri: MongoDB connection string.
        timeout_ms: Bound of one operation, milliseconds.
        max_pool: Connections at most, per member of the replica set.

    Raises:
        StoreRefused: The connection string cannot be used.
    """
    with translating_errors():
        _require_scheme(uri)
        return MongoClient(uri, **_options(timeout_ms, max_pool))


def connect_async(
    uri: str, *, timeout_ms: int = GATEWAY_TIMEOUT_MS, max_pool: int = GATEWAY_POOL
) -> AsyncClient:
    """Client for the gateway's event loop; opens no connection before it is first used.

    Args and errors as `connect`; direct connections come on top of `max_pool`.
    """
    with translating_errors():
        _require_scheme(uri)
        return AsyncClient(uri, timeout_ms=timeout_ms, max_pool=max_pool)


def database_name(uri: str) -> str:
    """Database named by the path of a connection string, else `trollllm`.

    Raises:
        StoreRefused: The connection string cannot be used.
    """
    with translating_errors():
        parsed = parse_uri(uri, validate=False, warn=False, connect_timeout=5)
    return parsed["database"] or DEFAULT_DATABASE


@contextmanager
def translating_errors() -> Iterator[None]:
    """Turn pymongo's errors into ours; usable around a block or as decorator of a plain function.

    Raises:
        StoreUnavailable: No answer in time, or none that tells the outcome.
        StoreRefused: The server answered and refused.
        Conflict: A unique value is taken.
    """
    try:
        yield
    except PyMongoError as error:
        raise translate(error) from error


def translate(error: PyMongoError) -> StoreError:
    """Our name for an error of pymongo. The text never holds credentials or values of fields."""
    if isinstance(error, InvalidURI | ConfigurationError):
        return StoreRefused(
            f"MONGODB_URI cannot be used ({type(error).__name__}): expected the form {_URI_FORM}, "
            "special characters in user and password percent-encoded"
        )
    if isinstance(error, DuplicateKeyError):
        return Conflict(_taken(error.details or {}))
    if isinstance(error, BulkWriteError):
        return _translate_bulk(error)
    if isinstance(error, OperationFailure):
        return _translate_failure(error)
    return _unavailable(error)


def _require_scheme(uri: str) -> None:
    """A bare host name is accepted by pymongo; it is more likely a slip than meant."""
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise InvalidURI("no scheme")


def _options(timeout_ms: int, max_pool: int) -> dict[str, Any]:
    return {
        "appname": "trollllm",
        "tz_aware": True,
        "w": "majority",
        "retryWrites": True,
        "compressors": [],
        "timeoutMS": timeout_ms,
        # Not bounded by timeoutMS: `close`, which tells a server that may be gone of its sessions.
        "serverSelectionTimeoutMS": timeout_ms,
        "connectTimeoutMS": max(timeout_ms, 2_000),
        "maxPoolSize": max_pool,
        "maxConnecting": 4,
        "maxIdleTimeMS": 300_000,
    }


def _taken(details: Any) -> str:
    names = ", ".join(details.get("keyPattern", {})) or "a unique value"
    return f"already taken: {names}"


def _translate_bulk(error: BulkWriteError) -> StoreError:
    failures = (error.details or {}).get("writeErrors", [])
    codes = {failure.get("code") for failure in failures}
    if codes == {_DUPLICATE_KEY}:
        return Conflict(_taken(failures[0]))
    if _INVALID_DOCUMENT in codes:
        return _invalid_document()
    return _unavailable(error)


def _translate_failure(error: OperationFailure) -> StoreError:
    if error.code in _BAD_CREDENTIALS:
        return StoreRefused(
            "the database refuses the user name or password of MONGODB_URI, or that user may not "
            "do this: check both, and the user's roles"
        )
    if error.code == _INVALID_DOCUMENT:
        return _invalid_document()
    if error.timeout or isinstance(error, WriteConcernError) or _is_transient(error):
        return _unavailable(error)
    name = (error.details or {}).get("codeName", "unknown")
    return StoreRefused(f"the database refused the operation: {name} (code {error.code})")


def _is_transient(error: PyMongoError) -> bool:
    labels = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
    return any(error.has_error_label(label) for label in labels)


def _invalid_document() -> StoreRefused:
    return StoreRefused("the database refused a document that breaks its collection's schema")


def _unavailable(error: PyMongoError) -> StoreUnavailable:
    return StoreUnavailable(f"the database did not answer in time ({type(error).__name__})")
