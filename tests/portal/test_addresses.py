from __future__ import annotations

from dataclasses import replace

import pytest

from portal.addresses import addresses_of


@pytest.mark.parametrize(
    ("changes", "catalog_port", "gateway", "portal"),
    [
        ({}, None, "http://127.0.0.1:8080", "http://127.0.0.1:3000"),
        ({}, 9000, "http://127.0.0.1:9000", "http://127.0.0.1:3000"),
        ({"port": 7000}, 9000, "http://127.0.0.1:7000", "http://127.0.0.1:3000"),
        ({"bind": "0.0.0.0"}, None, "http://127.0.0.1:8080", "http://127.0.0.1:3000"),
        ({"bind": "::1", "portal_port": 80}, None, "http://[::1]:8080", "http://[::1]:80"),
        ({"public_url": "https://a.b/"}, 9000, "https://a.b", "https://a.b"),
    ],
)
def test_addresses(settings, changes, catalog_port, gateway, portal):
    made = addresses_of(replace(settings, **changes), catalog_port)
    assert (made.gateway, made.portal) == (gateway, portal)
    assert made.secure is portal.startswith("https")
