"""Settings from the environment: the only reader of os.environ."""

from __future__ import annotations

import dataclasses
import difflib
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dotenv

from shared import quantities as q
from shared.domain.money import parse_usd
from shared.domain.upstream_secrets import secret_fault
from shared.errors import MoneyError, SettingsError
from shared.private_files import write_private

PREFIX = "TROLLLM_"
SECRET_KEY_FILE = "secret.key"  # noqa: S105 - a file name
_SHORTEST_SECRET = 32
_SHORTEST_PROXY_KEY = 24
_FEWEST_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the contract, parsed. Secrets never show in repr.

    Sizes are bytes, durations seconds, money nano-USD. `secret_key` is empty until one is set
    or made by `keep_secret_key`.
    """

    home: Path
    config_path: Path
    mongodb_uri: str | None = field(repr=False, default=None)
    bind: str = "127.0.0.1"
    port: int | None = None
    portal_port: int = 3000
    mitmweb_port: int = 8081
    workers: int = 2
    secret_key: str = field(repr=False, default="")
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    main_target_server: str | None = None
    main_upstream_key: str | None = field(repr=False, default=None)
    openhands_target_server: str | None = None
    troll_target_server: str | None = None
    troll_api_key: str | None = field(repr=False, default=None)
    proxy_api_key: str | None = field(repr=False, default=None)
    metrics_token: str | None = field(repr=False, default=None)
    binding_reload_interval_s: float = 30.0
    debug: bool = False
    max_body: int = 32 * 1024 * 1024
    max_live: int = 500
    signup: str = "open"
    signup_credits_nano: int = 0
    referral_credits_nano: int = 0
    credit_days: int | None = None
    log_days: int = 90
    rpm_dev: int = 300
    rpm_pro: int = 1000
    stripe_secret_key: str | None = field(repr=False, default=None)
    stripe_webhook_secret: str | None = field(repr=False, default=None)
    stripe_api_base: str | None = None
    sepay_webhook_key: str | None = field(repr=False, default=None)
    sepay_account: str | None = None
    sepay_bank: str | None = None
    sepay_vnd_per_usd: int | None = None

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Parse settings; a name that is set to nothing counts as unset.

        Args:
            env: Names and values, by default those of the process.

        Raises:
            SettingsError: One line for each unknown `TROLLLM_*` name and unusable value.
        """
        env = environment() if env is None else env
        problems = [_unknown(name) for name in sorted(env) if _is_unknown(name)]
        values = _parse_all(env, problems)
        settings = cls(**{**_defaults(), **values})
        if not settings.secret_key:
            settings = dataclasses.replace(settings, secret_key=_kept_secret(settings.home))
        problems += _unsafe(settings, env)
        if problems:
            raise SettingsError(problems)
        return settings

    @property
    def names_an_upstream(self) -> bool:
        """Whether any upstream is set up by settings alone, without config.json."""
        return any(
            (
                self.main_target_server,
                self.main_upstream_key,
                self.openhands_target_server,
                self.troll_target_server,
                self.troll_api_key,
            )
        )


@dataclass(frozen=True, slots=True)
class Name:
    """One name of the environment: which field it fills, how, and whether it is secret."""

    field: str
    parse: Callable[[str], Any]
    secret: bool = False


def _usd_nano(text: str) -> int:
    try:
        return parse_usd(text)
    except MoneyError as error:
        raise ValueError(f"an amount in USD: {error}") from None


def _upstream_key(text: str) -> str:
    fault = secret_fault(text)
    if fault is not None:
        raise ValueError(f"an upstream key: {fault}")
    return text


