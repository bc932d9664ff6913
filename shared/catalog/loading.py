"""config.json, settings and price data together: the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shared.catalog.content_filter import read_content_filter
from shared.catalog.document import read_document
from shared.catalog.models import ModelReader
from shared.catalog.output_limits import DEFAULT_CONTEXT_WINDOW, max_output_of
from shared.catalog.price_data import KnownModel, PriceData
from shared.catalog.section import Faults, Section
from shared.catalog.upstreams import read_upstreams, unserved_notes
from shared.domain.catalog import Catalog, Model, Route, Upstream
from shared.errors import ConfigError, ConfigFault
from shared.settings import Settings

_KEYS = ("port", "upstreams", "routes", "models", "contentFilter")

# Where models go that name no upstream, if config.json has no routes of its own.
_DEFAULT_ROUTES = (
    Route("claude-sonnet-4-*", "main"),
    Route("claude-3-5-*", "openhands"),
    Route("*", "troll"),
    Route("claude-*", "main"),
    Route("*", "openhands"),
)


def _now() -> datetime:
    return datetime.now(UTC)


def load_catalog(
    text: str | None,
    settings: Settings,
    environment: Mapping[str, str],
    clock: Callable[[], datetime] = _now,
) -> Catalog:
    """Make the catalogue from the text of config.json; without one, from settings alone.

    The upstreams `main`, `openhands` and `troll` exist by themselves where settings give their
    address. Models of the pinned price data are known without being written down, unlisted,
    where a route places them. Without `routes`, `claude-sonnet-4-*` goes to `main`,
    `claude-3-5-*` to `openhands` and everything else to `troll`; where one of these has no
    address, to `main` what is Claude's and to `openhands` the rest.

    Args:
        text: Content of config.json, None if there is none.
        settings: Addresses and keys of the built-in upstreams.
        environment: Where `${NAME}` takes its value from.
        clock: UTC now; prices that changed on a date are taken as of today.

    Raises:
        ConfigError: With every fault and its path.
    """
    faults = Faults(environment)
    root = Section(read_document(text, faults) if text is not None else {}, "", faults)
    root.known(*_KEYS)
    port = root.integer("port", None, 1, 65_535)
    filter_spec = read_content_filter(root)
    upstreams = read_upstreams(root, settings)
    prices = PriceData(clock())
    reader = ModelReader(upstreams, prices)
    routes = reader.routes(root)
    if routes is None:
        routes = tuple(route for route in _DEFAULT_ROUTES if route.upstream in upstreams)
    listed = reader.models(root, routes)
    if faults.found:
        raise ConfigError(faults.found)
    for upstream in _used(root, listed, routes, upstreams):
        reader.notes += unserved_notes(upstream)
    models = {model.id: model for model in listed}
    aliases = {alias: model.id for model in listed for alias in model.aliases}
    snapshots = _add_known(models, aliases, upstreams, routes, prices)
    notes = tuple(reader.notes)
    return Catalog(models, aliases, upstreams, routes, port, snapshots, notes, filter_spec)


def load_catalog_file(path: Path, settings: Settings, environment: Mapping[str, str]) -> Catalog:
    """Make the catalogue from a file; one that does not exist is the same as none.

    Raises:
        ConfigError: It cannot be read, or has faults.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return load_catalog(None, settings, environment)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError([ConfigFault(str(path), f"cannot be read: {reason}")]) from None
    return load_catalog(text, settings, environment)


def _used(
    root: Section,
    listed: Sequence[Model],
    routes: tuple[Route, ...],
    upstreams: Mapping[str, Upstream],
) -> list[Upstream]:
    """Upstreams that config.json writes down, routes to, or places a model on, in their order."""
    names = set(root.section("upstreams").fields)
    if "routes" in root.fields:
        names |= {route.upstream for route in routes}
    for model in listed:
        placed = _placed(model.id, routes, upstreams)
        names |= {model.upstream or (placed.name if placed else "")}
    return [upstream for name, upstream in upstreams.items() if name in names]


def _add_known(
    models: dict[str, Model],
    aliases: Mapping[str, str],
    upstreams: Mapping[str, Upstream],
    routes: tuple[Route, ...],
    prices: PriceData,
) -> dict[str, str]:
    """Add the models of the price data that a route places; what config.json names stays.

    Returns:
        `Catalog.snapshots`.
    """
    snapshots: dict[str, str] = {}
    for known in prices.known_models():
        for name in known.names:
            upstream = _placed(name, routes, upstreams)
            if upstream is not None and name not in aliases:
                models.setdefault(name, _unlisted(name, known, upstream))
        unlisted = [n for n in known.names if n in models and not models[n].listed]
        if unlisted:
            snapshots.update(dict.fromkeys(known.stems, unlisted[0]))
    return snapshots


def _placed(
    name: str, routes: tuple[Route, ...], upstreams: Mapping[str, Upstream]
) -> Upstream | None:
    return next((upstreams.get(route.upstream) for route in routes if route.places(name)), None)


def _unlisted(name: str, known: KnownModel, upstream: Upstream) -> Model:
    return Model(
        id=name,
        dialect=upstream.dialect,
        upstream=None,
        upstream_model=name,
        price=known.price,
        max_output_tokens=max_output_of(name),
        context_window=known.context_window or DEFAULT_CONTEXT_WINDOW,
        listed=False,
    )
