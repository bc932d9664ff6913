"""Strict reading of a request's head, before mitmproxy's lenient parser sees it.

Everything that servers disagree about (RFC 9112, section 11.2) is refused here, so that what
was checked is what any other parser would read.
"""

from __future__ import annotations

import re

from shared.errors import GatewayError

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([!-~]+) HTTP/1\.([01])" % _TOKEN)
_HEADER_LINE = re.compile(rb"(%s):([ \t]*[^\x00-\x08\x0a-\x1f\x7f]*)" % _TOKEN)
_DIGITS = re.compile(rb"[0-9]{1,15}")


def bad_head(message: str) -> GatewayError:
    """The 400 of a head that cannot be trusted."""
    return GatewayError(400, "invalid_request", "invalid_request_error", message)


def head_too_large(message: str) -> GatewayError:
    """The 431 of a head over the limits."""
    return GatewayError(431, "request_too_large", "request_too_large", message)


def read_head(buffered: bytes) -> list[bytes] | None:
    """Split a complete head into its lines.

    Args:
        buffered: What the client has sent so far.

    Returns:
        Request line and header lines without line ends, None while the head is incomplete.

    Raises:
        GatewayError: 400 for a head that parsers disagree about, 431 for one too large.
    """
    end = buffered.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES + 4)
    if end < 0:
        _check_unfinished(buffered)
        return None
    lines = buffered[:end].split(b"\r\n")
    _check_request_line(lines[0])
    if len(lines) - 1 > MAX_HEADERS:
        raise head_too_large(f"More than {MAX_HEADERS} header fields. Send fewer.")
    _check_headers(lines[1:], http_1_0=lines[0].endswith(b"1.0"))
    return lines


def head_length(lines: list[bytes]) -> int:
    """Bytes that a head of these lines takes on the wire, its empty line included."""
    return sum(map(len, lines)) + 2 * len(lines) + 2


def _check_unfinished(buffered: bytes) -> None:
    if len(buffered) > MAX_HEAD_BYTES:
        raise head_too_large(f"Header fields of more than {MAX_HEAD_BYTES} bytes. Send less.")
    if buffered[:1] == b"\x16":
        raise bad_head("This port speaks plain HTTP. Use an http:// URL, or put TLS in front.")
    if b"\n\n" in buffered or b"\n" in buffered.replace(b"\r\n", b""):
        raise bad_head("A line of the request head ends in a bare line feed.")


def _check_request_line(line: bytes) -> None:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise bad_head("The request line is not METHOD /path HTTP/1.1.")
    method, target = match[1], match[2]
    if method == b"CONNECT":
        raise bad_head("CONNECT is not served here: this is a gateway, not a proxy.")
    if not target.startswith(b"/") and target != b"*":
        raise bad_head("The request target must start with a slash.")


def _check_headers(lines: list[bytes], *, http_1_0: bool) -> None:
    framing: dict[bytes, list[bytes]] = {}
    for line in lines:
        match = _HEADER_LINE.fullmatch(line)
        if match is None:
            raise bad_head(f"Header field {_shown(line)} is malformed.")
        name = match[1].lower()
        if name in _CHECKED:
            framing.setdefault(name, []).append(match[2].strip(b" \t"))
    for name, values in framing.items():
        if len(values) > 1:
            raise bad_head(f"The header {name.decode()} is given {len(values)} times.")
    _check_framing(framing, http_1_0=http_1_0)


_CHECKED = frozenset({b"content-length", b"transfer-encoding", b"host"})


def _check_framing(framing: dict[bytes, list[bytes]], *, http_1_0: bool) -> None:
    length, encoding = framing.get(b"content-length"), framing.get(b"transfer-encoding")
    if length and encoding:
        raise bad_head("content-length and transfer-encoding exclude each other.")
    if length and not _DIGITS.fullmatch(length[0]):
        raise bad_head("content-length must be a number of bytes.")
    if encoding and (http_1_0 or encoding[0].lower() != b"chunked"):
        raise bad_head("transfer-encoding must be exactly 'chunked', over HTTP/1.1.")
    if not http_1_0 and b"host" not in framing:
        raise bad_head("The header host is missing.")


def _shown(line: bytes) -> str:
    """The name of a malformed header for the message: never its value, it may be a key."""
    name, colon, _ = line.partition(b":")
    if not colon or name[:1] in b" \t":
        return "without a name"
    return repr(name[:40].decode("ascii", "replace"))
