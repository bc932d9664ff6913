import pytest

from shared import quantities as q


@pytest.mark.parametrize(
    ("text", "size"),
    [("32MB", 32 << 20), ("512 kb", 512 << 10), ("1GiB", 1 << 30), ("100", 100), ("7b", 7)],
)
def test_sizes(text, size):
    assert q.size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("1m30s", 90), ("2h", 7200), ("1d", 86400), ("15", 15)],
)
def test_durations(text, seconds):
    assert q.duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "truth"), [("true", True), ("ON", True), ("0", False), ("No", False)]
)
def test_booleans(text, truth):
    assert q.boolean(text) is truth


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *[(q.size, text) for text in ("", "0", "-1", "1.5MB", "32XB", "MB", "9" * 13)],
        *[(q.duration_s, text) for text in ("", "0s", "-1s", "x", "1m x", "30 s", "nan", "1y")],
        *[(q.boolean, text) for text in ("maybe", "2", "")],
        *[(q.port, text) for text in ("0", "65536", "http", "-1", "8080.0", "٨٠")],
        *[(q.address, text) for text in ("example.com", "1.2.3", "", "127.0.0.1:80")],
        *[(q.networks, text) for text in ("10.0.0.0/33", "a,b")],
        *[(q.base_url, text) for text in ("ftp://x", "x.com", "http://", "https://u:p@x.com")],
        *[(q.base_url, text) for text in ("https://x/?a=1", "https://x:99999", "https://a b")],
        *[(q.origin, text) for text in ("https://x/path", "x")],
        *[(q.mongodb_uri, text) for text in ("postgres://x", "localhost")],
        (q.one_of("a", "b"), "c"),
    ],
)
def test_what_cannot_be_used_says_what_could(parse, text):
    with pytest.raises(ValueError, match=r"[a-z]"):
        parse(text)


def test_addresses_and_networks():
    assert q.address("[::1]") == "::1"
    assert q.address("localhost") == "localhost"
    assert q.networks("10.0.0.1, 192.168.0.0/16") == ("10.0.0.1/32", "192.168.0.0/16")
    assert q.base_url("https://x.com:8443/llm/") == "https://x.com:8443/llm"
    assert q.origin("https://x.com/") == "https://x.com"
    assert q.mongodb_uri("mongodb+srv://x") == "mongodb+srv://x"


@pytest.mark.parametrize(
    ("bind", "inside"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback(bind, inside):
    assert q.is_loopback(bind) is inside
