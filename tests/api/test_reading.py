"""What programs read: accounts, transfers, rules and executions, one by one and in pages."""

from sluiceway.domain.ledger import AccountKind
from tests.api.client import Api, assert_refused
from tests.api.test_story import body_003, deposit


async def test_accounts_are_made_read_listed_and_deleted(api: Api) -> None:
    card = await api.post(
        "/accounts/external-accounts",
        {
            "nickname": "Card",
            "external_account_type": "LIABILITY",
            "institution_name": "A bank",
            "balance_in_cents": 120_000,
            "next_payment_minimum_in_cents": 3_500,
            "next_payment_due_date": "2026-05-01",
            "interest_rate_percentage": 19.99,
        },
    )
    shown = card.json()["data"]
    assert card.status_code == 201
    assert (await api.get(f"/accounts/{shown['id']}")).json()["data"] == shown
    assert shown["balance"] == {
        "balance_in_cents": 120_000,
        "available_balance_in_cents": None,
        "last_statement_balance_in_cents": None,
        "last_statement_date": None,
        "next_payment_minimum_in_cents": 3_500,
        "next_payment_due_date": "2026-05-01",
        "balance_last_updated_at": shown["balance"]["balance_last_updated_at"],
        "error": None,
        "interest_rate_percentage": 19.99,
        "original_loan_amount_in_cents": None,
    }
    assert (shown["external_account_type"], shown["can_be_source"]) == ("LIABILITY", False)
    assert [each["name"] for each in (await api.get("/accounts", type="external_account")).json()["data"]] == ["Card"]
    names = [each["name"] for each in (await api.get("/accounts")).json()["data"]]
    assert names == ["Card", "emergency", "savings", "income"]

    deleted = await api.delete(f"/accounts/{shown['id']}")

    assert (deleted.status_code, deleted.json()["data"]["id"]) == (200, shown["id"])
    assert_refused(await api.get(f"/accounts/{shown['id']}"), 404, "resource_not_found")
    assert_refused(await api.delete(f"/accounts/{shown['id']}"), 404, "resource_not_found")


async def test_what_an_institution_does_not_report_may_be_null_or_missing(api: Api) -> None:
    figures = ("balance_in_cents", "last_statement_date", "interest_rate_percentage", "original_loan_amount_in_cents")
    body = {"nickname": "Loan", "external_account_type": "LIABILITY"}
    missing = await api.post("/accounts/external-accounts", body)
    null = await api.post("/accounts/external-accounts", body | dict.fromkeys(figures))

    assert (missing.status_code, null.status_code) == (201, 201), null.text
    assert missing.json()["data"]["balance"] == null.json()["data"]["balance"]


async def test_an_account_with_money_is_not_deleted(api: Api) -> None:
    await deposit(api, 1_000, "savings")

    assert_refused(await api.delete(f"/accounts/{api.account('savings')}"), 409, "account_not_empty")


async def test_account_numbers_are_masked(api: Api) -> None:
    numbers = {"routing_number": "021000021", "account_number": "000123456789"}
    await api.world.account("numbered", AccountKind.INCOME_SOURCE, **numbers)
    answer = await api.get(f"/accounts/{api.account('numbered')}")

    shown = answer.json()["data"]
    assert (shown["routing_number"], shown["account_number"]) == ("****0021", "****6789")
    assert not any(number in answer.text for number in numbers.values())


async def test_every_list_has_pages(api: Api) -> None:
    await api.post("/rules", body_003(api))
    await api.post(f"/rules/{api.rule()}/trigger", {})
    await api.post(f"/rules/{api.rule()}/trigger", {})
    for path, query in (("/accounts", {}), ("/rules", {}), ("/rule-executions", {"rule_id": api.rule()})):
        everything = (await api.get(path, **query)).json()
        first = (await api.get(path, first=1, **query)).json()
        rest = (await api.get(path, after=first["page_info"]["end_cursor"], **query)).json()

        assert first["page_info"]["has_next_page"] is True
        assert first["data"] + rest["data"] == everything["data"]
        assert everything["page_info"]["has_next_page"] is False


async def test_lists_without_entries_are_empty(api: Api) -> None:
    empty = {"end_cursor": None, "has_next_page": False}
    for path, query in (
        ("/rule-executions", {"rule_id": api.rule()}),
        ("/rule-executions", {"rule_id": "no such rule"}),
        ("/transfers", {"account_id": api.account("income")}),
        ("/transfers", {"account_id": "nobody"}),
        ("/rules", {"source_id": api.account("savings")}),
        ("/rules", {"source_id": "nobody"}),
        ("/accounts", {"type": "external_account"}),
    ):
        answer = await api.get(path, **query)

        assert answer.status_code == 200
        assert (answer.json()["data"], answer.json()["page_info"]) == ([], empty)


async def test_a_live_account_that_no_bank_reports_keeps_what_was_typed_in(live: Api) -> None:
    body = {"nickname": "Bank", "external_account_type": "DEPOSITORY", "balance_in_cents": 5}
    made = (await live.post("/accounts/external-accounts", body)).json()["data"]

    assert (await live.post(f"/accounts/{made['id']}/refresh")).json()["data"] == made
