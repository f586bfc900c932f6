"""Accounts, the map, the overview and moving money by hand, as the app's pages ask for them."""

from typing import Any

import pytest

from sluiceway.domain.ids import IdKind, format_id
from tests.api.app.client import Browser, assert_refused
from tests.support import fixed, on_demand


async def answered(browser: Browser, path: str, **query: Any) -> Any:
    """Ask for one thing, which must be there."""
    answer = await browser.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_the_first_page_tells_a_beginner_what_there_is(viewer: Browser):
    seen = await answered(viewer, "/overview")

    assert seen["counts"] == {"accounts": 3, "incomeSources": 1, "rules": 1, "enabledRules": 1}
    assert (seen["totals"], seen["needs"], seen["runs"]) == ([{"currency": "USD", "amountInCents": 0}], [], [])
    assert seen["can"] == []


async def test_the_first_page_names_what_is_not_routed_and_what_ran(viewer: Browser):
    await viewer.world.deposit("income", 100_000)
    await viewer.world.settle()

    seen = await answered(viewer, "/overview")

    assert seen["totals"] == [{"currency": "USD", "amountInCents": 80_000}]
    [left] = seen["unassigned"]
    assert (left["accountId"], left["accountName"]) == (viewer.account("income"), "income")
    assert [part["leftInCents"] for part in left["parts"]] == [80_000]
    [run] = seen["runs"]
    assert (run["title"], run["ending"]) == ("Auto-save on deposit", "MOVED")


async def test_what_needs_somebody_has_the_one_thing_that_fixes_it(viewer: Browser):
    draft = await viewer.world.rule("draft", on_demand("income", fixed(100, "income", "savings")), enabled=False)

    [need] = (await answered(viewer, "/overview"))["needs"]

    assert (need["kind"], need["action"]) == ("DRAFT", "Review it")
    assert need["subjectId"] == need["ruleId"] == format_id(IdKind.RULE, draft.id)


async def test_accounts_are_listed_with_what_is_in_them(viewer: Browser, writer: Browser):
    await viewer.world.deposit("income", 30_000)

    seen = await answered(viewer, "/accounts")

    assert [(each["name"], each["kindWord"], each["balanceInCents"]) for each in seen["accounts"]] == [
        ("income", "Income source", 30_000),
        ("savings", "Pod", 0),
        ("emergency", "Pod", 0),
    ]
    assert seen["accounts"][0]["freshness"] == {"state": "KEPT", "said": "Kept here", "at": None}
    assert seen["can"] == []
    assert (await answered(writer, "/accounts"))["can"] == ["CREATE_ACCOUNT", "MOVE_MONEY"]


async def test_an_account_shows_its_days_its_movements_and_the_rules_around_it(viewer: Browser):
    await viewer.world.deposit("income", 100_000)
    await viewer.world.settle()
    savings = viewer.account("savings")

    page = await answered(viewer, f"/accounts/{savings}")
    days = await answered(viewer, f"/accounts/{savings}/days", days="30")
    moved = (await viewer.get(f"/accounts/{savings}/movements")).json()

    assert [(rule["title"], rule["pays"]) for rule in page["rules"]] == [
        ("Auto-save on deposit", ["20 % of what arrives"])
    ]
    assert len(days["days"]) == 30
    assert days["days"][-1]["balanceInCents"] == 20_000
    assert "has $200.00 now" in days["said"]
    [movement] = moved["data"]
    assert (movement["amountInCents"], movement["ruleId"]) == (20_000, viewer.rule())
    assert movement["runId"].startswith("rex_")
    assert moved["nextCursor"] is None


