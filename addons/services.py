"""What the addons are given: the stores, the ledger and the configuration of one worker."""

from __future__ import annotations

from dataclasses import dataclass, field

from addons.upstream_keys import KeySource, UpstreamKeys
from shared.domain.catalog import Catalog
from shared.ledger.interfaces import RequestLedger
from shared.settings import Settings
from shared.store.interfaces import HoldStore, KeyGate
from shared.wire.content_filter import ContentFilter


@dataclass(slots=True)
class Services:
    """Everything with a life longer than a request.

    Attributes:
        settings: The worker's settings.
        catalog: Models, upstreams and routes in force.
        gate: Keys and rate limits.
        holds: Money set aside.
        ledger: Crash-safe settlement.
        worker_id: Names this process in holds.
        pepper: Secret that API keys are hashed with.
        content_filter: What answers are cleared of; None where nothing is.
        pools: Upstream keys; None where there are only those of config.json.
    """

    settings: Settings
    catalog: Catalog
    gate: KeyGate
    holds: HoldStore
    ledger: RequestLedger
    worker_id: str
    pepper: bytes = field(repr=False)
    content_filter: ContentFilter | None = None
    pools: KeySource | None = None

    @property
    def upstream_keys(self) -> UpstreamKeys:
        """Keys of pools and of config.json; those of the settings are in pools."""
        settings = self.settings
        return UpstreamKeys(self.pools, (settings.main_upstream_key, settings.troll_api_key))
