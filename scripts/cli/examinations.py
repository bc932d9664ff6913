"""What `doctor` looks at: one function for each subject."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from scripts.cli.ports import gateway_port, origin
from shared.catalog.loading import load_catalog_file
from shared.errors import ConfigError
from shared.settings import SECRET_KEY_FILE, Settings, environment
from shared.store.client import SyncDatabase, connect, database_name, translating_errors
from shared.store.collection_specs import collections
from shared.store.server_check import check_server

FEWEST_FILES = 4096
LEAST_FREE = 1 << 30
MOST_SKEW_S = 2.0
_PACKAGES = ("trollllm", "mitmproxy", "pymongo", "flask", "gunicorn")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is well, and what to do when it is not."""

    subject: str
    ok: bool
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """As `doctor --json` prints it."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "detail": self.detail,
            "remedy": None if self.ok else self.remedy,
        }


def versions() -> Finding:
    """Of Python and of what matters most."""
    found = [f"Python {platform.python_version()}"]
    found += [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return Finding("versions", True, ", ".join(found))


def open_files() -> Finding:
    """Each live request takes two sockets, each idle client one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = f"{soft} at most in one process"
    return Finding("open files", soft >= FEWEST_FILES, detail, f"ulimit -n {FEWEST_FILES * 4}")


def home(settings: Settings) -> Finding:
    """Whether TROLLLM_HOME can be written, and its secret is its owner's alone."""
    folder = settings.home
    if not folder.exists():
        return Finding("home", True, f"{folder} will be made by the first start")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("home", False, f"{folder} cannot be written", "choose another TROLLLM_HOME")
    secret = folder / SECRET_KEY_FILE
    if secret.exists() and secret.stat().st_mode & 0o077:
        return Finding("home", False, f"{secret} can be read by others", f"chmod 600 {secret}")
    return Finding("home", True, str(folder))


def disk(settings: Settings) -> Finding:
    """Journals and the embedded database stop when the disk is full."""
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    detail = f"{free >> 20} MB free at {folder}"
    return Finding("disk", free >= LEAST_FREE, detail, "make room: at least 1 GB")


def configuration(settings: Settings) -> Finding:
    """Whether config.json can be used."""
    path = settings.config_path
    try:
        catalog = load_catalog_file(path, settings, environment())
    except ConfigError as error:
        detail = f"{path}: {error}".replace("\n", "; ")
        return Finding("config.json", False, detail, "trollllm check-config shows one a line")
    if not path.exists():
        upstream = "settings name an upstream" if settings.names_an_upstream else "simulator"
        return Finding("config.json", True, f"{path} does not exist ({upstream})")
    listed = sum(model.listed for model in catalog.models.values())
    return Finding("config.json", True, f"{path}: {listed} models")


def listeners(settings: Settings) -> list[Finding]:
    """What answers at the ports of gateway and portal."""
    try:
        port = gateway_port(None, settings)
    except ConfigError:
        return []
    return [
        _listener("gateway", f"{origin(settings.bind, port)}/health"),
        _listener("portal", f"{origin(settings.bind, settings.portal_port)}/healthz"),
    ]


def _listener(name: str, url: str) -> Finding:
    try:
        answer = httpx.get(url, timeout=3.0, trust_env=False)
    except httpx.ConnectError:
        return Finding(name, True, f"nothing listens at {url}: not started")
    except httpx.HTTPError as error:
        remedy = "is another program on that port?"
        return Finding(name, False, f"{url}: {type(error).__name__}", remedy)
    healthy = answer.status_code == httpx.codes.OK and '"degraded"' not in answer.text
    detail = f"{url} answers {answer.status_code}"
    return Finding(name, healthy, detail, "its log says why; `checks` in /health for an admin key")


def database(uri: str, settings: Settings) -> list[Finding]:
    """Whether the server is a usable replica set, with all collections, indexes and one time.

    Raises:
        StoreError: It cannot be reached or used.
    """
    with connect(uri) as client:
        check_server(client)
        found = client[database_name(uri)]
        with translating_errors():
            info = client.admin.command("buildInfo")
            detail = f"MongoDB {info['version']}, replica set, database {found.name}"
            return [
                Finding("database", True, detail),
                _indexes(found, settings),
                _clock(found),
            ]


def _indexes(found: SyncDatabase, settings: Settings) -> Finding:
    missing = []
    existing = set(found.list_collection_names())
    for spec in collections(settings.log_days):
        if spec.name not in existing:
            missing.append(spec.name)
            continue
        names = found[spec.name].index_information()
        missing += [
            f"{spec.name}.{index.document['name']}"
            for index in spec.indexes
            if index.document["name"] not in names
        ]
    detail = f"missing: {', '.join(missing)}" if missing else "all collections and indexes stand"
    return Finding("indexes", not missing, detail, "any `trollllm user list` makes them")


def _clock(found: SyncDatabase) -> Finding:
    """Windows and expiry go by the database's clock, journals by ours."""
    before = time.time()
    theirs: datetime = found.client.admin.command("hello")["localTime"]
    middle = (before + time.time()) / 2
    skew_s = abs(middle - theirs.astimezone(UTC).timestamp())
    detail = f"{skew_s:.1f} s apart from the database's"
    return Finding("clock", skew_s <= MOST_SKEW_S, detail, "run NTP on both machines")
