"""Bad input for the sandbox's controls: each is refused with the field that is wrong, and changes nothing."""

import json
from typing import Any

from sluiceway.domain.ledger import AccountKind, ExternalKind
from tests.api.client import Api, assert_refused, digest
from tests.api.outside import connect, on_monday, told, transfer, work
from tests.api.test_cards import issue
from tests.api.test_story import deposit

CARD = {"name": "Card", "external_account_type": "LIABILITY"}
BANK = {"name": "Bank", "external_account_type": "DEPOSITORY"}

ACCOUNTS: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "name: is required"),
    "no type": ({"name": "Bank"}, "external_account_type: is required"),
    "an empty name": (BANK | {"name": " "}, "name: must not be empty"),
    "a long name": (BANK | {"name": "x" * 201}, "name: must have at most 200"),
    "a null name": (BANK | {"name": None}, "name: is required"),
    "a type in other letters": (
        BANK | {"external_account_type": "depository"},
        "external_account_type: must be one of",
    ),
    "a type that is a list": (BANK | {"external_account_type": []}, "external_account_type: must be one of"),
    "an unknown field": (BANK | {"nickname": "x"}, "nickname: is not a known field"),
    "a balance that is text": (BANK | {"balance_in_cents": "1"}, "balance_in_cents: must be a whole number"),
    "a balance out of range": (BANK | {"balance_in_cents": 10**13 + 1}, "balance_in_cents: must be from"),
    "too much available": (BANK | {"available_balance_in_cents": -(10**13) - 1}, "available_balance_in_cents: must be"),
    "an empty beneficiary": (BANK | {"beneficiary_name": ""}, "beneficiary_name: must be text"),
    "a statement of a bank account": (BANK | {"last_statement_balance_in_cents": 0}, "last_statement_balance_in_cents"),
    "a rate of a bank account": (BANK | {"interest_rate_percentage": 1}, "interest_rate_percentage: only a liability"),
    "a pod for a bank account": (BANK | {"holding_pod_name": "x"}, "holding_pod_name: only a liability"),
    "a negative debt": (CARD | {"balance_in_cents": -1}, "balance_in_cents: is out of range"),
    "an available debt": (CARD | {"available_balance_in_cents": 1}, "available_balance_in_cents: a liability has"),
    "a pod without a name": (CARD | {"holding_pod_name": "  "}, "holding_pod_name: must not be empty"),
}

STATEMENTS: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "must have at least one field"),
    "a list": ([], "must be an object"),
    "null": (None, "must be an object"),
    "an unknown field": ({"minimum": 1}, "minimum: is not a known field"),
    "a negative debt": ({"balance_in_cents": -1}, "balance_in_cents: must be from 0"),
    "a debt that is text": ({"balance_in_cents": "1"}, "balance_in_cents: must be a whole number"),
    "a statement out of range": ({"last_statement_balance_in_cents": 10**13 + 1}, "last_statement_balance_in_cents"),
    "a day that is no day": ({"last_statement_date": "2030-02-30"}, "last_statement_date: must be a date"),
    "a day in another form": ({"last_statement_date": "20300101"}, "last_statement_date: must be a date"),
    "a day with a time": ({"next_payment_due_date": "2030-01-01T00:00:00Z"}, "next_payment_due_date: must be a date"),
    "a statement of tomorrow": ({"last_statement_date": "2030-01-08"}, "last_statement_date: is in the future"),
    "a statement in the year 9999": ({"last_statement_date": "9999-12-31"}, "last_statement_date: is in the future"),
    "a rate that is text": ({"interest_rate_percentage": "5"}, "interest_rate_percentage: must be a number"),
    "a rate above 100": ({"interest_rate_percentage": 100.5}, "interest_rate_percentage: a percentage is from 0"),
    "a minimum above the statement": (
        {"last_statement_balance_in_cents": 100, "next_payment_minimum_in_cents": 101},
        "next_payment_minimum_in_cents: is above last_statement_balance",
    ),
    "a payment due before the statement": (
        {"last_statement_date": "2030-01-05", "next_payment_due_date": "2030-01-04"},
        "next_payment_due_date: is before last_statement_date",
    ),
}

STATES = [{}, {"state": None}, {"state": "OPEN"}, {"state": "gone"}, {"state": 1}, {"state": ["open"]}, [], None]

