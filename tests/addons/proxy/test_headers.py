"""The quick headers answer as mitmproxy's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import http

from addons.proxy.headers import FastHeaders

NAMES = st.sampled_from([b"a", b"A", b"host", b"Host", b"x-api-key", b"\xff"])
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=8)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(fields=FIELDS, name=st.sampled_from(["a", "HOST", "host", "X-Api-Key", "other"]))
def test_it_answers_as_mitmproxy_s(fields: list[tuple[bytes, bytes]], name: str) -> None:
    ours, theirs = FastHeaders.of(fields), http.Headers(fields)
    assert ours.fields == theirs.fields
    assert (name in ours) == (name in theirs)
    assert ours.get_all(name) == theirs.get_all(name)
    assert ours.get(name) == theirs.get(name)
    assert ours.get(name, "none") == theirs.get(name, "none")
    assert bytes(ours) == bytes(theirs)
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("kind", [FastHeaders, http.Headers])
def test_it_changes_as_mitmproxy_s(kind: type[http.Headers]) -> None:
    headers = (
        FastHeaders.of([(b"a", b"1"), (b"A", b"2")])
        if kind is FastHeaders
        else kind([(b"a", b"1"), (b"A", b"2")])
    )
    assert headers["a"] == "1, 2"
    headers["a"] = "3"
    headers["b"] = "4"
    headers.pop("missing", None)
    assert headers.pop("b") == "4"
    assert dict(headers) == {"a": "3"}
    with pytest.raises(KeyError):
        headers["b"]
    copied = headers.copy()
    copied["a"] = "5"
    assert headers["a"] == "3"


def test_what_is_no_name_is_not_there() -> None:
    assert 5 not in FastHeaders.of([(b"5", b"")])
