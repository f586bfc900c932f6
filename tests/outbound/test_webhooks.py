"""Messages as they leave: their signatures are those that the standard's own library expects."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook

from sluiceway.domain.webhooks import Delivered, NotDelivered
from sluiceway.outbound import Message, Response, send_message
from sluiceway.outbound.webhooks import read_outcome
from tests.outbound.servers import QUICK, SECRET, allowing, replying, serving
from tests.taxes import headers

NOW = datetime(2027, 1, 31, 9, tzinfo=UTC)
BUSY = "The endpoint answered with status 503."
OTHER = "whsec_" + "b" * 44


@pytest.mark.parametrize("secrets", [(SECRET,), (SECRET, OTHER), (OTHER, SECRET)])
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-7))])
async def test_a_message_verifies_with_every_secret_that_signed_it(secrets: tuple[str, ...], zone: timezone):
    body = '{"type":"transfer.created","data":{"name":"Käse"}}'
    async with serving(replying(200)) as server, allowing(server) as outbound:
        message = Message(f"http://127.0.0.1:{server.port}/hook?x=1", secrets, "msg_1", body)
        outcome = await send_message(outbound, message, datetime.now(zone))

    assert outcome == Delivered()
    [request] = server.requests
    sent = headers(request)
    for secret in secrets:
        Webhook(secret).verify(request.partition(b"\r\n\r\n")[2], sent)
    assert request.startswith(b"POST /hook?x=1 HTTP/1.1\r\n")
    assert sent["webhook-id"] == "msg_1"


@pytest.mark.parametrize(
    ("status", "retry_after", "outcome"),
    [
        (200, "", Delivered()),
        (204, "10", Delivered()),
        (299, "", Delivered()),
        (301, "", NotDelivered("The endpoint answered with status 301.")),
        (410, "10", NotDelivered("The endpoint answered with status 410.", is_gone=True)),
        (429, "10", NotDelivered("The endpoint answered with status 429.", timedelta(seconds=10))),
        (503, "Sun, 31 Jan 2027 09:10:00 GMT", NotDelivered(BUSY, timedelta(minutes=10))),
        (503, "Sun, 31 Jan 2027 09:10:00", NotDelivered(BUSY, timedelta(minutes=10))),
        (503, "1.5", NotDelivered(BUSY)),
        (503, "soon", NotDelivered(BUSY)),
        (503, "٣", NotDelivered(BUSY)),
        (503, "9" * 40, NotDelivered(BUSY, timedelta(seconds=999_999_999))),
        (503, "Sun, 31 Jan 99999 09:10:00 GMT", NotDelivered(BUSY)),
        (500, "10", NotDelivered("The endpoint answered with status 500.")),
    ],
)  # fmt: skip
def test_an_answer_is_read(status: int, retry_after: str, outcome: Delivered | NotDelivered):
    assert read_outcome(Response(status, {"retry-after": retry_after}, b"whatever it says"), NOW) == outcome


async def test_nobody_there_is_a_failure_and_a_forbidden_address_is_never_called():
    async with serving() as server, allowing(server) as outbound:
        there = f"http://127.0.0.1:{server.port}/"
    refused = await send_message(outbound, Message("https://10.0.0.1/", (SECRET,), "msg_1", "{}"), NOW, limits=QUICK)
    failed = await send_message(outbound, Message(there, (SECRET,), "msg_1", "{}"), NOW, limits=QUICK)

    assert refused == NotDelivered("The endpoint was not called: the host is an address and not a name.")
    assert failed == NotDelivered("The endpoint gave no answer: it could not be reached.")