TRANSACTIONS: list[tuple[Any, str]] = [
    ({}, "amount_in_cents: is required"),
    ({"amount_in_cents": None}, "amount_in_cents: is required"),
    ({"amount_in_cents": 0}, "amount_in_cents: must not be 0"),
    ({"amount_in_cents": "5"}, "amount_in_cents: must be a whole number"),
    ({"amount_in_cents": 1.0}, "amount_in_cents: must be a whole number"),
    ({"amount_in_cents": True}, "amount_in_cents: must be a whole number"),
    ({"amount_in_cents": 10**13 + 1}, "amount_in_cents: must be from"),
    ({"amount_in_cents": -(10**13) - 1}, "amount_in_cents: must be from"),
    ({"amount_in_cents": 1, "description": 5}, "description: must be text"),
    ({"amount_in_cents": 1, "description": "x" * 201}, "description: must have at most 200"),
    ({"amount_in_cents": 1, "at": "2030-01-01T00:00:00Z"}, "at: is not a known field"),
]

FAULTS: list[tuple[Any, str]] = [
    ({}, "call: is required"),
    ({"call": "submit"}, "fault: is required"),
    ({"call": "deposit", "fault": "unavailable"}, "call: must be one of submit"),
    ({"call": "submit", "fault": "UNAVAILABLE"}, "fault: must be one of unavailable"),
    ({"call": "submit", "fault": "twice"}, "fault: TWICE is for reports only"),
    ({"call": "reports", "fault": "refused"}, "fault: REFUSED is for submit only"),
    ({"call": "submit", "fault": "refused", "times": 0}, "times: must be from 1 to 1000"),
    ({"call": "submit", "fault": "refused", "times": 1001}, "times: must be from 1 to 1000"),
    ({"call": "submit", "fault": "refused", "times": "1"}, "times: must be a whole number"),
    ({"call": "submit", "fault": "refused", "after": 1}, "after: is not a known field"),
]

RETURNS = [{}, {"code": None}, {"code": "R99"}, {"code": "r01"}, {"code": 1}, {"code": "R01", "reason": "x"}, [], None]

WITHDRAWALS: list[tuple[Any, str]] = [
    ({}, "account_id: is required"),
    ({"account_id": "x"}, "amount_in_cents: is required"),
    ({"account_id": 5, "amount_in_cents": 1}, "account_id: must be text"),
    ({"account_id": "x", "amount_in_cents": 0}, "amount_in_cents: must be from 1"),
    ({"account_id": "x", "amount_in_cents": -1}, "amount_in_cents: must be from 1"),
    ({"account_id": "x", "amount_in_cents": 1, "description": []}, "description: must be text"),
    ({"account_id": "x", "amount_in_cents": 1, "payee_name": "x"}, "payee_name: is not a known field"),
]


CARDS: dict[str, tuple[Any, str]] = {
    "nothing": ({}, "account_id: is required"),
    "no type": ({"account_id": "x"}, "type: is required"),
    "no holder": ({"account_id": "x", "type": "virtual"}, "holder_name: is required"),
    "an account that is a number": ({"account_id": 5}, "account_id: must be text"),
    "a type in other letters": ({"account_id": "x", "type": "VIRTUAL"}, "type: must be one of virtual, physical"),
    "another type": ({"account_id": "x", "type": "metal"}, "type: must be one of virtual, physical"),
    "another kind": (
        {"account_id": "x", "type": "virtual", "kind": "credit_card"},
        "kind: must be one of debit_card, omni_card",
    ),
    "an empty name": (
        {"account_id": "x", "type": "virtual", "holder_name": " "},
        "holder_name: must not be empty",
    ),
    "a long name": (
        {"account_id": "x", "type": "virtual", "holder_name": "x" * 201},
        "holder_name: must have at most 200",
    ),
    "a number of its own": (
        {"account_id": "x", "type": "virtual", "holder_name": "x", "last_four": "0000"},
        "last_four: is not a known field",
    ),
}

CARD_STATUSES = [{}, {"status": None}, {"status": "ACTIVE"}, {"status": "bent"}, {"status": ["lost"]}, [], None]

CARD_PODS: list[tuple[Any, str]] = [
    ({}, "account_id: is required"),
    ({"account_id": 5}, "account_id: must be text"),
    ({"account_id": "x", "at": 1}, "at: is not a known field"),
]

PURCHASES: list[tuple[Any, str]] = [
    ({}, "amount_in_cents: is required"),
    ({"amount_in_cents": 0}, "amount_in_cents: must be from 1"),
    ({"amount_in_cents": -1}, "amount_in_cents: must be from 1"),
    ({"amount_in_cents": 1.0}, "amount_in_cents: must be a whole number"),
    ({"amount_in_cents": "1"}, "amount_in_cents: must be a whole number"),
    ({"amount_in_cents": True}, "amount_in_cents: must be a whole number"),
    ({"amount_in_cents": 10**13 + 1}, "amount_in_cents: must be from 1"),
    ({"amount_in_cents": 1, "description": 5}, "description: must be text"),
    ({"amount_in_cents": 1, "description": "x" * 201}, "description: must have at most 200"),
    ({"amount_in_cents": 1, "merchant": "x"}, "merchant: is not a known field"),
]

