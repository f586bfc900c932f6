"""A person turns a sandbox's world: money arrives, the clock moves, cards pay, the bank fails."""

from datetime import datetime

import pytest

from tests.api.app.client import Browser, assert_refused


async def test_money_arrives_and_the_page_says_so(writer: Browser) -> None:
    told = await writer.post("/sandbox/deposits", {"accountId": writer.account("income"), "amountInCents": 150_000})

    assert told.status_code == 201, told.text
    happened = told.json()["data"]
    assert happened["message"] == "$1,500.00 arrived in income."
    assert happened["isDone"]
    assert happened["transferId"].startswith("txr_")


async def test_what_is_there_to_choose_from(viewer: Browser) -> None:
    world = (await viewer.get("/sandbox")).json()["data"]

    assert "income" in {place["name"] for place in world["places"]}
    assert {fault["fault"] for fault in world["faults"] if fault["call"] == "submit"} == {
        "UNAVAILABLE",
        "LOST_REPLY",
        "REFUSED",
    }


async def test_the_clock_is_turned_and_stands_still(writer: Browser) -> None:
    before = (await writer.post("/sandbox/clock/freeze")).json()["data"]

    after = (await writer.post("/sandbox/clock/advance", {"days": 2})).json()["data"]

    assert before["isFrozen"]
    assert after["isFrozen"]
    gone = datetime.fromisoformat(after["now"]) - datetime.fromisoformat(before["now"])
    assert gone.days == 2
    assert not (await writer.post("/sandbox/clock/resume")).json()["data"]["isFrozen"]


@pytest.mark.parametrize("body", [{}, {"days": 1, "toNext": True}, {"toNext": True}, {"to": "yesterday"}, {"days": 0}])
async def test_a_clock_has_to_know_where_to_go(writer: Browser, body: dict[str, object]) -> None:
    assert_refused(await writer.post("/sandbox/clock/advance", body), 400, "INVALID_PARAMETERS")


async def test_the_clock_never_goes_back(writer: Browser) -> None:
    refused = await writer.post("/sandbox/clock/advance", {"to": "2001-01-01T00:00:00Z"})

    assert_refused(refused, 409, "CLOCK_REFUSED")


async def test_what_is_not_there_is_not_collected(writer: Browser) -> None:
    told = await writer.post(
        "/sandbox/withdrawals", {"accountId": writer.account("income"), "amountInCents": 99, "description": "Rent"}
    )

    assert told.status_code == 201, told.text
    assert not told.json()["data"]["isDone"]
    assert "Nothing moved" in told.json()["data"]["message"]


async def test_the_bank_fails_when_it_is_told_to(writer: Browser) -> None:
    told = await writer.post("/sandbox/faults", {"call": "submit", "fault": "LOST_REPLY", "times": 3})

    assert told.status_code == 201, told.text
    assert told.json()["data"]["message"] == (
        "The next 3 calls will go wrong (payments handed to the bank): the bank does it, but its answer is lost."
    )


async def test_faults_that_do_not_exist_are_refused(writer: Browser) -> None:
    refused = await writer.post("/sandbox/faults", {"call": "balances", "fault": "TWICE"})

    assert_refused(refused, 400, "INVALID_PARAMETERS")


async def test_a_card_that_is_not_there_pays_nothing(writer: Browser) -> None:
    refused = await writer.post("/sandbox/cards/card_1/purchases", {"amountInCents": 100, "description": "Tea"})

    assert_refused(refused, 404, "NOT_FOUND")
