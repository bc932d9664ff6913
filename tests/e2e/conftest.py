"""A simulator, a database with its schema and a gateway, for tests of the whole path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from shared.store.schema import ensure_schema
from tests.support.gateway import UPSTREAM_KEY
from tests.support.simulator import SimulatorClient, running_simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorClient]:
    """One simulator for the module, without recorded cases."""
    with running_simulator(keys=[UPSTREAM_KEY]) as client:
        yield client


@pytest.fixture
def bank(database: Database[dict[str, Any]]) -> Database[dict[str, Any]]:
    """A fresh database with its schema."""
    ensure_schema(database)
    return database


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A `$TROLLLM_HOME` of the test's own."""
    return tmp_path / "home"
