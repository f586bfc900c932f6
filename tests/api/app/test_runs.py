"""Runs in the app: listed, told node by node, tried; transfers, approvals; money that arrived, and what it started."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sluiceway.domain.errors import RuleDisabled
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import write_rule
from sluiceway.services.admission import admit
from sluiceway.services.edge import PLAYS_AT_ONCE, READS_AT_ONCE
from sluiceway.services.idempotency import Answer
from sluiceway.services.rules import revise_rule
from sluiceway.services.transfers import transfer as transfer_service
from sluiceway.web.routes import simulate
from tests.api.app.client import Browser, assert_refused
from tests.support import AUTO_SAVE


async def deposited(browser: Browser, *amounts: int) -> None:
    for amount in amounts:
        await browser.world.deposit("income", amount)
        await browser.world.settle()


async def runs(browser: Browser, **query: Any) -> dict[str, Any]:
    answer = await browser.get("/runs", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def newest(browser: Browser) -> dict[str, Any]:
    [first, *_] = (await runs(browser))["data"]
    answer = await browser.get(f"/runs/{first['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_runs_are_listed_newest_first_with_how_they_ended(viewer: Browser):
    await deposited(viewer, 100_000, 200_000)

    page = await runs(viewer)

    assert page["nextCursor"] is None
    assert [(run["ending"], run["said"], run["moved"]) for run in page["data"]] == [
        ("MOVED", "Moved $400.00 in 1 transfer.", [{"amountInCents": 40_000, "currency": "USD"}]),
        ("MOVED", "Moved $200.00 in 1 transfer.", [{"amountInCents": 20_000, "currency": "USD"}]),
    ]
    assert page["data"][0]["rule"] == {"id": viewer.rule(), "name": "Auto-save on deposit"}


async def test_a_list_goes_on_behind_its_cursor(viewer: Browser):
    await deposited(viewer, 100_000, 200_000, 300_000)
    whole = [run["id"] for run in (await runs(viewer))["data"]]

    first = await runs(viewer, limit=2)
    rest = await runs(viewer, limit=2, cursor=first["nextCursor"])

    assert [run["id"] for run in first["data"] + rest["data"]] == whole
    assert rest["nextCursor"] is None
    assert_refused(await viewer.get("/runs", cursor="nonsense"), 400, "INVALID_PARAMETERS")


async def test_runs_are_found_by_rule_ending_account_and_mode(viewer: Browser):
    await deposited(viewer, 100_000)
    assert len((await runs(viewer, ruleId=viewer.rule()))["data"]) == 1
    assert len((await runs(viewer, ending="MOVED", accountId=viewer.account("savings"), mode="LIVE"))["data"]) == 1
    assert (await runs(viewer, ending="FAILED"))["data"] == []
    assert (await runs(viewer, mode="SIMULATION"))["data"] == []
    assert (await runs(viewer, accountId="acc_nothing"))["data"] == []
    assert (await runs(viewer, ruleId=viewer.world.organization_id))["data"] == []
    assert_refused(await viewer.get("/runs", ending="LOST"), 400, "INVALID_PARAMETERS")


async def test_a_run_is_told_node_by_node(viewer: Browser):
    await deposited(viewer, 100_000)

    run = await newest(viewer)

    assert run["cause"] == "money arrived ($1,000.00)"
    assert run["trigger"] == "When money arrives in income"
    comparison = run["nodes"][1]
    assert (comparison["path"], comparison["result"], comparison["isReached"]) == ("steps/0/conditions", "true", True)
    assert comparison["seen"] == [
        {"fact": "the balance of income", "value": 100_000, "currency": "USD", "said": "$1,000.00"}
    ]
    [move] = run["nodes"][2]["moves"]
    assert (move["askedInCents"], move["movedInCents"], move["limits"]) == (20_000, 20_000, [])
    assert move["transferId"] == run["transfers"][0]["id"]
    [ladder] = run["ladders"]
    assert (ladder["startInCents"], ladder["remainderInCents"]) == (100_000, 80_000)
    assert [node["path"] for node in run["nodes"] if not node["isReached"]] == ["steps/1", "steps/1/actions/0"]
    assert (run["changedSince"], run["olderId"], run["newerId"], run["can"]) == (None, None, None, [])


async def test_a_run_says_that_its_rule_has_changed_since(admin: Browser):
    await deposited(admin, 100_000)
    world = admin.world
    changed = world.read({**AUTO_SAVE, "name": "Save more"})
    await revise_rule(world.engine, world.organization_id, world.rules["auto_save"].id, "", changed)

    run = await newest(admin)

    assert (run["revision"], run["revisionNow"]) == (1, 2)
    assert run["changedSince"].startswith("The rule has been changed since")
    assert run["can"] == ["tryToday"]


async def test_a_trace_can_be_taken_along(viewer: Browser):
    await deposited(viewer, 100_000)
    run = await newest(viewer)

    answer = await viewer.get(f"/runs/{run['id']}/trace")

    assert answer.headers["content-disposition"] == f'attachment; filename="{run["id"]}.json"'
    told = answer.json()
    assert told["explanation"] == run["explanation"]
    assert told["trace"]["actions"][0]["moved"] == 20_000


async def test_a_run_that_was_taken_along_is_told_again_wherever_it_is_opened(viewer: Browser, visitor: Browser):
    await deposited(viewer, 100_000, 200_000)
    run = (await viewer.get(f"/runs/{(await runs(viewer))['data'][1]['id']}")).json()["data"]
    file = (await viewer.get(f"/runs/{run['id']}/trace")).json()

    opened = (await viewer.post("/run-files/read", file)).json()["data"]

    of_here = ("olderId", "newerId", "revisionNow", "changedSince", "can")
    assert run["newerId"] is not None
    assert opened == run | dict.fromkeys(of_here) | {"can": []}
    for no_run in ({}, {"id": run["id"]}, file | {"run": run | {"nodes": 7}}):
        assert_refused(await viewer.post("/run-files/read", no_run), 400, "INVALID_PARAMETERS")
    assert_refused(await visitor.post("/run-files/read", file), 401, "SIGNED_OUT")


async def test_a_run_that_is_not_there_is_not_found(viewer: Browser):
    assert_refused(await viewer.get("/runs/rex_nothing"), 404, "NOT_FOUND")
    assert_refused(await viewer.get(f"/runs/{viewer.world.organization_id}/trace"), 404, "NOT_FOUND")


# ----------------------------------------------------------------------------------------------------------- transfers


async def transfers(browser: Browser, **query: Any) -> list[dict[str, Any]]:
    answer = await browser.get("/transfers", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def transfer(browser: Browser, transfer_id: str) -> dict[str, Any]:
    answer = await browser.get(f"/transfers/{transfer_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_transfers_lead_back_to_what_made_them_and_on_to_what_they_set_off(viewer: Browser):
    await deposited(viewer, 100_000)
    [saved] = await transfers(viewer, accountId=viewer.account("savings"))
    [arrived] = await transfers(viewer, direction="MONEY_IN")

    by_rule, deposit = await transfer(viewer, saved["id"]), await transfer(viewer, arrived["id"])

    assert (saved["originWord"], arrived["originWord"]) == ("Auto-save on deposit", "A direct deposit")
    assert by_rule["title"] == "$200.00 from income to savings"
    assert by_rule["madeBy"]["path"] == "steps/0/actions/0"
    assert by_rule["madeBy"]["words"] == "Move 20 % of the incoming amount from income to savings"
    assert by_rule["way"] == [{"status": "COMPLETE", "word": "Complete", "place": "here", "at": by_rule["completedAt"]}]
    assert deposit["madeBy"] is None
    [look] = deposit["looks"]
    assert (look["reason"], look["said"]) == ("RAN", "It ran. Moved $200.00 in 1 transfer.")
    assert look["run"]["id"] == by_rule["madeBy"]["runId"]


async def test_what_somebody_moved_by_hand_can_become_a_rule(writer: Browser):
    await deposited(writer, 100_000)
    [saved] = await transfers(writer, accountId=writer.account("savings"))
    [arrived] = await transfers(writer, direction="MONEY_IN")
    by_rule, deposit = await transfer(writer, saved["id"]), await transfer(writer, arrived["id"])
    asked = await transfer(writer, await asked_for(writer, 10_000))

    drawn = await writer.post("/rules", {"definition": asked["everyTime"]})

    assert drawn.json()["data"]["sentence"] == "When money arrives in income, move $100.00 from income to savings."
    assert (by_rule["madeBy"]["ruleId"], by_rule["everyTime"]) == (writer.rule(), None)
    assert (deposit["source"]["id"], deposit["everyTime"]) == (None, None)


async def test_transfers_are_found_by_account_state_and_direction(viewer: Browser):
    await deposited(viewer, 100_000)

    assert len(await transfers(viewer, accountId=viewer.account("savings"))) == 1
    assert len(await transfers(viewer, direction="MONEY_IN")) == 1
    assert await transfers(viewer, status="ERROR") == []
    assert_refused(await viewer.get("/transfers/txr_nothing"), 404, "NOT_FOUND")


async def asked_for(browser: Browser, amount: int) -> str:
    """Ask, as a writer does, for a transfer from income to savings; give its id."""
    world = browser.world
    who = replace(world.principal(), approval_above=Cents(0))
    [answer] = await transfer_service(
        world.engine, [world.transfer_command("income", "savings", amount, principal=who)]
    )
    assert isinstance(answer, Answer)
    return format_id(IdKind.TRANSFER, answer.body.decode())


async def triggered(browser: Browser, amount: int) -> None:
    """Run the rule, as a writer does."""
    command = replace(browser.world.trigger_command("auto_save", amount), approval_above=Cents(0))
    await admit(browser.world.engine, [command])
    await browser.world.settle()


async def test_what_a_writer_moves_by_hand_waits_and_can_be_called_back(writer: Browser, viewer: Browser):
    await deposited(writer, 100_000)
    asked = await asked_for(writer, 10_000)

    waiting = await transfer(writer, asked)
    assert waiting["status"] == "PENDING_APPROVAL"
    assert [each["do"] for each in waiting["can"]] == ["cancel"]
    assert waiting["can"][0]["effect"].startswith("The $100.00 that is held in income is free again")
    assert (await transfer(viewer, asked))["can"] == []
    assert (await writer.post(f"/transfers/{asked}/cancel")).json()["data"]["status"] == "CANCELLED"
    assert_refused(await writer.post(f"/transfers/{asked}/cancel"), 409, "TRANSFER_NOT_CANCELLABLE")


# ----------------------------------------------------------------------------------------------------------- approvals


async def waiting(browser: Browser) -> list[dict[str, Any]]:
    answer = await browser.get("/approvals")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_an_admin_approves_exactly_what_was_shown(writer: Browser, admin: Browser):
    await deposited(writer, 100_000)
    asked = await asked_for(writer, 10_000)
    [card] = await waiting(admin)

    assert (card["id"], card["amountInCents"], card["can"]) == (asked, 10_000, ["approve", "refuse", "cancel"])
    assert card["approveEffect"] == "$100.00 goes from income to savings at once."
    assert [each["can"] for each in await waiting(writer)] == [["cancel"]]
    wrong = {"digest": "0" * 64}
    assert_refused(await admin.post(f"/approvals/{card['id']}/approve", wrong), 409, "TRANSFER_CHANGED")
    assert_refused(await admin.post(f"/approvals/{card['id']}/approve", {"digest": "?"}), 409, "TRANSFER_CHANGED")
    assert_refused(await writer.post(f"/approvals/{card['id']}/approve", wrong), 403, "ROLE_REQUIRED")

    answer = await admin.post(f"/approvals/{card['id']}/approve", {"digest": card["digest"]})

    assert answer.status_code == 200, answer.text
    assert (await transfer(admin, card["id"]))["status"] == "COMPLETE"
    assert await waiting(admin) == []


async def test_approving_asks_for_a_password_shown_lately(admin: Browser):
    await deposited(admin, 100_000)
    await admin.age(6)
    refused = await admin.post("/approvals/txr_nothing/refuse")

    assert_refused(refused, 403, "REAUTHENTICATION_REQUIRED")


async def test_an_admin_refuses_and_the_run_is_cancelled(writer: Browser, admin: Browser):
    await deposited(writer, 100_000)
    await triggered(writer, 10_000)
    [card] = await waiting(admin)
    assert card["run"]["rule"]["name"] == "Auto-save on deposit"

    assert (await admin.post(f"/approvals/{card['id']}/refuse")).status_code == 200

    assert (await newest(admin))["said"] == "Nothing was moved. A person refused the transfer."
    assert_refused(await admin.post(f"/approvals/{card['id']}/refuse"), 404, "NOT_FOUND")


# ------------------------------------------------------------------------------------------------------------ simulate


async def test_a_rule_is_tried_and_told_as_a_run_is(writer: Browser):
    await deposited(writer, 100_000)

    answer = await writer.post("/simulations", {"ruleId": writer.rule(), "amountInCents": 50_000})

    tried = answer.json()["data"]
    assert tried["run"]["id"] is None
    assert (tried["run"]["ending"], tried["run"]["isSimulation"]) == ("SIMULATED", True)
    assert tried["run"]["said"] == "Simulated: it would have moved $100.00 in 1 transfer."
    changes = {each["account"]["name"]: (each["beforeInCents"], each["afterInCents"]) for each in tried["changes"]}
    assert changes == {"income": (80_000, 120_000), "savings": (20_000, 30_000)}
    assert len((await runs(writer))["data"]) == 1


async def test_a_draft_is_tried_on_supposed_balances_with_accounts_in_any_spelling(writer: Browser):
    draft = write_rule(writer.world.read(AUTO_SAVE))
    draft["trigger"]["account_id"] = writer.account("income")
    supposed = [{"accountId": writer.account("income"), "amountInCents": 10_000}]

    answer = await writer.post("/simulations", {"rule": draft, "amountInCents": 100, "balances": supposed})

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["run"]["said"] == "Simulated: it would have moved $50.00 in 1 transfer."
    assert answer.json()["data"]["run"]["rule"]["id"] is None


async def test_what_makes_no_sense_to_try_is_refused(writer: Browser, viewer: Browser):
    nobody = {"rule": write_rule(writer.world.read(AUTO_SAVE)), "staleAccountIds": ["acc_nothing"]}

    assert_refused(await writer.post("/simulations", {}), 400, "INVALID_PARAMETERS")
    assert_refused(await writer.post("/simulations", nobody), 400, "INVALID_PARAMETERS")
    assert_refused(await writer.post("/simulations", {"ruleId": "rule_nothing"}), 404, "NOT_FOUND")
    balance = {"accountId": writer.account("income"), "amountInCents": "much"}
    refused = await writer.post("/simulations", {"ruleId": writer.rule(), "balances": [balance]})
    told = assert_refused(refused, 400, "INVALID_PARAMETERS")
    assert told["message"].startswith("That does not make sense: balances 1 amount in cents ")
    assert_refused(await viewer.post("/simulations", {}), 403, "ROLE_REQUIRED")


async def test_a_backtest_compares_what_would_have_been_with_what_was(writer: Browser):
    await deposited(writer, 100_000)
    draft = write_rule(writer.world.read(AUTO_SAVE))
    draft["steps"][0]["actions"][0]["percentage_value"] = "50"

    answer = await writer.post("/backtests", {"ruleId": writer.rule(), "rule": draft, "days": 7})

    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert told["said"] == "In the last 7 days it would have run once and moved $500.00."
    [compared] = told["compared"]
    assert (compared["wouldInCents"], compared["didInCents"]) == (50_000, 20_000)


async def test_a_forecast_shows_every_account_day_by_day(writer: Browser):
    await deposited(writer, 100_000)

    answer = await writer.post("/forecasts", {"days": 10})

    assert answer.status_code == 200, answer.text
    told = answer.json()["data"]
    assert told["said"] == "In the next 10 days no account falls below its floor."
    assert {len(each["dailyInCents"]) for each in told["accounts"]} == {len(told["days"])}
    assert {each["account"]["name"]: each["endInCents"] for each in told["accounts"]}["savings"] == 20_000


async def test_few_plays_go_on_at_a_time_and_keep_nobody_from_reading(
    writer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, came_in, may_end = 0, asyncio.Semaphore(0), asyncio.Event()

    async def slow(*_: Any) -> None:
        nonlocal inside
        inside += 1
        came_in.release()
        await may_end.wait()
        raise RuleDisabled

    monkeypatch.setattr(simulate, "forecast", slow)
    monkeypatch.setattr(simulate, "backtest", slow)
    many = READS_AT_ONCE + 1
    asked = [writer.post("/forecasts", {}) for _ in range(many)] + [
        writer.post("/backtests", {"ruleId": writer.rule()})
    ]
    waiting = [asyncio.create_task(one) for one in asked]
    for _ in range(PLAYS_AT_ONCE):
        await came_in.acquire()
    read = await asyncio.wait_for(writer.get("/overview"), 30)
    before_the_end = inside
    may_end.set()
    await asyncio.wait(waiting)

    assert (read.status_code, before_the_end, inside) == (200, PLAYS_AT_ONCE, many + 1)
