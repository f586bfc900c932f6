"""The OpenAPI documents: valid, committed as they are served, and true; the pages that show them need no network."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from sluiceway.api.sandbox.app import DOCUMENT as SANDBOX
from sluiceway.api.v1.app import DOCUMENT as V1
from tests.api.client import Api
from tests.api.outside import connect, on_monday, transfer, work
from tests.api.test_cards import give_back, issue, pay
from tests.api.test_story import BODY_003, body_003, deposit

COMMITTED = Path(__file__).parents[2] / "docs" / "api"
DOCUMENTS = pytest.mark.parametrize(
    ("name", "prefix", "document"), [("v1", "/api/v1", V1), ("sandbox", "/sandbox", SANDBOX)], ids=["v1", "sandbox"]
)


@DOCUMENTS
def test_the_document_is_openapi(name: str, prefix: str, document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": prefix}]
    validate(document)


@DOCUMENTS
def test_the_committed_document_is_the_one_that_is_served(name: str, prefix: str, document: dict[str, Any]) -> None:
    committed = COMMITTED / f"{name}.json"
    written = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_DOCUMENTS") == "1":
        committed.write_text(written, encoding="utf-8")

    assert committed.read_text(encoding="utf-8") == written, f"run WRITE_DOCUMENTS=1 pytest {__file__}"


@DOCUMENTS
async def test_everybody_may_read_the_document(api: Api, name: str, prefix: str, document: dict[str, Any]) -> None:
    answer = await api.with_secret(None).send("GET", f"http://sluiceway.test{prefix}/openapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == document


class Loads(HTMLParser):
    """Notes what a page would load or go to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}


@DOCUMENTS
async def test_the_page_works_offline(api: Api, name: str, prefix: str, document: dict[str, Any]) -> None:
    answer = await api.with_secret(None).send("GET", f"http://sluiceway.test{prefix}/docs")
    loads = Loads()
    loads.feed(answer.text)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not loads.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not re.search(r"url\(|@import", answer.text)
    outside = [address for address in loads.addresses if not address.startswith("#")]
    assert outside == [f"{prefix}/openapi.json"]
    assert {address.removeprefix("#") for address in loads.addresses if address.startswith("#")} <= loads.ids
    for methods in document["paths"].values():
        assert {operation["operationId"] for operation in methods.values()} <= loads.ids


def schema_of(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Make a schema of the document stand on its own."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"], **schema}


def check(path: str, method: str, answer: Any, document: dict[str, Any] = V1) -> None:
    """Compare an answer with what the document says of its status."""
    responses = document["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not documented"
    schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema_of(document, schema)).validate(answer.json())


async def test_what_is_answered_is_what_is_documented(api: Api) -> None:
    await deposit(api, 500_000)
    await api.world.settle()
    [execution] = (await api.get("/rule-executions", rule_id=api.rule())).json()["data"]
    transfer = execution["transfer_ids"][0]
    card = await issue(api)
    for amount in (100, 1_000_000):
        await pay(api, card, amount)
    await give_back(api, card, 100)
    ends = {"source_account_id": api.account("income"), "destination_account_id": api.account("savings")}
    pod, income, card = {"nickname": "x"}, {"nickname": "y"}, {"nickname": "z", "external_account_type": "INVESTMENT"}
    for method, template, path, body in (
        ("get", "/accounts", "/accounts", None),
        ("get", "/accounts/{id}", f"/accounts/{api.account('income')}", None),
        ("get", "/accounts/{id}", "/accounts/nobody", None),
        ("post", "/accounts/pods", "/accounts/pods", pod),
        ("post", "/accounts/income-sources", "/accounts/income-sources", income),
        ("post", "/accounts/external-accounts", "/accounts/external-accounts", card),
        ("post", "/accounts/pods", "/accounts/pods", {}),
        ("delete", "/accounts/{id}", f"/accounts/{api.account('savings')}", None),
        ("delete", "/accounts/{id}", f"/accounts/{api.account('emergency')}", None),
        ("get", "/transfers", f"/transfers?account_id={api.account('income')}", None),
        ("get", "/transfers/{id}", f"/transfers/{transfer}", None),
        ("post", "/transfers", "/transfers", ends | {"amount_in_cents": 100}),
        ("post", "/transfers", "/transfers", ends | {"amount_in_cents": 10**13}),
        ("get", "/rules", "/rules", None),
        ("get", "/rules/{id}", f"/rules/{api.rule()}", None),
        ("post", "/rules/{id}/trigger", f"/rules/{api.rule()}/trigger", {"manual_execute_amount": 1}),
        ("get", "/rule-executions", f"/rule-executions?rule_id={api.rule()}", None),
        ("get", "/rule-executions/{id}", f"/rule-executions/{execution['id']}", None),
        ("get", "/rule-executions/{id}/trace", f"/rule-executions/{execution['id']}/trace", None),
        ("get", "/cards", f"/cards?account_id={api.account('savings')}", None),
        ("get", "/cards", "/cards", None),
        ("get", "/cards/{id}", f"/cards/{card}", None),
        ("get", "/cards/{id}", "/cards/nobody", None),
        ("get", "/cards/{id}/transactions", f"/cards/{card}/transactions?status=all", None),
        ("get", "/cards/{id}/transactions", "/cards/nobody/transactions", None),
        ("put", "/rules/{id}", f"/rules/{api.rule()}", {}),
        ("delete", "/rules/{id}", f"/rules/{api.rule()}", None),
    ):
        check(template, method, await api.send(method.upper(), path, json=body))
    check("/rules", "post", await api.with_secret(None).post("/rules", {}))


