"""Rules through the app: drawn up, looked at, reviewed, enabled, run, and what keeps anybody from enabling blindly."""

from collections.abc import Iterator
from typing import Any

import pytest

from sluiceway.domain.rules import RECIPES, VOCABULARY, FieldKind
from sluiceway.web.wire.definitions import ACCOUNT_KEYS
from tests.api.app.client import Browser, assert_refused


def saves(browser: Browser, percent: str = "20", **more: Any) -> dict[str, Any]:
    income, savings = browser.account("income"), browser.account("savings")
    action = {
        "type": "PERCENTAGE",
        "percentage_value": percent,
        "percentage_target": "INCOMING_AMOUNT",
        "source": income,
        "destination": savings,
    }
    trigger = {"type": "ON_FUNDS_TRANSFERRED", "account_id": income}
    return {"name": "Save", "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}], **more}


async def created(browser: Browser, **more: Any) -> dict[str, Any]:
    answer = await browser.post("/rules", {"definition": saves(browser, **more)})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def review(browser: Browser, rule_id: str) -> dict[str, Any]:
    answer = await browser.get(f"/rules/{rule_id}/review")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def enable(browser: Browser, rule: dict[str, Any]) -> Any:
    return await browser.post(f"/rules/{rule['id']}/enable", {"fingerprint": rule["fingerprint"]})


async def test_a_rule_is_drawn_up_reviewed_and_enabled(admin: Browser):
    rule = await created(admin)
    shown = await review(admin, rule["id"])
    enabled = await enable(admin, shown["rule"])

    said = "When money arrives in income, move 20 % of the incoming amount from income to savings."
    assert rule["sentence"] == said
    assert rule["state"] == "disabled"
    assert rule["definition"]["trigger"]["account_id"] == admin.account("income")
    assert (shown["enabledBefore"], shown["changes"]) == (None, [])
    assert [(each["name"], each["uses"]) for each in shown["touches"]] == [
        ("income", ["takes"]),
        ("savings", ["gives"]),
    ]
    assert enabled.json()["data"]["state"] == "enabled"
    assert set(enabled.json()["data"]["can"]) == {"edit", "delete", "run", "disable"}


async def test_a_list_has_each_rule_with_its_sentence(admin: Browser):
    rule = await created(admin)

    first = (await admin.get("/rules", limit=1)).json()
    rest = (await admin.get("/rules", limit=5, cursor=first["nextCursor"])).json()

    assert [each["id"] for each in [*first["data"], *rest["data"]]] == [rule["id"], admin.rule()]
    assert first["data"][0]["startsWhen"] == "When money arrives in income"
    assert rest["nextCursor"] is None


async def test_an_edit_disables_and_the_next_review_says_what_it_changed(admin: Browser):
    rule = await created(admin)
    await enable(admin, rule)

    saved = await admin.put(f"/rules/{rule['id']}", {"definition": saves(admin, "25"), "revision": 1})
    shown = await review(admin, rule["id"])

    assert (saved.json()["data"]["state"], saved.json()["data"]["revision"]) == ("disabled", 2)
    assert shown["enabledBefore"] == 1
    assert [(change["kind"], change["path"]) for change in shown["changes"]] == [("changed", "steps/0/actions/0")]


async def test_two_people_who_edit_at_once_do_not_overwrite_each_other(admin: Browser, writer: Browser):
    rule = await created(admin)

    first = await writer.put(f"/rules/{rule['id']}", {"definition": saves(admin, "25"), "revision": 1})
    second = await admin.put(f"/rules/{rule['id']}", {"definition": saves(admin, "30"), "revision": 1})

    assert first.status_code == 200
    assert_refused(second, 409, "RULE_CHANGED")


async def test_an_edit_between_review_and_click_is_refused(admin: Browser, writer: Browser):
    rule = await created(admin)
    shown = await review(admin, rule["id"])
    await writer.put(f"/rules/{rule['id']}", {"definition": saves(admin, "99"), "revision": 1})

    assert_refused(await enable(admin, shown["rule"]), 409, "RULE_CHANGED")
    for nonsense in ("", "no hex", "00" * 32):
        answer = await admin.post(f"/rules/{rule['id']}/enable", {"fingerprint": nonsense})
        assert_refused(answer, 409, "RULE_CHANGED")
    assert (await admin.get(f"/rules/{rule['id']}")).json()["data"]["state"] == "disabled"


async def test_who_has_not_shown_a_password_lately_enables_nothing(admin: Browser):
    rule = await created(admin)
    await admin.age(5)

    assert_refused(await enable(admin, rule), 403, "REAUTHENTICATION_REQUIRED")
    await admin.reauthenticate()
    assert (await enable(admin, rule)).status_code == 200


async def test_each_role_may_what_it_is_told_that_it_may(admin: Browser, writer: Browser, viewer: Browser):
    rule = await created(admin)

    can = {
        name: set((await browser.get(f"/rules/{rule['id']}")).json()["data"]["can"])
        for name, browser in (("admin", admin), ("writer", writer), ("viewer", viewer))
    }

    assert can == {"admin": {"edit", "delete", "enable"}, "writer": {"edit", "delete"}, "viewer": set()}
    assert_refused(await enable(writer, rule), 403, "ROLE_REQUIRED")
    assert_refused(await enable(viewer, rule), 403, "ROLE_REQUIRED")


async def test_a_rule_with_something_wrong_is_not_saved_and_the_node_is_named(admin: Browser):
    wrong = saves(admin)
    wrong["steps"][0]["actions"][0]["destination"] = admin.account("income")

    told = assert_refused(await admin.post("/rules", {"definition": wrong}), 400, "INVALID_PARAMETERS")

    assert [each["path"] for each in told["errors"]] == ["steps/0/actions/0"]


async def test_versions_go_on_from_page_to_page(admin: Browser):
    rule = await created(admin)
    for percent in ("21", "22"):
        answer = await admin.get(f"/rules/{rule['id']}")
        revision = answer.json()["data"]["revision"]
        await admin.put(f"/rules/{rule['id']}", {"definition": saves(admin, percent), "revision": revision})
    await enable(admin, (await review(admin, rule["id"]))["rule"])

    first = (await admin.get(f"/rules/{rule['id']}/versions", limit=2)).json()
    rest = (await admin.get(f"/rules/{rule['id']}/versions", limit=2, cursor=first["nextCursor"])).json()

    assert [each["revision"] for each in [*first["data"], *rest["data"]]] == [3, 2, 1]
    assert [len(each["changes"]) for each in [*first["data"], *rest["data"]]] == [1, 1, 0]
    assert [signature["by"] for signature in first["data"][0]["signatures"]] == [admin.email]
    assert rest["nextCursor"] is None


async def test_a_draft_is_checked_as_far_as_it_goes(writer: Browser):
    draft = saves(writer)
    leaf = {
        "fact": "BALANCE",
        "operator": "LESS_THAN",
        "value": 100,
        "params": {"account_id": writer.account("savings")},
    }
    draft["steps"][0]["conditions"] = {"all": [{"condition": leaf}, {"condition": {"fact": "BALANCE"}}]}

    told = (await writer.post("/rule-drafts/check", {"definition": draft})).json()["data"]

    assert (told["canBeSaved"], told["sentence"]) == (False, None)
    assert [(each["severity"], each["path"]) for each in told["findings"]] == [
        ("error", "steps/0/conditions/all/1/condition/operator")
    ]
    assert [(each["path"], each["state"]) for each in told["standings"]] == [
        ("steps/0/conditions", "unknown"),
        ("steps/0/conditions/all/0", "passes"),
        ("steps/0/conditions/all/1", "invalid"),
    ]


async def test_what_is_not_filled_in_is_told_by_its_name(writer: Browser):
    draft = saves(writer)
    draft["steps"][0]["actions"][0] |= {"source": None, "destination": None}

    told = (await writer.post("/rule-drafts/check", {"definition": draft})).json()["data"]

    assert {(each["code"], each["message"]) for each in told["findings"]} == {
        ("missing", "“From” is required"),
        ("missing", "“To” is required"),
    }


async def test_what_is_set_aside_is_kept_beside_the_rule_and_is_no_part_of_it(admin: Browser):
    low = {"condition": {"fact": "BALANCE", "operator": "LESS_THAN", "value": 1_000}}
    aside = {"kind": "condition", "path": "steps/0/conditions", "part": low, "note": "back in June"}
    empty = {"kind": "action", "path": "steps/0/actions/1", "part": {"type": "FIXED", "source": None}, "note": None}
    plain = await created(admin)
    answer = await admin.post("/rules", {"definition": saves(admin), "setAside": [aside, empty]})
    rule = answer.json()["data"]
    checked = await admin.post("/rule-drafts/check", {"definition": saves(admin), "setAside": [aside, empty]})
    kept = await admin.put(f"/rules/{rule['id']}", {"definition": saves(admin, "30"), "revision": 1})
    gone = await admin.put(f"/rules/{rule['id']}", {"definition": saves(admin, "30"), "revision": 2, "setAside": []})

    said = ["if the balance of income is below $10.00", "a move that is not filled in"]
    assert [{**each, "words": None} for each in rule["setAside"]] == [
        {**each, "words": None} for each in (aside, empty)
    ]
    assert [each["words"] for each in rule["setAside"]] == said
    assert checked.json()["data"]["setAside"] == said
    assert (rule["fingerprint"], rule["sentence"]) == (plain["fingerprint"], plain["sentence"])
    assert kept.json()["data"]["setAside"] == rule["setAside"]
    assert gone.json()["data"]["setAside"] == []


async def test_a_part_that_is_set_aside_names_accounts_as_the_app_does(admin: Browser):
    step = saves(admin)["steps"][0]
    aside = {"kind": "step", "path": "steps/1", "part": step, "note": None}
    rule = (await admin.post("/rules", {"definition": saves(admin), "setAside": [aside]})).json()["data"]

    assert rule["setAside"][0]["part"] == step
    assert rule["setAside"][0]["words"] == "move 20 % of the incoming amount from income to savings"


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "trigger"}, {"path": "trigger"}, {"path": "steps/../x"}, {"part": []}, {"note": "n" * 501}, {"more": 1}],
)
async def test_nothing_else_is_set_aside(writer: Browser, wrong: dict[str, Any]):
    aside = {"kind": "action", "path": "steps/0/actions/0", "part": {}, "note": None, **wrong}

    assert_refused(
        await writer.post("/rules", {"definition": saves(writer), "setAside": [aside]}), 400, "INVALID_PARAMETERS"
    )


