"""A server that asks everybody for a second factor: whoever has none is led to setting one up, and then to the app."""

from urllib.parse import urlsplit

import httpx
import psycopg
import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from sluiceway.storage.embedded import EmbeddedPostgres
from tests.e2e.app.browsing import Watch, faults, look_at, looks, overflow, settled
from tests.e2e.processes import Serving, data_folder, free_port

pytestmark = pytest.mark.e2e

OWN_PAGE = {"X-Requested-By": "sluiceway", "Sec-Fetch-Site": "same-origin"}
EMAIL, PASSWORD = "ada@example.com", "quite a long password"


def sign_in(page: Page) -> None:
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()


def age(serving: Serving) -> None:
    """Let it be six minutes ago that the password was shown."""
    with EmbeddedPostgres(serving.data_dir) as url, psycopg.connect(url) as conn:
        conn.execute("UPDATE session SET reauthenticated_at = reauthenticated_at - interval '6 minutes'")


def test_with_a_password_alone_one_is_led_to_a_second_factor_and_then_on(chromium: Browser):
    with data_folder() as data_dir, Serving("serve", data_dir, free_port(), REQUIRE_SECOND_FACTOR="1") as serving:
        setup = {"organizationName": "Home", "isSandbox": True, "email": EMAIL, "password": PASSWORD}
        httpx.post(f"{serving.url}/app/setup", json=setup, headers=OWN_PAGE).raise_for_status()
        watch = Watch(serving.url)
        watch.allow(403, "/app/security/totp")
        watch.allow(409, "/app/security/totp")
        context = chromium.new_context(base_url=serving.url, viewport={"width": 1280, "height": 800})
        watch.over(context)
        page = context.new_page()
        page.goto("/accounts")
        sign_in(page)
        expect(page.get_by_text("This server asks everybody for a second factor.")).to_be_visible()
        settled(page)
        for look in looks(page):
            assert faults(page) == [], look
            assert overflow(page) <= 0, look
        look_at(page, "light", 1280)

        # Whoever takes long shows the password again, and is no further for that.
        age(serving)
        page.get_by_role("button", name="Turn on").click()
        asked = page.get_by_role("dialog", name="Is it you?")
        asked.get_by_label("Password").fill(PASSWORD)
        asked.get_by_role("button", name="Continue").click()
        dialog = page.get_by_role("dialog", name="Turn one-time codes on")
        totp = pyotp.TOTP(dialog.locator("pre").inner_text().replace(" ", ""))
        dialog.get_by_label("First code").fill(totp.now())
        with page.expect_response(lambda answer: answer.url.endswith("/app/session")):
            dialog.get_by_role("button", name="Turn on").click()
        shown = page.get_by_role("dialog", name="Your recovery codes")
        codes = shown.locator("pre").inner_text().split()
        assert len(codes) == 10
        assert faults(page) == []
        shown.get_by_role("button", name="I have kept them").click()
        expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
        assert urlsplit(page.url).path == "/accounts"

        page.goto("/settings/security")
        page.get_by_role("button", name="Turn off").click()
        page.get_by_role("dialog").get_by_role("button", name="Turn off", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("this is your last one")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Sign out").first.click()
        sign_in(page)
        page.get_by_label("Code").fill(codes[0])
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Sign out").first).to_be_visible()

        context.close()
        assert watch.problems == []
