"""Every price version that was ever applied."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import UpdateOne, WriteConcern

from shared.domain.pricing import Price, price_from_document, price_to_document
from shared.store.client import AsyncDb, Document, translating_errors
from shared.store.transactions import Clock, utc_now


class MongoPriceStore:
    """`PriceStore` over the collection `prices`. What was read or kept once is remembered."""

    def __init__(self, database: AsyncDb, *, clock: Clock = utc_now) -> None:
        self._prices = database["prices"].with_options(write_concern=WriteConcern("majority"))
        self._clock = clock
        self._known: dict[str, Price] = {}

    async def remember(self, prices: Sequence[tuple[str, Price]]) -> None:
        """Keep (model id, price) pairs for ever; a version that is there already stays as it is.

        Raises:
            StoreUnavailable: No answer; safe to repeat.
        """
        new = {price.version: pair for pair in prices if (price := pair[1]).version}
        for version in self._known.keys() & new.keys():
            del new[version]
        if not new:
            return
        updates = [self._insertion(model, price) for model, price in new.values()]
        with translating_errors():
            await self._prices.bulk_write(updates, ordered=False)
        self._known.update({version: price for version, (_, price) in new.items()})

    async def get(self, version: str) -> Price | None:
        """The price of a version; None when there is none, or when its row was changed since.

        Raises:
            StoreUnavailable: No answer.
            MoneyError: Its row holds something that is no price.
        """
        if version in self._known:
            return self._known[version]
        with translating_errors():
            found = await self._prices.find_one({"_id": version})
        price = stored_price(found)
        if price is not None:
            self._known[version] = price
        return price

    def _insertion(self, model: str, price: Price) -> UpdateOne:
        fields = price_to_document(price) | {"model": model, "createdAt": self._clock()}
        return UpdateOne({"_id": price.version}, {"$setOnInsert": fields}, upsert=True)


def stored_price(document: Document | None) -> Price | None:
    """The price in a row of `prices`, unless its content no longer matches its version.

    Raises:
        MoneyError: It holds something that is no price.
    """
    if document is None:
        return None
    price = price_from_document(document)
    return price if price.version == document["_id"] else None
