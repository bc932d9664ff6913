"""One format for every process's log, from which keys are struck out."""

from __future__ import annotations

import logging
import re
import sys
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"
REDACTED = "[redacted]"
_FEWEST = 6  # shorter tails are words such as `sk-learn`, not keys

_CREDENTIALS = (
    # what keys of this gateway and of upstreams look like
    re.compile(rf"\b(sk|fk|pk|rk|whsec)([-_])[A-Za-z0-9_\-]{{{_FEWEST},}}"),
    # header values, as text or as they stand in a repr
    re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=\-]+"),
    re.compile(
        r"(?i)((?:x-api-key|api-key|authorization|set-cookie|cookie)[\"']?)(\s*[:=,]\s*)"
        r"b?[\"']?[^\s\"',}]+"
    ),
    # user:password@ of any URL
    re.compile(r"([a-z][a-z0-9+.\-]*:)(//)[^\s/@]+@"),
)


# One of these, in lower case, is in every credential above: most lines have none and are done.
_HINTS = (
    *(f"{prefix}{mark}" for prefix in ("sk", "fk", "pk", "rk", "whsec") for mark in "-_"),
    *("bearer", "basic", "api-key", "authorization", "cookie", "//"),
)


def redact(text: str) -> str:
    """The text with everything that looks like a key or password struck out."""
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return text
    for pattern in _CREDENTIALS:
        text = pattern.sub(_strike_out, text)
    return text


def _strike_out(match: re.Match[str]) -> str:
    end = "@" if match[0].endswith("@") else ""
    return f"{match[1]}{match[2]}{REDACTED}{end}"


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and strikes keys out of the result."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows indented so that entries stay apart."""
        return redact(super().format(record)).replace("\n", "\n    ")


def configure(debug: bool, stream: TextIO | None = None) -> None:
    """Send every logger of this process to one stream, standard error by default.

    Args:
        debug: DEBUG and above of our own code; INFO and above otherwise. Libraries
            speak at WARNING either way: mitmproxy's and pymongo's chatter costs time.
        stream: Where to write.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(RedactingFormatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("addons", "portal", "shared", "scripts"):
        logging.getLogger(name).setLevel(logging.DEBUG if debug else logging.INFO)
