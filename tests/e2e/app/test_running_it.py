"""What admins do: keys, webhooks, the audit log, the switch that stops everything; and what the sandbox is for."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.app.browsing import Watch, faults, looks, overflow, settled
from tests.e2e.processes import Serving

pytestmark = pytest.mark.e2e


def test_a_key_is_made_shown_once_used_and_revoked(page: Page, demo_server: Serving):
    page.goto("/developers")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_label("Read accounts", exact=True).check()
    page.get_by_label("Make transfers").check()
    page.get_by_role("button", name="Only between certain accounts").click()
    page.get_by_label("At most at once").fill("50")
    assert faults(page) == []
    page.get_by_role("button", name="Make the key").click()
    dialog = page.get_by_role("dialog", name="Your new key")
    secret = dialog.locator("pre").inner_text()
    dialog.get_by_role("button", name="I have it").click()
    url = f"{demo_server.url}/platform/v1/accounts"
    allowed = httpx.get(url, headers={"Authorization": f"Bearer {secret}"})
    card = page.locator("section", has=page.get_by_role("heading", name="Nightly report"))
    expect(card.get_by_text("any account to any account, at most $50.00 at once")).to_be_visible()
    expect(page.get_by_text(secret)).to_have_count(0)
    card.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke it").click()
    expect(card.get_by_text("Revoked").first).to_be_visible()
    refused = httpx.get(url, headers={"Authorization": f"Bearer {secret}"})

    assert (allowed.status_code, refused.status_code) == (200, 401)


def test_a_form_says_what_is_wrong_first(page: Page, watch: Watch):
    watch.allow(400, "/app/webhooks")
    page.goto("/developers/webhooks")
    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("Address").fill("http://192.168.0.1/hook")
    page.get_by_role("button", name="Add it").click()

    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    assert faults(page) == []


def test_everything_is_paused_on_every_page_until_it_is_resumed(page: Page):
    page.goto("/settings")
    page.get_by_role("button", name="Pause everything").click()
    page.get_by_role("button", name="Pause now").click()
    banner = page.get_by_text("No rule moves money until it is resumed")
    expect(banner).to_be_visible()
    page.goto("/sandbox")
    expect(banner).to_be_visible()
    assert faults(settled(page)) == []
    page.goto("/settings")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Let them run").click()

    expect(banner).to_be_hidden()


def test_what_was_done_is_in_the_audit_log_and_goes_along_as_a_file(page: Page):
    page.goto("/developers/audit-log")
    page.get_by_label("Action").fill("sign in")
    page.get_by_role("button", name="Narrow down").click()
    expect(page).to_have_url(re.compile("action=SIGN_IN"))
    expect(page.get_by_role("row").filter(has_text="demo@example.com").first).to_contain_text("Sign in")
    with page.expect_download() as taken:
        page.get_by_role("link", name="As a table").click()

    lines = taken.value.path().read_text().splitlines()
    assert taken.value.suggested_filename == "audit-log.csv"
    assert all("SIGN_IN" in line for line in lines[1:])


def test_requests_to_copy_work_as_they_stand(page: Page, demo_server: Serving, demo: dict[str, Any]):
    page.goto("/developers/requests")
    environment = os.environ | {"SLUICEWAY_URL": demo_server.url, "SLUICEWAY_KEY": demo["api_key"]}
    ran = []
    for language, command in (("curl", ["bash", "-ec"]), ("python", [sys.executable, "-c"])):
        page.get_by_label("Language").select_option(language)
        cards = page.locator("section", has=page.get_by_role("link", name="The screen"))
        cards.first.wait_for()
        for text in cards.locator("pre").all_inner_texts():
            if "advance" not in text:
                program = [*command, text.replace("curl -sS", "curl -sSf")]
                ran.append(subprocess.run(program, env=environment, capture_output=True, text=True, check=False))

    assert len(ran) == 9
    assert [done.stderr for done in ran if done.returncode] == []
    assert all(json.loads(done.stdout) for done in ran[:5])


def test_money_arrives_and_what_rules_did_is_seen_without_loading_again(page: Page):
    page.goto("/sandbox")
    page.get_by_label("In", exact=True).select_option("Income")
    page.get_by_label("Amount").first.fill("1,513.00")
    page.get_by_role("button", name="Let it arrive").click()
    expect(page.get_by_text("$1,513.00 arrived in Income.")).to_be_visible()

    runs = page.get_by_role("table", name="Runs, newest first")
    saved = runs.get_by_role("row").filter(has_text="Auto-save on deposit").filter(has_text="$302.60")
    expect(saved).to_be_visible()
    for look in looks(page):
        assert faults(page) == [], look
        assert overflow(page) <= 0, look


def test_the_clock_is_turned(page: Page):
    page.goto("/sandbox")
    clock = page.locator("section", has=page.get_by_role("heading", name="Clock")).locator("time").first
    before = clock.inner_text()
    page.get_by_role("button", name="A day on").click()

    expect(clock).not_to_have_text(before)


def test_amounts_are_hidden_and_the_colours_kept(page: Page):
    page.goto("/settings")
    settled(page)
    page.keyboard.press("Shift+H")
    page.get_by_label("Colours").select_option("dark")
    page.reload()
    settled(page)

    assert page.evaluate("document.documentElement.dataset.private") == "yes"
    assert page.evaluate("getComputedStyle(document.querySelector('.money')).filter") != "none"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_keys_go_to_places_and_a_dialog_says_which(page: Page):
    page.goto("/settings")
    settled(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page).to_have_url(re.compile("/accounts$"))
    page.get_by_role("button", name="New account").wait_for()
    page.keyboard.press("n")
    expect(page.get_by_role("dialog", name="New account")).to_be_visible()
    page.keyboard.press("Escape")
    page.goto("/map")
    settled(page)
    page.keyboard.press("/")
    expect(page.get_by_label("Find an account or a rule")).to_be_focused()
    page.keyboard.type("n?")
    expect(page.get_by_label("Find an account or a rule")).to_have_value("n?")
    page.goto("/settings")
    page.get_by_label("Single keys do something").uncheck()
    page.get_by_role("heading", name="This browser").click()
    page.keyboard.press("n")
    page.keyboard.press("?")

    expect(page).to_have_url(re.compile("/settings$"))
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_anything_is_found_by_typing_some_of_its_name(page: Page):
    page.goto("/settings")
    settled(page)
    opener = page.get_by_role("button", name="Find")
    opener.focus()
    page.keyboard.press("Control+k")
    typed = page.get_by_role("combobox", name="A page, an account, a rule")
    found = page.get_by_role("listbox", name="Found").get_by_role("option")
    expect(typed).to_be_focused()
    page.keyboard.type("auto rule")
    expect(found).to_have_text(["Auto-save on deposit Rule"])
    page.keyboard.press("Control+a")
    page.keyboard.type("ac")
    expect(found.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(found.nth(1)).to_have_attribute("aria-selected", "true")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    opener.click()
    page.keyboard.type("new api")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="A new key")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page).to_have_url(re.compile("/developers$"))


def test_without_the_server_a_page_says_that_it_is_not_live_and_shows_no_amount(page: Page):
    page.goto("/accounts")
    settled(page)
    page.evaluate("() => navigator.serviceWorker.ready.then(() => 0)")
    page.context.set_offline(True)
    page.goto("/transfers?direction=INTERNAL")

    expect(page.get_by_role("heading", name="Not live")).to_be_visible()
    assert "$" not in page.locator("body").inner_text()
    for look in looks(page):
        assert faults(page) == [], look
        assert overflow(page) <= 0, look
    page.context.set_offline(False)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Transfers")).to_be_visible()
    expect(page).to_have_url(re.compile("direction=INTERNAL$"))
