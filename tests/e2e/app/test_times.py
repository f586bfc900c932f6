"""Times and days: in the organization's own zone, in brief and in full, and where banks have moved them."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.app.browsing import Watch, faults, look_at, looks, overflow, settled
from tests.e2e.processes import Serving, run

pytestmark = pytest.mark.e2e

SATURDAY = 5
WIDE_ENOUGH = 150
"""In pixels."""


@pytest.fixture
def new_york(demo_server: Serving) -> Iterator[None]:
    """Let people read times in New York, and put everything back for whoever comes after."""
    for zone in ("America/New_York", "UTC"):
        told = run("organizations", "time-zone", zone, "--data-dir", str(demo_server.data_dir))
        assert told.returncode == 0, told.stderr
        if zone != "UTC":
            yield


def test_an_admin_sets_the_zone_and_times_are_shown_in_it_by_its_name(page: Page, demo_server: Serving):
    page.goto("/settings")
    page.get_by_label("Time zone").select_option("Asia/Kathmandu")
    page.locator("section", has=page.get_by_role("heading", name="Times")).get_by_role("button", name="Save").click()
    expect(page.get_by_text("Asia/Kathmandu.")).to_be_visible()
    page.goto("/sandbox")
    clock = page.locator("section", has=page.get_by_role("heading", name="Clock")).locator("time").first
    shown, at = clock.inner_text(), clock.get_attribute("datetime") or ""

    run("organizations", "time-zone", "UTC", "--data-dir", str(demo_server.data_dir))
    assert shown.endswith("Asia/Kathmandu")
    hour, minute = map(int, at[11:16].split(":"))
    later = (hour * 60 + minute + 5 * 60 + 45) % (24 * 60)
    assert f"{later // 60:02}:{later % 60:02}" in shown


def test_a_new_schedule_begins_in_the_zone_from_when_it_is_set(page: Page, demo_server: Serving):
    page.goto("/settings")
    found: list[str] = []
    for zone in ("UTC", "Asia/Kathmandu"):
        page.get_by_label("Time zone").select_option(zone)
        times = page.locator("section", has=page.get_by_role("heading", name="Times"))
        with page.expect_response("**/app/settings/time-zone"):
            times.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="Rules", exact=True).click()
        with page.expect_response("**/app/rule-vocabulary"):
            page.get_by_role("link", name="New rule").click()
        page.get_by_label("What starts it").select_option("SCHEDULED")
        found.append(page.get_by_label("Time zone").input_value())
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("link", name="Settings", exact=True).click()

    run("organizations", "time-zone", "UTC", "--data-dir", str(demo_server.data_dir))
    assert found == ["UTC", "Asia/Kathmandu"]


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize("screen", ["/", "/accounts/{income}", "/simulate/forecast", "/simulate", "/map", "/settings"])
def test_screens_are_for_everybody_in_a_zone_with_a_long_name(screen: str, page: Page, demo: dict[str, Any]):
    page.goto(screen.format(income=demo["accounts"]["income"]["id"]))
    settled(page)

    for scheme, width in looks(page):
        assert faults(page) == [], (scheme, width)
        assert overflow(page) <= 0, (scheme, width)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_time_itself_is_shown_by_pointing_and_by_keys_alone(page: Page, width: int):
    look_at(page, "light", width)
    page.goto("/accounts")
    settled(page)
    brief = (
        page.get_by_role("row").filter(has_text="Credit card").get_by_role("button", name=re.compile(r"\d{4}, .* UTC"))
    )
    whole = brief.get_by_text(re.compile(r"^\w{3}, \d+ \w+ \d{4}, \d\d:\d\d UTC$"))
    assert width_of(whole) <= 1
    brief.hover()
    assert width_of(whole) > 100
    page.keyboard.press("Escape")
    assert width_of(whole) <= 1
    page.mouse.move(0, 0)

    page.get_by_role("row").filter(has_text="Credit card").get_by_role("link").focus()
    page.keyboard.press("Tab")

    expect(brief).to_be_focused()
    assert width_of(whole) > 100
    assert faults(page) == []
    assert overflow(page) <= 0
    page.keyboard.press("Tab")
    assert width_of(whole) <= 1


def width_of(text: Any) -> float:
    return text.evaluate("element => element.getBoundingClientRect().width")


@pytest.mark.usefixtures("new_york")
def test_a_payment_that_a_weekend_holds_up_says_from_which_day_it_was_moved(
    page: Page, demo_server: Serving, demo: dict[str, Any]
):
    key = {"Authorization": f"ApiKey {demo['api_key']}"}
    with httpx.Client(base_url=demo_server.url, headers=key, timeout=120) as client:
        until_saturday(client)
        body = {
            "source_account_id": demo["accounts"]["income"]["id"],
            "destination_account_id": demo["accounts"]["checking"]["id"],
            "amount_in_cents": 1_717,
        }
        client.post("/sandbox/deposits", json={"account_id": body["source_account_id"], "amount_in_cents": 5_000})
        made = client.post("/api/v1/transfers", json=body, headers={"Idempotency-Key": "over-a-weekend"})
        assert made.status_code in (200, 201), made.text
        transfer_id = made.json()["data"]["id"]
    page.goto(f"/transfers/{transfer_id}")

    expect(page.get_by_text(re.compile(r"Moved from Sat \d+ \w+: banks rest in between"))).to_be_visible()
    page.goto("/")
    soon = page.get_by_role("listitem").filter(has_text="17.17")
    expect(soon).to_contain_text(re.compile(r"Moved from Sat \d+ \w+: banks rest in between"))
    assert width_of(soon.get_by_role("link")) > WIDE_ENOUGH, "nothing beside it takes its room"
    expect(page.get_by_text("America/New_York", exact=True)).to_be_visible()


def until_saturday(client: httpx.Client) -> None:
    """Turn the clock, a day at a time, to when banks do not work."""
    is_saturday = False
    while not is_saturday:
        told = client.post("/sandbox/clock/advance", json={"days": 1})
        assert told.status_code == 200, told.text
        is_saturday = datetime.fromisoformat(told.json()["data"]["now"]).weekday() == SATURDAY


def test_what_is_not_there_has_a_page_with_a_heading(page: Page, watch: Watch):
    for path in ("accounts/acc_nothing", "transfers/txr_nothing", "runs/rex_nothing", "rules/rule_nothing"):
        watch.allow(404, f"/app/{path}")
        page.goto(f"/{path}")

        expect(page.get_by_role("heading", level=1, name="Nothing here")).to_be_visible()
        assert faults(page) == []


def test_a_chart_says_its_last_day_where_nothing_is_pointed_at(page: Page):
    page.goto("/simulate/forecast")
    legend = page.locator(".u-legend")

    expect(legend).to_contain_text(re.compile(r"Day:?\s*\d+ \w+ \d{4}"))
    expect(legend).not_to_contain_text("--")
    expect(legend).not_to_contain_text("Time")


def test_the_field_of_days_stands_in_line_with_the_buttons_beside_it(page: Page):
    page.goto("/sandbox")
    boxes = [
        page.get_by_label("Days", exact=True).bounding_box(),
        page.get_by_role("button", name="Days on", exact=True).bounding_box(),
        page.get_by_role("button", name="A day on", exact=True).bounding_box(),
    ]

    assert len({round(box["y"] + box["height"] / 2, 1) for box in boxes if box}) == 1