async def test_a_draft_is_tried_without_moving_anything(writer: Browser):
    tried = await writer.post("/rule-drafts/try", {"definition": saves(writer), "amountInCents": 50_000})
    without = await writer.post("/rule-drafts/try", {"definition": saves(writer)})

    told = tried.json()["data"]
    assert [(move["path"], move["movedInCents"]) for move in told["moves"]] == [("steps/0/actions/0", 10_000)]
    assert told["endingSaid"].startswith("Simulated: it would have moved $100.00")
    assert [each["path"] for each in assert_refused(without, 400, "INVALID_PARAMETERS")["errors"]] == ["amount"]


async def test_an_enabled_rule_is_run_once_for_each_key(admin: Browser):
    income, savings = admin.account("income"), admin.account("savings")
    definition = {
        "trigger": {"type": "MANUAL", "account_id": income},
        "steps": [{"actions": [{"type": "FIXED", "amount_in_cents": 100, "source": income, "destination": savings}]}],
    }
    rule = (await admin.post("/rules", {"definition": definition})).json()["data"]
    refused = await admin.post(f"/rules/{rule['id']}/trigger", {})
    await enable(admin, rule)

    tried = await admin.post(f"/rules/{rule['id']}/try", {})
    first = await admin.post(f"/rules/{rule['id']}/trigger", {}, Idempotency_Key="once")
    again = await admin.post(f"/rules/{rule['id']}/trigger", {}, Idempotency_Key="once")

    assert_refused(refused, 409, "RULE_DISABLED")
    assert tried.json()["data"]["moves"][0]["movedInCents"] == 0
    assert_refused(await admin.post("/rules/nothing/try", {}), 404, "NOT_FOUND")
    assert first.json()["data"]["runId"] == again.json()["data"]["runId"]
    assert_refused(await admin.post("/rules/nothing/trigger", {}), 404, "NOT_FOUND")


