"""People: the first one sets up, others are invited; they sign in with a passkey or codes, and show who they are."""

from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sluiceway.storage.embedded import EmbeddedPostgres
from tests.e2e.app.browsing import Watch, expect_password_field, faults, look_at, looks, overflow, settled
from tests.e2e.processes import Serving, data_folder, free_port

pytestmark = pytest.mark.e2e

OWN_PAGE = {"X-Requested-By": "sluiceway", "Sec-Fetch-Site": "same-origin"}
PASSWORD = "quite a long password"


@pytest.fixture(scope="module")
def by_name(demo_server: Serving) -> str:
    """Call the demo by the name for which browsers make passkeys."""
    return f"http://localhost:{urlsplit(demo_server.url).port}"


@pytest.fixture
def watch(by_name: str) -> Generator[Watch]:
    watching = Watch(by_name)
    yield watching
    assert not watching.problems


@pytest.fixture
def context(chromium: Browser, by_name: str, watch: Watch) -> Generator[BrowserContext]:
    """Open a browser with a device in it that makes passkeys and is always willing."""
    opened = chromium.new_context(base_url=by_name, viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(20_000)
    watch.over(opened)
    yield opened
    opened.close()


@pytest.fixture
def guest(stranger: Page, context: BrowserContext) -> Page:
    """Open a page on a device that makes passkeys and is always willing."""
    device = context.new_cdp_session(stranger)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return stranger


@pytest.fixture(scope="module")
def admin(by_name: str, demo: dict[str, Any]) -> Generator[httpx.Client]:
    """Sign the demo's person in, beside the browser."""
    with httpx.Client(base_url=by_name, headers=OWN_PAGE) as http:
        person = {name: demo["person"][name] for name in ("email", "password")}
        http.post("/app/sign-in", json=person).raise_for_status()
        yield http


def join(page: Page, admin: httpx.Client, email: str, role: str) -> None:
    """Be invited, and accept by clicks."""
    invited = admin.post("/app/invitations", json={"email": email, "role": role}).raise_for_status().json()["data"]
    page.goto(f"/invitation#{invited['token']}")
    expect(page.get_by_role("heading", name="You are invited")).to_be_visible()
    assert faults(page) == []
    expect_password_field(page.get_by_label("Password"), "new-password")
    page.get_by_label("Password").fill(PASSWORD)
    # Who is there is asked again once the page listens for news: it was nobody when the page was first loaded.
    with page.expect_response(lambda answer: answer.url.endswith("/app/session")):
        page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("button", name="Sign out").first).to_be_visible()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").first.click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def age(demo_server: Serving, email: str) -> None:
    """Let it be an hour ago that somebody has shown a password or a passkey."""
    with EmbeddedPostgres(demo_server.data_dir) as url, psycopg.connect(url) as conn:
        conn.execute(
            "UPDATE session SET reauthenticated_at = reauthenticated_at - interval '1 hour'"
            " WHERE person_id IN (SELECT id FROM person WHERE email = %s)",
            [email],
        )


def test_somebody_invited_joins_makes_a_passkey_and_comes_back_with_it(guest: Page, admin: httpx.Client):
    join(guest, admin, "ada@example.com", "WRITER")
    guest.goto("/settings/security")
    guest.get_by_role("button", name="Add a passkey").click()
    guest.get_by_label("Name").fill("Laptop")
    assert faults(guest) == []
    guest.get_by_role("button", name="Continue in the browser").click()
    expect(guest.get_by_role("row", name="Laptop")).to_be_visible()
    sign_out(guest)
    guest.get_by_role("button", name="Use a passkey").click()
    expect(guest.get_by_role("button", name="Sign out").first).to_be_visible()
    guest.goto("/settings/people")

    expect(guest.get_by_role("row", name="ada@example.com")).to_contain_text("Writer")
    expect(guest.get_by_role("row", name="ada@example.com")).to_contain_text("passkey")
    expect(guest.get_by_role("button", name="Invite")).to_have_count(0)


def test_what_needs_it_asks_who_is_there_and_then_goes_on(
    guest: Page, admin: httpx.Client, demo_server: Serving, watch: Watch
):
    watch.allow(403, "/app/security/")
    join(guest, admin, "grace@example.com", "ADMIN")
    guest.goto("/settings/security")
    guest.get_by_role("button", name="Add a passkey").click()
    guest.get_by_label("Name").fill("Phone")
    guest.get_by_role("button", name="Continue in the browser").click()
    expect(guest.get_by_role("row", name="Phone")).to_be_visible()
    age(demo_server, "grace@example.com")
    guest.get_by_label("New password").fill("another long password")
    guest.get_by_role("button", name="Change password").click()
    asked = guest.get_by_role("dialog", name="Is it you?")
    assert faults(guest) == []
    asked.get_by_role("button", name="Use a passkey").click()
    expect(guest.get_by_text("Password changed").first).to_be_visible()
    age(demo_server, "grace@example.com")
    guest.get_by_role("button", name="Remove Phone").click()
    guest.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    asked.get_by_label("Password").fill("another long password")
    asked.get_by_role("button", name="Continue").click()

    expect(guest.get_by_role("row", name="Phone")).to_have_count(0)


