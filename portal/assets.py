"""Static files: ours, Bootstrap's and Chart.js, all from this server, cached until they change."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chartkick.flask import chartkick_blueprint
from flask import Flask
from flask_bootstrap import Bootstrap5

_YEAR_S = 365 * 24 * 3600
_PACKAGES = ("bootstrap-flask", "chartkick")


def init_assets(app: Flask) -> None:
    """Serve Bootstrap and Chart.js from their packages, and name a version in every address."""
    app.config["BOOTSTRAP_SERVE_LOCAL"] = True
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _YEAR_S
    Bootstrap5(app)
    app.register_blueprint(chartkick_blueprint)
    stamp = _stamp(Path(str(app.static_folder)))

    @app.url_defaults
    def name_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint.endswith("static"):
            values["v"] = stamp


def _stamp(folder: Path) -> str:
    """Changes when a file in `folder` or one of the packages does."""
    digest = hashlib.sha256(" ".join(version(name) for name in _PACKAGES).encode())
    for path in sorted(folder.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
