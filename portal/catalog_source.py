"""The models in force, for pages: config.json, read again when it changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from shared.catalog.loading import load_catalog_file
from shared.domain.catalog import Catalog
from shared.errors import ConfigError
from shared.settings import Settings

log = logging.getLogger(__name__)

_Stamp = tuple[int, int] | None


class FileCatalog:
    """The catalogue of `settings.config_path`; a broken change leaves the last good one in force.

    Args:
        settings: Name the file and the built-in upstreams.
        environment: Where `${NAME}` in the file takes its value from.

    Raises:
        ConfigError: The file cannot be used as it is now.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._stamp = self._stamp_now()
        self._catalog = self._load()

    def __call__(self) -> Catalog:
        """The models in force."""
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            self._reload()
        return self._catalog

    def _reload(self) -> None:
        try:
            self._catalog = self._load()
        except ConfigError as error:
            log.warning("config.json stays as it was before: %s", error)

    def _load(self) -> Catalog:
        return load_catalog_file(self._settings.config_path, self._settings, self._environment)

    def _stamp_now(self) -> _Stamp:
        try:
            status = self._settings.config_path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
