import gzip
import zlib

import pytest

from addons.decoding import MAX_UNPACKED_BYTES, plain_body
from shared.errors import GatewayError
from tests.support.gateway_flows import answer_of

TEXT = b'{"a": 1}' * 100


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("GZip ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
def test_a_body_is_unpacked(coding: str, content: bytes) -> None:
    response = answer_of()
    response.raw_content = content
    if coding:
        response.headers["content-encoding"] = coding
    assert plain_body(response) == TEXT


def test_no_body_is_empty() -> None:
    response = answer_of()
    response.raw_content = None
    assert plain_body(response) == b""


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("br", TEXT),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
        ("gzip", TEXT),
        ("gzip", gzip.compress(TEXT)[:-9]),
        ("gzip", gzip.compress(b" " * (MAX_UNPACKED_BYTES + 1))),
        ("gzip", b""),
    ],
    ids=["brotli", "twice", "not packed", "cut", "bomb", "empty"],
)
def test_what_cannot_be_unpacked_is_the_upstream_s_failure(coding: str, content: bytes) -> None:
    response = answer_of()
    response.raw_content = content
    response.headers["content-encoding"] = coding
    with pytest.raises(GatewayError) as caught:
        plain_body(response)
    assert caught.value.status == 502
