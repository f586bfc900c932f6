"""What the sandbox's controls do, seen through /api/v1: payments settle, come back and get lost; money is counted."""

from datetime import timedelta
from typing import Any

from sluiceway.domain.ids import IdKind, LegId, parse_id
from sluiceway.rails.sandbox import SandboxBank
from sluiceway.services.organizations import set_waits
from sluiceway.storage.organizations import find_organizations
from tests.api.client import Api, assert_refused
from tests.api.outside import available, balance, connect, on_monday, read, told, transfer, work
from tests.api.test_story import deposit
from tests.invariants import violations


async def test_a_pull_that_the_bank_returns_moves_nothing(api: Api) -> None:
    await on_monday(api)
    bank, savings = await connect(api, "Bank", 100_000), api.account("savings")
    pulled = await transfer(api, bank, savings, 60_000)
    await work(api)
    waiting = await read(api, f"/transfers/{pulled}")
    await told(api, f"/sandbox/accounts/{bank}/transactions", {"amount_in_cents": -90_000}, status=201)
    settled = await told(api, f"/sandbox/transfers/{pulled}/settle")
    ended = await read(api, f"/transfers/{pulled}")

    assert (waiting["status"], waiting["direction"]) == ("pending", "money_in")
    assert waiting["legs"] == [
        {
            "id": pulled,
            "purpose": "pull",
            "account": {"id": bank, "name": "Bank", "type": "external_account"},
            "amount_in_cents": 60_000,
            "status": "pending",
            "expected_at": "2030-01-09T13:30:00.000Z",
            "settled_at": None,
            "error_code": None,
            "return_code": None,
        }
    ]
    assert (settled["status"], settled["return_code"]) == ("incomplete", "R01")
    assert (ended["status"], ended["error_code"], ended["return_code"]) == ("incomplete", "INSUFFICIENT_FUNDS", "R01")
    assert ended["legs"][0]["status"] == "returned"
    assert (await balance(api, savings), await balance(api, bank)) == (0, 10_000)
    assert await violations(api.world.engine.database) == {}


async def test_a_push_that_completed_can_come_back(api: Api) -> None:
    await on_monday(api)
    bank, savings = await connect(api, "Bank", 5_000), api.account("savings")
    await deposit(api, 100_000, "savings")
    pushed = await transfer(api, savings, bank, 40_000)
    await work(api)
    held = await available(api, savings)
    settled = await told(api, f"/sandbox/transfers/{pushed}/settle")
    there = await balance(api, bank)
    returned = await told(api, f"/sandbox/transfers/{pushed}/return", {"code": "R02"})
    ended = await read(api, f"/transfers/{pushed}")

    assert (held, there) == (60_000, 45_000)
    assert (settled["status"], settled["legs"][0]["status"]) == ("complete", "settled")
    assert (returned["status"], returned["error_code"]) == ("error", "DISCONNECTED_ACCOUNT")
    assert (ended["status"], ended["return_code"]) == ("error", "R02")
    assert ended["completed_at"] == ended["returned_at"] == "2030-01-07T14:00:00.000Z"
    assert (await balance(api, savings), await balance(api, bank)) == (100_000, 5_000)
    assert await violations(api.world.engine.database) == {}


async def test_the_bank_refuses_what_does_not_fit(api: Api) -> None:
    await on_monday(api)
    bank, savings = await connect(api, "Bank"), api.account("savings")
    await deposit(api, 100_000, "savings")
    inside = await transfer(api, savings, api.account("income"), 100)
    pushed = await transfer(api, savings, bank, 40_000)
    settle, back = f"/sandbox/transfers/{pushed}/settle", f"/sandbox/transfers/{pushed}/return"

    async def refused(path: str, says: str, body: Any = None) -> None:
        assert_refused(await api.post(path, body or {}), 409, "bank_refused", [says])

    await refused(settle, "no payment for this transfer")
    await refused(f"/sandbox/transfers/{inside}/settle", "no payment for this transfer")
    await work(api)
    await refused(back, "no such return for this kind of payment", {"code": "R10"})
    await told(api, settle)
    await refused(settle, "settled already")
    await told(api, "/sandbox/clock/advance", {"days": 30})
    await refused(back, "the deadline for this return has passed", {"code": "R03"})
    assert (await read(api, f"/transfers/{pushed}"))["status"] == "complete"


