"""What people do in the portal, done in a browser."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

KEY = re.compile(r"sk-troll-[0-9A-Za-z]{49}")
PHONE = {"width": 390, "height": 844}
PAGES = ("/", "/dashboard", "/keys", "/logs")


def test_from_a_new_account_to_a_rotated_key(open_page, portal):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/")
    page.get_by_role("link", name="Create account").first.click()
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Welcome, grace.")).to_be_visible()
    expect(page.get_by_text("No requests yet")).to_be_visible()

    page.get_by_role("link", name="Create a key").click()
    page.get_by_placeholder("What is it for?").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    first = page.get_by_label("New API key").input_value()
    assert KEY.fullmatch(first)
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == first
    page.get_by_role("tab", name="Claude Code").click()
    expect(page.get_by_text(f'ANTHROPIC_AUTH_TOKEN="{first}"')).to_be_visible()

    page.reload()  # shows the key no more, and makes no other one
    expect(page.get_by_label("New API key")).to_have_count(0)
    assert first not in page.content()
    assert portal.database["user_keys"].count_documents({"name": "grace"}) == 1

    page.get_by_role("button", name="Rotate laptop").click()
    page.get_by_role("button", name="Rotate key").click()
    second = page.get_by_label("New API key").input_value()
    assert KEY.fullmatch(second)
    assert second != first

    page.get_by_role("button", name="Revoke laptop").click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("The key laptop is revoked.")).to_be_visible()
    expect(page.get_by_text("No keys yet")).to_be_visible()


def test_dashboard_draws_the_month_and_leads_to_a_receipt(open_page, sign_in):
    page = open_page()
    sign_in(page)
    painted = """() => {
      const canvas = document.querySelector("[data-usage-chart]");
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return data.some((value, index) => index % 4 === 3 && value > 0);
    }"""
    page.wait_for_function(painted)
    page.get_by_role("button", name="Show as a table").click()
    expect(page.locator("#usage-table")).to_be_visible()
    page.get_by_role("link", name="7 days").click()
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")

    page.reload()  # the time zone is known by now
    expect(page.get_by_text("Times in Asia/Tokyo.")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="complete").first
    row.get_by_role("link").click()
    page.wait_for_url("**/logs/req_*")
    expect(page.get_by_role("heading", name="Receipt")).to_be_visible()
    expect(page.locator("#charged")).to_have_text(re.compile(r"^\$\d+\.\d{2,9}$"))


def test_the_language_is_switched_and_kept(open_page, sign_in, portal):
    page = open_page()
    sign_in(page)
    page.get_by_role("button", name="Language").click()
    page.get_by_role("button", name="Tiếng Việt").click()
    expect(page.get_by_role("heading", name="Tổng quan")).to_be_visible()
    page.get_by_role("link", name="Khóa API").first.click()
    expect(page.get_by_role("heading", name="Khóa API", exact=True)).to_be_visible()
    page.get_by_role("button", name="Ngôn ngữ").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("heading", name="API 密钥", exact=True)).to_be_visible()
    assert portal.database["users"].find_one({"username": "ada"})["language"] == "zh"
    page.get_by_role("button", name="语言").click()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="API keys", exact=True)).to_be_visible()


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_colour_mode_follows_the_system_until_it_is_chosen(open_page, system):
    page = open_page(color_scheme=system)
    page.goto("/")
    html = page.locator("html")
    other = "light" if system == "dark" else "dark"
    expect(html).to_have_attribute("data-bs-theme", system)
    page.emulate_media(color_scheme=other)
    expect(html).to_have_attribute("data-bs-theme", other)
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(html).to_have_attribute("data-bs-theme", system)
    page.reload()
    expect(html).to_have_attribute("data-bs-theme", system)


def test_the_keyboard_is_enough(open_page):
    page = open_page()
    page.goto("/login")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_nothing_is_wider_than_a_phone(open_page, sign_in):
    page = open_page(viewport=PHONE, has_touch=True)
    sign_in(page)
    receipt = page.locator("td a").first.get_attribute("href")
    for path in (*PAGES, receipt):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert (path, width) == (path, PHONE["width"])
    page.goto("/dashboard")
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("navigation", name="Account pages").get_by_text("API keys").click()
    page.wait_for_url("**/keys")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, sign_in, scheme):
    page = open_page(color_scheme=scheme)
    faults = []
    for path in ("/", "/login", "/register"):
        page.goto(path)
        faults += _serious(page, path)
    sign_in(page)
    receipt = page.locator("td a").first.get_attribute("href")
    for path in (*PAGES, receipt):
        page.goto(path)
        faults += _serious(page, path)
    assert faults == []


def _serious(page, path) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{path}: {one['id']}: {node['html'][:120]}: {node.get('failureSummary', '')[:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
