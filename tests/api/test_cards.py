"""Cards over HTTP: issued in the sandbox, used there, and read by /api/v1."""

import asyncio
from typing import Any

from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, format_id, parse_id
from tests.api.client import Api, assert_refused, digest, only
from tests.api.outside import balance, on_monday, read, told
from tests.api.test_story import deposit
from tests.services.town import eastern


async def issue(api: Api, account: str = "savings", **more: Any) -> str:
    """Issue a virtual debit card."""
    body = {"account_id": api.account(account), "type": "virtual", "holder_name": "Holder"} | more
    return (await told(api, "/sandbox/cards", body, status=201))["id"]


async def pay(api: Api, card: str, amount: int, **more: Any) -> dict[str, Any]:
    """Pay with a card."""
    return await told(api, f"/sandbox/cards/{card}/purchases", {"amount_in_cents": amount} | more, status=201)


async def give_back(api: Api, card: str, amount: int, **more: Any) -> dict[str, Any]:
    """Pay a card back."""
    return await told(api, f"/sandbox/cards/{card}/refunds", {"amount_in_cents": amount} | more, status=201)


async def test_a_card_is_issued_used_and_read(api: Api) -> None:
    await on_monday(api)
    await deposit(api, 10_000, "savings")
    card = await issue(api)
    paid = await pay(api, card, 4_250, description="Corner market")
    given = await give_back(api, card, 250, purchase_id=paid["id"])
    declined = await pay(api, card, 1_000_000)

    shown = await read(api, f"/cards/{card}")
    assert shown == {
        "id": card,
        "type": "virtual",
        "status": "active",
        "last_four": shown["last_four"],
        "holder_name": "Holder",
        "expiration_date": "01/33",
        "account_id": api.account("savings"),
        "created_at": "2030-01-07T14:00:00.000Z",
        "kind": "debit_card",
    }
    assert card.startswith("card_")
    assert await read(api, "/cards", account_id=api.account("savings")) == [shown]
    [refund, purchase] = await read(api, f"/cards/{card}/transactions")
    assert purchase == {
        "id": paid["id"],
        "card_id": card,
        "card_type": "debit_card",
        "account": {"id": api.account("savings"), "name": "savings", "type": "pod"},
        "direction": "debit",
        "subtype": "purchase",
        "status": "complete",
        "amount_in_cents": 4_250,
        "description": "Corner market",
        "created_at": "2030-01-07T14:00:00.000Z",
        "completed_at": "2030-01-07T14:00:00.000Z",
        "decline_reason": None,
        "purchase_id": None,
    }
    assert (refund["id"], refund["direction"], refund["subtype"], refund["purchase_id"], refund["description"]) == (
        given["id"],
        "credit",
        "refund",
        paid["id"],
        "",
    )
    [refused] = await read(api, f"/cards/{card}/transactions", status="declined")
    assert (refused["id"], refused["status"], refused["decline_reason"], refused["completed_at"]) == (
        declined["id"],
        "declined",
        "insufficient_funds",
        None,
    )
    assert len(await read(api, f"/cards/{card}/transactions", status="all")) == 3
    assert await balance(api, api.account("savings")) == 10_000 - 4_250 + 250
    transfers = await read(api, "/transfers", account_id=api.account("savings"))
    assert [each["origin"] for each in transfers] == ["paycheck"], "what a card does is no transfer"


async def test_every_spelling_of_a_card_is_the_card(api: Api) -> None:
    card = await issue(api)
    uuid = parse_id(IdKind.CARD, card) or ""

    for spelling in (uuid, uuid.upper(), card.lower(), card.replace("card_", "card_")):
        assert (await read(api, f"/cards/{spelling}"))["id"] == card


async def test_cards_are_found_by_status_and_type_page_by_page(api: Api) -> None:
    virtual, physical, frozen = await issue(api), await issue(api, type="physical"), await issue(api)
    await issue(api, "emergency")
    await told(api, f"/sandbox/cards/{frozen}/status", {"status": "frozen"})
    account = api.account("savings")

    async def found(**query: Any) -> list[str]:
        return [card["id"] for card in await read(api, "/cards", account_id=account, **query)]

    assert await found() == [frozen, physical, virtual]
    assert await found(status="frozen") == [frozen]
    assert await found(status="inactive") == [physical]
    assert await found(type="virtual") == [frozen, virtual]
    assert await found(type="physical", status="active") == []
    first = (await api.get("/cards", account_id=account, first=2)).json()
    assert first["page_info"]["has_next_page"]
    assert await found(after=first["page_info"]["end_cursor"]) == [virtual]


