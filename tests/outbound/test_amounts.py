import json
import math
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.outbound import (
    Answered,
    AskedAmount,
    Limits,
    Outbound,
    Policy,
    Response,
    TryAgain,
    Unusable,
    ask_amount,
)
from sluiceway.outbound.amounts import read_answer
from sluiceway.outbound.client import USUAL
from tests.outbound.servers import (
    AUTHORITIES,
    QUESTION,
    QUICK,
    SECRET,
    Answer,
    Server,
    allowing,
    dripping,
    leads_to,
    replying,
    serving,
)

NOW = datetime(2026, 3, 1, 12, 30, 15, 999_999, tzinfo=UTC)
STATUSES = (0, 200, 204, 301, 404, 429, 500)
TRIED_AGAIN = {0, 429, 500}
REMOTE = "the-other-server-says"

AMOUNTS: dict[bytes, int] = {
    b'{"amountInCents":0}': 0,
    b'{"amountInCents":1}': 1,
    b'{"amountInCents": 12345}': 12_345,
    b' \r\n\t{ "amountInCents" : 12345 }\n ': 12_345,
    b'{"amountInCents":10000000000000}': MAX_CENTS,
    b'{"amountInCents":5,"note":"x","rate":0.5,"big":1e400,"list":[1,{"a":null}]}': 5,
    b'{"note":"\\u0000 \\ud800","amountInCents":5}': 5,
    b'{"amountInCents":5,"other":99999999999999999999999999999999}': 5,
    b'{"amountInCent\\u0073":5}': 5,
    b'{"nested":{"amountInCents":9},"amountInCents":5}': 5,
    '{"amountInCents":5,"währung":"€"}'.encode(): 5,
}

MALFORMED: tuple[bytes, ...] = (
    b"",
    b" ",
    b"\x00",
    b"5",
    b"0",
    b"null",
    b"true",
    b'"5"',
    b"amountInCents",
    b"amountInCents=5",
    b"<html>5</html>",
    b"[]",
    b"{}",
    b"[5]",
    b'[{"amountInCents":5}]',
    b'{"amountInCents"}',
    b'{"amountInCents":}',
    b'{"amountInCents":5',
    b'{"amountInCents":5,}',
    b'{"amountInCents":5}}',
    b'{"amountInCents":5}{"amountInCents":5}',
    b'{"amountInCents":5} x',
    b'{"amountInCents":5};',
    b"{'amountInCents':5}",
    b"{amountInCents:5}",
    b'{"amountInCents":5 /* note */}',
    b'// note\n{"amountInCents":5}',
    b'{"amountInCents":null}',
    b'{"amountInCents":true}',
    b'{"amountInCents":false}',
    b'{"amountInCents":"5"}',
    b'{"amountInCents":"5.00"}',
    b'{"amountInCents":[5]}',
    b'{"amountInCents":{"amount":5}}',
    b'{"amountInCents":5.0}',
    b'{"amountInCents":5.5}',
    b'{"amountInCents":0.0}',
    b'{"amountInCents":5e0}',
    b'{"amountInCents":5E2}',
    b'{"amountInCents":1e400}',
    b'{"amountInCents":500e-2}',
    b'{"amountInCents":-1}',
    b'{"amountInCents":-10000}',
    b'{"amountInCents":-0.0}',
    b'{"amountInCents":+5}',
    b'{"amountInCents":05}',
    b'{"amountInCents":0x5}',
    b'{"amountInCents":5_000}',
    b'{"amountInCents":5,000}',
    b'{"amountInCents":$5}',
    b'{"amountInCents":NaN}',
    b'{"amountInCents":Infinity}',
    b'{"amountInCents":-Infinity}',
    b'{"amountInCents":5,"other":NaN}',
    b'{"amountInCents":10000000000001}',
    b'{"amountInCents":9223372036854775808}',
    b'{"amountInCents":' + b"9" * 5_000 + b"}",
    b'{"amountInCents":' + b"0" * 5_000 + b"5}",
    b'{"amountInCents":5,"amountInCents":5}',
    b'{"amountInCents":5,"amountInCents":6}',
    b'{"amountInCents":5,"amountInCent\\u0073":6}',
    b'{"amountInCents":5,"x":{"a":1,"a":2}}',
    b'{"AmountInCents":5}',
    b'{"amountincents":5}',
    b'{"amount_in_cents":5}',
    b'{"amountInCents ":5}',
    b'{"amountInDollars":5}',
    b'{"data":{"amountInCents":5}}',
    b'\xef\xbb\xbf{"amountInCents":5}',
    '{"amountInCents":5}'.encode("utf-16"),
    '{"amountInCents":5}'.encode("utf-16-le"),
    '{"amountInCents":5}'.encode("utf-32"),
    b'{"amountInCents":5,"x":"\xff"}',
    b'{"amountInCents":5,"x":"\xed\xa0\x80"}',
    b'{"amountInCents":5,"x":"\n"}',
    b'{"amountInCents":5,"x":"\\q"}',
    b'{"amountInCents":\xd9\xa5}',
    b'\x0b{"amountInCents":5}',
    b'{"amountInCents":5}\x00',
    b")]}',\n" + b'{"amountInCents":5}',
    b"[" * 60_000,
    b'{"x":' * 10_000,
    b'{"amountInCents":5,"x":' + b"[" * 200 + b"]" * 200 + b"}",
    b'{"amountInCents":5,"x":"' + b"x" * 64 * 1024 + b'"}',
    b"\x1f\x8b\x08\x00" + b'{"amountInCents":5}',
    REMOTE.encode(),
)

