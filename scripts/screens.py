"""Pictures of the portal for the documentation, from a seeded demo account.

Starts a mongod, Gunicorn and Chromium of its own, all on loopback, and stops them again.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
from playwright.sync_api import Browser, Page, sync_playwright

from scripts.demo_portal import PROJECT, running_portal
from scripts.demo_state import PASSWORD, USERNAME, seed
from shared.store.client import connect
from shared.store.embedded import EmbeddedMongod

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MAX_BYTES = 200_000
_WIDTHS = {"": 1440, "-phone": 390}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=PROJECT / "docs" / "screens")
@click.option("--all", "everything", is_flag=True, help="Every page, both widths and colours.")
def main(folder: Path, *, everything: bool) -> None:
    """Write dashboard.png to FOLDER, docs/screens unless told otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, EmbeddedMongod(Path(state) / "mongo") as mongod:
        with connect(mongod.uri()) as client:
            seed(client["trollllm"], datetime.now(UTC))
        with running_portal(Path(state), mongod.uri()) as origin, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            take_all(browser, origin, folder) if everything else take(browser, origin, folder)
            browser.close()


def take(browser: Browser, origin: str, folder: Path) -> None:
    """The picture of the README."""
    page = _signed_in(browser, origin, 1280, "light")
    path = folder / "dashboard.png"
    page.screenshot(path=path, full_page=True)
    if path.stat().st_size > MAX_BYTES:
        raise click.ClickException(f"{path} is larger than {MAX_BYTES} bytes")


def take_all(browser: Browser, origin: str, folder: Path) -> None:
    """Every page, for those who work on the look."""
    for colours in ("light", "dark"):
        for suffix, width in _WIDTHS.items():
            page = _signed_in(browser, origin, width, colours)
            receipt = page.locator("td a").first.get_attribute("href")
            paths = {"dashboard": "/dashboard", "keys": "/keys", "requests": "/logs"}
            for name, path in (paths | {"receipt": receipt or "/logs", "start": "/"}).items():
                page.goto(origin + path)
                page.screenshot(path=folder / f"{name}-{colours}{suffix}.png", full_page=True)


def _signed_in(browser: Browser, origin: str, width: int, colours: str) -> Page:
    dark = colours == "dark"
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        locale="en-US",
    )
    page = context.new_page()
    page.goto(f"{origin}/login")
    page.fill("#username", USERNAME)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url("**/dashboard")
    page.wait_for_function("() => window.Chart && Object.keys(window.Chart.instances).length > 0")
    return page


if __name__ == "__main__":
    main()