async def test_transactions_come_in_pages_by_direction_and_time(api: Api) -> None:
    await on_monday(api)
    await deposit(api, 10_000, "savings")
    card, other = await issue(api), await issue(api)
    made: list[str] = []
    for amount in (100, 200, 300):
        made.append((await pay(api, card, amount))["id"])
        await told(api, "/sandbox/clock/advance", {"days": 1})
    given = (await give_back(api, card, 50))["id"]
    newest_first = [given, *made[::-1]]

    async def found(**query: Any) -> list[str]:
        return [each["id"] for each in await read(api, f"/cards/{card}/transactions", **query)]

    assert await found() == newest_first
    assert await found(direction="credit") == [given]
    assert await found(direction="debit") == made[::-1]
    assert await found(**{"from": "2030-01-08T14:00:00Z", "to": "2030-01-09T14:00:00Z"}) == [made[2], made[1]]
    page = (await api.get(f"/cards/{card}/transactions", first=3)).json()
    cursor = page["page_info"]["end_cursor"]
    assert await found(after=cursor) == [made[0]]
    assert await read(api, f"/cards/{other}/transactions") == []
    # A cursor belongs to its card.
    refused = await api.get(f"/cards/{other}/transactions", after=cursor)
    assert_refused(refused, 400, "invalid_parameters", ["after"])


async def test_an_omni_card_is_switched_and_each_pod_keeps_what_it_paid(api: Api) -> None:
    await deposit(api, 10_000, "savings")
    await deposit(api, 10_000, "emergency")
    card = await issue(api, kind="omni_card", type="physical")
    assert (await pay(api, card, 1))["decline_reason"] == "card_not_active"
    await told(api, f"/sandbox/cards/{card}/status", {"status": "active"})
    before = await pay(api, card, 1_000)
    switched = await told(api, f"/sandbox/cards/{card}/account", {"account_id": api.account("emergency")})
    after = await pay(api, card, 2_000)
    await give_back(api, card, 500, purchase_id=before["id"])

    assert (switched["account_id"], switched["kind"]) == (api.account("emergency"), "omni_card")
    assert (before["account_id"], after["account_id"]) == (api.account("savings"), api.account("emergency"))
    assert await balance(api, api.account("savings")) == 9_500
    assert await balance(api, api.account("emergency")) == 8_000
    narrow = await api.with_grants(only(Permission.READ_CARDS, api.world.accounts["emergency"]))
    assert [each["id"] for each in await read(narrow, f"/cards/{card}/transactions")] == [after["id"]]
    debit = await issue(api)
    refused = await api.post(f"/sandbox/cards/{debit}/account", {"account_id": api.account("emergency")})
    assert_refused(refused, 409, "card_refused", ["only an omni card"])


async def test_the_issuer_declines_what_it_was_told_to(api: Api) -> None:
    await deposit(api, 10_000, "savings")
    card = await issue(api)
    asked = await told(api, f"/sandbox/cards/{card}/declines", {"times": 2}, status=201, key="once")
    await told(api, f"/sandbox/cards/{card}/declines", {"times": 2}, status=201, key="once")
    reasons = [(await pay(api, card, 100))["decline_reason"] for _ in range(3)]
    await told(api, f"/sandbox/cards/{card}/declines", status=201)
    reasons += [(await pay(api, card, 100))["decline_reason"] for _ in range(2)]

    assert asked == {"card_id": card, "times": 2}
    assert reasons == ["issuer_declined", "issuer_declined", None, "issuer_declined", None]