async def test_a_rule_is_disabled_and_deleted(admin: Browser):
    rule = await created(admin)
    await enable(admin, rule)

    disabled = await admin.post(f"/rules/{rule['id']}/disable")
    deleted = await admin.delete(f"/rules/{rule['id']}")

    assert disabled.json()["data"]["state"] == "disabled"
    assert deleted.status_code == 200
    assert_refused(await admin.get(f"/rules/{rule['id']}"), 404, "NOT_FOUND")


async def test_names_that_hide_letters_are_flagged_in_a_review_and_never_sent_as_they_are(admin: Browser):
    await admin.world.account("inc\u200bome")
    await admin.world.account("\u202esavings")
    definition = saves(admin, name="Ru\u2066le")
    definition["steps"][0]["actions"][0]["destination"] = admin.account("\u202esavings")
    rule = (await admin.post("/rules", {"definition": definition})).json()["data"]

    shown = await review(admin, rule["id"])

    assert {each["kind"] for each in shown["rule"]["oddities"]} == {"reorders", "looks_like_another"}
    assert "“\\u202esavings”" in shown["rule"]["sentence"]
    said = [shown["rule"]["name"], shown["rule"]["sentence"], *(line["text"] for line in shown["rule"]["lines"])]
    said += [each["name"] for each in shown["touches"]] + [each["message"] for each in shown["rule"]["oddities"]]
    assert not any(letter in text for text in said for letter in "\u200b\u202e\u2066")


