"""Headers whose look-ups are quick: mitmproxy's convert every field at every look-up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from mitmproxy import http

type Field = tuple[bytes, bytes]


class FastHeaders(http.Headers):
    """`mitmproxy.http.Headers`, with the same answers at a fraction of the cost."""

    @classmethod
    def of(cls, fields: Iterable[Field]) -> Self:
        """Headers of these fields, which must be bytes already."""
        headers = cls.__new__(cls)
        headers.fields = tuple(fields)
        return headers

    def get_all(self, name: str | bytes) -> list[str]:
        """All values of a header, none of them folded."""
        wanted = _lowered(name)
        return [_text(value) for key, value in self.fields if key.lower() == wanted]

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str | bytes):
            return False
        wanted = _lowered(name)
        return any(key.lower() == wanted for key, _ in self.fields)

    def __getitem__(self, name: str | bytes) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    # Narrower than the generic `Mapping.get` on purpose: the values are text, the default too.
    def get(self, name: str | bytes, default: str | None = None) -> str | None:  # type: ignore[override]
        """The values of a header, joined; `default` when there is none."""
        values = self.get_all(name)
        return ", ".join(values) if values else default


def _lowered(name: str | bytes) -> bytes:
    return (name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name).lower()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
