"""Messages received: what the server really sends is read; what anybody else sends is not."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from sluiceway.client import Event, EventData, NotUnderstood, NotVerified, TransferData, verify_webhook
from sluiceway.client.webhooks import _DATA
from sluiceway.domain.webhooks import EventKind
from sluiceway.services.engine import Engine
from sluiceway.services.webhooks import rotate_secret
from sluiceway.storage.database import Database
from tests.services.post import Post, posting
from tests.support import AUTO_SAVE, plain_engine

SECRET = "whsec_" + "k" * 44
OTHER = "whsec_" + "j" * 44
BODY = json.dumps(
    {"type": "new.thing", "timestamp": "2026-01-05T14:00:00.5Z", "data": {"id": "x", "organization_id": "o", "y": 1}}
)


@pytest_asyncio.fixture
async def post(database: Database, database_url: str) -> AsyncGenerator[Post]:
    engine: Engine = plain_engine(database)
    async with posting(engine, database_url) as made:
        yield made


def signed(body: str = BODY, secret: str = SECRET, age: timedelta = timedelta(0)) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return {
        "Webhook-Id": "event-1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("event-1", at, body),
    }


async def test_what_the_server_sends_is_verified_and_read(post: Post) -> None:
    secret = await post.listen("*")
    await post.world.account("emergency")
    await post.world.rule("auto_save", AUTO_SAVE)
    await post.world.deposit("income", 100_000)
    await post.world.settle()
    await post.tell()
    events = [verify_webhook(each.body.encode(), each.headers, secret) for each in post.requests()]
    [saved] = [each.data for each in events if isinstance(each.data, TransferData) and each.data.rule_id]

    assert [event.id for event in events] == await post.event_ids()
    assert [event.type for event in events] == post.kinds()
    assert {type(event.data) for event in events} <= set(_DATA.values())
    assert {"rule.enabled", "transfer.created", "execution.finished"} <= {event.type for event in events}
    assert (saved.amount_in_cents, saved.status) == (20_000, "COMPLETE")
    assert saved.destination_account_id == post.world.accounts["savings"]


async def test_while_the_secret_is_changed_either_one_will_do(post: Post) -> None:
    old = await post.listen("*")
    _, new = await rotate_secret(post.engine, post.world.organization_id, post.endpoint, "")
    await post.happen()
    await post.tell()
    [request] = post.requests()

    for secrets in (old, new, [new, old], [OTHER, old]):
        assert verify_webhook(request.body, request.headers, secrets).type == "transfer.created"


def test_every_event_of_the_server_has_its_structure() -> None:
    assert set(_DATA) == set(EventKind)


def test_an_event_of_a_new_kind_is_read_as_far_as_it_is_known() -> None:
    event = verify_webhook(BODY, signed(), SECRET)

    at = datetime(2026, 1, 5, 14, 0, 0, 500_000, tzinfo=UTC)
    assert event == Event("event-1", "new.thing", at, EventData(id="x", organization_id="o"))


@pytest.mark.parametrize(
    ("body", "sign", "secret"),
    [
        pytest.param(BODY, lambda: signed(secret=OTHER), SECRET, id="somebody else's"),
        pytest.param(BODY.replace("1}", "2}"), signed, SECRET, id="changed"),
        pytest.param(BODY, lambda: signed(age=timedelta(minutes=6)), SECRET, id="old"),
        pytest.param(BODY, lambda: signed(age=timedelta(minutes=-6)), SECRET, id="from the future"),
        pytest.param(BODY, dict, SECRET, id="not signed"),
        pytest.param(BODY, lambda: signed() | {"Webhook-Signature": "nonsense"}, SECRET, id="no signature"),
        pytest.param(BODY, lambda: signed() | {"Webhook-Signature": "v1,%%%"}, SECRET, id="no base64"),
        pytest.param(BODY, lambda: signed() | {"Webhook-Signature": "v1,a,b"}, SECRET, id="too many commas"),
        pytest.param(BODY, lambda: signed() | {"Webhook-Timestamp": "now"}, SECRET, id="no time"),
        pytest.param(BODY, lambda: signed() | {"Webhook-Id": "event-2"}, SECRET, id="under another id"),
        pytest.param(b"\xff\xfe", signed, SECRET, id="no text"),
        pytest.param(BODY, signed, [], id="no secret"),
    ],
)
def test_what_anybody_else_sends_is_not_believed(
    body: str | bytes, sign: Callable[[], Mapping[str, str]], secret: str | list[str]
) -> None:
    # Signed now: by the time that a test runs, what was signed when it was collected is old.
    headers = sign()

    with pytest.raises(NotVerified):
        verify_webhook(body, headers, secret)


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"type":"transfer.created","timestamp":"2026-01-05T14:00:00Z","data":{}}']
)
def test_what_is_signed_and_yet_no_event_is_said_to_be(body: str) -> None:
    with pytest.raises(NotUnderstood):
        verify_webhook(body, signed(body), SECRET)


def test_what_is_no_secret_is_the_programs_mistake() -> None:
    with pytest.raises(ValueError, match=r"secret|base64"):
        verify_webhook(BODY, signed(), "whsec_k")
