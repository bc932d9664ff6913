from __future__ import annotations

import pytest

from portal.proxies import TrustedProxies

FORWARDED = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.9",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "evil.example",
    "HTTP_FORWARDED": "for=203.0.113.9",
}


def seen_behind(trusted: list[str], peer: str) -> dict[str, str]:
    """What the application sees of a request."""
    seen: dict[str, str] = {}

    def app(environ, start):
        seen.update({k: v for k, v in environ.items() if isinstance(v, str)})
        return []

    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "here"} | FORWARDED
    TrustedProxies(app, trusted)(environ, lambda *_: None)
    return seen


@pytest.mark.parametrize(
    ("trusted", "peer"),
    [([], "127.0.0.1"), (["10.0.0.1"], "127.0.0.1"), (["10.0.0.0/8"], ""), (["::1"], "127.0.0.1")],
)
def test_headers_of_anyone_else_are_gone(trusted, peer):
    seen = seen_behind(trusted, peer)
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == (peer, "http")
    assert not FORWARDED.keys() & seen.keys()


@pytest.mark.parametrize("trusted", [["127.0.0.1"], ["10.1.2.3", "127.0.0.0/8"]])
def test_a_trusted_peer_tells_address_and_scheme_but_no_host(trusted):
    seen = seen_behind(trusted, "127.0.0.1")
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("203.0.113.9", "https")
    assert seen["HTTP_HOST"] == "here"
