"""Webhooks: what endpoints hear, in which order, how they know that it is us, and what the log shows."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError

from sluiceway.domain.errors import InvalidParameters, NotFound
from sluiceway.domain.ids import DeliveryId, EndpointId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.transfers import Mode
from sluiceway.domain.webhooks import MOST_ENDPOINTS, Because, DeliveryStatus
from sluiceway.services.admission import admit
from sluiceway.services.engine import Engine
from sluiceway.services.rules import disable_rule
from sluiceway.services.webhooks import (
    create_endpoint,
    disable_endpoint,
    enable_endpoint,
    get_endpoint,
    list_deliveries,
    list_endpoints,
    replay,
    resend,
    rotate_secret,
)
from tests.invariants import violations
from tests.outbound.servers import replying
from tests.services.post import OK, Post, posting
from tests.support import World, fixed, new_world, on_demand, whenever_money_arrives


@pytest_asyncio.fixture(loop_scope="session")
async def post(engine: Engine, database_url: str) -> AsyncGenerator[Post]:
    async with posting(engine, database_url) as made:
        yield made
    assert await violations(engine.database) == {}


@pytest_asyncio.fixture(loop_scope="session")
async def other_world(post: Post) -> World:
    return await new_world(post.engine, email="other@example.com")


async def test_a_deposit_and_the_run_that_it_starts_are_told_in_order(post: Post):
    await post.listen("transfer.*", "execution.*")
    await post.world.rule("save", whenever_money_arrives("income", fixed(1_000, "income", "savings")))
    await post.world.deposit("income", 50_000)
    await post.world.settle()

    await post.tell()

    assert [heard["type"] for heard in post.heard()] == ["transfer.created", "transfer.created", "execution.finished"]
    [deposit, saving] = await post.world.transfers()
    first, second, third = (heard["data"] for heard in post.heard())
    assert (first["id"], first["status"], first["amount_in_cents"]) == (deposit.id, "COMPLETE", 50_000)
    assert second == {
        "id": saving.id,
        "organization_id": post.world.organization_id,
        "status": "COMPLETE",
        "amount_in_cents": 1_000,
        "currency": "USD",
        "direction": "INTERNAL",
        "mode": "LIVE",
        "source_account_id": post.world.accounts["income"],
        "destination_account_id": post.world.accounts["savings"],
        "execution_id": third["id"],
        "rule_id": post.world.rules["save"].id,
        "error_code": None,
        "return_code": None,
    }
    assert (third["status"], third["completed_transfers"], third["failed_transfers"]) == ("EXECUTED", 1, 0)


async def test_a_rule_that_a_person_enables_or_disables_is_told(post: Post):
    await post.listen("rule.*")
    rule = await post.world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))
    await post.tell()
    await disable_rule(post.world.engine, post.world.organization_id, rule.id, rule.id)
    await post.tell()

    about = {"id": rule.id, "organization_id": post.world.organization_id, "revision": 1}
    assert [(heard["type"], heard["data"]) for heard in post.heard()] == [
        ("rule.enabled", {**about, "is_enabled": True}),
        ("rule.disabled", {**about, "is_enabled": False}),
    ]


async def test_an_endpoint_hears_what_its_filters_say_and_nothing_else(post: Post):
    await post.listen("execution.failed", "rule.*", path="some")
    await post.listen("*", path="all")
    await post.world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))
    await post.world.trigger("save")
    await post.world.settle()

    await post.tell()

    assert post.kinds("some") == ["rule.enabled", "execution.failed"]
    assert post.kinds("all") == ["rule.enabled", "transfer.created", "execution.failed"]
    await post.world.deposit("income", 100)
    await post.tell()
    assert post.kinds("some") == ["rule.enabled", "execution.failed"]
    assert post.kinds("all") == ["rule.enabled", "transfer.created", "execution.failed", "transfer.created"]


async def test_what_is_only_simulated_is_not_told(post: Post):
    await post.world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))
    await post.world.deposit("income", 50_000)
    await post.listen("*")
    await admit(post.engine, [replace(post.world.trigger_command("save"), mode=Mode.SIMULATION)])
    await post.world.settle()
    assert [transfer.mode for transfer in await post.world.transfers()] == [Mode.LIVE, Mode.SIMULATION]

    await post.tell()

    assert post.heard() == []
    assert await post.log() == []


async def test_a_message_is_signed_and_its_id_is_the_events(post: Post):
    secret = await post.listen("*")
    await post.happen()

    await post.tell()

    [request] = post.requests()
    assert request.headers["content-type"] == "application/json"
    assert Webhook(secret).verify(request.body, request.headers) == json.loads(request.body)
    assert request.headers["webhook-id"] in await post.event_ids()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body.replace("transfer", "transfes"), request.headers)


async def test_after_a_rotation_both_secrets_sign_for_a_day(post: Post):
    old = await post.listen("*")
    await post.happen()
    _, new = await rotate_secret(post.engine, post.world.organization_id, post.endpoint, "ep")

    await post.tell()
    [request] = post.requests()
    for secret in (old, new):
        Webhook(secret).verify(request.body, request.headers)
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert old != new

    post.wait(hours=24, seconds=1)
    await post.happen()
    await post.tell()
    assert len(post.requests()[-1].headers["webhook-signature"].split(" ")) == 1
    found = await get_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    assert found.old_secret_until is None


async def test_a_second_rotation_ends_the_secret_before_the_last(post: Post):
    oldest = await post.listen("*")
    _, old = await rotate_secret(post.engine, post.world.organization_id, post.endpoint, "ep")
    _, new = await rotate_secret(post.engine, post.world.organization_id, post.endpoint, "ep")
    await post.happen()

    await post.tell()

    [request] = post.requests()
    for secret in (old, new):
        Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(oldest).verify(request.body, request.headers)


async def test_the_secret_is_nowhere_but_in_the_answer_to_its_making(post: Post):
    secret = await post.listen("*")

    listed = await list_endpoints(post.engine, post.world.organization_id)

    assert secret.startswith("whsec_")
    assert len(secret) == 6 + 44
    assert secret.removeprefix("whsec_") not in repr(listed)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/x", "the URL does not begin with https://"),
        ("https://localhost/x", "the host is not a public name"),
        ("https://10.0.0.1/x", "the host is an address and not a name"),
        ("https://user@hooks.example.com/", "the URL has a user name"),
        ("https://hooks.example.com:8443/", "the URL's port is not 443"),
    ],
)
async def test_an_endpoint_that_the_guard_would_not_call_is_not_made(post: Post, url: str, reason: str):
    with pytest.raises(InvalidParameters) as refused:
        await create_endpoint(post.engine, post.world.organization_id, url, ["*"])

    assert [(problem.path, problem.message) for problem in refused.value.problems] == [
        ("url", f"is not allowed: {reason}")
    ]
    assert await list_endpoints(post.engine, post.world.organization_id) == []


async def test_misspelled_events_are_refused(post: Post):
    with pytest.raises(InvalidParameters) as refused:
        await create_endpoint(
            post.engine, post.world.organization_id, post.url("x"), ["transfer.*", "transfer.creatd", "transfers.*"]
        )

    assert [problem.path for problem in refused.value.problems] == ["events/1", "events/2"]
    for events in ([], ["*"] * 51):
        with pytest.raises(InvalidParameters):
            await create_endpoint(post.engine, post.world.organization_id, post.url("x"), events)


async def test_an_organization_has_so_many_endpoints_and_no_more(post: Post):
    for number in range(MOST_ENDPOINTS):
        await post.listen("*", path=str(number))
    with pytest.raises(InvalidParameters):
        await post.listen("*", path="more")
    await disable_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    first = post.endpoint
    await post.listen("*", path="more")
    with pytest.raises(InvalidParameters):
        await enable_endpoint(post.engine, post.world.organization_id, first, "ep")


async def test_what_does_not_exist_is_not_found(post: Post, other_world: World):
    await post.listen("*")
    await post.happen()
    await post.tell()
    [delivery] = await post.log()
    stranger, engine = other_world.organization_id, post.engine

    for endpoint_id in (None, EndpointId(engine.new_id())):
        for attempt in (get_endpoint, rotate_secret, disable_endpoint, enable_endpoint):
            with pytest.raises(NotFound):
                await attempt(engine, post.world.organization_id, endpoint_id, "x")
    with pytest.raises(NotFound):
        await resend(engine, post.world.organization_id, None, "x")
    # Another organization's is not found either.
    for attempt in (get_endpoint, rotate_secret, disable_endpoint, enable_endpoint):
        with pytest.raises(NotFound):
            await attempt(engine, stranger, post.endpoint, "x")
    with pytest.raises(NotFound):
        await resend(engine, stranger, delivery.id, "x")
    assert await list_deliveries(engine, stranger, limit=10) == []
    assert await list_endpoints(engine, stranger) == []


async def test_another_organizations_events_are_not_heard(post: Post, other_world: World):
    await post.listen("*")
    await other_world.account("theirs", AccountKind.INCOME_SOURCE)
    await other_world.deposit("theirs", 100)

    await post.tell()

    assert post.heard() == []


async def test_without_an_endpoint_nothing_is_passed_on_and_what_happened_before_is_not_sent(post: Post):
    await post.happen()
    assert not await post.is_waiting()
    await post.listen("*")
    await post.tell()
    assert post.heard() == []


async def test_the_log_tells_how_each_message_went(post: Post):
    await post.listen("*")
    post.answers(OK, replying(500))
    await post.happen(times=3)
    await post.tell()

    waiting, failing, delivered = await post.log()

    assert (delivered.status, delivered.attempts, delivered.error) == (DeliveryStatus.DELIVERED, 1, None)
    assert (failing.status, failing.attempts) == (DeliveryStatus.PENDING, 1)
    assert failing.error == "The endpoint answered with status 500."
    assert (waiting.status, waiting.attempts, waiting.attempted_at) == (DeliveryStatus.PENDING, 0, None)
    organization_id = post.world.organization_id
    assert await list_deliveries(post.engine, organization_id, is_failing=True, limit=9) == [failing]
    assert await list_deliveries(post.engine, organization_id, before_id=failing.id, limit=9) == [delivered]
    nobody = EndpointId(post.engine.new_id())
    assert await list_deliveries(post.engine, organization_id, endpoint_id=nobody, limit=9) == []


async def test_a_message_is_sent_again_with_the_same_id_and_body(post: Post):
    await post.listen("*")
    await post.happen()
    await post.tell()
    [delivery] = await post.log()

    await resend(post.engine, post.world.organization_id, delivery.id, "dlv")
    await post.tell()

    first, second = post.requests()
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.event_id
    assert [(each.id, each.status) for each in await post.log()] == [(delivery.id, DeliveryStatus.DELIVERED)]


async def test_a_message_that_is_resent_does_not_wait_for_the_next_try(post: Post):
    await post.listen("*")
    post.answers(replying(500), OK)
    await post.happen()
    await post.tell()
    assert not await post.is_waiting()
    [delivery] = await post.log()

    await resend(post.engine, post.world.organization_id, delivery.id, "dlv")
    await post.tell()

    assert [each.status for each in await post.log()] == [DeliveryStatus.DELIVERED]


async def test_a_span_of_time_is_replayed_with_what_was_sent_before_and_what_was_not(post: Post):
    await post.happen()
    post.wait(minutes=1)
    await post.listen("*")
    began = post.now
    for _ in range(3):
        await post.happen()
        await post.tell()
        post.wait(minutes=1)
    ids = await post.event_ids()

    told = await replay(post.engine, post.world.organization_id, None, began - timedelta(hours=1), post.now)
    await post.tell()

    assert told == 4
    assert post.ids() == [*ids[1:], *ids]


async def test_only_what_is_inside_the_span_is_replayed_and_only_what_an_endpoint_wants(post: Post):
    await post.listen("transfer.*", path="transfers")
    await post.listen("rule.*", path="rules")
    for _ in range(4):
        await post.happen()
        post.wait(minutes=1)
    await post.tell()
    sent = len(post.requests())
    end = post.now

    span = (end - timedelta(minutes=3, seconds=1), end - timedelta(minutes=1, seconds=1))
    told = await replay(post.engine, post.world.organization_id, None, *span)
    await post.tell()

    assert told == 2
    ids = await post.event_ids()
    assert post.ids()[sent:] == ids[1:3]
    assert await replay(post.engine, post.world.organization_id, post.endpoint, *span) == 0, "it hears of rules only"


async def test_a_large_span_is_replayed_in_parts_and_nothing_is_left_out(post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluiceway.services.webhooks.BATCH", 3)
    await post.happen(times=10)
    await post.listen("*")
    post.wait(seconds=1)

    told = await replay(post.engine, post.world.organization_id, None, post.now - timedelta(hours=1), post.now)
    await post.tell()

    assert told == 10
    assert post.ids() == await post.event_ids()


async def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled_again(post: Post):
    await post.listen("*")
    post.answers(replying(500), OK)
    await post.happen(times=2)
    await post.tell()
    [_, failing] = await post.log()
    found = await disable_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    assert found.disabled_because is Because.BY_HAND
    post.wait(hours=1)
    await post.happen()
    await post.tell()
    assert len(post.requests()) == 1
    for refused in (
        resend(post.engine, post.world.organization_id, failing.id, "dlv"),
        replay(post.engine, post.world.organization_id, post.endpoint, post.now - timedelta(days=1), post.now),
    ):
        with pytest.raises(InvalidParameters):
            await refused

    enabled = await enable_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    await post.tell()

    assert enabled.disabled_at is None
    first, second, _, meanwhile = await post.event_ids()
    assert post.ids() == [first, first, second]
    # What happened meanwhile can be replayed.
    span = (post.now - timedelta(minutes=1), post.now + timedelta(minutes=1))
    assert await replay(post.engine, post.world.organization_id, None, *span) == 1
    await post.tell()
    assert post.ids()[-1] == meanwhile


async def test_what_is_old_is_forgotten_and_what_is_pending_never(post: Post):
    await post.listen("*")
    await post.happen(times=2)
    await post.tell()
    post.answers(replying(500))
    await post.happen()
    await post.tell()
    post.wait(days=29)
    assert await post.forget() == 0
    post.wait(days=1, seconds=1)

    assert await post.forget() == 3 + 2

    [left] = await post.log()
    assert left.status is DeliveryStatus.PENDING
    assert await post.event_ids() == []
    assert await post.forget() == 0


async def test_events_that_nobody_hears_are_forgotten_too(post: Post):
    await post.happen(times=2)
    post.wait(days=30, seconds=1)

    assert await post.forget() == 2


async def test_an_id_that_is_no_delivery_is_not_found(post: Post):
    with pytest.raises(NotFound):
        await resend(post.engine, post.world.organization_id, DeliveryId(post.engine.new_id()), "dlv")
    span = (post.now, post.now + timedelta(hours=1))
    with pytest.raises(NotFound):
        await replay(post.engine, post.world.organization_id, EndpointId(post.engine.new_id()), *span)
