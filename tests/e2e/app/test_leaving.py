"""Passwords are typed in secret, whoever is signed in can leave from anywhere, and nothing of theirs is left behind."""

from base64 import b64decode
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.app.browsing import expect_password_field, kept, look_at, settled
from tests.e2e.app.screens import SIGNED_IN, path_of

pytestmark = pytest.mark.e2e

STORED = """async () => ({
    local: Object.entries(localStorage),
    session: Object.entries(sessionStorage),
    databases: await indexedDB.databases(),
    cached: (await Promise.all((await caches.keys()).map(async (name) => (await caches.open(name)).keys())))
        .flat().map(({ url }) => new URL(url).pathname),
})"""
OFFLINE = {"/offline", "/offline.css", "/icon.svg"}
"""What the page that says that there is no server is made of."""


def sign_in(page: Page, demo: dict[str, Any]) -> None:
    """Sign in by clicks, into a session that no other test has."""
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(demo["person"]["email"])
    page.get_by_label("Password").fill(demo["person"]["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out").first).to_be_visible()


def expect_nothing_stored(page: Page) -> None:
    stored = page.evaluate(STORED)
    assert stored["local"] == []
    assert stored["session"] == []
    assert stored["databases"] == []
    assert set(stored["cached"]) <= OFFLINE


def test_a_password_is_hidden_as_it_is_typed_and_may_be_pasted(stranger: Page, demo: dict[str, Any]):
    stranger.goto("/sign-in")
    expect_password_field(stranger.get_by_label("Password"), "current-password")
    expect(stranger.get_by_label("E-mail")).to_have_attribute("autocomplete", "username")
    sign_in(stranger, demo)
    stranger.goto("/settings/security")
    expect_password_field(stranger.get_by_label("New password"), "new-password")


@pytest.mark.parametrize("screen", SIGNED_IN)
def test_whoever_is_signed_in_can_sign_out_from_a_screen(screen: str, page: Page, demo: dict[str, Any]):
    page.goto(path_of(screen, demo))
    settled(page)
    expect(page.get_by_role("button", name="Sign out", exact=True).first).to_be_visible()
    look_at(page, "light", 390)
    page.get_by_role("button", name="Menu", exact=True).click()

    expect(page.get_by_role("dialog").get_by_role("button", name="Sign out", exact=True)).to_be_visible()


def test_nothing_is_left_of_who_has_signed_out(
    stranger: Page, context: BrowserContext, watch: Any, demo: dict[str, Any]
):
    # The editor may ask once more while it goes, about its draft and its words, and is told nothing.
    watch.allow(401, "/app/rule-")
    sign_in(stranger, demo)
    stranger.goto("/accounts")
    settled(stranger)
    name = stranger.get_by_role("main").get_by_role("link").first.inner_text()
    stranger.goto("/rules/new")
    settled(stranger)
    stranger.get_by_label("Name", exact=True).first.fill("A secret plan")
    stranger.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", '{"condition": {"fact": "DATE", "operator": "EQUALS", "value": 7}}');
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }"""
    )
    expect(stranger.get_by_role("button", name="Paste a condition")).to_be_visible()
    # While they are signed in, what is being written is kept where nobody reads it without their session.
    assert b"plan" not in b64decode(kept(stranger))
    stranger.get_by_role("button", name="Sign out").first.click()
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()

    expect_nothing_stored(stranger)
    assert context.cookies() == []
    for path in (None, None, "/accounts", "/rules/new"):
        if path is None:
            stranger.go_back()
        else:
            stranger.goto(path)
        expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
        assert name not in stranger.content()
        assert "A secret plan" not in stranger.content()
    sign_in(stranger, demo)
    stranger.goto("/rules/new")
    settled(stranger)
    expect(stranger.get_by_text("This is the draft that you left here")).to_have_count(0)


def test_a_session_that_ended_elsewhere_leaves_nothing_either(stranger: Page, watch: Any, demo: dict[str, Any]):
    sign_in(stranger, demo)
    watch.allow(401, "/app/")
    stranger.goto("/accounts")
    settled(stranger)
    name = stranger.get_by_role("main").get_by_role("link").first.inner_text()
    own = {"X-Requested-By": "sluiceway", "Sec-Fetch-Site": "same-origin"}
    assert stranger.request.post("/app/sign-out", headers=own).ok
    stranger.get_by_role("link", name="Rules").first.click()

    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    assert name not in stranger.content()
    expect_nothing_stored(stranger)


def test_whoever_signs_out_without_the_server_leaves_nothing_on_the_screen(
    stranger: Page, context: BrowserContext, demo: dict[str, Any]
):
    sign_in(stranger, demo)
    stranger.goto("/accounts")
    settled(stranger)
    stranger.evaluate("navigator.serviceWorker.ready.then(() => true)")
    name = stranger.get_by_role("main").get_by_role("link").first.inner_text()
    context.set_offline(True)
    stranger.get_by_role("button", name="Sign out").first.click()

    expect(stranger.get_by_text(name)).to_have_count(0)
    expect(stranger.get_by_role("button", name="Sign out")).to_have_count(0)
    expect_nothing_stored(stranger)


def test_what_another_tab_keeps_is_not_read_over_what_is_written_in_this_one(page: Page):
    page.goto("/rules/new")
    expect(page.get_by_label("What starts it")).to_be_visible()
    page.get_by_role("link", name="Settings", exact=True).click()
    waits = page.locator("section", has=page.get_by_role("heading", name="Waits"))
    with page.expect_response("**/app/settings/waits"):
        waits.get_by_role("button", name="Save").click()
    page.evaluate("localStorage.setItem('sluiceway-kept', 'of another tab')")
    page.get_by_role("link", name="Rules", exact=True).click()
    with page.expect_response("**/app/rule-vocabulary"):
        page.get_by_role("link", name="New rule").click()
    page.get_by_role("button", name="Save and review").first.wait_for()

    assert page.evaluate("localStorage.getItem('sluiceway-kept')") == "of another tab"