async def test_movements_go_on_where_the_page_before_ended(viewer: Browser):
    for amount in (1_000, 2_000, 3_000):
        await viewer.world.deposit("savings", amount)
    path = f"/accounts/{viewer.account('savings')}/movements"

    first = (await viewer.get(path, limit="2")).json()
    second = (await viewer.get(path, limit="2", cursor=first["nextCursor"])).json()

    assert [each["amountInCents"] for each in first["data"] + second["data"]] == [3_000, 2_000, 1_000]
    assert second["nextCursor"] is None
    assert_refused(await viewer.get(path, cursor="nonsense"), 400, "INVALID_PARAMETERS")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"kind": "POD", "name": " "}, "name"),
        ({"kind": "EXTERNAL_ACCOUNT", "name": "Bank"}, "externalKind"),
        ({"kind": "POD", "name": "Rent", "externalKind": "DEPOSITORY"}, "externalKind"),
        ({"kind": "POD", "name": "Rent", "balanceInCents": 5}, "balanceInCents"),
        (
            {"kind": "EXTERNAL_ACCOUNT", "name": "B", "externalKind": "DEPOSITORY", "balanceInCents": -1},
            "balanceInCents",
        ),
        ({"kind": "POD", "name": "Rent", "currency": "dollars"}, "currency"),
    ],
)
async def test_an_account_that_makes_no_sense_is_not_made(writer: Browser, body: dict[str, Any], path: str):
    refused = assert_refused(await writer.post("/accounts", body), 400, "INVALID_PARAMETERS")

    assert [each["path"] for each in refused["errors"]] == [path]


async def test_accounts_are_made_once_for_a_key_and_deleted_while_they_are_empty(writer: Browser):
    body = {"kind": "POD", "name": "Holidays"}
    made = await writer.post("/accounts", body, Idempotency_Key="holidays-1")
    again = await writer.post("/accounts", body, Idempotency_Key="holidays-1")
    assert (made.status_code, again.json()) == (201, made.json())
    path = f"/accounts/{made.json()['data']['id']}"

    assert (await writer.delete(path)).status_code == 200
    assert (await answered(writer, path))["isDeleted"] is True
    await writer.world.deposit("savings", 100)
    assert_refused(await writer.delete(f"/accounts/{writer.account('savings')}"), 409, "ACCOUNT_NOT_EMPTY")


async def test_an_account_at_the_sandbox_bank_is_opened_there_too(writer: Browser):
    body = {"kind": "EXTERNAL_ACCOUNT", "name": "Checking", "externalKind": "DEPOSITORY", "balanceInCents": 64_000}

    made = await writer.post("/accounts", body)

    account = (await answered(writer, f"/accounts/{made.json()['data']['id']}"))["account"]
    assert (account["balanceInCents"], account["freshness"]["state"]) == (64_000, "FRESH")


async def test_a_target_is_set_told_in_words_and_cleared(writer: Browser):
    path = f"/accounts/{writer.account('savings')}"
    assert (await writer.put(f"{path}/target", {"amountInCents": 50_000})).status_code == 200
    await writer.world.deposit("savings", 12_500)

    target = (await answered(writer, path))["account"]["target"]

    assert (target["pace"], target["percent"], target["said"]) == ("BELOW", 25, "$500.00: $375.00 to go.")
    refused = await writer.put(f"{path}/target", {"amountInCents": 50_000, "by": "2001-01-01"})
    assert assert_refused(refused, 400, "INVALID_PARAMETERS")["errors"][0]["path"] == "by"
    assert (await writer.delete(f"{path}/target")).status_code == 200
    assert (await answered(writer, path))["account"]["target"] is None


async def test_the_map_has_every_way_with_what_moved_on_it(viewer: Browser):
    await viewer.world.deposit("income", 100_000)
    await viewer.world.settle()

    seen = await answered(viewer, "/map", period="LAST_7_DAYS")

    assert [(node["name"], node["layer"]) for node in seen["nodes"]] == [
        ("income", "INCOME"),
        ("savings", "PODS"),
        ("emergency", "PODS"),
    ]
    saves, feeds = seen["edges"]
    assert (saves["label"], saves["movedInCents"], saves["weight"]) == ("20 % of what arrives", 20_000, 100)
    assert saves["said"] == (
        "Auto-save on deposit, enabled: 20 % of what arrives from income to savings. Last 7 days: $200.00 moved."
    )
    assert (feeds["label"], feeds["weight"]) == ("$50.00", 0)
    [run] = (await answered(viewer, "/overview"))["runs"]
    replay = await answered(viewer, f"/map/runs/{run['id']}")
    assert [(move["said"], move["statusWord"]) for move in replay["moves"]] == [
        ("$200.00 from income to savings", "Complete")
    ]
    assert_refused(await viewer.get("/map", period="YESTERDAY"), 400, "INVALID_PARAMETERS")


