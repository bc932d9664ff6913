from __future__ import annotations

from pathlib import Path

import pytest

from shared.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        config_path=tmp_path / "config.json",
        main_target_server="https://api.example.com",
        main_upstream_key="sk-main-canary",
        troll_target_server="https://factory.example.com/api/",
        troll_api_key="sk-troll-canary",
    )
