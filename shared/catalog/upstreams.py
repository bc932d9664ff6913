"""Upstreams: those of config.json over those that exist by themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlsplit

from shared.catalog.section import Faults, Section
from shared.domain.catalog import Dialect, Timeouts, Upstream
from shared.domain.upstream_secrets import pool_name_fault
from shared.settings import Settings

OPENHANDS_SERVER = "https://llm-proxy.app.all-hands.dev"

# What names an upstream's address if config.json does not.
ADDRESS_SETTINGS = {
    "main": "MAIN_TARGET_SERVER",
    "openhands": "OPENHANDS_TARGET_SERVER",
    "troll": "TROLL_TARGET_SERVER",
}

# What gives an upstream its key if config.json does not.
_KEY_SETTINGS = {"main": "MAIN_UPSTREAM_KEY", "troll": "TROLL_API_KEY"}

_DIALECTS = tuple(dialect.value for dialect in Dialect)
_KEYS = (
    "dialect",
    "baseUrl",
    "keyPool",
    "apiKey",
    "proxyPool",
    "requireProxy",
    "timeouts",
)
_ONE_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~%+@-]+)*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream listens."""

    scheme: str
    host: str
    port: int
    prefix: str


def read_upstreams(root: Section, settings: Settings) -> dict[str, Upstream]:
    """Every upstream that has an address, by name."""
    upstreams = _built_in(settings, root.faults)
    section = root.section("upstreams")
    for name, fields in section.fields.items():
        if not isinstance(fields, dict):
            section.fault(name, "must be an object")
            continue
        one = Section(fields, section.at(name), root.faults)
        upstream = _read_upstream(name, one, upstreams.get(name))
        if upstream is not None:
            upstreams[name] = upstream
    return upstreams


def unserved_notes(upstream: Upstream) -> list[str]:
    """Why an upstream can only answer 503, each reason with its path; none when it serves."""
    path = f"upstreams.{upstream.name}"
    notes = []
    if upstream.require_proxy:
        why = "proxyPool is not used yet" if upstream.proxy_pool else "there is no proxyPool"
        notes.append(f"{path}.requireProxy: {why}; requests are answered 503")
    if not upstream.api_key:
        # Whether a pool has keys is known to the database alone.
        pool = f" unless the pool `{upstream.key_pool}` has a key" if upstream.key_pool else ""
        setting = _KEY_SETTINGS.get(upstream.name)
        mend = f"set it, or {setting}" if setting else "set it"
        notes.append(f"{path}.apiKey: is missing; requests are answered 503{pool}: {mend}")
    return notes


def _built_in(settings: Settings, faults: Faults) -> dict[str, Upstream]:
    openhands = settings.openhands_target_server or OPENHANDS_SERVER
    rows = (
        ("main", Dialect.ANTHROPIC, settings.main_target_server, settings.main_upstream_key),
        ("openhands", Dialect.OPENAI, openhands, None),
        ("troll", Dialect.ANTHROPIC, settings.troll_target_server, settings.troll_api_key),
    )
    upstreams = {}
    for name, dialect, url, api_key in rows:
        origin = parse_origin(url, ADDRESS_SETTINGS[name], faults) if url else None
        if origin is None:
            continue
        upstreams[name] = Upstream(
            name=name,
            dialect=dialect,
            scheme=origin.scheme,
            host=origin.host,
            port=origin.port,
            prefix=origin.prefix,
            key_pool=name,
            api_key=api_key,
            proxy_pool="default" if name == "troll" else None,
            require_proxy=name == "troll",
        )
    return upstreams


def _read_upstream(name: str, section: Section, known: Upstream | None) -> Upstream | None:
    section.known(*_KEYS)
    api_key = _api_key(section)
    key_pool = section.text("keyPool", known.key_pool if known else None)
    fault = pool_name_fault(key_pool) if key_pool else None
    if fault is not None:
        section.fault("keyPool", fault)
    timeouts = _timeouts(section.section("timeouts"))
    dialect = section.choice("dialect", _DIALECTS, known.dialect if known else None)
    if dialect is None and "dialect" not in section.fields:
        section.fault("dialect", f"is missing; one of {', '.join(_DIALECTS)}")
    url = section.text("baseUrl", required=known is None)
    origin = parse_origin(url, section.at("baseUrl"), section.faults) if url else known
    proxy_pool = section.text("proxyPool", known.proxy_pool if known else None)
    require = section.boolean("requireProxy", default=bool(known and known.require_proxy))
    if dialect is None or origin is None:
        return None
    return Upstream(
        name=name,
        dialect=Dialect(dialect),
        scheme=origin.scheme,
        host=origin.host,
        port=origin.port,
        prefix=origin.prefix,
        key_pool=key_pool,
        api_key=api_key or (known.api_key if known else None),
        proxy_pool=proxy_pool,
        require_proxy=require,
        timeouts=timeouts,
    )


def _api_key(section: Section) -> str | None:
    raw = section.fields.get("apiKey")
    if raw is None:
        return None
    if not isinstance(raw, str) or not _ONE_VARIABLE.fullmatch(raw):
        section.fault(
            "apiKey", 'must be "${NAME}": put the key into the environment, never in this file'
        )
        return None
    return section.text("apiKey") or None


def _timeouts(section: Section) -> Timeouts:
    section.known("connect", "firstByte", "idle", "total")
    timeouts = Timeouts()
    for key, name in (
        ("connect", "connect_s"),
        ("firstByte", "first_byte_s"),
        ("idle", "idle_s"),
        ("total", "total_s"),
    ):
        seconds = section.number(key)
        if seconds is None:
            continue
        if not Decimal("0.001") <= seconds <= 86_400:
            section.fault(key, "must be between 0.001 and 86400 seconds")
            continue
        timeouts = replace(timeouts, **{name: float(seconds)})
    return timeouts


def parse_origin(url: str, path: str, faults: Faults) -> Origin | None:
    """Split an origin with an optional path prefix; None, and a fault, if it is none.

    A trailing `/v1` is dropped: the paths that are asked for begin with it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        faults.add(path, "is no URL")
        return None
    problem = _origin_problem(url)
    prefix = parts.path.rstrip("/").removesuffix("/v1")
    if problem is None and not _PREFIX.fullmatch(prefix):
        problem = "its path must be plain, such as /api"
    if problem is not None:
        faults.add(path, problem)
        return None
    default = 443 if parts.scheme == "https" else 80
    return Origin(parts.scheme, parts.hostname or "", port or default, prefix)


def _origin_problem(url: str) -> str | None:
    if not url.isprintable() or " " in url:
        return "must not hold blanks or control characters"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return "must begin with https:// or http://"
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        return "must name a host"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or password"
    if "?" in url or "#" in url:
        return "must be an origin with an optional path prefix, without ? or #"
    return None
