"""Meters: usage of one answer, read from the upstream's bytes before anything touches them."""

from __future__ import annotations

from typing import Protocol

from shared.domain.catalog import Dialect
from shared.domain.usage import Usage
from shared.wire.formats import WireFormat
from shared.wire.usage_reader import body_usage, stream_usage


class Meter(Protocol):
    """What an answer has cost so far."""

    def usage(self, input_estimate: int) -> Usage:
        """Usage if the answer ended here; estimated where the upstream did not say."""


class StreamMeter:
    """Meters a stream as it passes.

    Args:
        form: The upstream's.
        output_cap: Tokens that counted output never exceeds: what the hold covers.

    Attributes:
        reader: Fed with every byte of the upstream.
    """

    def __init__(self, form: WireFormat | Dialect, output_cap: int | None = None) -> None:
        self.reader = stream_usage(form)
        self._output_cap = output_cap

    def usage(self, input_estimate: int) -> Usage:
        """As `Meter.usage`."""
        return self.reader.usage_if_cut_now(input_estimate, self._output_cap)


class BodyMeter:
    """Meters an answer that came in one piece."""

    def __init__(self, form: WireFormat | Dialect, body: bytes) -> None:
        self._form = form
        self._body = body

    def usage(self, input_estimate: int) -> Usage:
        """As `Meter.usage`."""
        return body_usage(self._form, self._body, input_estimate)
