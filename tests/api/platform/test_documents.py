"""The OpenAPI document of /platform/v1: valid, committed as it is served; the page that shows it needs no network."""

import json
import os
from pathlib import Path

from openapi_spec_validator import validate

from sluiceway.api.platform.app import DOCUMENT
from tests.api.outside import connect, on_monday, work
from tests.api.platform.client import Platform
from tests.api.platform.test_rules import saving
from tests.api.test_cards import give_back, issue, pay
from tests.api.test_documents import Loads, check
from tests.api.test_story import deposit

COMMITTED = Path(__file__).parents[3] / "docs" / "api" / "platform.json"


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"] == [{"url": "/platform/v1"}]
    assert DOCUMENT["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    validate(DOCUMENT)


def test_the_committed_document_is_the_one_that_is_served() -> None:
    written = json.dumps(DOCUMENT, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_DOCUMENTS") == "1":
        COMMITTED.write_text(written, encoding="utf-8")

    assert COMMITTED.read_text(encoding="utf-8") == written, f"run WRITE_DOCUMENTS=1 pytest {__file__}"


async def test_everybody_may_read_the_document(platform: Platform) -> None:
    stranger = platform.with_secret(None)

    for path in ("/openapi.json", "/openapi"):
        assert (await stranger.get(path)).json() == DOCUMENT
        assert (await stranger.under("/api/platform/v1").get(path)).json() == DOCUMENT


async def test_the_page_works_offline(platform: Platform) -> None:
    answer = await platform.with_secret(None).get("/docs")
    loads = Loads()
    loads.feed(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not loads.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert [address for address in loads.addresses if not address.startswith("#")] == ["/platform/v1/openapi.json"]
    assert {address.removeprefix("#") for address in loads.addresses if address.startswith("#")} <= loads.ids


async def test_what_is_answered_is_what_is_documented(platform: Platform) -> None:
    await on_monday(platform.v1)
    bank = await connect(platform.v1, "Bank")
    await work(platform.v1)
    await platform.v1.post(f"/sandbox/accounts/{bank}/transactions", {"amount_in_cents": 5})
    await deposit(platform.v1, 500_000)
    await work(platform.v1)
    rule, income = platform.rule(), platform.account("income")
    card = await issue(platform.v1)
    await pay(platform.v1, card, 100)
    await give_back(platform.v1, card, 100)
    [run] = await platform.items(f"/rules/{rule}/executions")
    whole = await platform.read(f"/rules/{rule}/executions/{run['id']}")
    ends = {"sourceAccountId": income, "destinationAccountId": platform.account("savings")}
    seen: set[tuple[str, str]] = set()
    for method, template, path, body in (
        ("get", "/accounts", "/accounts", None),
        ("get", "/accounts", "/accounts?page=0", None),
        ("get", "/accounts/{id}", f"/accounts/{income}", None),
        ("get", "/accounts/{id}", f"/accounts/{bank}", None),
        ("get", "/accounts/{id}", "/accounts/nobody", None),
        ("get", "/accounts/{accountId}/transfers", f"/accounts/{income}/transfers", None),
        ("get", "/transfers", f"/transfers?accountIds={income}", None),
        ("get", "/transfers/{id}", f"/transfers/{whole['transferIds'][0]}", None),
        ("get", "/transfers/{id}", "/transfers/nobody", None),
        ("post", "/transfers", "/transfers", ends | {"amountInCents": 100}),
        ("post", "/transfers", "/transfers", ends),
        ("get", "/external-transactions", f"/external-transactions?accountIds={bank}", None),
        ("get", "/card-transactions", f"/card-transactions?accountId={platform.account('savings')}", None),
        ("get", "/card-transactions", "/card-transactions", None),
        ("get", "/rules", "/rules", None),
        ("post", "/rules", "/rules", saving(platform)),
        ("get", "/rules/{id}", f"/rules/{rule}", None),
        ("get", "/rules/{id}", "/rules/nobody", None),
        ("post", "/rules/{id}/trigger", f"/rules/{rule}/trigger", {"executeAmount": 5}),
        ("patch", "/rules/{id}", f"/rules/{rule}", {"name": "Other"}),
        ("post", "/rules/{id}/trigger", f"/rules/{rule}/trigger", {}),
        ("get", "/rules/{ruleId}/executions", f"/rules/{rule}/executions", None),
        ("get", "/rules/{ruleId}/executions/{id}", f"/rules/{rule}/executions/{run['id']}", None),
        ("get", "/rules/{ruleId}/executions/{id}", f"/rules/{rule}/executions/nobody", None),
        ("get", "/audit-logs", "/audit-logs", None),
    ):
        check(template, method, await platform.send(method.upper(), path, json=body), DOCUMENT)
        seen.add((template, method))

    assert seen == {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
