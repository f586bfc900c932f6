"""Delivering: nothing is lost, everything in order, nobody waits for somebody else's endpoint."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import psycopg
import pytest
import pytest_asyncio

from sluiceway.domain.ids import least_id
from sluiceway.domain.webhooks import DELAYS, Because, DeliveryStatus
from sluiceway.outbound import Outbound, read_policy
from sluiceway.services.clock import advance, freeze
from sluiceway.services.delivering import tell
from sluiceway.services.engine import Engine
from sluiceway.services.webhooks import create_endpoint, disable_endpoint, enable_endpoint, list_endpoints
from sluiceway.storage.database import WriteTx
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events
from sluiceway.wiring import working
from sluiceway.worker import Worker
from tests.clocks import until
from tests.invariants import violations
from tests.outbound.servers import dripping, replying
from tests.services.post import OK, Post, posting
from tests.support import new_world, somebody_waits
from tests.taxes import Pausing

BROKEN = replying(500, b"a secret of theirs")


@pytest_asyncio.fixture(loop_scope="session")
async def post(engine: Engine, database_url: str) -> AsyncGenerator[Post]:
    async with posting(engine, database_url) as made:
        yield made
    assert await violations(engine.database) == {}


async def statuses(post: Post) -> list[tuple[str, int]]:
    """Tell how each message stands and how often it was tried, oldest first."""
    return [(each.status.value, each.attempts) for each in reversed(await post.log())]


async def test_messages_arrive_in_order_and_wait_for_one_that_is_tried_again(post: Post):
    await post.listen("*")
    post.answers(OK, BROKEN, OK)
    await post.happen(4)

    await post.tell()
    assert await statuses(post) == [("DELIVERED", 1), ("PENDING", 1), ("PENDING", 0), ("PENDING", 0)]
    await post.tell()
    first, second, third, fourth = await post.event_ids()
    assert post.ids() == [first, second], "it is not tried before its time"

    post.wait(seconds=5)
    await post.tell()

    assert post.ids() == [first, second, second, third, fourth]
    assert await statuses(post) == [("DELIVERED", 1), ("DELIVERED", 2), ("DELIVERED", 1), ("DELIVERED", 1)]
    assert (await post.found()).failing_since is None
    assert (await post.found()).due_at is None


async def test_every_attempt_is_signed_anew_and_sends_the_same(post: Post):
    await post.listen("*")
    post.answers(BROKEN, OK)
    await post.happen()
    await post.tell()
    post.wait(seconds=10)
    await post.tell()

    first, second = post.requests()
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) in range(9, 20)
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_a_message_is_tried_for_three_days_and_then_given_up(post: Post):
    await post.listen("*")
    post.world.engine = replace(post.engine, jitter=lambda: 0.5)
    post.answers(BROKEN)
    await post.happen(2)
    waits: list[timedelta] = []
    await post.tell()
    began = post.now
    while (first := (await post.log())[-1]).status is DeliveryStatus.PENDING:
        due_at = (await post.found()).due_at
        assert due_at is not None
        assert first.attempted_at is not None
        assert first.error == "The endpoint answered with status 500."
        waits.append(due_at - first.attempted_at)
        post.shift += due_at - post.now - timedelta(seconds=0.5)
        await post.tell()
        assert (await post.log())[-1].attempts == len(waits), "not before its time"
        post.wait(seconds=0.6)
        await post.tell()

    assert waits == [delay * 1.1 for delay in DELAYS]
    assert timedelta(days=3) < post.now - began < timedelta(days=3, hours=6)
    assert await statuses(post) == [("FAILED", 10), ("PENDING", 1)], "what comes after it has its turn"


async def test_an_endpoint_that_is_dead_for_five_days_is_disabled_and_others_are_told(post: Post):
    await post.listen("*", path="alive")
    await post.listen("transfer.*", path="dead")
    post.answers(BROKEN, path="dead")
    await post.happen(3)
    await post.tell()
    began = post.now

    while (await post.found()).disabled_at is None:
        due_at = (await post.found()).due_at
        assert due_at is not None
        assert post.now - began < timedelta(days=7)
        post.shift += max(due_at - post.now, timedelta(0)) + timedelta(milliseconds=1)
        await post.tell()

    found = await post.found()
    assert found.disabled_because is Because.SILENT
    assert timedelta(days=5) <= post.now - began < timedelta(days=6)
    told = post.heard("alive")[-1]
    assert (told["type"], told["data"]["id"], told["data"]["disabled_because"]) == (
        "endpoint.disabled",
        post.endpoint,
        "SILENT",
    )
    count = len(post.requests("dead"))
    post.wait(days=2)
    await post.happen()
    await post.tell()
    assert len(post.requests("dead")) == count, "it gets nothing more"
    # It comes back: what had waited for it has not been lost.
    post.answers(OK, path="dead")
    await enable_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    await post.tell()
    assert post.ids("dead")[count:] == (await post.event_ids())[1:3]


async def test_one_success_in_five_days_is_enough(post: Post):
    await post.listen("*")
    post.answers(BROKEN, BROKEN, OK, BROKEN)
    await post.happen(2)
    await post.tell()
    for days in (4, 4, 4):
        post.wait(days=days)
        await post.tell()

    assert (await post.found()).disabled_at is None
    post.wait(days=2)
    await post.tell()
    assert (await post.found()).disabled_because is Because.SILENT


async def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(post: Post):
    await post.listen("*", path="alive")
    await post.listen("*", path="gone")
    post.answers(replying(410), path="gone")
    await post.happen(2)

    await post.tell()

    assert len(post.requests("gone")) == 1
    assert (await post.found()).disabled_because is Because.GONE
    assert post.kinds("alive") == ["transfer.created", "transfer.created", "endpoint.disabled"]
    failing = [each for each in await post.log() if each.error is not None]
    assert [(each.status, each.error) for each in failing] == [
        (DeliveryStatus.PENDING, "The endpoint answered with status 410.")
    ]


@pytest.mark.parametrize(
    ("status", "header", "waits_s"),
    [
        (503, b"Retry-After: 120", 120),
        (429, b"Retry-After: 3600", 3600),
        (429, b"Retry-After: 1", 5),
        (503, b"Retry-After: 999999999999", 24 * 3600),
        (503, b"Retry-After: -5", 5),
        (503, b"Retry-After: soon", 5),
        (500, b"Retry-After: 120", 5),
    ],
)
async def test_an_endpoint_may_ask_for_time(post: Post, status: int, header: bytes, waits_s: int):
    await post.listen("*")
    post.answers(replying(status, b"", header))
    await post.happen()
    await post.tell()

    [delivery] = await post.log()
    due_at = (await post.found()).due_at
    assert due_at is not None
    assert delivery.attempted_at is not None
    assert due_at - delivery.attempted_at == timedelta(seconds=waits_s)


async def test_it_may_name_a_date(post: Post):
    await post.listen("*")
    at = post.now.replace(microsecond=0) + timedelta(minutes=10)
    post.answers(replying(503, b"", f"Retry-After: {format_datetime(at, usegmt=True)}".encode()))
    await post.happen()
    await post.tell()

    due_at = (await post.found()).due_at
    assert due_at is not None
    assert abs(due_at - at) < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (replying(200, b"x" * 100_000), None),
        (replying(299), None),
        (replying(302, b"", b"Location: http://127.0.0.1/"), "The endpoint answered with status 302."),
        (replying(404, b"our database password is 123"), "The endpoint answered with status 404."),
        (b"", "The endpoint gave no answer: the connection failed before a complete answer."),
        (b"nonsense\r\n\r\n", "The endpoint gave no answer: the connection failed before a complete answer."),
    ],
)
async def test_only_2xx_is_a_delivery_and_the_log_holds_nothing_that_the_endpoint_said(
    post: Post, answer: bytes, error: str | None
):
    await post.listen("*")
    post.answers(answer)
    await post.happen()

    await post.tell()

    [delivery] = await post.log()
    assert delivery.error == error
    assert (delivery.status is DeliveryStatus.DELIVERED) == (error is None)


async def test_an_endpoint_that_the_operator_no_longer_allows_is_not_called(post: Post):
    await post.listen("*")
    await post.happen()
    async with Outbound(read_policy("")) as closed:
        await tell(replace(post.engine, outbound=closed), post.world.organization_id)

    [delivery] = await post.log()
    assert delivery.error == "The endpoint was not called: the host is an address and not a name."
    assert post.requests() == []


async def test_a_worker_that_dies_between_delivery_and_write_loses_nothing(post: Post):
    await post.listen("*")
    await post.happen(2)
    dying = asyncio.create_task(post.tell())
    await until(lambda: has_heard(post, 1))
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    heard = len(post.requests())
    ids = await post.event_ids()
    assert await post.tell() == 0, "its lease has not ended"

    post.wait(seconds=31)
    await post.tell()

    assert list(dict.fromkeys(post.ids())) == ids
    assert len(post.requests()) <= heard + 2
    assert {each.status for each in await post.log()} == {DeliveryStatus.DELIVERED}


async def has_heard(post: Post, count: int) -> bool:
    return len(post.requests()) >= count


async def test_what_was_delivered_and_not_written_is_delivered_again_with_the_same_id(post: Post):
    await post.listen("*")
    await post.happen()
    service = Pausing([OK])
    post.answers(service, path="hook")
    dying = asyncio.create_task(post.tell())
    await service.are_waiting(1)
    async with await psycopg.AsyncConnection.connect(post.database_url) as outside:
        await outside.execute("SELECT FROM webhook_endpoint FOR UPDATE")
        service.gates[0].set()
        # The endpoint has taken it, and we are about to write that.
        await somebody_waits(post.database_url, "hold_endpoint")
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await outside.rollback()
    assert await statuses(post) == [("PENDING", 0)]

    post.answers(OK, path="hook")
    post.wait(seconds=31)
    await post.tell()

    [event_id] = await post.event_ids()
    assert post.ids() == [event_id, event_id]
    assert len({request.body for request in post.requests()}) == 1
    assert await statuses(post) == [("DELIVERED", 1)]


async def test_who_has_lost_the_lease_writes_nothing(post: Post):
    await post.listen("*")
    await post.happen()
    service = Pausing([BROKEN, OK])
    post.answers(service)
    slow = asyncio.create_task(post.tell())
    await service.are_waiting(1)
    post.wait(seconds=31)
    second = asyncio.create_task(post.tell())
    await service.are_waiting(2)
    service.gates[1].set()
    await second
    service.gates[0].set()
    await slow

    assert await statuses(post) == [("DELIVERED", 1)]
    assert (await post.found()).failing_since is None


async def test_two_workers_at_once_deliver_each_message_once_and_in_order(post: Post, other_engine: Engine):
    paths = [f"hook{number}" for number in range(4)]
    for path in paths:
        await post.listen("*", path=path)
    other = replace(post.engine, database=other_engine.database)

    async def work(engine: Engine, rounds: int) -> None:
        for _ in range(rounds):
            await tell(engine, post.world.organization_id)
            await asyncio.sleep(0.001)

    async def happen() -> None:
        for _ in range(30):
            await post.happen()

    await asyncio.gather(happen(), happen(), *(work(engine, 40) for engine in (post.engine, other) * 2))
    await post.tell()

    ids = await post.event_ids()
    assert len(ids) == 60
    for path in paths:
        assert sorted(post.ids(path)) == sorted(ids)
    # Those that two transactions made at once may come in either order; what one made after the other may not.
    assert all(post.ids(path) == post.ids(paths[0]) for path in paths)


async def test_an_event_that_commits_late_is_not_lost(post: Post):
    await post.listen("*")
    early = post.engine.new_id()
    await post.happen(3)
    await post.tell()

    async def late(tx: WriteTx) -> None:
        organization_id = post.world.organization_id
        event = OutboxEvent(organization_id, early, EventKind.ORGANIZATION_PAUSED, organization_id, post.now)
        await insert_events(tx, [event])

    await post.engine.database.write(late)
    await post.tell()

    assert post.ids()[-1] == early == min(post.ids())


async def test_a_dead_endpoint_delays_no_other_one_of_its_organization(post: Post):
    await post.listen("*", path="alive")
    await post.listen("*", path="hangs")
    service = Pausing([OK, OK, OK])
    post.answers(service, path="hangs")
    await post.happen()
    telling = asyncio.create_task(post.tell())
    await service.are_waiting(1)

    # The other one goes on while this one is waited for.
    for count in (2, 3):
        began = time.monotonic()
        await post.happen()
        await until(lambda count=count: has_delivered(post, "alive", count))
        assert time.monotonic() - began < 2
    assert len(post.requests("hangs")) == 1

    for gate in service.gates:
        gate.set()
    await telling
    assert post.ids("alive") == post.ids("hangs")


async def has_delivered(post: Post, path: str, count: int) -> bool:
    return len(post.requests(path)) == count


async def test_an_endpoint_that_answers_by_drops_is_given_up_before_its_lease_ends(post: Post):
    await post.listen("*")
    post.answers(dripping(b"HTTP/1.1 200 Fine\r\nContent-Length: 1000000\r\n\r\n", b"x"))
    await post.happen()
    quick = replace(post.engine, lease=timedelta(seconds=0.6))
    began = time.monotonic()

    await tell(quick, post.world.organization_id)

    assert time.monotonic() - began < 2
    [delivery] = await post.log()
    assert (delivery.attempts, delivery.error) == (1, "The endpoint gave no answer: it did not answer in time.")


async def test_an_endpoint_that_is_disabled_while_it_is_called_gets_nothing_more(post: Post):
    await post.listen("*")
    await post.happen(2)
    service = Pausing([OK, OK])
    post.answers(service)
    telling = asyncio.create_task(post.tell())
    await service.are_waiting(1)
    await disable_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    service.gates[0].set()
    await telling

    assert await statuses(post) == [("DELIVERED", 1), ("PENDING", 0)]
    service.gates[1].set()
    await enable_endpoint(post.engine, post.world.organization_id, post.endpoint, "ep")
    await post.tell()
    assert await statuses(post) == [("DELIVERED", 1), ("DELIVERED", 1)]


async def test_moving_a_clock_neither_delivers_nor_waits_for_deliveries(post: Post):
    await post.listen("*")
    await post.happen()
    await freeze(post.engine, post.world.organization_id)
    # The bank is asked for reports once.
    await advance(post.engine, post.world.organization_id, post.now)

    state = await advance(post.engine, post.world.organization_id, post.now + timedelta(days=400))

    assert state.stops == 0
    assert post.requests() == []
    await post.happen()
    await post.tell()
    before, after = (datetime.fromisoformat(heard["timestamp"]) for heard in post.heard())
    assert after - before > timedelta(days=399), "what happened has the organization's time"
    stamps = [int(request.headers["webhook-timestamp"]) for request in post.requests()]
    assert all(abs(stamp - datetime.now(UTC).timestamp()) < 60 for stamp in stamps), "the message has the real one"


async def test_a_worker_sends_by_itself_and_an_endpoint_that_hangs_delays_no_other_organization(post: Post):
    other = await new_world(post.engine, email="other@example.com")
    await other.account("income")
    await post.listen("*", path="hangs")
    await create_endpoint(post.engine, other.organization_id, post.url("alive"), ["*"])
    service = Pausing([OK])
    post.answers(service, path="hangs")

    async with working(Worker(post.engine)):
        await post.happen()
        await service.are_waiting(1)
        began = time.monotonic()
        await other.deposit("income", 500)
        await until(lambda: has_delivered(post, "alive", 1))
        took = time.monotonic() - began
        service.gates[0].set()
        await until(lambda: is_idle(post))

    assert took < 3
    assert await statuses(post) == [("DELIVERED", 1)]


async def is_idle(post: Post) -> bool:
    return all(each.due_at is None for each in await list_endpoints(post.engine, post.world.organization_id))


async def test_a_process_that_may_not_call_out_leaves_it_to_others(post: Post):
    await post.listen("*")
    await post.happen()
    silent = replace(post.engine, outbound=None)

    async with working(Worker(silent)):
        await asyncio.sleep(0.5)

    assert post.requests() == []
    assert await post.is_waiting()


async def test_many_events_for_many_endpoints_all_arrive(post: Post, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluiceway.services.delivering.BATCH", 7)
    for path in ("one", "two"):
        await post.listen("*", path=path)
    await post.happen(40)

    await post.tell()

    ids = await post.event_ids()
    assert post.ids("one") == post.ids("two") == ids
    assert least_id(post.now - timedelta(minutes=5)) < ids[0] < least_id(post.now + timedelta(minutes=5))