GOOD = b'{"amountInCents":5}'

NO_HTTP: tuple[bytes, ...] = (
    GOOD,
    b"\r\n\r\n" + GOOD,
    b"HTTP/1.1\r\n\r\n" + GOOD,
    b"HTTP/1.1 OK\r\n\r\n" + GOOD,
    b"HTTP/1.1 20 OK\r\n\r\n" + GOOD,
    b"HTTP/1.1 2000 OK\r\n\r\n" + GOOD,
    b"HTTP/1.1 -200 OK\r\n\r\n" + GOOD,
    b"HTTP/1.1 abc OK\r\n\r\n" + GOOD,
    b"HTTP/2 200 OK\r\n\r\n" + GOOD,
    b"ICY 200 OK\r\n\r\n" + GOOD,
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"+OK\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x13\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\nContent-Length: 18\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n" + GOOD + b"\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-13\r\n" + GOOD + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n13\r\n" + GOOD + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000 + b"\r\n" + GOOD,
    b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
    b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GOOD,
    b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: br\r\n\r\n" + GOOD,
)


@pytest_asyncio.fixture
async def server() -> AsyncGenerator[Server]:
    async with serving() as listening:
        yield listening


async def ask(server: Server, answer: Answer, limits: Limits = USUAL) -> AskedAmount:
    server.answer = answer
    question = replace(QUESTION, url=f"http://127.0.0.1:{server.port}/amount")
    return await ask_amount(allowing(server), question, NOW, limits=limits)


# ------------------------------------------------------------------------------------------------------------- answers


def test_there_are_enough_malformed_answers():
    assert len(MALFORMED) >= 60
    assert len(set(MALFORMED)) == len(MALFORMED)


@pytest.mark.parametrize(("body", "amount"), AMOUNTS.items())
async def test_a_whole_number_of_cents_is_the_amount(server: Server, body: bytes, amount: int):
    assert await ask(server, replying(200, body)) == Answered(Cents(amount))


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: ascii(body[:40]))
async def test_a_malformed_answer_never_moves_money(server: Server, body: bytes):
    for status in STATUSES:
        answer = await ask(server, replying(status, body, b"Location: http://127.0.0.1:%d/" % server.port))

        assert isinstance(answer, TryAgain if status in TRIED_AGAIN else Unusable), (status, answer)
        assert REMOTE not in answer.reason
        assert "127.0.0.1" not in answer.reason


@pytest.mark.parametrize(
    "status", [*range(201, 209), *range(300, 309), *range(400, 432), 451, *range(500, 512), 599, 999]
)
async def test_only_status_200_gives_an_amount(server: Server, status: int):
    answer = await ask(server, replying(status, GOOD))

    assert isinstance(answer, TryAgain if status >= 500 or status in {408, 429} else Unusable)
    assert str(status) in answer.reason


@pytest.mark.parametrize("raw", NO_HTTP, ids=lambda raw: ascii(raw[:60]))
async def test_what_is_not_quite_http_gives_no_amount(server: Server, raw: bytes):
    assert isinstance(await ask(server, raw), TryAgain | Unusable)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        b"HTTP/1.1 200\r\nContent-Length: 19\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\n" + GOOD,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n"
        + GOOD[:5]
        + b"\r\ne\r\n"
        + GOOD[5:]
        + b"\r\n0\r\n\r\n",
    ],
)
async def test_plain_http_in_its_lawful_forms_gives_the_amount(server: Server, raw: bytes):
    assert await ask(server, raw) == Answered(Cents(5))


