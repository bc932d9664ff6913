"""What the gateway asks of the ledger."""

from __future__ import annotations

from typing import Protocol

from shared.domain.accounts import OpenRequest, RequestRecord
from shared.domain.usage import Usage


class RequestLedger(Protocol):
    """The crash-safe life of a request: open, sent, checkpoints, then exactly one end."""

    @property
    def failing(self) -> bool:
        """Whether the journal could not be written when it was last tried."""

    async def open(self, request: OpenRequest) -> None:
        """Make the request durable before an upstream hears of it.

        Raises:
            JournalError: It could not be written; the caller must release the hold and refuse.
        """

    def sent(self, request_id: str) -> None:
        """Note that the request is about to leave for the upstream: from here on it is billed.

        Raises:
            JournalError: It could not be written; the request must not leave.
        """

    async def release(self, user_id: str, request_id: str) -> None:
        """Give back a hold whose request was never opened; repeated later if need be."""

    def checkpoint(self, request_id: str, usage: Usage) -> None:
        """Note usage so far; cheap, the ledger decides how often it is written."""

    async def settle(self, record: RequestRecord) -> None:
        """End an open request with its cost (0 releases the hold); survives the process.

        It is durable before anything is charged.

        A second end of the same request is ignored.
        """

    def log(self, record: RequestRecord) -> None:
        """Log a request that was never opened (refused). Best effort."""