REFUNDS: list[tuple[Any, str]] = [
    *PURCHASES,
    ({"amount_in_cents": 1, "purchase_id": 5}, "purchase_id: must be text"),
    ({"amount_in_cents": 1, "purchase_id": "x" * 101}, "purchase_id: must have at most 100"),
]

DECLINES: list[tuple[Any, str]] = [
    ({"times": 0}, "times: must be from 1 to 1000"),
    ({"times": 1001}, "times: must be from 1 to 1000"),
    ({"times": "1"}, "times: must be a whole number"),
    ({"times": 1, "reason": "x"}, "reason: is not a known field"),
    ([], "must be an object"),
]


async def refuse(api: Api, path: str, body: Any, says: str = "") -> None:
    answer = await api.post_raw(path, json.dumps(body).encode())
    assert_refused(answer, 400, "invalid_parameters", [says])


async def test_an_account_that_is_not_right_is_not_opened(api: Api) -> None:
    await on_monday(api)
    await connect(api, "Bank")
    before = await digest(api.world.engine.database)

    for body, says in ACCOUNTS.values():
        await refuse(api, "/sandbox/external-accounts", body, says)
    assert await digest(api.world.engine.database) == before


async def test_a_contradictory_statement_names_its_fields_and_changes_nothing(api: Api) -> None:
    await on_monday(api)
    card = await connect(api, "Card", 50_000, external_account_type="LIABILITY", last_statement_balance_in_cents=9)
    before = await digest(api.world.engine.database)

    for body, says in STATEMENTS.values():
        await refuse(api, f"/sandbox/accounts/{card}/statement", body, says)
    both = {
        "last_statement_balance_in_cents": 1,
        "next_payment_minimum_in_cents": 2,
        "last_statement_date": "9999-01-01",
    }
    await refuse(api, f"/sandbox/accounts/{card}/statement", both, "next_payment_minimum_in_cents: is above")
    await refuse(api, f"/sandbox/accounts/{card}/statement", both, "last_statement_date: is in the future")
    assert await digest(api.world.engine.database) == before


async def test_every_other_body_is_read_as_strictly(api: Api) -> None:
    await on_monday(api)
    bank = await connect(api, "Bank")
    await deposit(api, 10_000, "savings")
    pushed = await transfer(api, api.account("savings"), bank, 5_000)
    await work(api)
    before = await digest(api.world.engine.database)

    for body in STATES:
        await refuse(api, f"/sandbox/accounts/{bank}/state", body)
    for body, says in TRANSACTIONS:
        await refuse(api, f"/sandbox/accounts/{bank}/transactions", body, says)
    for body, says in FAULTS:
        await refuse(api, "/sandbox/failures", body, says)
    for body in RETURNS:
        await refuse(api, f"/sandbox/transfers/{pushed}/return", body)
    for body, says in WITHDRAWALS:
        await refuse(api, "/sandbox/withdrawals", body, says)
    await refuse(api, f"/sandbox/transfers/{pushed}/settle", {"now": True}, "now: is not a known field")
    await refuse(api, f"/accounts/{bank}/refresh", {"force": True}, "force: is not a known field")
    await refuse(api, f"/transfers/{pushed}/cancel", {"reason": "x"}, "reason: is not a known field")
    money = {"account_id": api.account("savings"), "amount_in_cents": 1}
    await refuse(api, "/sandbox/deposits", money | {"payee_name": ""}, "payee_name: must be text")
    await refuse(api, "/sandbox/deposits", money | {"payee_name": 5}, "payee_name: must be text")
    for simulation in ("true", 1, [], "yes"):
        await refuse(
            api, f"/rules/{api.rule()}/trigger", {"simulation": simulation}, "simulation: must be true or false"
        )
    assert await digest(api.world.engine.database) == before


async def test_a_card_is_asked_for_and_used_as_strictly(api: Api) -> None:
    await deposit(api, 10_000, "savings")
    card = await issue(api)
    before = await digest(api.world.engine.database)

    for body, says in CARDS.values():
        await refuse(api, "/sandbox/cards", body, says)
    for body in CARD_STATUSES:
        await refuse(api, f"/sandbox/cards/{card}/status", body)
    for name, bodies in (
        ("account", CARD_PODS),
        ("purchases", PURCHASES),
        ("refunds", REFUNDS),
        ("declines", DECLINES),
    ):
        for body, says in bodies:
            await refuse(api, f"/sandbox/cards/{card}/{name}", body, says)
    new = {"account_id": api.account("income"), "type": "virtual", "holder_name": "Holder"}
    await refuse(api, "/sandbox/cards", new, "account_id: is not a pod")
    assert await digest(api.world.engine.database) == before