async def test_the_vocabulary_is_the_domains_with_the_accounts_to_choose_from(viewer: Browser):
    told = (await viewer.get("/rule-vocabulary")).json()["data"]

    assert [form["type"] for form in told["actions"]] == [form.type for form in VOCABULARY.actions]
    assert {account["name"] for account in told["accounts"]} >= {"income", "savings"}
    assert told["zones"][0] == "UTC"
    assert {"account_id", "source", "destination", "account", "current_balance_account"} <= ACCOUNT_KEYS


async def test_a_schedule_begins_in_the_zone_in_which_people_read_times(admin: Browser):
    async def zones() -> set[str]:
        triggers = (await admin.get("/rule-vocabulary")).json()["data"]["triggers"]
        recipes = (await admin.get("/recipes")).json()["data"]["recipes"]
        found = [field for form in (*triggers, *recipes) for field in fields_of(form)]
        return {field["default"] for field in found if field["kind"] == FieldKind.ZONE}

    before = await zones()
    await admin.put("/settings/time-zone", {"timeZone": "America/New_York"})

    assert (before, await zones()) == ({"UTC"}, {"America/New_York"})


def fields_of(form: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Find the fields of a form, however deep."""
    for field in form["fields"]:
        yield field
        yield from fields_of(field)
        for option in field["options"]:
            yield from fields_of(option)


async def test_a_recipe_is_prepared_and_taken(writer: Browser):
    told = (await writer.get("/recipes")).json()["data"]
    answers = {"income": writer.account("income"), "share": "10", "savings": writer.account("savings")}

    prepared = await writer.post("/recipes/prepare", {"recipe": "pay_yourself_first", "answers": answers})
    taken = await writer.post("/rules", {"definition": prepared.json()["data"]["definition"]})

    assert [each["key"] for each in told["recipes"]] == [each.key for each in RECIPES]
    assert prepared.json()["data"]["checked"]["canBeSaved"]
    assert taken.status_code == 201
    refused = await writer.post("/recipes/prepare", {"recipe": "pay_yourself_first", "answers": {}})
    assert [each["path"] for each in assert_refused(refused, 400, "INVALID_PARAMETERS")["errors"]] == [
        "income",
        "share",
        "savings",
    ]


@pytest.mark.parametrize("body", [{"definition": 5}, {"definition": {}, "more": 1}, {"definition": {}, "ruleId": "x"}])
async def test_nonsense_is_told_apart_from_drafts(writer: Browser, body: dict[str, Any]):
    assert_refused(await writer.post("/rule-drafts/check", body), 400, "INVALID_PARAMETERS")