def test_codes_are_turned_on_and_asked_for_and_recovery_codes_help(guest: Page, admin: httpx.Client, watch: Watch):
    watch.allow(403, "/app/sign-in/totp")
    join(guest, admin, "linus@example.com", "VIEWER")
    guest.goto("/settings/security")
    guest.get_by_role("button", name="Turn on").click()
    dialog = guest.get_by_role("dialog", name="Turn one-time codes on")
    totp = pyotp.TOTP(dialog.locator("pre").inner_text().replace(" ", ""))
    expect(dialog.get_by_role("img")).to_be_visible()
    assert faults(guest) == []
    dialog.get_by_label("First code").fill(totp.now())
    dialog.get_by_role("button", name="Turn on").click()
    shown = guest.get_by_role("dialog", name="Your recovery codes")
    codes = shown.locator("pre").inner_text().split()
    assert faults(guest) == []
    shown.get_by_role("button", name="I have kept them").click()
    expect(guest.get_by_text("10 recovery codes are left")).to_be_visible()
    sign_out(guest)
    guest.get_by_label("E-mail").fill("linus@example.com")
    guest.get_by_label("Password").fill(PASSWORD)
    guest.get_by_role("button", name="Sign in").click()
    expect(guest.get_by_role("heading", name="One more step")).to_be_visible()
    assert faults(guest) == []
    guest.get_by_label("Code").fill("nothing")
    guest.get_by_role("button", name="Continue").click()
    expect(guest.get_by_role("alert")).to_be_focused()
    guest.get_by_label("Code").fill(codes[0])
    guest.get_by_role("button", name="Continue").click()
    guest.get_by_role("button", name="Sign out").first.wait_for()
    guest.goto("/settings/security")

    expect(guest.get_by_text("9 recovery codes are left")).to_be_visible()


def test_a_role_is_changed_and_somebody_is_removed(guest: Page, admin: httpx.Client):
    join(guest, admin, "root@example.com", "ADMIN")
    made = admin.post("/app/invitations", json={"email": "mallory@example.com", "role": "VIEWER"}).json()["data"]
    joined = {"token": made["token"], "password": PASSWORD}
    httpx.post(admin.base_url.join("/app/invitation/accept"), json=joined, headers=OWN_PAGE).raise_for_status()
    guest.goto("/settings/people")
    row = guest.get_by_role("row", name="mallory@example.com")
    row.get_by_role("button", name="Change role").click()
    guest.get_by_label("Role", exact=True).select_option("Writer")
    assert faults(guest) == []
    guest.get_by_role("dialog").get_by_role("button", name="Change role").click()
    expect(row).to_contain_text("Writer")
    row.get_by_role("button", name="Remove").click()
    guest.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()

    expect(row).to_have_count(0)


def test_an_invitation_is_made_as_a_link_and_taken_back(guest: Page, admin: httpx.Client, watch: Watch):
    watch.allow(410, "/app/invitation")
    join(guest, admin, "tim@example.com", "ADMIN")
    guest.goto("/settings/people")
    guest.get_by_role("button", name="Invite").click()
    guest.get_by_label("E-mail").fill("barbara@example.com")
    guest.get_by_label("Role").select_option("Writer")
    guest.get_by_role("button", name="Make a link").click()
    link = guest.get_by_role("dialog", name="Send this link").locator("pre").inner_text()
    assert faults(guest) == []
    guest.keyboard.press("Escape")
    guest.get_by_role("button", name="Take back the invitation of barbara@example.com").click()
    expect(guest.get_by_role("row", name="barbara@example.com")).to_have_count(0)
    guest.goto(link)

    expect(guest.get_by_text("Ask for another one")).to_be_visible()


def test_whoever_is_first_sets_up_also_behind_a_path(chromium: Browser, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BASE_PATH", "/money")
    with data_folder() as data_dir, Serving("serve", data_dir, free_port()) as serving:
        watch = Watch(serving.url)
        context = chromium.new_context(base_url=serving.url, viewport={"width": 1280, "height": 800})
        watch.over(context)
        page = context.new_page()
        page.goto("/money/accounts")
        settled(page)
        assert urlsplit(page.url).path == "/money/setup"
        for look in looks(page):
            assert faults(page) == [], look
            assert overflow(page) <= 0, look
        look_at(page, "light", 1280)
        page.get_by_label("Organization").fill("Home")
        page.get_by_label("E-mail").fill("ada@example.com")
        expect_password_field(page.get_by_label("Password"), "new-password")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Begin").click()
        expect(page.get_by_role("button", name="Sign out").first).to_be_visible()
        assert urlsplit(page.url).path == "/money/accounts"
        page.goto("/money/sandbox")
        expect(page.get_by_text("There is no account yet")).to_be_visible()
        context.close()
        assert [problem for problem in watch.problems if "not in docs" not in problem] == []
