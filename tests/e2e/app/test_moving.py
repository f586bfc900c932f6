"""Runs, transfers, approvals and what-ifs in a browser: by clicks and keys, as people come to them."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from sluiceway.storage.embedded import EmbeddedPostgres
from tests.e2e.app.browsing import faults, looks, overflow, settled
from tests.e2e.processes import Serving, run

pytestmark = pytest.mark.e2e


def program(demo_server: Serving, *options: str) -> httpx.Client:
    """Be a program with a key of its own that may do everything."""
    made = run("keys", "create", "--name", "test", "--all", "--json", "--data-dir", str(demo_server.data_dir), *options)
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["api_key"]
    return httpx.Client(base_url=demo_server.url, headers={"Authorization": f"ApiKey {key}"})


@dataclass
class Paycheck:
    """A paycheck that has arrived, and the runs of the two rules that share it out."""

    transfer_id: str
    split: str
    saved: str


@pytest.fixture(scope="module")
def deposited(demo_server: Serving, demo: dict[str, Any]) -> Paycheck:
    """Let a paycheck arrive, and wait until both rules have run."""
    rules = (demo["rules"]["paycheck"]["id"], demo["rules"]["auto_save"]["id"])
    with program(demo_server) as client:

        def runs() -> list[set[str]]:
            answers = [client.get("/api/v1/rule-executions", params={"rule_id": each}) for each in rules]
            return [{run["id"] for run in each.json()["data"] if run["status"] == "executed"} for each in answers]

        before = runs()
        body = {"account_id": demo["accounts"]["income"]["id"], "amount_in_cents": 320_055}
        made = client.post("/sandbox/deposits", json=body)
        assert made.status_code == 201, made.text
        deadline = time.monotonic() + 30
        while not all(new := [now - then for now, then in zip(runs(), before, strict=True)]):
            assert time.monotonic() < deadline, "the rules have not run"
            time.sleep(0.1)
    (split,), (saved,) = new
    return Paycheck(made.json()["data"]["id"], split, saved)


def link_to(page: Page, path: str) -> Locator:
    """Find the link that leads exactly there, wherever it stands in a list."""
    return page.locator(f'main a[href="{path}"]')


def waiting_transfer(demo_server: Serving, demo: dict[str, Any], cents: int) -> str:
    """Ask for a transfer that waits for a person; give its id."""
    accounts = demo["accounts"]
    body = {
        "source_account_id": accounts["income"]["id"],
        "destination_account_id": accounts["vacation"]["id"],
        "amount_in_cents": cents,
    }
    with program(demo_server, "--approval-above", "1.00") as client:
        made = client.post("/api/v1/transfers", json=body).json()["data"]
    assert made["status"] == "pending_approval"
    return made["id"]


def is_for_everybody(page: Page) -> None:
    settled(page)
    for scheme, width in looks(page):
        assert faults(page) == [], (scheme, width)
        assert overflow(page) <= 0, (scheme, width)


def test_a_run_is_found_and_read_and_walked_by_keys(page: Page, deposited: Paycheck):
    page.goto("/runs")
    page.get_by_label("Ending").select_option("MOVED")
    expect(page).to_have_url("/runs?ending=MOVED")
    link_to(page, f"/runs/{deposited.split}").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Split each paycheck")
    expect(page.get_by_text("the incoming amount is at least $2,000.00: true (it was $3,200.55)")).to_be_visible()
    outline = page.get_by_role("navigation", name="The rule as it ran")
    chosen = outline.locator("[aria-current=true]")
    expect(chosen).to_contain_text("Move $1,250.00 from Income to Bills")
    chosen.focus()
    page.keyboard.press("ArrowDown")
    expect(chosen).to_contain_text("10 % of the incoming amount")
    expect(chosen).to_be_focused()
    page.keyboard.press("Home")
    expect(chosen).to_have_text("Step 1")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    assert json.loads(download.value.path().read_text())["trace"]["actions"][0]["moved"] == 125_000
    is_for_everybody(page)


@pytest.mark.usefixtures("deposited")
def test_brackets_go_to_the_older_and_the_newer_run_of_a_rule(page: Page, demo_server: Serving, demo: dict[str, Any]):
    rule_id = demo["rules"]["auto_save"]["id"]
    with program(demo_server) as client:
        asked = client.post(f"/api/v1/rules/{rule_id}/trigger", json={"manual_execute_amount": 100})
    page.goto(f"/runs?rule={rule_id}")
    # What has been started is spelled another way than the run that is listed; it is the same id.
    address = f"/runs/{asked.json()['data']['execution_id'].replace('exec_', 'rex_')}"
    link_to(page, address).click()
    # The list has a heading too: only this says that the run is there, and listens.
    expect(page.get_by_role("link", name="Older")).to_be_visible()
    page.keyboard.press("[")
    expect(page.get_by_role("link", name="Newer")).to_be_visible()
    page.keyboard.press("]")
    expect(page).to_have_url(address)


def test_a_deposit_shows_which_rules_looked_at_it(page: Page, deposited: Paycheck):
    page.goto("/transfers?direction=MONEY_IN")
    link_to(page, f"/transfers/{deposited.transfer_id}").click()

    expect(page.get_by_role("heading", name="2 rules looked at this; 2 ran")).to_be_visible()
    is_for_everybody(page)
    link_to(page, f"/runs/{deposited.split}").click()
    expect(page.get_by_role("heading", name="Why")).to_be_visible()
    page.get_by_role("link", name="money arrived ($3,200.55)").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("$3,200.55 from outside to Income")


@pytest.mark.usefixtures("deposited")
def test_amounts_in_sentences_and_in_the_title_are_hidden_with_the_others(page: Page):
    page.goto("/transfers?direction=MONEY_IN")
    page.get_by_role("link", name="Outside → Income").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("$")
    expect(page).to_have_title(re.compile(r"^\$"))
    assert page.evaluate(_UNCOVERED) > 0
    page.keyboard.press("Shift+H")

    expect(page).to_have_title(re.compile("^… from outside to Income"))
    assert page.evaluate(_UNCOVERED) == 0
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("$")
    assert page.evaluate(_UNCOVERED) == 0
    address = page.url
    page.goto("/map")
    expect(page.locator("text", has_text="$").first).to_have_css("filter", re.compile("blur"))
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_contain_text("$")
    page.keyboard.press("Shift+H")
    expect(page).to_have_title(re.compile(r"^\$"))
    assert page.evaluate("CSS.highlights.get('amount').size") == 0


_UNCOVERED = """() => {
    const covered = new Set([...CSS.highlights.get("amount")].map((range) => range.startContainer));
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let shown = 0;
    while (texts.nextNode()) {
        const text = texts.currentNode;
        const isBlurred = document.documentElement.dataset.private && text.parentElement.closest(".money, .private");
        if (/\\$\\d/.test(text.data) && !covered.has(text) && !isBlurred) shown += 1;
    }
    return shown;
}"""


@pytest.mark.usefixtures("deposited")
def test_a_transfer_is_approved_in_two_taps_on_a_phone(page: Page, demo_server: Serving, demo: dict[str, Any]):
    waiting_transfer(demo_server, demo, 1_234)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/approvals")
    card = page.get_by_role("article", name="$12.34 from Income to Vacation")
    expect(card).to_contain_text("$12.34")
    is_for_everybody(page)

    card.get_by_role("button", name="Approve").click()
    expect(card).to_contain_text("$12.34 goes from Income to Vacation at once.")
    is_for_everybody(page)
    card.get_by_role("button", name="Approve now").click()

    expect(page.get_by_role("status")).to_contain_text("Approved. $12.34 from Income to Vacation.")
    expect(card).to_be_hidden()


@pytest.mark.usefixtures("deposited")
def test_a_transfer_that_waits_can_be_called_back_after_reading_what_that_does(
    page: Page, demo_server: Serving, demo: dict[str, Any]
):
    transfer_id = waiting_transfer(demo_server, demo, 2_345)
    page.goto(f"/transfers/{transfer_id}")
    expect(page.locator("[aria-current=step]")).to_contain_text("Waits for approval")
    page.get_by_role("button", name="Call it back").click()
    dialog = page.get_by_role("dialog", name="Call this transfer back")
    expect(dialog).to_contain_text("The $23.45 that is held in Income is free again")
    dialog.get_by_role("button", name="Call it back").click()

    expect(page.locator("[aria-current=step]")).to_contain_text("Cancelled")


@pytest.mark.usefixtures("deposited")
def test_a_rule_is_tried_before_it_is_run_again(page: Page, demo: dict[str, Any]):
    page.goto(f"/simulate?rule={demo['rules']['paycheck']['id']}")
    page.get_by_label("Amount that arrives").fill("2,500.00")
    page.get_by_role("button", name="Simulate").click()

    expect(page.get_by_role("heading", name="Simulated: it would have moved")).to_be_focused()
    expect(page.get_by_text("No money has moved.")).to_be_visible()
    expect(page.get_by_role("table", name="What would change in each account")).to_contain_text("Bills")
    is_for_everybody(page)


def test_what_a_run_began_with_is_tried_with_the_rule_of_now_and_kept_as_a_test(
    page: Page, deposited: Paycheck, demo: dict[str, Any]
):
    rule_id = demo["rules"]["paycheck"]["id"]
    page.goto(f"/runs?rule={rule_id}&ending=MOVED")
    link_to(page, f"/runs/{deposited.split}").click()
    page.get_by_role("link", name=re.compile("Try with today.s rule")).click()
    expect(page.get_by_label("Amount that arrives")).to_have_value("3,200.55")
    page.get_by_role("button", name="Simulate").click()
    page.get_by_label("What it shows").fill("A paycheck is split")
    page.get_by_role("button", name="Keep as a test").click()
    page.get_by_role("link", name="Kept as a test of the rule").click()
    expect(page.get_by_role("heading", name="A paycheck is split")).to_be_visible()
    expect(page.get_by_text("Passes")).to_be_visible()
    page.get_by_text("What it takes to be so").click()
    is_for_everybody(page)

    page.goto(f"/rules/{rule_id}/edit")
    page.get_by_label("Percent", exact=True).fill("12")
    expect(page.get_by_text("A paycheck is split · Not as expected.")).to_be_visible()
    page.get_by_role("main").focus()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("A paycheck is split · Not as expected.")).to_be_hidden()

    page.goto(f"/rules/{rule_id}/tests")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the test").click()
    expect(page.get_by_text("No tests yet")).to_be_visible()


def test_a_run_that_was_downloaded_is_opened_and_marked_as_a_file(page: Page, deposited: Paycheck, tmp_path: Path):
    page.goto("/runs?ending=MOVED")
    link_to(page, f"/runs/{deposited.split}").click()
    told = page.locator("section", has=page.get_by_role("heading", name="Why")).inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    file = tmp_path / "a run.json"
    download.value.save_as(file)

    page.goto("/runs")
    page.get_by_role("link", name="Open a file").click()
    page.get_by_label("File of a run").set_input_files(file)

    drawn = page.get_by_role("region", name="The run in the file")
    expect(drawn).to_contain_text("A file, not a record of this server. “a run.json” says what follows.")
    shown = drawn.locator("section", has=page.get_by_role("heading", name="Why")).inner_text()
    assert shown == told.replace(" See the transfer", "")
    expect(drawn.get_by_role("link")).to_have_count(0)
    is_for_everybody(page)


def test_what_a_test_expects_is_written_by_hand_before_the_rule_does_it(page: Page, demo: dict[str, Any]):
    rule_id = demo["rules"]["auto_save"]["id"]
    page.goto(f"/simulate?rule={rule_id}")
    page.get_by_label("Amount that arrives").fill("100")
    page.get_by_role("button", name="Simulate").click()
    page.get_by_label("What it shows").fill("A quarter is saved")
    page.get_by_label("What is expected").select_option(label="What I write")
    expect(page.get_by_label("Which step runs")).to_have_value("1")
    expect(page.get_by_label("To", exact=True).locator("option:checked")).to_have_text("Savings")
    page.get_by_label("Amount", exact=True).fill("25")
    is_for_everybody(page)
    page.get_by_role("button", name="Keep as a test").click()
    expect(page.get_by_text("As the rule is now, it does not pass.")).to_be_visible()

    page.goto(f"/rules/{rule_id}/edit")
    page.get_by_label("Percent", exact=True).fill("25")
    expect(page.get_by_text("Passes A quarter is saved")).to_be_visible()
    page.goto(f"/rules/{rule_id}/tests")
    kept = page.locator("section", has=page.get_by_role("heading", name="A quarter is saved"))
    expect(kept).to_contain_text("$25.00 from Income to Savings")
    kept.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the test").click()
    expect(kept).to_be_hidden()


def test_what_is_supposed_of_an_account_changes_what_would_happen(page: Page, demo: dict[str, Any]):
    page.goto(f"/simulate?rule={demo['rules']['auto_save']['id']}")
    page.get_by_label("Amount that arrives").fill("100")
    page.get_by_role("button", name="Suppose something of an account").click()
    page.get_by_label("Account", exact=True).select_option(label="Income")
    page.get_by_label("Balance").fill("9000")
    page.get_by_role("button", name="Simulate").click()

    expect(page.get_by_role("heading", name="Simulated: it would have moved $20.00 in 1 transfer.")).to_be_visible()


def test_the_days_behind_and_ahead_are_played(page: Page, demo: dict[str, Any]):
    page.goto(f"/simulate/backtest?rule={demo['rules']['auto_save']['id']}")
    page.get_by_role("button", name="Try it on those days").click()
    expect(page.get_by_role("heading", name="In the last 31 days")).to_be_visible()
    is_for_everybody(page)

    page.get_by_role("link", name="The days ahead").click()
    expect(page.get_by_role("heading", name="In the next 90 days")).to_be_visible()
    page.get_by_text("As a table").click()
    is_for_everybody(page)


@pytest.mark.usefixtures("deposited")
def test_a_run_that_waits_changes_before_the_eyes_of_who_reads_it(
    page: Page, demo_server: Serving, demo: dict[str, Any]
):
    rule_id = demo["rules"]["auto_save"]["id"]
    with program(demo_server, "--approval-above", "1.00") as client:
        asked = client.post(f"/api/v1/rules/{rule_id}/trigger", json={"manual_execute_amount": 5_000})
    page.goto(f"/runs/{asked.json()['data']['execution_id']}")
    expect(page.get_by_text("a person to approve 1 transfer").first).to_be_visible()
    other = page.context.new_page()
    other.goto("/approvals")
    card = other.get_by_role("article", name="$10.00 from Income to Savings")
    card.get_by_role("button", name="Approve").click()
    card.get_by_role("button", name="Approve now").click()
    expect(card).to_be_hidden()

    expect(page.get_by_text("Moved $10.00 in 1 transfer.")).to_be_visible()


def test_a_rule_is_run_again_after_a_look_at_what_it_would_do(page: Page, deposited: Paycheck, demo: dict[str, Any]):
    page.goto(f"/runs?rule={demo['rules']['auto_save']['id']}&ending=MOVED")
    link_to(page, f"/runs/{deposited.saved}").click()
    page.get_by_role("button", name="Run again now").click()
    dialog = page.get_by_role("dialog", name="Run again now")
    expect(dialog.get_by_role("button", name="Run it", exact=True)).to_be_hidden()
    dialog.get_by_role("button", name="See what would happen").click()
    expect(dialog).to_contain_text("Simulated: it would have moved")
    before = page.url
    dialog.get_by_role("button", name="Run it", exact=True).click()

    expect(page).not_to_have_url(before)
    expect(page.get_by_role("heading", level=1)).to_have_text("Auto-save on deposit")


@pytest.fixture(scope="module")
def many_runs(demo_server: Serving, demo: dict[str, Any], deposited: None) -> int:
    """Have 10,000 more runs behind those that there are: copies of one, each a minute older than the one before."""
    count = 10_000
    copied = """
        INSERT INTO execution (organization_id, id, rule_id, revision, fingerprint, approval_id, trigger_type,
                               transfer_amount, origin_id, status, created_at, finished_at, conditions_not_met)
        SELECT organization_id, made.id, rule_id, revision, fingerprint, approval_id, trigger_type, transfer_amount,
               made.id, 'EXECUTED', created_at - made.number * interval '1 minute',
               created_at - made.number * interval '1 minute', true
        FROM (SELECT * FROM execution WHERE organization_id = %s::uuid AND status = 'EXECUTED' LIMIT 1) AS copied
        CROSS JOIN LATERAL (
            SELECT number, ('00000000-0000-7000-8000-' || lpad(to_hex(100000 - number), 12, '0'))::uuid AS id
            FROM generate_series(1, %s) AS number
        ) AS made
    """
    with EmbeddedPostgres(demo_server.data_dir) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute(copied, (demo["organization_id"], count))
    return count


@pytest.mark.usefixtures("many_runs")
def test_a_list_of_ten_thousand_runs_is_paged_without_a_long_task(page: Page):
    page.add_init_script("""
        globalThis.longest = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
        }).observe({ type: "longtask" });
    """)
    page.goto("/runs?ending=CONDITIONS_NOT_MET")
    older = page.get_by_role("link", name="Older")
    row = page.get_by_role("table", name="Runs, newest first").get_by_role("row").nth(1)
    tasks: list[float] = []
    for _ in range(8):
        before = row.inner_text()
        page.evaluate("globalThis.longest = 0")
        older.click()
        expect(row).not_to_have_text(before)
        page.wait_for_timeout(200)
        tasks.append(page.evaluate("globalThis.longest"))

    # Another program may hold this one up now and then, but not half of the time.
    assert sorted(tasks)[len(tasks) // 2] == 0, tasks
    page.go_back()
    expect(page.get_by_role("link", name="Newest")).to_be_visible()


@pytest.mark.usefixtures("many_runs")
def test_a_rare_ending_far_back_is_found_by_going_on(page: Page):
    page.goto("/runs?ending=CANCELLED")

    expect(page.get_by_text("None among those looked through.")).to_be_visible()
    older = page.get_by_role("link", name="Older")
    for _ in range(2):
        address = older.get_attribute("href") or ""
        older.click()
        expect(page).to_have_url(address)
        expect(page.locator(f'a[href="{address}"]')).to_be_hidden()
    expect(older).to_be_hidden()
