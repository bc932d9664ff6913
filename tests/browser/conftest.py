"""A real Chromium before a real Gunicorn. Nothing may leave the machine or reach the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pymongo import MongoClient

from scripts.demo_portal import running_portal
from scripts.demo_state import PASSWORD, USERNAME, seed
from shared.store.embedded import EmbeddedMongod

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DESKTOP = {"width": 1440, "height": 900}


@dataclass
class Portal:
    """A running portal: its origin, and the database under it."""

    origin: str
    database: Any


@dataclass
class Watched:
    """What a page did that it must not do."""

    console: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self._check(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.console.append(text)

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data" and parts.hostname != "127.0.0.1":
            self.outside.append(url)


@pytest.fixture(scope="session")
def portal(mongod: EmbeddedMongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("portal")
    with MongoClient[dict[str, Any]](mongod.uri("browser"), tz_aware=True) as client:
        seed(client["browser"], datetime.now(UTC))
        with running_portal(folder, mongod.uri("browser")) as origin:
            yield Portal(origin, client["browser"])


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Not for the whole run: while Playwright is open its event loop counts as running in this
    # thread, and no asyncio test after it could have one.
    if not CHROMIUM.exists():
        pytest.skip("no /usr/bin/chromium: install Debian's chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def open_page(chromium: Browser, portal: Portal, watched: Watched) -> Iterator[Callable[..., Page]]:
    """Open a page in a profile of its own; at the end it must have kept its manners."""
    contexts: list[BrowserContext] = []

    def opened(**more: Any) -> Page:
        options = {"viewport": DESKTOP, "locale": "en-US", "timezone_id": "Asia/Tokyo"} | more
        context = chromium.new_context(base_url=portal.origin, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        watched.watch(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert watched.console == []
    assert watched.outside == []


@pytest.fixture
def sign_in() -> Callable[[Page], None]:
    def signed_in(page: Page, username: str = USERNAME, password: str = PASSWORD) -> None:
        page.goto("/login")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/dashboard")

    return signed_in
