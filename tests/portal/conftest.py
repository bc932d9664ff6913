"""A portal over the run's real mongod, and visitors with a session each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from pymongo import MongoClient

from portal import create_app
from shared.domain.accounts import Account
from shared.domain.passwords import hash_password
from shared.settings import Settings
from shared.store.embedded import EmbeddedMongod
from shared.store.schema import ensure_schema
from shared.store.users import UserStore
from tests.support.portal import CATALOG, CHEAP, PASSWORD, Db, Visitor


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, config_path=tmp_path / "config.json", secret_key="s" * 40)


@pytest.fixture(scope="session")
def _schema(mongod: EmbeddedMongod) -> Iterator[Db]:
    with MongoClient[dict[str, Any]](mongod.uri("portal"), tz_aware=True) as client:
        ensure_schema(client["portal"])
        yield client["portal"]


@pytest.fixture
def store(_schema: Db) -> Db:
    """A database with its schema, emptied: faster than making one for each test."""
    for name in _schema.list_collection_names():
        _schema[name].delete_many({})
    return _schema


@pytest.fixture
def make_app(store: Db, settings: Settings) -> Callable[..., Flask]:
    def make(**changes: Any) -> Flask:
        return create_app(
            replace(settings, **changes), store, catalog=lambda: CATALOG, password_cost=CHEAP
        )

    return make


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """A stranger."""
    return Visitor(app.test_client())


@pytest.fixture
def users(store: Db) -> UserStore:
    return UserStore(store)


@pytest.fixture
def new_account(users: UserStore) -> Callable[[str], Account]:
    return lambda name: users.create(name, hash_password(PASSWORD, cost=CHEAP))


@pytest.fixture
def account(new_account: Callable[[str], Account]) -> Account:
    return new_account("ada")


@pytest.fixture
def member(app: Flask, account: Account) -> Visitor:
    """Someone signed in as `account`."""
    visitor = Visitor(app.test_client())
    assert visitor.login(account.username).status_code == 302
    return visitor
