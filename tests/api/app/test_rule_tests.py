"""Tests of rules in the app: kept from a scenario, run on every edit, on record, and gone when they are deleted."""

from typing import Any

from tests.api.app.client import Browser, assert_refused


async def keep(browser: Browser, name: str = "A fifth is saved", **scenario: Any) -> dict[str, Any]:
    supposed = {"ruleId": browser.rule(), "amountInCents": 100_000, **scenario}
    answer = await browser.post(f"/rules/{browser.rule()}/tests", {"name": name, "scenario": supposed})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def kept_with(browser: Browser) -> list[dict[str, Any]]:
    answer = await browser.get(f"/rules/{browser.rule()}/tests")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def definition(browser: Browser) -> tuple[int, dict[str, Any]]:
    rule = (await browser.get(f"/rules/{browser.rule()}")).json()["data"]
    return rule["revision"], rule["definition"]


async def test_a_scenario_is_kept_with_what_came_of_it(writer: Browser, viewer: Browser):
    holds = [{"accountId": writer.account("income"), "amountInCents": 30_000}]

    kept = await keep(writer, balances=holds)

    assert await kept_with(viewer) == [kept]
    assert kept["isPassed"] is True
    assert kept["said"] == "As expected."
    assert kept["cause"] == "Money arrived ($1,000.00)"
    assert kept["expected"] == kept["got"] == ["Step 1 runs", "$200.00 from income to savings"]
    assert {"name": "income", "said": "$1,300.00"} in kept["given"]


async def test_what_happens_later_changes_nothing_in_a_test(writer: Browser):
    kept = await keep(writer, balances=[{"accountId": writer.account("income"), "amountInCents": 0}])

    await writer.world.deposit("income", 700_000)
    await writer.world.settle()

    assert await kept_with(writer) == [kept]


async def test_every_edit_runs_them_as_a_draft_at_the_review_and_afterwards(writer: Browser):
    await keep(writer)
    revision, changed = await definition(writer)
    changed["steps"][0]["actions"][0]["percentage_value"] = 25
    draft = {"definition": changed, "ruleId": writer.rule()}

    checked = (await writer.post("/rule-drafts/check", draft)).json()["data"]
    saved = await writer.put(f"/rules/{writer.rule()}", {"definition": changed, "revision": revision})
    review = (await writer.get(f"/rules/{writer.rule()}/review")).json()["data"]
    [after] = await kept_with(writer)

    assert saved.status_code == 200, saved.text
    assert [(each["name"], each["isPassed"]) for each in checked["tests"]] == [("A fifth is saved", False)]
    assert review["tests"] == checked["tests"]
    assert after["said"] == "Not as expected."
    assert after["expected"] == ["Step 1 runs", "$200.00 from income to savings"]
    assert after["got"] == ["Step 1 runs", "$250.00 from income to savings"]


async def test_a_test_does_not_pass_where_it_knows_nothing_of_an_account(writer: Browser):
    writer.world.accounts["holidays"] = await writer.world.account("holidays")
    await keep(writer, balances=[{"accountId": writer.account("income"), "amountInCents": 900_000}])
    _, changed = await definition(writer)
    changed["steps"][0]["conditions"] = {
        "condition": {
            "fact": "BALANCE",
            "operator": "GREATER_THAN",
            "value": 1,
            "params": {"account_id": writer.account("holidays")},
        }
    }

    [tested] = (await writer.post("/rule-drafts/check", {"definition": changed, "ruleId": writer.rule()})).json()[
        "data"
    ]["tests"]

    assert tested["isPassed"] is False
    assert tested["said"].startswith("It cannot tell: it says nothing of holidays.")


async def test_a_draft_may_be_what_the_test_expects(writer: Browser):
    _, changed = await definition(writer)
    changed["steps"][0]["actions"][0]["percentage_value"] = 50

    await keep(writer, rule=changed)

    [kept] = await kept_with(writer)
    assert kept["isPassed"] is False
    assert kept["expected"] == ["Step 1 runs", "$500.00 from income to savings"]


def expecting(browser: Browser, cents: int, **more: Any) -> dict[str, Any]:
    ends = {"fromAccountId": browser.account("income"), "toAccountId": browser.account("savings")}
    return {"step": 1, "transfers": [ends | {"amountInCents": cents} | more]}