@pytest.mark.parametrize(
    ("head", "drop"), [(b"", b""), (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"), (b"HTTP/1.1 200 OK\r\n\r\n" + GOOD, b" ")]
)
async def test_an_answer_that_never_ends_is_asked_for_again(server: Server, head: bytes, drop: bytes):
    answer = await ask(server, dripping(head, drop), Limits(total_s=0.1))

    assert answer == TryAgain("The remote service gave no answer: it did not answer in time.")


async def test_a_server_that_is_down_is_asked_again():
    async with serving() as gone:
        pass

    answer = await ask(gone, GOOD, QUICK)

    assert answer == TryAgain("The remote service gave no answer: it could not be reached.")


async def test_a_name_that_leads_inside_looks_like_a_server_that_is_down():
    answer = await ask_amount(Outbound(Policy(), leads_to("10.0.0.7"), AUTHORITIES), QUESTION, NOW, limits=QUICK)

    assert answer == TryAgain("The remote service gave no answer: it could not be reached.")


@pytest.mark.parametrize("url", ["https://10.0.0.7/", "http://tax.example/", "https://tax.example:5432/", "nonsense"])
async def test_a_url_that_is_not_allowed_is_never_asked(url: str):
    answer = await ask_amount(
        Outbound(Policy(), leads_to("127.0.0.1"), AUTHORITIES), replace(QUESTION, url=url), NOW, limits=QUICK
    )

    assert isinstance(answer, Unusable)
    assert re.fullmatch(
        r"The remote service was not asked: the (URL|URL's|host) [a-z0-9 :/'()-]+\.", answer.reason, re.IGNORECASE
    )


@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda value: json.dumps({"amountInCents": value}).encode(),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                st.lists,
                max_leaves=5,
            ),
        ),
    )
)
def test_no_body_breaks_the_reader_or_yields_what_it_does_not_say(body: bytes):
    answer = read_answer(Response(200, {}, body))

    if isinstance(answer, Answered):
        assert json.loads(body)["amountInCents"] == answer.amount
        assert type(answer.amount) is int
        assert 0 <= answer.amount <= MAX_CENTS


# ------------------------------------------------------------------------------------------------------------ questions


def header(request: bytes, name: str) -> str:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return next(value for key, _, value in (line.partition(": ") for line in lines) if key.lower() == name)


async def test_the_server_is_told_what_it_is_about(server: Server):
    await ask(server, replying(200, GOOD))

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /amount HTTP/1.1\r\n")
    assert header(head, "content-type") == "application/json"
    assert json.loads(body) == {
        "execution_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "rule_id": "01890a5d-ac96-774b-bcce-b302099a8058",
        "step": 0,
        "action": 2,
        "mode": "LIVE",
        "transfer_amount_in_cents": 12345,
        "source_account_id": "01890a5d-ac96-774b-bcce-b302099a8059",
        "destination_account_id": "01890a5d-ac96-774b-bcce-b302099a805a",
    }


async def test_an_unknown_transfer_amount_is_null(server: Server):
    question = replace(QUESTION, url=f"http://127.0.0.1:{server.port}/", transfer_amount=None)

    await ask_amount(allowing(server), question, NOW)

    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2])["transfer_amount_in_cents"] is None


async def signed_at(server: Server, now: datetime, secret: str = SECRET) -> bytes:
    question = replace(QUESTION, url=f"http://127.0.0.1:{server.port}/", secret=secret)
    await ask_amount(allowing(server), question, now)
    return server.requests[-1]


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5))])
@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), "aB3" * 14 + "xY"], ids=len)
async def test_any_standard_webhooks_library_verifies_the_request(server: Server, secret: str, zone: timezone):
    request = await signed_at(server, datetime.now(UTC).astimezone(zone), secret)

    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = {name: header(request, name) for name in names}
    Webhook(secret).verify(request.partition(b"\r\n\r\n")[2], headers)
    assert header(request, "x-sequence-signature") == f"Bearer {secret}"


async def test_asking_again_keeps_the_message_id_and_signs_anew(server: Server):
    first = await signed_at(server, NOW)
    second = await signed_at(server, NOW + timedelta(minutes=5))

    assert header(first, "webhook-id") == header(second, "webhook-id") == f"{QUESTION.execution_id}_0_2"
    assert header(first, "webhook-timestamp") == str(math.floor(NOW.timestamp()))
    assert header(first, "webhook-signature") != header(second, "webhook-signature")


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "short", "whsec_c2hvcnQ=", "whsec_" + "*" * 44, "a" * 43 + "\n", "a" * 44 + "\r\nX: y", "a" * 400],
)
async def test_a_secret_that_could_not_be_verified_is_a_broken_promise(server: Server, secret: str):
    with pytest.raises(AssertionError, match="a shared secret is base64"):
        await signed_at(server, NOW, secret)

    assert server.connections == 0
