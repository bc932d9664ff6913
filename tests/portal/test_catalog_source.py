from __future__ import annotations

import json
import os

import pytest

from portal.catalog_source import FileCatalog
from shared.errors import ConfigError

CONFIG = {
    "upstreams": {"main": {"dialect": "openai", "baseUrl": "http://127.0.0.1:1", "apiKey": "${K}"}},
    "models": [
        {"id": "m1", "type": "openai", "upstream": "main", "pricing": {"input": 1, "output": 2}}
    ],
}


def write(path, document, age: int) -> None:
    path.write_text(json.dumps(document))
    os.utime(path, ns=(age, age))


def listed(source) -> list[str]:
    return sorted(model.id for model in source().models.values() if model.listed)


def test_the_file_is_read_again_when_it_changes(settings):
    write(settings.config_path, CONFIG, 1)
    source = FileCatalog(settings, {"K": "k"})
    assert listed(source) == ["m1"]
    write(settings.config_path, CONFIG | {"models": [CONFIG["models"][0] | {"id": "m2"}]}, 2)
    assert listed(source) == ["m2"]


def test_a_broken_change_leaves_the_last_good_one(settings, caplog):
    write(settings.config_path, CONFIG, 1)
    source = FileCatalog(settings, {"K": "k"})
    write(settings.config_path, {"models": "none"}, 2)
    assert listed(source) == ["m1"]
    assert "config.json stays as it was" in caplog.text


def test_a_file_that_is_broken_from_the_start_is_refused(settings):
    settings.config_path.write_text("{")
    with pytest.raises(ConfigError):
        FileCatalog(settings, {})


def test_no_file_is_no_listed_model(settings):
    assert listed(FileCatalog(settings, {})) == []
