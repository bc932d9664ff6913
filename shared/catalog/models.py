"""Models and routes of config.json."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from shared.catalog.output_limits import DEFAULT_CONTEXT_WINDOW, max_output_of
from shared.catalog.price_data import PriceData
from shared.catalog.pricing import read_price
from shared.catalog.section import Section
from shared.catalog.upstreams import ADDRESS_SETTINGS
from shared.domain.catalog import Dialect, Fallback, Model, Route, Upstream
from shared.domain.pricing import Price

MAX_TOKENS = 10_000_000
MAX_MULTIPLIER = 1000

_DIALECTS = tuple(dialect.value for dialect in Dialect)
_KEYS = (
    "id",
    "type",
    "upstream",
    "aliases",
    "upstreamModel",
    "fallbacks",
    "maxOutputTokens",
    "contextWindow",
    "pricing",
    "billingMultiplier",
)


class ModelReader:
    """Reads models and routes against the upstreams that exist.

    Attributes:
        notes: What is no fault but worth knowing.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], prices: PriceData) -> None:
        self.notes: list[str] = []
        self._upstreams = upstreams
        self._prices = prices

    def routes(self, root: Section) -> tuple[Route, ...] | None:
        """Routes in order, None where config.json has none."""
        if "routes" not in root.fields:
            return None
        found = []
        for section in root.sections("routes"):
            section.known("match", "upstream")
            match = section.text("match", required=True)
            upstream = self._upstream(section, required=True)
            if match is not None and upstream is not None:
                found.append(Route(match, upstream))
        return tuple(found)

    def models(self, root: Section, routes: tuple[Route, ...]) -> list[Model]:
        """Models in order; ids and aliases are told apart."""
        found: list[Model] = []
        taken: dict[str, str] = {}
        for section in root.sections("models"):
            model = self._model(section, routes)
            if model is None:
                continue
            for key, name in (("id", model.id), *(("aliases", a) for a in model.aliases)):
                if name in taken:
                    section.fault(key, f"`{name}` is taken by {taken[name]}")
                taken.setdefault(name, section.path)
            found.append(model)
        return found

    def _model(self, section: Section, routes: tuple[Route, ...]) -> Model | None:
        section.known(*_KEYS)
        # A model without an id is read to its end all the same, to tell its other faults.
        model_id = section.text("id", "", required=True) or ""
        upstream = self._upstream(section, required=False)
        chosen = section.choice("type", _DIALECTS, None)
        remote = section.text("upstreamModel", model_id) or model_id
        window = self._prices.context_window_of(remote) or self._prices.context_window_of(model_id)
        limit = min(max_output_of(remote), max_output_of(model_id))
        model = Model(
            id=model_id,
            dialect=self._dialect(section, chosen, upstream or _route_of(model_id, routes)),
            upstream=upstream,
            upstream_model=remote,
            price=self._price(section, (model_id, remote)),
            max_output_tokens=section.integer("maxOutputTokens", None, 1, MAX_TOKENS) or limit,
            context_window=section.integer("contextWindow", None, 1, MAX_TOKENS)
            or window
            or DEFAULT_CONTEXT_WINDOW,
            aliases=section.texts("aliases"),
            fallbacks=self._fallbacks(section),
        )
        return model if model_id else None

    def _price(self, section: Section, names: tuple[str, str]) -> Price | None:
        multiplier = section.number("billingMultiplier")
        if multiplier is None:
            multiplier = Decimal(1)
        elif not 0 < multiplier <= MAX_MULTIPLIER:
            section.fault("billingMultiplier", f"must be above 0 and at most {MAX_MULTIPLIER}")
            return None
        if "pricing" in section.fields:
            return read_price(section.section("pricing"), multiplier)
        for name in names:
            price = self._prices.price_of(name, multiplier)
            if price is not None:
                return price
        self.notes.append(f"{section.path}: no price is known; requests for it are refused")
        return None

    def _dialect(self, section: Section, chosen: str | None, placed: str | None) -> Dialect:
        if chosen is not None:
            return Dialect(chosen)
        upstream = self._upstreams.get(placed or "")
        if upstream is not None:
            return upstream.dialect
        if placed is None and "upstream" not in section.fields:
            section.fault("upstream", "is missing, and no route places this model")
        return Dialect.ANTHROPIC

    def _fallbacks(self, section: Section) -> tuple[Fallback, ...]:
        found = []
        for one in section.sections("fallbacks"):
            one.known("upstream", "model")
            upstream = self._upstream(one, required=True)
            model = one.text("model", required=True)
            if upstream is not None and model is not None:
                found.append(Fallback(upstream, model))
        return tuple(found)

    def _upstream(self, section: Section, *, required: bool) -> str | None:
        """A name that exists. A built-in one may still lack its address: that is only noted."""
        name = section.text("upstream", required=required)
        if name is None or name in self._upstreams:
            return name
        if name in ADDRESS_SETTINGS:
            path = section.at("upstream")
            setting = ADDRESS_SETTINGS[name]
            self.notes.append(f"{path}: `{name}` has no address; set {setting}")
            return name
        known = ", ".join(dict.fromkeys([*self._upstreams, *ADDRESS_SETTINGS]))
        section.fault("upstream", f"there is no upstream `{name}`; known: {known}")
        return None


def _route_of(model_id: str, routes: tuple[Route, ...]) -> str | None:
    return next((route.upstream for route in routes if route.places(model_id)), None)
