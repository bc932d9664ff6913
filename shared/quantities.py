"""Values as people write them in settings: sizes, durations, addresses.

Every parser takes the text of one setting and raises ValueError with what would be right.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import SplitResult, urlsplit

_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_STEP = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


def whole(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers between two bounds, both allowed."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(text)

    return parse


port = whole(1, 65535)


def size(text: str) -> int:
    """Bytes of `32MB`, `512KB`, `1GB` or a bare number; units are powers of 1024."""
    match = re.fullmatch(r"([0-9]{1,12}) ?([kmg]?)i?b?", text.strip().lower())
    if match is None or int(match[1]) < 1:
        raise ValueError("a size such as 32MB, 512KB or a number of bytes")
    return int(match[1]) * _SIZE_UNITS[match[2]]


def duration_s(text: str) -> float:
    """Seconds of `30s`, `500ms`, `1m30s`, `1h` or a bare number of seconds; above zero."""
    text = text.strip().lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        text += "s"
    steps = _STEP.findall(text)
    total = sum((Decimal(number) * _SECONDS[unit] for number, unit in steps), Decimal())
    if "".join(number + unit for number, unit in steps) != text or total <= 0:
        raise ValueError("a duration above zero, such as 30s, 500ms or 1m30s")
    return float(total)


def boolean(text: str) -> bool:
    """True or false, in the usual spellings."""
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return word in _TRUE


def one_of(*words: str) -> Callable[[str], str]:
    """A parser of one word out of a few."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{', '.join(words[:-1])} or {words[-1]}")
        return text

    return parse


def address(text: str) -> str:
    """An IP address to bind to, or localhost."""
    if text == "localhost":
        return text
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError("an IP address such as 127.0.0.1 or 0.0.0.0") from None


def is_loopback(bind: str) -> bool:
    """Whether an address parsed by `address` is reachable from this machine alone."""
    return bind == "localhost" or ipaddress.ip_address(bind).is_loopback


def networks(text: str) -> tuple[str, ...]:
    """Addresses and networks, separated by commas."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    try:
        return tuple(str(ipaddress.ip_network(word, strict=False)) for word in words)
    except ValueError:
        raise ValueError("IP addresses or networks separated by commas") from None


def base_url(text: str) -> str:
    """An http or https origin with an optional path, without a trailing slash."""
    parts = _split(text)
    if parts is None or parts.query or parts.fragment:
        raise ValueError("a URL such as https://api.example.com")
    return text.rstrip("/")


def origin(text: str) -> str:
    """An http or https origin: scheme, host and port, nothing after them."""
    parts = _split(text)
    if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("an origin such as https://llm.example.com, without a path")
    return text.rstrip("/")


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable and "@" not in parts.netloc and " " not in text else None


def mongodb_uri(text: str) -> str:
    """A MongoDB connection string."""
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("a connection string such as mongodb://host:27017/trollllm")
    return text