async def test_what_the_sandbox_answers_is_what_is_documented(api: Api) -> None:
    await on_monday(api)
    card = await connect(api, "Card", 50_000, external_account_type="LIABILITY")
    await deposit(api, 500_000)
    pushed = await transfer(api, api.account("income"), card, 2_000)
    waiting = await transfer(api, api.account("income"), card, 3_000)
    check("/transfers/{id}/cancel", "post", await api.post(f"/transfers/{waiting}/cancel"))
    check("/transfers/{id}/cancel", "post", await api.post(f"/transfers/{waiting}/cancel"))
    check("/accounts/{id}/refresh", "post", await api.post(f"/accounts/{card}/refresh"))
    await work(api)
    check("/transfers/{id}", "get", await api.get(f"/transfers/{pushed}"))
    debit, omni = await issue(api), await issue(api, kind="omni_card")
    await deposit(api, 1_000, "savings")
    money = {"account_id": api.account("income"), "amount_in_cents": 1}
    bank = {"name": "Bank", "external_account_type": "DEPOSITORY"}
    for template, path, body in (
        ("/clock/advance", "/clock/advance", {"days": 1}),
        ("/clock/advance", "/clock/advance", {"to": "2000-01-01T00:00:00Z"}),
        ("/clock/freeze", "/clock/freeze", {}),
        ("/clock/resume", "/clock/resume", {}),
        ("/external-accounts", "/external-accounts", bank),
        ("/accounts/{id}/statement", f"/accounts/{card}/statement", {"interest_rate_percentage": 5.5}),
        ("/accounts/{id}/state", f"/accounts/{card}/state", {"state": "disconnected"}),
        ("/accounts/{id}/state", f"/accounts/{api.account('income')}/state", {"state": "open"}),
        ("/accounts/{id}/state", "/accounts/nobody/state", {"state": "open"}),
        ("/accounts/{id}/transactions", f"/accounts/{card}/transactions", {"amount_in_cents": -5}),
        ("/deposits", "/deposits", money),
        ("/deposits", "/deposits", money | {"payee_name": "Ada"}),
        ("/withdrawals", "/withdrawals", money),
        ("/transfers/{id}/settle", f"/transfers/{pushed}/settle", {}),
        ("/transfers/{id}/settle", f"/transfers/{pushed}/settle", {}),
        ("/transfers/{id}/return", f"/transfers/{pushed}/return", {"code": "R02"}),
        ("/failures", "/failures", {"call": "reports", "fault": "twice"}),
        ("/cards", "/cards", {"account_id": api.account("savings"), "type": "physical", "holder_name": "Holder"}),
        ("/cards", "/cards", {"account_id": "nobody", "type": "physical", "holder_name": "Holder"}),
        ("/cards/{id}/purchases", f"/cards/{debit}/purchases", {"amount_in_cents": 5}),
        ("/cards/{id}/purchases", f"/cards/{debit}/purchases", {"amount_in_cents": 10**13}),
        ("/cards/{id}/refunds", f"/cards/{debit}/refunds", {"amount_in_cents": 5}),
        ("/cards/{id}/refunds", f"/cards/{debit}/refunds", {"amount_in_cents": 5, "purchase_id": "nothing"}),
        ("/cards/{id}/account", f"/cards/{omni}/account", {"account_id": api.account("emergency")}),
        ("/cards/{id}/account", f"/cards/{debit}/account", {"account_id": api.account("emergency")}),
        ("/cards/{id}/declines", f"/cards/{debit}/declines", {}),
        ("/cards/{id}/status", f"/cards/{debit}/status", {"status": "lost"}),
        ("/cards/{id}/status", f"/cards/{debit}/status", {"status": "active"}),
    ):
        check(template, "post", await api.post(f"/sandbox{path}", body), SANDBOX)
    check("/clock", "get", await api.send("GET", "/sandbox/clock"), SANDBOX)
    check("/clock", "get", await api.with_secret(None).send("GET", "/sandbox/clock"), SANDBOX)


async def test_the_documented_body_of_a_rule_is_valid_and_accepted(api: Api) -> None:
    schema = V1["paths"]["/rules"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.Draft202012Validator(schema_of(V1, schema)).validate(BODY_003)
    answer = await api.post("/rules", body_003(api))

    assert answer.status_code == 201
    check("/rules", "post", answer)


async def test_bodies_beyond_the_documented_bounds_are_refused_and_those_at_them_are_not(api: Api) -> None:
    ends = {"source_account_id": api.account("income"), "destination_account_id": api.account("savings")}
    trigger = f"/rules/{api.rule()}/trigger"
    for template, path, body, is_fine in (
        ("/transfers", "/transfers", ends | {"amount_in_cents": 0}, False),
        ("/transfers", "/transfers", ends | {"amount_in_cents": 10**13}, True),
        ("/transfers", "/transfers", ends | {"amount_in_cents": 10**13 + 1}, False),
        ("/rules/{id}/trigger", trigger, {"manual_execute_amount": -1}, False),
        ("/rules/{id}/trigger", trigger, {"manual_execute_amount": 0}, True),
        ("/accounts/pods", "/accounts/pods", {"nickname": ""}, False),
        ("/accounts/pods", "/accounts/pods", {"nickname": "x" * 200}, True),
        ("/accounts/pods", "/accounts/pods", {"nickname": "x" * 201}, False),
    ):
        schema = V1["paths"][template]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert jsonschema.Draft202012Validator(schema_of(V1, schema)).is_valid(body) == is_fine
        assert (await api.post(path, body)).is_success == is_fine