NAMES: Mapping[str, Name] = {
    "MONGODB_URI": Name("mongodb_uri", q.mongodb_uri, secret=True),
    "PORT": Name("port", q.port),
    "PORTAL_PORT": Name("portal_port", q.port),
    "MITMWEB_PORT": Name("mitmweb_port", q.port),
    "CONFIG_PATH": Name("config_path", lambda text: Path(text).absolute()),
    "TROLLLM_HOME": Name("home", lambda text: Path(text).absolute()),
    "TROLLLM_BIND": Name("bind", q.address),
    "TROLLLM_WORKERS": Name("workers", q.whole(1, 256)),
    "TROLLLM_SECRET_KEY": Name("secret_key", str, secret=True),
    "MAIN_TARGET_SERVER": Name("main_target_server", q.base_url),
    "MAIN_UPSTREAM_KEY": Name("main_upstream_key", _upstream_key, secret=True),
    "OPENHANDS_TARGET_SERVER": Name("openhands_target_server", q.base_url),
    "TROLL_TARGET_SERVER": Name("troll_target_server", q.base_url),
    "TROLL_API_KEY": Name("troll_api_key", _upstream_key, secret=True),
    "PROXY_API_KEY": Name("proxy_api_key", str, secret=True),
    "BINDING_RELOAD_INTERVAL": Name("binding_reload_interval_s", q.duration_s),
    "DEBUG": Name("debug", q.boolean),
    "STRIPE_SECRET_KEY": Name("stripe_secret_key", str, secret=True),
    "STRIPE_WEBHOOK_SECRET": Name("stripe_webhook_secret", str, secret=True),
    "STRIPE_API_BASE": Name("stripe_api_base", q.base_url),
    "TROLLLM_PUBLIC_URL": Name("public_url", q.origin),
    "TROLLLM_TRUSTED_PROXIES": Name("trusted_proxies", q.networks),
    "TROLLLM_METRICS_TOKEN": Name("metrics_token", str, secret=True),
    "TROLLLM_MAX_BODY": Name("max_body", q.size),
    "TROLLLM_MAX_LIVE": Name("max_live", q.whole(1, 1_000_000)),
    "TROLLLM_SIGNUP": Name("signup", q.one_of("open", "invite", "closed")),
    "TROLLLM_SIGNUP_CREDITS": Name("signup_credits_nano", _usd_nano),
    "TROLLLM_REFERRAL_CREDITS": Name("referral_credits_nano", _usd_nano),
    "TROLLLM_CREDIT_DAYS": Name("credit_days", q.whole(1, 36_500)),
    "TROLLLM_LOG_DAYS": Name("log_days", q.whole(1, 36_500)),
    "TROLLLM_RPM_DEV": Name("rpm_dev", q.whole(1, 1_000_000)),
    "TROLLLM_RPM_PRO": Name("rpm_pro", q.whole(1, 1_000_000)),
    "SEPAY_WEBHOOK_KEY": Name("sepay_webhook_key", str, secret=True),
    "SEPAY_ACCOUNT": Name("sepay_account", str),
    "SEPAY_BANK": Name("sepay_bank", str),
    "SEPAY_VND_PER_USD": Name("sepay_vnd_per_usd", q.whole(1, 10_000_000)),
}


def environment(dotenv_path: Path | None = None) -> dict[str, str]:
    """The process's environment over what a .env file says, if there is one.

    Values of the file are taken as they stand: `$` in a password means itself.
    """
    values = dotenv.dotenv_values(dotenv_path, interpolate=False) if dotenv_path else {}
    kept = {name: value for name, value in values.items() if value is not None}
    return kept | dict(os.environ)


def adopt(values: Mapping[str, str]) -> None:
    """Put values into this process's environment, for what it loads and starts from now on."""
    os.environ.update(values)


def keep_secret_key(settings: Settings) -> Settings:
    """Settings with a secret key; one is made and kept in `home` (0600) where there is none.

    Raises:
        SettingsError: `home` cannot be written.
    """
    if settings.secret_key:
        return settings
    path = settings.home / SECRET_KEY_FILE
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, secrets.token_hex(32), replace=False)
    except OSError as error:
        raise SettingsError(
            [f"TROLLLM_HOME {settings.home} cannot be written: {error.strerror}"]
        ) from None
    return dataclasses.replace(settings, secret_key=_kept_secret(settings.home))


def _defaults() -> dict[str, Any]:
    return {
        "home": Path("var").absolute(),
        "config_path": Path("config.json").absolute(),
        "workers": len(os.sched_getaffinity(0)),
    }


def _parse_all(env: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    values = {}
    for name, rule in NAMES.items():
        text = env.get(name, "").strip()
        if not text:
            continue
        try:
            values[rule.field] = rule.parse(text)
        except ValueError as error:
            got = "" if rule.secret else f", not {text!r}"
            problems.append(f"{name} must be {error}{got}")
    return values


def _is_unknown(name: str) -> bool:
    return name.startswith(PREFIX) and name not in NAMES


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.75)
    hint = f"did you mean {close[0]}?" if close else "docs/configuration.md lists all names"
    return f"{name} is no setting: {hint}"


def _unsafe(settings: Settings, env: Mapping[str, str]) -> list[str]:
    problems = []
    key = settings.proxy_api_key or ""
    if "PROXY_API_KEY" in env and len(key) < _SHORTEST_PROXY_KEY:
        problems.append(
            f"PROXY_API_KEY must have at least {_SHORTEST_PROXY_KEY} characters: "
            "set a longer one, or leave the name out"
        )
    if not q.is_loopback(settings.bind) and not _is_strong(settings.secret_key):
        state = "is weak" if settings.secret_key else "is missing"
        problems.append(
            f"TROLLLM_SECRET_KEY {state}, and TROLLLM_BIND={settings.bind} is not loopback: "
            f"set at least {_SHORTEST_SECRET} random characters (openssl rand -hex 32)"
        )
    return problems


def _is_strong(secret: str) -> bool:
    return len(secret) >= _SHORTEST_SECRET and len(set(secret)) >= _FEWEST_CHARACTERS


def _kept_secret(home: Path) -> str:
    try:
        return (home / SECRET_KEY_FILE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