async def test_what_is_final_or_too_much_is_refused_and_changes_nothing(api: Api) -> None:
    await deposit(api, 10_000, "savings")
    card = await issue(api)
    paid = await pay(api, card, 1_000)
    await told(api, f"/sandbox/cards/{card}/status", {"status": "lost"})
    before = await digest(api.world.engine.database)

    refused = await api.post(f"/sandbox/cards/{card}/status", {"status": "active"})
    assert_refused(refused, 409, "card_refused", ["The card does not do that: it is lost, and stays so."])
    much = await api.post(f"/sandbox/cards/{card}/refunds", {"amount_in_cents": 1_001, "purchase_id": paid["id"]})
    assert_refused(much, 409, "card_refused", ["of this purchase 1000 cents can still be refunded"])
    assert await digest(api.world.engine.database) == before


async def test_an_account_with_an_active_card_cannot_be_deleted(api: Api) -> None:
    card = await issue(api)
    refused = await api.delete(f"/accounts/{api.account('savings')}")
    await told(api, f"/sandbox/cards/{card}/status", {"status": "stolen"})

    assert_refused(refused, 409, "account_not_empty", ["an active card"])
    assert (await api.delete(f"/accounts/{api.account('savings')}")).status_code == 200
    assert (await read(api, f"/cards/{card}"))["status"] == "stolen"


async def test_one_key_is_one_purchase_with_one_answer(api: Api) -> None:
    await deposit(api, 10_000, "savings")
    card = await issue(api)
    path, body = f"/sandbox/cards/{card}/purchases", {"amount_in_cents": 400}
    answers = await asyncio.gather(*(api.post(path, body, key="mine") for _ in range(20)))
    again = await api.post(path, body, key="mine")
    other = await api.post(path, {"amount_in_cents": 401}, key="mine")

    assert {answer.content for answer in [*answers, again]} == {again.content}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert_refused(other, 422, "idempotency_key_mismatch")
    assert await balance(api, api.account("savings")) == 9_600


async def test_one_key_issues_one_card(api: Api) -> None:
    body = {"account_id": api.account("savings"), "type": "virtual", "holder_name": "Holder"}
    answers = await asyncio.gather(*(api.post("/sandbox/cards", body, key="mine") for _ in range(10)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(await read(api, "/cards", account_id=api.account("savings"))) == 1


async def test_fifty_purchases_at_once_pay_for_half(api: Api) -> None:
    await deposit(api, 10_000, "savings")
    card = await issue(api)
    made = await asyncio.gather(*(pay(api, card, 400) for _ in range(50)))

    assert [each["status"] for each in made].count("complete") == 25
    assert {each["decline_reason"] for each in made} == {None, "insufficient_funds"}
    assert await balance(api, api.account("savings")) == 0


async def test_a_purchase_is_stamped_with_the_sandboxs_time(api: Api) -> None:
    await on_monday(api)
    card = await issue(api)
    await told(api, "/sandbox/clock/advance", {"to": "2033-02-01T05:00:00Z"})
    declined = await pay(api, card, 1)

    assert eastern("2033-02-01 00:00").isoformat() == "2033-02-01T05:00:00+00:00"
    assert (declined["created_at"], declined["decline_reason"]) == ("2033-02-01T05:00:00.000Z", "card_expired")


async def test_a_narrow_key_is_refused_alike_for_the_cards_of_others_and_for_none(api: Api) -> None:
    mine, other = await issue(api), await issue(api, "emergency")
    narrow = await api.with_grants(only(Permission.READ_CARDS, api.world.accounts["savings"]))
    unknown = format_id(IdKind.CARD, api.world.engine.new_id())
    answers: set[bytes] = set()

    for spelling in (other, unknown, "nonsense", api.account("savings")):
        for path in (f"/cards/{spelling}", f"/cards/{spelling}/transactions"):
            answer = await narrow.with_headers(X_Request_ID="same").get(path)
            assert_refused(answer, 403, "forbidden")
            answers.add(answer.content)
    assert len(answers) == 1
    assert (await narrow.get(f"/cards/{mine}")).status_code == 200
    for account in (api.account("emergency"), api.world.engine.new_id(), "nonsense"):
        assert_refused(await narrow.get("/cards", account_id=account), 403, "forbidden")
    for spelling in (unknown, "nonsense"):
        refused = await api.get(f"/cards/{spelling}")
        assert_refused(refused, 404, "resource_not_found", [f"Card with id '{spelling}' was not found."])
