from __future__ import annotations

import pytest

from shared.domain.catalog import Catalog, Dialect, Model, Route, Upstream


def model(model_id: str, upstream: str | None = None) -> Model:
    return Model(model_id, Dialect.OPENAI, upstream, f"far-{model_id}", None, 10, 20)


UPSTREAMS = {name: Upstream(name, Dialect.OPENAI, "http", name, 80) for name in ("one", "two")}
CATALOG = Catalog(
    models={m.id: m for m in (model("a", "one"), model("b"), model("c", "gone"), model("x-1"))},
    aliases={"alias": "a", "b": "a", "dangling": "nothing"},
    upstreams=UPSTREAMS,
    routes=(Route("x-*", "two"), Route("b", "one"), Route("*", "gone")),
    snapshots={"b": "b", "old": "nothing"},
)


@pytest.mark.parametrize(
    ("name", "model_id", "upstream"),
    [
        ("a", "a", "one"),
        ("alias", "a", "one"),
        ("b", "b", "one"),
        ("x-1", "x-1", "two"),
    ],
)
def test_known_names(name: str, model_id: str, upstream: str) -> None:
    target = CATALOG.resolve(name)
    assert target is not None
    assert (target.model.id, target.upstream.name) == (model_id, upstream)


@pytest.mark.parametrize(
    "name", ["", "c", "dangling", "A", "x-2", "x-*", "old-20250101", "a-20250101", "b-20251301"]
)
def test_unknown_and_unplaced_names(name: str) -> None:
    assert CATALOG.resolve(name) is None


@pytest.mark.parametrize("suffix", ["20250514", "2025-05-14"])
def test_dated_snapshots_go_out_under_their_own_name(suffix: str) -> None:
    catalog = Catalog({"b": model("b", "one")}, {}, UPSTREAMS, snapshots={"b": "b"})
    target = catalog.resolve(f"b-{suffix}")
    assert target is not None
    assert target.model.id == target.model.upstream_model == f"b-{suffix}"


def test_routes_mind_case() -> None:
    assert Route("gpt-*", "one").places("gpt-5")
    assert not Route("gpt-*", "one").places("GPT-5")


def test_keys_do_not_show() -> None:
    upstream = Upstream("one", Dialect.OPENAI, "http", "x", 80, api_key="sk-canary")
    assert "canary" not in repr(upstream)