def asked(browser: Browser, amount: int, source: str = "income", destination: str = "savings") -> dict[str, Any]:
    return {
        "sourceAccountId": browser.account(source),
        "destinationAccountId": browser.account(destination),
        "amountInCents": amount,
    }


async def test_moving_money_is_seen_before_it_is_done_and_done_once(admin: Browser):
    await admin.world.deposit("income", 100_000)
    await admin.world.settle()

    seen = (await admin.post("/transfers/preview", asked(admin, 30_000))).json()["data"]

    assert (seen["canBeMade"], seen["said"]) == (True, "$300.00 would be moved at once.")
    assert (seen["source"]["beforeInCents"], seen["source"]["afterInCents"]) == (80_000, 50_000)
    assert (seen["destination"]["beforeInCents"], seen["destination"]["afterInCents"]) == (20_000, 50_000)
    assert [each["amountInCents"] for each in await moved(admin)] == [20_000], "a preview moves nothing"

    made = await admin.post("/transfers", asked(admin, 30_000), Idempotency_Key="once")
    again = await admin.post("/transfers", asked(admin, 30_000), Idempotency_Key="once")

    assert (made.status_code, made.json()["data"]["status"]) == (201, "COMPLETE")
    assert again.json() == made.json()
    assert [each["amountInCents"] for each in await moved(admin)] == [30_000, 20_000]


async def moved(browser: Browser) -> list[dict[str, Any]]:
    answer = await browser.get(f"/accounts/{browser.account('savings')}/movements")
    return answer.json()["data"]


async def test_what_an_admin_moves_goes_at_once_and_so_needs_a_password_shown_lately(
    admin: Browser, writer: Browser
) -> None:
    await admin.age(5)
    refused = await admin.post("/transfers", asked(admin, 30_000), Idempotency_Key="once")
    waits = await writer.post("/transfers", asked(writer, 30_000))
    await admin.reauthenticate()
    made = await admin.post("/transfers", asked(admin, 30_000), Idempotency_Key="once")

    assert_refused(refused, 403, "REAUTHENTICATION_REQUIRED")
    assert waits.status_code == 201, "nothing moves before somebody has approved it"
    assert made.status_code == 201


async def test_what_a_writer_moves_waits_for_an_admin(writer: Browser):
    await writer.world.deposit("income", 100_000)

    seen = (await writer.post("/transfers/preview", asked(writer, 30_000))).json()["data"]
    made = (await writer.post("/transfers", asked(writer, 30_000))).json()["data"]

    assert seen["said"] == "$300.00 would be set aside, and moved only when an admin has approved it."
    assert made["status"] == "PENDING_APPROVAL"
    assert [need["kind"] for need in (await answered(writer, "/overview"))["needs"]] == ["APPROVALS"]


async def test_money_that_is_not_there_is_told_before(admin: Browser):
    seen = (await admin.post("/transfers/preview", asked(admin, 30_000))).json()["data"]

    assert (seen["canBeMade"], seen["fires"]) == (False, [])
    assert seen["said"] == "Nothing would be moved. Insufficient funds in source account."


async def test_a_preview_names_the_rules_that_the_money_would_start(admin: Browser):
    await admin.world.deposit("savings", 10_000)

    seen = (await admin.post("/transfers/preview", asked(admin, 5_000, "savings", "income"))).json()["data"]

    assert seen["fires"] == ["Auto-save on deposit"]


async def test_nothing_moves_to_where_it_is_or_to_nowhere(admin: Browser):
    body = asked(admin, 5_000, "savings", "savings")
    assert_refused(await admin.post("/transfers/preview", body), 400, "INVALID_PARAMETERS")
    assert_refused(await admin.post("/transfers", body | {"destinationAccountId": "nothing"}), 400, "ACCOUNT_NOT_FOUND")
