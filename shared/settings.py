"""Settings from the environment: the only reader of os.environ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of the contract, parsed. Secrets never show in repr.

    Sizes are bytes, durations seconds, money nano-USD.
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