async def test_what_is_expected_can_be_written_by_hand_and_need_not_be_so(writer: Browser):
    scenario = {"ruleId": writer.rule(), "amountInCents": 100_000}
    tried = (await writer.post("/simulations", scenario)).json()["data"]["came"]
    told = {}
    for name, expect in (
        ("As it came", tried),
        ("So much", expecting(writer, 20_000)),
        ("More", expecting(writer, 30_000)),
        ("Lacking", expecting(writer, 20_000, ends="INSUFFICIENT_FUNDS")),
        ("Waiting", expecting(writer, 20_000, ends="APPROVAL")),
        ("Nothing", {"step": None, "transfers": []}),
    ):
        body = {"name": name, "scenario": scenario, "expect": expect}
        kept = (await writer.post(f"/rules/{writer.rule()}/tests", body)).json()["data"]
        told[name] = kept["isPassed"], kept["expected"][-1]

    assert told == {
        "As it came": (True, "$200.00 from income to savings"),
        "So much": (True, "$200.00 from income to savings"),
        "More": (False, "$300.00 from income to savings"),
        "Lacking": (False, "$200.00 from income to savings: fails. Insufficient funds in source account."),
        "Waiting": (False, "$200.00 from income to savings, once approved"),
        "Nothing": (False, "No step matches, and nothing moves"),
    }
    assert [each["isPassed"] for each in await kept_with(writer)] == [passed for passed, _ in told.values()]


async def test_what_nobody_can_expect_is_refused(writer: Browser):
    scenario = {"ruleId": writer.rule(), "amountInCents": 100_000}
    unknown = expecting(writer, 1, toAccountId=writer.rule())
    for expect in (
        {"step": None, "transfers": expecting(writer, 1)["transfers"]},
        {"step": 0, "transfers": []},
        {"step": 1},
        expecting(writer, -1),
        expecting(writer, 1, ends="NO_SUCH_END"),
        expecting(writer, 1, toAccountId="acc_00000000000000000000000000"),
        unknown,
    ):
        body = {"name": "It", "scenario": scenario, "expect": expect}
        refused = await writer.post(f"/rules/{writer.rule()}/tests", body)
        told = assert_refused(refused, 400, "INVALID_PARAMETERS")
        assert told["errors"][0]["path"].startswith("expect")


async def test_what_cannot_be_kept_is_refused(writer: Browser, viewer: Browser):
    await keep(writer)
    path, scenario = f"/rules/{writer.rule()}/tests", {"ruleId": writer.rule(), "amountInCents": 100_000}

    for name, supposed in (
        ("A fifth is saved", scenario),
        ("   ", scenario),
        ("x" * 101, scenario),
        ("nul \0", scenario),
        ("Of no rule", {"amountInCents": 100_000}),
        ("Of no account", scenario | {"staleAccountIds": [writer.rule()]}),
    ):
        assert_refused(await writer.post(path, {"name": name, "scenario": supposed}), 400, "INVALID_PARAMETERS")
    assert_refused(await viewer.post(path, {"name": "Mine", "scenario": scenario}), 403, "ROLE_REQUIRED")
    assert_refused(await viewer.get("/rules/rule_nothing/tests"), 404, "NOT_FOUND")


async def test_a_rule_has_at_most_fifty(writer: Browser):
    for number in range(50):
        await keep(writer, f"Test {number}")

    refused = await writer.post(
        f"/rules/{writer.rule()}/tests",
        {"name": "One more", "scenario": {"ruleId": writer.rule(), "amountInCents": 100_000}},
    )

    assert_refused(refused, 400, "INVALID_PARAMETERS")


async def test_keeping_and_deleting_are_on_record(writer: Browser, admin: Browser):
    kept = await keep(writer)
    path = f"/rules/{writer.rule()}/tests/{kept['id']}"

    gone = await writer.delete(path)

    assert gone.status_code == 200, gone.text
    assert await kept_with(writer) == []
    assert_refused(await writer.delete(path), 404, "NOT_FOUND")
    done = (await admin.get("/audit-log")).json()["data"]
    assert [(each["action"], each["outcome"]) for each in done if "RULE_TEST" in each["action"]] == [
        ("DELETE_RULE_TEST", "SUCCESS"),
        ("KEEP_RULE_TEST", "SUCCESS"),
    ]


async def test_a_test_is_one_of_its_own_rule(writer: Browser):
    kept = await keep(writer)
    _, copied = await definition(writer)
    other = (await writer.post("/rules", {"definition": copied | {"name": "Another"}})).json()["data"]["id"]

    assert_refused(await writer.delete(f"/rules/{other}/tests/{kept['id']}"), 404, "NOT_FOUND")

    assert await kept_with(writer) == [kept]