async def test_a_pull_can_be_disputed_long_after_it_has_been_passed_on(api: Api) -> None:
    await on_monday(api)
    bank, savings = await connect(api, "Bank"), api.account("savings")
    pulled = await transfer(api, bank, savings, 30_000)
    await work(api)
    await told(api, "/sandbox/clock/advance", {"days": 40})
    await transfer(api, savings, api.account("income"), 20_000)
    returned = await told(api, f"/sandbox/transfers/{pulled}/return", {"code": "R10"})

    assert (returned["status"], returned["error_code"]) == ("error", "PAYMENT_FAILED")
    assert await balance(api, savings) == -20_000
    assert await balance(api, bank) == 100_000
    assert await violations(api.world.engine.database) == {}


async def test_money_between_two_banks_goes_in_two_legs(api: Api) -> None:
    await on_monday(api)
    first, second = await connect(api, "First"), await connect(api, "Second", 0)
    await api.world.rule("echo", whenever(second, api.world.accounts["savings"]), enabled=True)
    made = await transfer(api, first, second, 25_000)
    await told(api, "/sandbox/clock/advance", {"days": 2})
    halfway = await read(api, f"/transfers/{made}")
    await told(api, "/sandbox/clock/advance", {"days": 5})
    ended = await read(api, f"/transfers/{made}")

    assert [(leg["purpose"], leg["status"]) for leg in halfway["legs"]] == [("pull", "settled"), ("push", "pending")]
    assert [(leg["account"]["name"], leg["status"]) for leg in ended["legs"]] == [
        ("First", "settled"),
        ("Second", "settled"),
    ]
    assert (halfway["status"], ended["status"]) == ("pending", "complete")
    # Its own rule ran once for the transfer, and not again for the bank's account of the same money.
    assert len(await read(api, "/rule-executions", rule_id=api.rule("echo"))) == 1
    assert await violations(api.world.engine.database) == {}