async def test_cards_purchases_and_pods_that_are_not_there_are_not_found_as_they_were_spelled(api: Api) -> None:
    omni, nobody = await issue(api, kind="omni_card"), api.world.engine.new_id()
    money = {"amount_in_cents": 1}
    before = await digest(api.world.engine.database)

    for spelling in (nobody, "nonsense", api.account("savings")):
        for name, body in (
            ("status", {"status": "frozen"}),
            ("account", {"account_id": api.account("savings")}),
            ("purchases", money),
            ("refunds", money),
            ("declines", {}),
        ):
            answer = await api.post(f"/sandbox/cards/{spelling}/{name}", body)
            assert_refused(answer, 404, "resource_not_found", [f"Card with id '{spelling}' was not found."])
    for spelling in (nobody, "nonsense"):
        says = [f"Account with id '{spelling}' was not found."]
        new = {"account_id": spelling, "type": "virtual", "holder_name": "Holder"}
        assert_refused(await api.post("/sandbox/cards", new, key=spelling), 404, "resource_not_found", says)
        switched = await api.post(f"/sandbox/cards/{omni}/account", {"account_id": spelling})
        assert_refused(switched, 404, "resource_not_found", says)
        refund = await api.post(f"/sandbox/cards/{omni}/refunds", money | {"purchase_id": spelling})
        says = [f"Card transaction with id '{spelling}' was not found."]
        assert_refused(refund, 404, "resource_not_found", says)
    assert await digest(api.world.engine.database) == before


async def test_what_is_not_there_or_not_at_the_bank_is_told_apart(api: Api) -> None:
    await on_monday(api)
    await api.world.account("typed_in", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
    bank, nobody = await connect(api, "Bank"), api.world.engine.new_id()
    statement, state = {"balance_in_cents": 1}, {"state": "open"}
    controls: list[tuple[str, Any]] = [
        ("statement", statement), ("state", state), ("transactions", {"amount_in_cents": 1})
    ]  # fmt: skip
    before = await digest(api.world.engine.database)

    for name, body in controls:
        for spelling in (nobody, "nonsense", api.rule()):
            answer = await api.post(f"/sandbox/accounts/{spelling}/{name}", body)
            assert_refused(answer, 404, "resource_not_found", [f"Account with id '{spelling}' was not found."])
        for kept in ("savings", "typed_in"):
            answer = await api.post(f"/sandbox/accounts/{api.account(kept)}/{name}", body)
            assert_refused(answer, 409, "bank_refused", ["it does not keep this account"])
    assert_refused(
        await api.post(f"/sandbox/accounts/{bank}/statement", statement), 409, "bank_refused", ["is not a liability"]
    )
    for spelling in (nobody, "nonsense"):
        for path, body in ((f"{spelling}/settle", {}), (f"{spelling}/return", {"code": "R02"})):
            answer = await api.post(f"/sandbox/transfers/{path}", body)
            assert_refused(answer, 404, "resource_not_found", [f"Transfer with id '{spelling}' was not found."])
    money = {"amount_in_cents": 1}
    for spelling in (nobody, "nonsense", bank):
        for path, more in (("withdrawals", {}), ("deposits", {}), ("deposits", {"payee_name": "x"})):
            answer = await api.post(f"/sandbox/{path}", money | more | {"account_id": spelling})
            assert_refused(answer, 404, "resource_not_found", [f"Account with id '{spelling}' was not found."])
    assert_refused(await api.post(f"/accounts/{nobody}/refresh"), 404, "resource_not_found")
    assert await digest(api.world.engine.database) == before


async def test_a_key_whose_call_was_refused_may_be_used_again(api: Api) -> None:
    await on_monday(api)
    refused = await api.post("/sandbox/external-accounts", CARD | {"balance_in_cents": -1}, key="once")
    opened = await api.post("/sandbox/external-accounts", CARD | {"balance_in_cents": 1}, key="once")
    again = await api.post("/sandbox/external-accounts", CARD | {"balance_in_cents": 1}, key="once")

    assert refused.status_code == 400
    assert (opened.status_code, again.content) == (201, opened.content)
    await told(api, f"/sandbox/accounts/{opened.json()['data']['id']}/state", {"state": "closed"})
