"""An update that returns the document: the short way first, pymongo's own when that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from bson import CodecOptions, encode
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ReturnDocument, timeout
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from shared.errors import StoreUnavailable
from shared.store.client import AsyncClient, Document

logger = logging.getLogger(__name__)

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def encoded(document: Mapping[str, Any]) -> RawBSONDocument:
    """What does not change from command to command, as BSON: encoded once."""
    return RawBSONDocument(encode(document), _RAW)


def within(deadline_s: float) -> AbstractContextManager[Any]:
    """Bounds pymongo's operations in a block.

    Raises:
        StoreUnavailable: That time, of the loop, has come already.
    """
    left_s = _left_s(deadline_s)
    if left_s <= 0:
        raise StoreUnavailable("the database did not answer in time")
    return timeout(left_s)


class FindAndModify:
    """`find_one_and_update` of one collection; only for updates that may be applied twice.

    The first attempt may have been applied though its answer was lost, and pymongo's way repeats
    it then.

    Args:
        collection: Of a client that `connect_async` made; its write concern applies.
    """

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        client = collection.database.client
        if not isinstance(client, AsyncClient):
            raise TypeError("a client by connect_async is needed")
        self._direct = client.direct
        self._collection = collection
        self._timeout_s = client.timeout_s
        self._constant = {
            "new": True,
            "writeConcern": collection.write_concern.document,
            "$db": collection.database.name,
        }

    def deadline_s(self) -> float:
        """Time of the loop at which an operation that begins now has to be done."""
        return asyncio.get_running_loop().time() + self._timeout_s

    async def run(
        self,
        query: Document,
        update: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        deadline_s: float,
    ) -> Document | None:
        """The document after the update; None when none matches.

        Args:
            query: Which document.
            update: Pipeline.
            fields: Projection of the answer.
            deadline_s: As `deadline_s` told when the operation began.

        Raises:
            PyMongoError: As `find_one_and_update`.
            StoreUnavailable: No answer in time.
        """
        command = {
            "findAndModify": self._collection.name,
            "query": query,
            "update": update,
            "fields": fields,
            "maxTimeMS": max(1, int(_left_s(deadline_s) * 1000)),
            **self._constant,
        }
        try:
            answer = await self._direct.run(command, deadline_s)
        except (OSError, PyMongoError, BSONError) as error:
            logger.debug("no answer by the short way: %s", type(error).__name__)
        else:
            if _is_clean(answer):
                value: Document | None = answer["value"]
                return value
            logger.debug("refused by the short way: %s", answer.get("codeName"))
        return await self._by_pymongo(query, update, fields, deadline_s)

    async def _by_pymongo(
        self,
        query: Document,
        update: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
        deadline_s: float,
    ) -> Document | None:
        with within(deadline_s):
            return await self._collection.find_one_and_update(
                query, update, projection=fields, return_document=ReturnDocument.AFTER
            )


def _is_clean(answer: Document) -> bool:
    return answer.get("ok") == 1 and "value" in answer and "writeConcernError" not in answer


def _left_s(deadline_s: float) -> float:
    return deadline_s - asyncio.get_running_loop().time()