def whenever(account: str, destination: str) -> dict[str, Any]:
    source = parse_id(IdKind.ACCOUNT, account)
    action = {"type": "FIXED", "amount_in_cents": 1_000, "source": source, "destination": destination}
    trigger = {"type": "ON_FUNDS_TRANSFERRED", "account_id": source}
    return {"name": None, "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}]}


async def test_a_pull_that_is_disputed_takes_the_first_leg_back(api: Api) -> None:
    await on_monday(api)
    first, second = await connect(api, "First"), await connect(api, "Second", 0)
    made = await transfer(api, first, second, 25_000)
    await told(api, "/sandbox/clock/advance", {"days": 2})
    returned = await told(api, f"/sandbox/transfers/{made}/return", {"code": "R10"})

    assert [(leg["purpose"], leg["return_code"]) for leg in returned["legs"]] == [("pull", "R10"), ("push", None)]
    assert returned["status"] == "error"


async def test_a_reply_that_gets_lost_is_one_payment(api: Api) -> None:
    await on_monday(api)
    bank = await connect(api, "Bank", 0)
    await deposit(api, 100_000, "savings")
    fault = {"call": "submit", "fault": "lost_reply"}
    assert await told(api, "/sandbox/failures", fault, status=201) == fault | {"times": 1}
    pushed = await transfer(api, api.account("savings"), bank, 40_000)
    await work(api)
    lost = await read(api, f"/transfers/{pushed}")
    await told(api, "/sandbox/clock/advance", {"days": 1})
    ended = await read(api, f"/transfers/{pushed}")
    payment = await SandboxBank(api.world.engine.database).find_payment(
        api.world.organization_id, LegId(parse_id(IdKind.TRANSFER, pushed) or ""), await now(api)
    )

    assert (lost["status"], ended["status"]) == ("processing", "complete")
    assert payment is not None
    assert payment.calls == 1
    assert await balance(api, bank) == 40_000


async def now(api: Api) -> Any:
    engine, organization_id = api.world.engine, api.world.organization_id
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
    return organization.clock.read(engine.now())


async def test_a_bank_that_says_no_ends_the_transfer(api: Api) -> None:
    await on_monday(api)
    bank = await connect(api, "Bank", 0)
    await deposit(api, 100_000, "savings")
    await told(api, "/sandbox/failures", {"call": "submit", "fault": "refused", "times": 1}, status=201)
    pushed = await transfer(api, api.account("savings"), bank, 40_000)
    await work(api)
    ended = await read(api, f"/transfers/{pushed}")

    assert (ended["status"], ended["error_code"]) == ("error", "PAYMENT_FAILED")
    assert ended["legs"][0]["status"] == "refused"
    assert await available(api, api.account("savings")) == 100_000


async def test_what_the_bank_tells_twice_counts_once(api: Api) -> None:
    await on_monday(api)
    await told(api, "/sandbox/failures", {"call": "reports", "fault": "twice", "times": 3}, status=201)
    await deposit(api, 100_000, "savings")
    body = {"account_id": api.account("savings"), "amount_in_cents": 30_000}
    await told(api, "/sandbox/withdrawals", body, status=201)
    await work(api)

    assert await balance(api, api.account("savings")) == 70_000


async def test_a_refresh_fires_an_external_accounts_rule_once(api: Api) -> None:
    await on_monday(api)
    bank = await connect(api, "Bank", 50_000)
    await api.world.rule("echo", whenever(bank, api.world.accounts["savings"]))
    outside = SandboxBank(api.world.engine.database)
    account_id: Any = parse_id(IdKind.ACCOUNT, bank)
    event_id = api.world.engine.new_id()
    await outside.book_transaction(api.world.organization_id, event_id, account_id, 7_000, "Salary", await now(api))
    before = await balance(api, bank)
    refreshed = [await told(api, f"/accounts/{bank}/refresh") for _ in range(3)]
    await work(api)
    runs = await read(api, "/rule-executions", rule_id=api.rule("echo"))

    assert before == 50_000
    assert {each["balance"]["balance_in_cents"] for each in refreshed} == {57_000}
    assert refreshed[0]["balance"]["balance_last_updated_at"] == "2030-01-07T14:00:00.000Z"
    assert [run["trigger_details"]["amount_in_cents"] for run in runs] == [7_000]

    await told(api, f"/sandbox/accounts/{bank}/transactions", {"amount_in_cents": 1, "description": "x"}, status=201)
    await work(api)
    assert len(await read(api, "/rule-executions", rule_id=api.rule("echo"))) == 2


async def test_a_refresh_of_what_we_keep_just_answers(api: Api) -> None:
    await deposit(api, 1_000, "savings")
    answered = await told(api, f"/accounts/{api.account('savings')}/refresh")

    assert answered == await read(api, f"/accounts/{api.account('savings')}")
    assert answered["balance"]["balance_in_cents"] == 1_000


async def test_an_account_can_be_closed_frozen_disconnected_and_opened(api: Api) -> None:
    await on_monday(api)
    bank = await connect(api, "Bank", 50_000)
    state = f"/sandbox/accounts/{bank}/state"
    away = await told(api, state, {"state": "disconnected"})
    failed = await read(api, f"/transfers/{await transfer(api, bank, api.account('savings'), 100)}")
    closed = await told(api, state, {"state": "closed"})
    assert_refused(
        await api.post(f"/sandbox/accounts/{bank}/transactions", {"amount_in_cents": 5}),
        409, "bank_refused", ["closed"],
    )  # fmt: skip
    pulled = await transfer(api, bank, api.account("savings"), 100)
    await told(api, "/sandbox/clock/advance", {"days": 3})
    returned = await read(api, f"/transfers/{pulled}")
    again = await told(api, state, {"state": "open"})

    assert (away["state"], away["balance"]["error"]) == ("disconnected", "DISCONNECTED_ACCOUNT")
    assert (failed["status"], failed["error_code"]) == ("error", "DISCONNECTED_ACCOUNT")
    assert (closed["state"], closed["balance"]["error"]) == ("closed", None)
    assert (returned["status"], returned["return_code"]) == ("error", "R02")
    assert (again["state"], again["balance"]["balance_in_cents"]) == ("open", 50_000)


async def test_a_manual_liability_has_its_statement_its_pod_and_a_provider_who_collects(api: Api) -> None:
    await on_monday(api)
    made = await told(
        api,
        "/sandbox/external-accounts",
        {
            "name": "Rent",
            "external_account_type": "LIABILITY",
            "balance_in_cents": 90_000,
            "interest_rate_percentage": 3.25,
            "holding_pod_name": "For the rent",
        },
        status=201,
    )
    pod = await read(api, f"/accounts/{made['holding_pod_id']}")
    stated = await told(
        api,
        f"/sandbox/accounts/{made['id']}/statement",
        {
            "balance_in_cents": 80_000,
            "last_statement_balance_in_cents": 80_000,
            "last_statement_date": "2030-01-01",
            "next_payment_minimum_in_cents": 2_000,
            "next_payment_due_date": "2030-01-20",
        },
    )
    await deposit(api, 100_000, "savings")
    paid = await read(api, f"/transfers/{await transfer(api, api.account('savings'), made['id'], 30_000)}")
    collection = {"account_id": pod["id"], "amount_in_cents": 20_000, "description": "January"}
    collected = await told(api, "/sandbox/withdrawals", collection, status=201)
    too_much = await told(api, "/sandbox/withdrawals", collection, status=201)

    assert (pod["name"], pod["type"], pod["linked_account_id"]) == ("For the rent", "pod", made["id"])
    assert stated["balance"] == await balances(api, made["id"])
    assert stated["balance"]["balance_in_cents"] == 80_000
    assert stated["balance"]["next_payment_due_date"] == "2030-01-20"
    assert stated["balance"]["interest_rate_percentage"] is None
    assert (paid["status"], paid["legs"]) == ("complete", [])
    assert (collected["status"], too_much["status"]) == ("complete", "incomplete")
    assert too_much["error_code"] == "INSUFFICIENT_FUNDS"
    assert (await read(api, f"/transfers/{collected['id']}"))["origin"] == "external_pull"
    assert await balance(api, pod["id"]) == 10_000


async def balances(api: Api, account_id: str) -> Any:
    return (await read(api, f"/accounts/{account_id}"))["balance"]


async def test_money_for_somebody_else_is_sent_back(api: Api) -> None:
    await on_monday(api)
    named = {"nickname": "Salary", "beneficiary_name": "Ada Example"}
    salary = (await told(api, "/accounts/income-sources", named, status=201))["id"]
    body = {"account_id": salary, "amount_in_cents": 5_000}
    wrong = await told(api, "/sandbox/deposits", body | {"payee_name": "Bob Example"}, status=201)
    right = await told(api, "/sandbox/deposits", body | {"payee_name": "ada  example"}, status=201)

    assert (wrong["status"], wrong["error_code"]) == ("error", "NAME_MISMATCH")
    assert (right["status"], right["error_code"]) == ("complete", None)
    assert (await read(api, f"/transfers/{wrong['id']}"))["error_code"] == "NAME_MISMATCH"
    assert await balance(api, salary) == 5_000


async def test_a_transfer_can_be_cancelled_before_it_is_handed_over_and_not_after(api: Api) -> None:
    await on_monday(api)
    bank, savings = await connect(api, "Bank"), api.account("savings")
    await deposit(api, 100_000, "savings")
    await set_waits(
        api.world.engine,
        api.world.organization_id,
        approval_lasts=timedelta(hours=24),
        handover_delay=timedelta(minutes=30),
    )
    early, late = await transfer(api, savings, bank, 1_000), await transfer(api, savings, bank, 2_000)
    await work(api)
    cancelled = await api.post(f"/transfers/{early}/cancel", {}, key="once")
    again = await api.post(f"/transfers/{early}/cancel", {}, key="once")
    await told(api, "/sandbox/clock/advance", {"to": "2030-01-07T14:31:00Z"})

    assert cancelled.json()["data"]["status"] == "cancelled"
    assert cancelled.json()["data"]["status_reason"] == "CANCELLED"
    assert (again.content, again.headers["idempotent-replayed"]) == (cancelled.content, "true")
    assert_refused(await api.post(f"/transfers/{early}/cancel"), 409, "transfer_not_cancellable")
    assert_refused(await api.post(f"/transfers/{late}/cancel"), 409, "transfer_not_cancellable")
    assert_refused(await api.post("/transfers/nonsense/cancel"), 404, "resource_not_found")
    assert await available(api, savings) == 98_000
    await told(api, "/sandbox/clock/advance", {"days": 4})
    assert (await read(api, f"/transfers/{early}"))["status"] == "cancelled"
    assert await balance(api, bank) == 102_000


def fixed_rule() -> dict[str, Any]:
    action = {"type": "FIXED", "amount_in_cents": 500, "source": "income", "destination": "savings"}
    trigger = {"type": "MANUAL", "account_id": "income"}
    return {"name": None, "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}]}


async def test_a_new_account_begins_with_what_is_in_it(api: Api) -> None:
    await on_monday(api)
    bank = await connect(api, "Bank", 50_000, available_balance_in_cents=40_000, institution_name="First Bank")
    shown = await read(api, f"/accounts/{bank}")

    assert shown["institution_name"] == "First Bank"
    assert (shown["balance"]["balance_in_cents"], shown["balance"]["available_balance_in_cents"]) == (50_000, 40_000)
    assert shown["linked_account_id"] is None


async def test_what_the_bank_cannot_tell_now_has_no_transfer_yet(api: Api) -> None:
    await on_monday(api)
    await deposit(api, 100_000, "savings")
    await told(api, "/sandbox/failures", {"call": "reports", "fault": "unavailable"}, status=201)
    body = {"account_id": api.account("savings"), "amount_in_cents": 30_000}
    collected = await told(api, "/sandbox/withdrawals", body, status=201)
    before = await balance(api, api.account("savings"))
    await told(api, "/sandbox/clock/advance", {"to": "2030-01-07T14:02:00Z"})

    assert (collected["id"], collected["status"], before) == (None, None, 100_000)
    assert await balance(api, api.account("savings")) == 70_000
