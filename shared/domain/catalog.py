"""Models, upstreams and routes, as values. Made by `shared.catalog` from config.json."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from shared.domain.pricing import Price


class Dialect(StrEnum):
    """Wire dialect of a client or an upstream."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Patience with an upstream, in seconds."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    idle_s: float = 90.0
    total_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where requests go.

    Attributes:
        name: As config.json names it.
        dialect: What it speaks unless a model says otherwise.
        scheme, host, port, prefix: The origin and an optional path prefix without trailing slash.
        key_pool: Name of the pool its keys come from, if any.
        api_key: The one key of the simplest form; never shown by repr.
        require_proxy: No outbound proxy, no request.
    """

    name: str
    dialect: Dialect
    scheme: str
    host: str
    port: int
    prefix: str = ""
    key_pool: str | None = None
    api_key: str | None = field(default=None, repr=False)
    proxy_pool: str | None = None
    require_proxy: bool = False
    timeouts: Timeouts = Timeouts()


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another upstream that serves the same model under another name."""

    upstream: str
    model: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that clients may name.

    Attributes:
        id: What clients send.
        dialect: The dialect its upstream speaks for it.
        upstream: Upstream name; None leaves the choice to the routes.
        upstream_model: What is sent upstream.
        price: None when no price is known anywhere: then it is refused, never served at 0.
        max_output_tokens: Upper bound of one answer.
        context_window: Tokens of input and output together.
        listed: Whether `/v1/models` shows it (config.json names it).
    """

    id: str
    dialect: Dialect
    upstream: str | None
    upstream_model: str
    price: Price | None
    max_output_tokens: int
    context_window: int
    aliases: tuple[str, ...] = ()
    fallbacks: tuple[Fallback, ...] = ()
    listed: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """Places known models on an upstream: `match` is a shell pattern over model ids."""

    match: str
    upstream: str

    def places(self, model_id: str) -> bool:
        """Whether the pattern covers that id; case counts."""
        return fnmatch.fnmatchcase(model_id, self.match)


class ThinkingMode(StrEnum):
    """What becomes of a model's thinking."""

    KEEP = "pass"
    BLANK = "blank"
    STRIP = "strip"


@dataclass(frozen=True, slots=True)
class FilterRule:
    """What is replaced in answers.

    Attributes:
        find: A text that stands as a whole word, or an expression of RE2's.
        replacement: What stands in its place, taken literally.
        regex: Whether `find` is an expression.
    """

    find: str
    replacement: str
    regex: bool = False


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """`contentFilter` of config.json, checked: `rules` in order. By itself it does nothing."""

    rules: tuple[FilterRule, ...] = ()
    thinking: ThinkingMode = ThinkingMode.KEEP


@dataclass(frozen=True, slots=True)
class Target:
    """A model and the upstream that will serve it."""

    model: Model
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that can be asked for.

    Attributes:
        models: By id.
        aliases: Alias to model id.
        upstreams: By name.
        routes: In order; the first match places a model that names no upstream.
        port: Listener port of config.json, if given.
        snapshots: Beginning of the name of dated snapshots, such as `claude-haiku-4-5`, to the
            id of the model that they are priced like.
        notes: What an operator should know, though it is no fault: a model of config.json
            whose upstream has no address, an upstream that can only answer 503.
        filter_spec: What answers are to be cleared of.
    """

    models: Mapping[str, Model]
    aliases: Mapping[str, str]
    upstreams: Mapping[str, Upstream]
    routes: tuple[Route, ...] = ()
    port: int | None = None
    snapshots: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    filter_spec: FilterSpec = FilterSpec()

    def resolve(self, name: str) -> Target | None:
        """Model and upstream for the name a client sent; None when unknown or unplaced.

        Precedence: exact id, then alias, then dated snapshot of a model of the price data;
        upstream of the model, then the first matching route.
        """
        model = self.models.get(name) or self.models.get(self.aliases.get(name, ""))
        model = model or self._snapshot(name)
        if model is None:
            return None
        upstream = self.upstreams.get(model.upstream or self._routed(model.id) or "")
        return None if upstream is None else Target(model, upstream)

    def _snapshot(self, name: str) -> Model | None:
        match = _SNAPSHOT.fullmatch(name)
        if match is None or not _is_date(match[2]):
            return None
        model = self.models.get(self.snapshots.get(match[1], ""))
        return None if model is None else replace(model, id=name, upstream_model=name)

    def _routed(self, model_id: str) -> str | None:
        return next((route.upstream for route in self.routes if route.places(model_id)), None)


_SNAPSHOT = re.compile(r"(.{1,128})-(20[0-9]{2}-?[0-9]{2}-?[0-9]{2})")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
