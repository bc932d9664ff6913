from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.catalog.section import Faults, Section
from shared.catalog.upstreams import Origin, parse_origin, read_upstreams, unserved_notes
from shared.domain.catalog import Dialect, Timeouts, Upstream
from shared.settings import Settings


def read(settings: Settings, faults: Faults | None = None, **upstreams: Any) -> dict[str, Upstream]:
    return read_upstreams(Section({"upstreams": upstreams}, "", faults or Faults({})), settings)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.example.com", Origin("https", "api.example.com", 443, "")),
        ("https://api.example.com/", Origin("https", "api.example.com", 443, "")),
        ("http://127.0.0.1:9000", Origin("http", "127.0.0.1", 9000, "")),
        ("http://[::1]:9000/x", Origin("http", "::1", 9000, "/x")),
        ("https://openrouter.ai/api/v1", Origin("https", "openrouter.ai", 443, "/api")),
        ("https://api.example.com/v1/", Origin("https", "api.example.com", 443, "")),
        ("https://x/a/b-c_d.e", Origin("https", "x", 443, "/a/b-c_d.e")),
    ],
)
def test_origins(url: str, origin: Origin) -> None:
    faults = Faults({})
    assert parse_origin(url, "p", faults) == origin
    assert faults.found == []


@pytest.mark.parametrize(
    "url",
    [
        "api.example.com",
        "ftp://x",
        "https://",
        "https:///path",
        "https://user:pw@x",
        "https://x?a=1",
        "https://x/#f",
        "https://x/a b",
        "https://x/a\r\nb",
        "https://x:99999",
        "https://x:port",
        "https://[::1",
        "https://x y",
        "https://-x-",
        "https://x//y",
    ],
)
def test_what_is_no_origin(url: str) -> None:
    faults = Faults({})
    assert parse_origin(url, "p", faults) is None
    assert [fault.path for fault in faults.found] == ["p"]


def test_built_in_upstreams(settings: Settings) -> None:
    upstreams = read(settings)
    main, openhands, troll = (upstreams[name] for name in ("main", "openhands", "troll"))
    assert (main.dialect, main.api_key, main.key_pool) == (
        Dialect.ANTHROPIC,
        "sk-main-canary",
        "main",
    )
    assert (openhands.dialect, openhands.host) == (Dialect.OPENAI, "llm-proxy.app.all-hands.dev")
    assert (troll.prefix, troll.require_proxy, troll.proxy_pool) == ("/api", True, "default")


def test_without_an_address_there_is_no_upstream(settings: Settings) -> None:
    bare = replace(settings, main_target_server=None, troll_target_server=None)
    assert read(bare).keys() == {"openhands"}


def test_an_unusable_setting_is_named(settings: Settings) -> None:
    faults = Faults({})
    upstreams = read(replace(settings, main_target_server="nonsense"), faults)
    assert "main" not in upstreams
    assert [fault.path for fault in faults.found] == ["MAIN_TARGET_SERVER"]


def test_the_file_lays_over_the_built_in(settings: Settings) -> None:
    main = read(settings, main={"timeouts": {"firstByte": Decimal("12.5"), "total": 60}})["main"]
    assert main.host == "api.example.com"
    assert main.api_key == "sk-main-canary"
    assert main.timeouts == Timeouts(first_byte_s=12.5, total_s=60.0)
    moved = read(
        settings, troll={"dialect": "openai", "baseUrl": "http://else", "requireProxy": False}
    )
    assert (moved["troll"].host, moved["troll"].port) == ("else", 80)
    assert (moved["troll"].dialect, moved["troll"].require_proxy) == (Dialect.OPENAI, False)


@pytest.mark.parametrize("key", ["sk-x", "${A}${A}", "x${A}", "${}", "$A", 5, ""])
def test_a_key_never_stands_in_the_file(settings: Settings, key: Any) -> None:
    faults = Faults({"A": "a"})
    read(settings, faults, one={"dialect": "openai", "baseUrl": "http://x", "apiKey": key})
    assert [fault.path for fault in faults.found] == ["upstreams.one.apiKey"]


@pytest.mark.parametrize(("pool", "sound"), [("main", True), ("a.b-c_1", True), ("a b", False)])
def test_a_pool_is_named_as_the_command_line_can(
    settings: Settings, pool: str, sound: bool
) -> None:
    faults = Faults({})
    read(settings, faults, one={"dialect": "openai", "baseUrl": "http://x", "keyPool": pool})
    assert [fault.path for fault in faults.found] == ([] if sound else ["upstreams.one.keyPool"])


def test_addresses_may_come_from_the_environment(settings: Settings) -> None:
    faults = Faults({"BASE": "http://x:81"})
    upstreams = read(settings, faults, one={"dialect": "openai", "baseUrl": "${BASE}/p"})
    assert (upstreams["one"].port, upstreams["one"].prefix) == (81, "/p")


@pytest.mark.parametrize("seconds", [0, -1, 86_401, "5", True, None])
def test_timeouts(settings: Settings, seconds: Any) -> None:
    faults = Faults({})
    read(settings, faults, main={"timeouts": {"idle": seconds}})
    assert len(faults.found) == (seconds is not None)


@pytest.mark.parametrize(
    ("name", "fields", "notes"),
    [
        ("u", {"api_key": "k"}, []),
        ("u", {"api_key": "k", "proxy_pool": "p", "key_pool": "k"}, []),
        ("u", {}, ["apiKey: is missing; requests are answered 503: set it"]),
        ("u", {"api_key": ""}, ["apiKey: is missing; requests are answered 503: set it"]),
        (
            "main",
            {"key_pool": "main"},
            [
                "apiKey: is missing; requests are answered 503 unless the pool `main` has a key: "
                "set it, or MAIN_UPSTREAM_KEY"
            ],
        ),
        (
            "u",
            {"api_key": "k", "require_proxy": True},
            ["requireProxy: there is no proxyPool; requests are answered 503"],
        ),
        (
            "troll",
            {"require_proxy": True, "proxy_pool": "default"},
            [
                "requireProxy: proxyPool is not used yet; requests are answered 503",
                "apiKey: is missing; requests are answered 503: set it, or TROLL_API_KEY",
            ],
        ),
    ],
)
def test_what_can_only_answer_503(name: str, fields: dict[str, Any], notes: list[str]) -> None:
    upstream = Upstream(name, Dialect.OPENAI, "https", "x", 443, **fields)
    assert unserved_notes(upstream) == [f"upstreams.{name}.{note}" for note in notes]
