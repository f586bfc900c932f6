"""The story of the first rule, by clicks and by keys; and what keeps people from enabling what they did not read."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from sluiceway.domain.rules import outline, sentence, write_rule
from tests.e2e.app.browsing import Watch, faults, kept, settled
from tests.e2e.processes import Serving
from tests.unit.strategies import KINDS, make_rule
from tests.unit.test_outline import signed

pytestmark = pytest.mark.e2e

OWN_PAGE = {"X-Requested-By": "sluiceway", "Sec-Fetch-Site": "same-origin"}
_NUMBERS = itertools.count(1)


@dataclass
class Hands:
    """Somebody else at another browser, and the bank: what happens without the page that is looked at."""

    http: httpx.Client
    key: str
    names: dict[str, str] = field(default_factory=dict)
    """Accounts by name."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"/app{path}", json=body, headers=OWN_PAGE)
        assert answer.status_code < 300, answer.text
        return answer.json()["data"]

    def account(self, kind: str, name: str) -> str:
        """Make an account; give its name."""
        made = self.ask("POST", "/accounts", {"kind": kind, "name": name})
        self.names[name] = made["id"]
        return name

    def deposit(self, name: str, cents: int) -> None:
        """Let money arrive."""
        answer = self.http.post(
            "/sandbox/deposits",
            json={"account_id": self.names[name], "amount_in_cents": cents},
            headers={"Authorization": f"ApiKey {self.key}"},
        )
        assert answer.status_code == 201, answer.text

    def saves(self, income: str, savings: str, percent: str = "20", **more: Any) -> dict[str, Any]:
        """Write the rule that saves a share of what arrives."""
        action = {
            "type": "PERCENTAGE",
            "percentage_value": percent,
            "percentage_target": "INCOMING_AMOUNT",
            "source": self.names[income],
            "destination": self.names[savings],
        }
        trigger = {"type": "ON_FUNDS_TRANSFERRED", "account_id": self.names[income]}
        return {"name": "Save", "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}], **more}

    def rule(self, definition: dict[str, Any]) -> dict[str, Any]:
        return self.ask("POST", "/rules", {"definition": definition})


@pytest.fixture
def hands(demo_server: Serving, demo: dict[str, Any]) -> Iterator[Hands]:
    with httpx.Client(base_url=demo_server.url) as http:
        made = Hands(http, demo["api_key"])
        made.ask("POST", "/sign-in", demo["person"])
        yield made


@pytest.fixture
def page(context: BrowserContext, demo: dict[str, Any]) -> Page:
    """Open a page in a session of its own: whoever shows a password again gets another cookie."""
    answer = context.request.post("/app/sign-in", data=demo["person"], headers=OWN_PAGE)
    assert answer.ok, answer.text()
    return context.new_page()


@pytest.fixture
def pair(hands: Hands) -> tuple[str, str]:
    """Make an income source and a pod that no other test knows; give their names."""
    number = next(_NUMBERS)
    return hands.account("INCOME_SOURCE", f"Wages {number}"), hands.account("POD", f"Nest egg {number}")


@pytest.fixture
def enable(page: Page, demo: dict[str, Any]) -> Callable[[], None]:
    """Press the button of the review, and show the password where it is asked for."""

    def press() -> None:
        page.get_by_role("button", name="Enable this rule").click()
        dialog = page.get_by_role("dialog", name="Is it you?")
        ended = page.get_by_text("It runs from now on").or_(page.get_by_role("alert"))
        expect(dialog.or_(ended).first).to_be_visible()
        if dialog.is_visible():
            dialog.get_by_label("Password").fill(demo["person"]["password"])
            dialog.get_by_role("button", name="Continue").click()

    return press


def said(page: Page) -> str:
    """Tell what a page shows, as somebody sees it."""
    return page.locator("main").inner_text()


def draw_up(page: Page, income: str, savings: str, percent: str = "20") -> None:
    page.get_by_label("In account").select_option(label=income)
    page.get_by_label("Percent", exact=True).fill(percent)
    page.get_by_label("From", exact=True).select_option(label=income)
    page.get_by_label("To", exact=True).select_option(label=savings)


def test_a_rule_is_drawn_up_tried_reviewed_enabled_and_runs_before_ones_eyes(
    page: Page, watch: Watch, hands: Hands, pair: tuple[str, str], enable: Callable[[], None]
):
    watch.allow(403, "/app/rules/")
    income, savings = pair
    page.goto("/rules")
    page.get_by_role("link", name="New rule").click()
    expect(page.get_by_text("4 fields are still to be filled in")).to_be_visible()
    draw_up(page, income, savings)
    page.get_by_label("Name", exact=True).fill("Save a fifth")
    sentence_ = f"When money arrives in {income}, move 20 % of the incoming amount from {income} to {savings}."
    expect(page.get_by_text(sentence_)).to_be_visible()
    assert faults(page) == []

    page.get_by_label("With this amount").fill("1,000")
    page.get_by_role("button", name="Simulate").click()
    expect(page.get_by_text("Simulated: it would have moved $200.00")).to_be_visible()

    page.get_by_role("button", name="Save and review").first.click()
    expect(page.get_by_role("heading", name="Review “Save a fifth”")).to_be_visible()
    expect(page.get_by_text(sentence_)).to_be_visible()
    assert faults(page) == []
    enable()
    expect(page.get_by_text("Enabled", exact=True)).to_be_visible()
    expect(page.get_by_text("Never", exact=True)).to_be_visible()

    hands.deposit(income, 150_000)

    # Nobody touches the page: it hears of the run.
    expect(page.get_by_text("Moved $300.00 in 1 transfer.")).to_be_visible(timeout=15_000)
    page.get_by_role("link", name="Moved").first.click()
    expect(page.get_by_text("$300.00").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Save a fifth")


def test_an_edit_turns_a_rule_off_until_it_is_reviewed_again(
    page: Page, watch: Watch, hands: Hands, pair: tuple[str, str], enable: Callable[[], None]
):
    watch.allow(403, "/app/rules/")
    rule = hands.rule(hands.saves(*pair))
    page.goto(f"/rules/{rule['id']}/review")
    enable()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Percent", exact=True).fill("25")
    expect(page.get_by_role("heading", name="What saving would change")).to_be_visible()
    page.get_by_role("button", name="Save and review").first.click()

    expect(page.get_by_role("heading", name="What has changed since it was last enabled")).to_be_visible()
    changed = page.locator("section", has=page.get_by_role("heading", name="What has changed")).inner_text()
    assert "move 20 % of" in changed
    assert "move 25 % of" in changed
    expect(page.get_by_text("Off", exact=True)).to_be_visible()
    enable()
    expect(page.get_by_text("Enabled", exact=True)).to_be_visible()


def test_what_was_edited_between_reading_and_clicking_is_not_enabled(
    page: Page, watch: Watch, hands: Hands, pair: tuple[str, str], enable: Callable[[], None]
):
    watch.allow(409, "/app/rules/")
    watch.allow(403, "/app/rules/")
    rule = hands.rule(hands.saves(*pair))
    page.goto(f"/rules/{rule['id']}/review")
    settled(page)
    hands.ask("PUT", f"/rules/{rule['id']}", {"definition": hands.saves(*pair, percent="95"), "revision": 1})
    # What is on the page stays what it was, whatever is heard meanwhile.
    page.wait_for_timeout(1_000)
    assert "move 95 %" not in said(page)
    enable()

    expect(page.get_by_role("alert")).to_contain_text("was changed while you were looking at it")
    assert hands.ask("GET", f"/rules/{rule['id']}")["state"] == "disabled"
    page.get_by_role("button", name="Look at it again").click()
    expect(page.get_by_text("move 95 % of").first).to_be_visible()


def test_a_password_is_asked_for_again_before_anything_is_enabled(
    page: Page, watch: Watch, hands: Hands, pair: tuple[str, str], demo: dict[str, Any]
):
    watch.allow(403, "/app/rules/")
    rule = hands.rule(hands.saves(*pair))
    page.goto(f"/rules/{rule['id']}/review")

    def as_if_too_long_ago(route: Route) -> None:
        error = {"code": "REAUTHENTICATION_REQUIRED", "message": "Show it again.", "errors": []}
        route.fulfill(status=403, json={"error": error, "requestId": "req"})

    page.route("**/enable", as_if_too_long_ago, times=1)
    page.get_by_role("button", name="Enable this rule").click()
    dialog = page.get_by_role("dialog", name="Is it you?")
    dialog.get_by_label("Password").fill(demo["person"]["password"])
    dialog.get_by_role("button", name="Continue").click()

    expect(page.get_by_text("Enabled", exact=True)).to_be_visible()


def test_a_viewer_reads_the_review_and_cannot_enable(
    page: Page, watch: Watch, hands: Hands, pair: tuple[str, str], demo_server: Serving
):
    rule = hands.rule(hands.saves(*pair, name=f"Save for {pair[1]}"))
    email, password = f"viewer{next(_NUMBERS)}@example.com", "a long enough passphrase"
    token = hands.ask("POST", "/invitations", {"email": email, "role": "VIEWER"})["token"]
    with httpx.Client(base_url=demo_server.url) as viewer:
        accepted = viewer.post("/app/invitation/accept", json={"token": token, "password": password}, headers=OWN_PAGE)
        assert accepted.status_code == 200, accepted.text
        page.context.clear_cookies()
        page.context.add_cookies(
            [{"name": name, "value": value, "url": demo_server.url} for name, value in viewer.cookies.items()]
        )
        page.goto(f"/rules/{rule['id']}/review")

        expect(page.get_by_text("Only an admin can enable")).to_be_visible()
        expect(page.get_by_role("button", name="Enable this rule")).to_have_count(0)
        path = f"/app/rules/{rule['id']}/enable"
        refused = viewer.post(path, json={"fingerprint": rule["fingerprint"]}, headers=OWN_PAGE)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ROLE_REQUIRED")
    page.goto("/rules")
    expect(page.get_by_role("link", name=f"Save for {pair[1]}", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="New rule")).to_have_count(0)


def test_the_link_that_programs_give_leads_to_the_review(page: Page, hands: Hands, pair: tuple[str, str]):
    rule = hands.rule(hands.saves(*pair))
    page.goto(f"/map/rules/{rule['id']}?action=activateRule")

    expect(page.get_by_role("button", name="Enable this rule")).to_be_visible()


def test_names_that_hide_or_turn_letters_are_flagged_and_never_shown_as_they_are(page: Page, hands: Hands):
    number = next(_NUMBERS)
    income = hands.account("INCOME_SOURCE", f"Wages {number}")
    hands.account("POD", f"Rainy day {number}")
    hidden = hands.account("POD", f"Rainy\u200b day {number}")
    turned = hands.account("POD", f"\u202eRent {number}")
    definition = hands.saves(income, hidden)
    definition["steps"][0]["actions"] += hands.saves(income, turned)["steps"][0]["actions"]
    rule = hands.rule(definition)
    for path in ("review", "edit", ""):
        page.goto(f"/rules/{rule['id']}/{path}".rstrip("/"))
        settled(page)

        expect(page.get_by_text("Look closely at these names")).to_be_visible()
        text = said(page)
        assert f"“Rainy\\u200b day {number}”" in text
        assert "cannot be seen" in text
        assert "turn the order of letters around" in text
        assert f"looks like the name “Rainy day {number}” of another account" in text.replace("\n", " ")
        assert not set(text) & set("\u200b\u202e"), path


@pytest.mark.timeout(420)
def test_nothing_of_any_rule_is_missing_from_its_review_or_cut_off(page: Page, hands: Hands, pair: tuple[str, str]):
    rule = hands.rule(hands.saves(*pair))
    review = hands.ask("GET", f"/rules/{rule['id']}/review")
    names = {account_id: f"Account number {number}." for number, account_id in enumerate(KINDS, 1)}
    random = Random(20_260_105)
    shown: list[dict[str, Any]] = []

    def answer(route: Route) -> None:
        route.fulfill(json={"data": shown[-1]})

    page.goto("/rules")
    page.route("**/app/rules/*/review", answer)
    for number in range(500):
        made = make_rule(random)
        page.set_viewport_size({"width": 390 if number % 2 else 1280, "height": 844})
        lines = [line._asdict() for line in outline(made, names)]
        told = {**review["rule"], "name": f"Rule {number}", "sentence": sentence(made, names), "lines": lines}
        shown.append({**review, "rule": told | {"findings": [], "oddities": []}})
        page.evaluate(_GO_TO, f"/rules/rule_{number}/review")
        page.get_by_role("heading", name=f"Review “Rule {number}”", exact=True).wait_for()
        text = " ".join(said(page).split())
        for expected in signed(write_rule(made), names):
            assert " ".join(expected.split()) in text, (number, expected)
        assert page.evaluate(_CUT_OFF) == [], number


_GO_TO = "(path) => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')); }"
_CUT_OFF = """() => [...document.querySelectorAll("main *")].filter((each) => {
    const style = getComputedStyle(each);
    const isClipped = /hidden|clip/.test(style.overflowX + style.overflowY) && !each.matches(".hidden, svg *, svg");
    const isTooBig = each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1;
    return (isClipped && isTooBig) || style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
}).map((each) => each.outerHTML.slice(0, 200))"""


# ------------------------------------------------------------------------------------------------------- by keys alone


def tab_to(page: Page, name: str, role: str | None = None) -> None:
    """Press Tab until what has this name has the focus."""
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused["name"].strip().startswith(name) and role in (None, focused["role"]):
            return
    raise AssertionError(f"no key leads to {name!r}")


_FOCUSED = """() => {
    const at = document.activeElement;
    const label = at.getAttribute("aria-label") ?? [...(at.labels ?? [])].map((each) => each.textContent).join(" ");
    return { name: label || at.textContent, role: at.tagName.toLowerCase() };
}"""


def choose(page: Page, name: str, option: str) -> None:
    """Choose in a list by typing the beginning of what is wanted."""
    tab_to(page, name, "select")
    page.keyboard.type(option, delay=20)


def press(page: Page, name: str, key: str = "Enter") -> None:
    tab_to(page, name)
    page.keyboard.press(key)


def test_the_story_by_keys_alone(page: Page, watch: Watch, hands: Hands, pair: tuple[str, str], demo: dict[str, Any]):
    watch.allow(403, "/app/rules/")
    income, savings = pair
    page.goto("/rules")
    settled(page)
    press(page, "New rule")
    expect(page.get_by_role("heading", name="New rule")).to_be_focused()
    choose(page, "In account", income)
    tab_to(page, "Percent")
    page.keyboard.type("20")
    choose(page, "From", income)
    choose(page, "To", savings)
    tab_to(page, "Name")
    page.keyboard.type("By keys")
    expect(page.get_by_text(f"move 20 % of the incoming amount from {income} to {savings}.")).to_be_visible()
    page.keyboard.press("Control+s")
    expect(page.get_by_role("heading", name="Review “By keys”")).to_be_focused()
    press(page, "Enable this rule")
    dialog = page.get_by_role("dialog", name="Is it you?")
    expect(dialog.or_(page.get_by_text("It runs from now on")).first).to_be_visible()
    if dialog.is_visible():
        page.keyboard.type(demo["person"]["password"])
        page.keyboard.press("Enter")
    expect(page.get_by_text("Enabled", exact=True)).to_be_visible()
    hands.deposit(income, 10_000)
    expect(page.get_by_text("Moved $20.00 in 1 transfer.")).to_be_visible(timeout=15_000)


def test_conditions_are_built_wrapped_moved_and_taken_back_by_keys(page: Page, pair: tuple[str, str]):
    income, savings = pair
    page.goto("/rules/new")
    settled(page)
    draw_up(page, income, savings)
    page.get_by_label("In account").focus()
    press(page, "Add a condition")
    expect(page.get_by_role("group", name="condition", exact=True)).to_be_focused()
    tab_to(page, "Amount")
    page.keyboard.type("50")
    expect(page.get_by_text("now $0.00")).to_be_visible()
    expect(page.get_by_text("Passes")).to_be_visible()
    page.get_by_role("group", name="condition", exact=True).focus()
    press(page, "More for condition")
    press(page, "Put into a group")
    group = page.get_by_role("group", name="group", exact=True)
    expect(group).to_be_focused()
    press(page, "Add a condition")
    choose(page, "What", "the day")
    expect(page.get_by_role("group", name="condition 2")).to_be_visible()
    tab_to(page, "Day")
    page.keyboard.type("15")
    expect(page.get_by_text("and the day of the month is below 15")).to_be_visible()
    page.get_by_role("group", name="condition 2").focus()
    press(page, "More for condition 2")
    press(page, "Move up")
    expect(page.get_by_role("group", name="condition 1")).to_be_focused()
    expect(page.get_by_text("and (the day of the month is below 15 and the balance")).to_be_visible()
    page.get_by_label("What of the group has to hold").select_option("any")
    expect(page.get_by_text("or the balance")).to_be_visible()
    assert faults(page) == []

    page.keyboard.press("Control+z")
    expect(page.get_by_text("and (the day of the month is below 15 and the balance")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(page.get_by_text("and the day of the month is below 15)")).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    expect(page.get_by_text("and (the day of the month is below 15 and the balance")).to_be_visible()


def test_a_condition_moves_into_a_group_and_out_of_it_and_a_step_is_cut(page: Page, pair: tuple[str, str]):
    page.goto("/rules/new")
    settled(page)
    draw_up(page, *pair)
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Amount", exact=True).fill("50")

    def do(what: str, *, to: str) -> None:
        page.get_by_label(f"More for {to}", exact=True).click()
        page.get_by_role("button", name=what, exact=True).click()

    do("Put into a group", to="condition")
    do("Duplicate", to="condition 1")
    do("Put into a group", to="condition 1")
    do("Move into the group above", to="condition 2")
    expect(page.get_by_role("group", name="condition 1.2")).to_be_focused()
    expect(page.get_by_role("group", name="condition 2")).to_have_count(0)
    do("Move out of its group", to="condition 1.1")
    expect(page.get_by_role("group", name="condition 2")).to_be_focused()
    expect(page.get_by_role("group", name="condition 1.2")).to_have_count(0)
    do("Move out of its group", to="condition 1.1")
    expect(page.get_by_role("group", name="condition 1", exact=True)).to_be_focused()
    expect(page.get_by_role("group", name="condition 1.1")).to_have_count(0)

    page.get_by_role("button", name="Add an otherwise").click()
    do("Cut", to="step 2")
    expect(page.get_by_role("group", name="step 2", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Paste a step").click()
    expect(page.get_by_role("group", name="step 2", exact=True)).to_be_focused()


def test_a_part_that_is_set_aside_is_kept_with_the_rule_and_put_back_where_it_was(page: Page, pair: tuple[str, str]):
    income, savings = pair
    page.goto("/rules/new")
    settled(page)
    draw_up(page, income, savings, "12")
    page.get_by_label("More for move 1 of step 1").click()
    page.get_by_role("button", name="Duplicate").click()
    page.get_by_label("More for move 2 of step 1").click()
    page.get_by_role("button", name="Set aside").click()
    said = f"move 12 % of the incoming amount from {income} to {savings}"
    aside = page.get_by_role("group", name="move 1 that is set aside")
    expect(aside).to_be_focused()
    expect(aside.get_by_text(said)).to_be_visible()
    aside.get_by_label("Why").fill("Until the holidays")
    expect(page.get_by_text(f"arrives in {income}, {said}.")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Save and review").first.click()
    expect(page.get_by_role("heading", name="Review")).to_be_visible()
    expect(page.get_by_text("Until the holidays")).to_have_count(0)

    page.goto(page.url.removesuffix("/review"))
    expect(page.get_by_text("Until the holidays")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    settled(page)
    page.get_by_role("button", name="Put back").click()
    expect(page.get_by_role("group", name="move 2 of step 1")).to_be_focused()
    expect(page.get_by_text(f"{said} and {said}.")).to_be_visible()
    expect(page.get_by_role("heading", name="Set aside")).to_have_count(0)


def test_parts_of_rules_are_copied_from_rule_to_rule_and_from_elsewhere_as_json(page: Page, pair: tuple[str, str]):
    income, savings = pair
    page.goto("/rules/new")
    settled(page)
    draw_up(page, income, savings, "11")
    page.get_by_label("More for move 1 of step 1").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_label("More for move 1 of step 1").click()
    page.get_by_role("button", name="Duplicate").click()
    expect(page.get_by_role("group", name="move 2 of step 1")).to_be_focused()
    page.get_by_role("button", name="Paste a move").click()
    expect(
        page.get_by_text(f"and move 11 % of the incoming amount from {income} to {savings} and move")
    ).to_be_visible()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", '{"condition": {"fact": "DATE", "operator": "EQUALS", "value": 7}}');
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }"""
    )
    page.get_by_role("button", name="Paste a condition").click()

    expect(page.get_by_text("and the day of the month is 7, move 11 %")).to_be_visible()


def test_a_draft_outlives_a_visit_elsewhere(page: Page, pair: tuple[str, str]):
    income, savings = pair
    page.goto("/rules/new")
    settled(page)
    draw_up(page, income, savings, "17")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Runs").click()
    page.get_by_role("button", name="Leave", exact=True).click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.go_back()

    expect(page.get_by_text("This is the draft that you left here")).to_be_visible()
    expect(page.get_by_text("move 17 % of the incoming amount")).to_be_visible()
    page.get_by_label("Percent", exact=True).fill("18")
    page.get_by_label("Percent", exact=True).blur()
    expect(page.get_by_text("move 18 % of the incoming amount")).to_be_visible()
    kept(page, holding='"18"')
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()

    expect(page.get_by_text("This is the draft that you left here")).to_be_visible()
    expect(page.get_by_text("move 18 % of the incoming amount")).to_be_visible()
    page.get_by_role("button", name="Begin anew").click()
    expect(page.get_by_label("Percent", exact=True)).to_have_value("")


def test_what_is_wrong_is_told_beside_its_node_and_leads_there(page: Page, watch: Watch, pair: tuple[str, str]):
    income, _ = pair
    page.goto("/rules/new")
    settled(page)
    draw_up(page, income, income)

    node = page.get_by_role("group", name="move 1 of step 1")
    expect(node.get_by_text("The source and the destination are the same account")).to_be_visible()
    page.get_by_role("button", name="Go there").first.click()
    expect(node).to_be_focused()
    assert faults(page) == []


def test_a_recipe_becomes_a_rule_of_ones_own(page: Page, hands: Hands, pair: tuple[str, str]):
    income, savings = pair
    hands.deposit(income, 80_000)
    page.goto("/recipes")
    page.get_by_role("link", name="Use this: Pay yourself first").click()
    page.get_by_label("Where money arrives").select_option(label=income)
    page.get_by_label("Save to").select_option(label=savings)
    page.get_by_role("button", name="See what it does").click()
    expect(page.get_by_text("Simulated: it would have moved $160.00")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Take control").click()

    expect(page.get_by_role("heading", name="Edit “Pay yourself first”")).to_be_visible()
