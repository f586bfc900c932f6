"""What goes wrong on the way: what is sent again, when, with which key, and what is told in the end."""

import httpx
import pytest

from sluiceway.client import (
    BadRequest,
    Conflict,
    Denied,
    NotFinished,
    NotFound,
    NotReached,
    NotUnderstood,
    RateLimited,
    Refused,
    Retries,
    ServerFailed,
    Sluiceway,
    SluicewayError,
    Unauthorized,
)
from tests.client.scripted import ACCOUNT, KEY, TRIGGERED, URL, Clock, awaiting, blocking, refused, told

BROKEN = httpx.ReadError("the connection broke")
UNREACHED = httpx.ConnectError("nobody listens")
OK = httpx.Response(202, json=TRIGGERED)
TRUNCATED = httpx.Response(202, content=b'{"data":{"executionId":"an-exec')
EXECUTION = {
    "id": "x", "ruleId": "r", "executionMode": "LIVE", "createdAt": "2026-01-05T14:00:00Z",
    "triggerDetails": {"type": "SEQUENCE_API"}, "conditionsNotMet": False, "transfersAttempted": 1,
    "transfersCompleted": 0, "transfersFailed": 0, "transfersPending": 1, "transferIds": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(BROKEN, id="the answer is lost"),
        pytest.param(UNREACHED, id="nobody listens"),
        pytest.param(httpx.ReadTimeout(""), id="no answer in time"),
        pytest.param(httpx.RemoteProtocolError("peer closed"), id="the answer breaks off"),
        pytest.param(TRUNCATED, id="truncated JSON"),
        pytest.param(httpx.Response(200, content=b"<html>Welcome</html>"), id="a page of a proxy"),
        pytest.param(httpx.Response(200, content=b"\xff\xfe"), id="bytes"),
        pytest.param(httpx.Response(200, content=b""), id="nothing"),
        pytest.param(refused(409, "TRANSFER_IN_PROGRESS"), id="a transfer in progress"),
        pytest.param(refused(409, "RULE_EXECUTION_IN_PROGRESS"), id="an execution in progress"),
        pytest.param(refused(409, "REQUEST_IN_PROGRESS"), id="a request in progress"),
        pytest.param(refused(429, "RATE_LIMIT_EXCEEDED"), id="too many calls"),
        pytest.param(httpx.Response(502, content=b"<html>Bad gateway</html>"), id="502"),
        pytest.param(refused(503, "SERVICE_UNAVAILABLE"), id="503"),
        pytest.param(httpx.Response(504), id="504"),
    ],
)
def test_a_post_is_sent_again_with_the_same_key(fault: httpx.Response | Exception) -> None:
    client, script = blocking(Clock(), fault, fault, OK)

    assert client.rules.trigger("r", execute_amount=100).execution_id == "an-execution"
    assert script.keys == ["key-1", "key-1", "key-1"]
    assert script.bodies == [{"executeAmount": 100}] * 3


@pytest.mark.parametrize(
    "final",
    [
        pytest.param(refused(400, "INVALID_PARAMETERS"), id="400"),
        pytest.param(refused(401, "UNAUTHORIZED"), id="401"),
        pytest.param(refused(403, "ACCESS_DENIED"), id="403"),
        pytest.param(refused(404, "RULE_NOT_FOUND"), id="404"),
        pytest.param(refused(409, "RULE_CHANGED"), id="another conflict"),
        pytest.param(refused(500, "UNEXPECTED_ERROR"), id="500"),
        pytest.param(told({"execution": "an-execution"}), id="another shape"),
        pytest.param(httpx.Response(200, content=b"[]"), id="no envelope"),
        pytest.param(httpx.Response(302, headers={"location": "http://elsewhere.test/"}), id="elsewhere"),
    ],
)
def test_what_would_come_out_the_same_is_not_sent_again(final: httpx.Response) -> None:
    clock = Clock()
    client, script = blocking(clock, final)

    with pytest.raises(SluicewayError) as raised:
        client.rules.trigger("r")

    assert len(script.asked) == 1
    assert clock.slept == []
    assert raised.value.idempotency_key == "key-1"


def test_a_key_of_the_callers_is_used_as_it_is() -> None:
    client, script = blocking(Clock(), BROKEN, OK)

    client.rules.trigger("r", idempotency_key="invoice-17")

    assert script.keys == ["invoice-17", "invoice-17"]


@pytest.mark.parametrize("key", ["", "two words", "new\nline", "schlüssel"])
def test_what_cannot_be_an_idempotency_key_is_not_sent(key: str) -> None:
    client, script = blocking(Clock(), OK)

    with pytest.raises(ValueError, match="idempotency key"):
        client.rules.trigger("r", idempotency_key=key)
    assert script.asked == []


def test_a_reason_is_a_line_in_any_language() -> None:
    script = blocking(Clock(), told(ACCOUNT))[1]

    Sluiceway(URL, KEY, transport=script, called_reason="für 人").accounts.get("a")
    with pytest.raises(ValueError, match="one line"):
        Sluiceway(URL, KEY, called_reason="one\r\nx-two: 2")

    [raw] = [value for name, value in script.asked[0].headers.raw if name.lower() == b"x-called-reason"]
    assert raw.decode() == "für 人"


def test_every_post_without_a_key_gets_one_of_its_own_that_any_server_takes() -> None:
    client = Sluiceway(URL, KEY, transport=(script := blocking(Clock(), OK)[1]))
    client.rules.trigger("r")
    client.rules.trigger("r")

    first, second = script.keys
    assert first != second
    assert len(first or "") == len(second or "") == 36


@pytest.mark.parametrize(
    ("fault", "times"),
    [(UNREACHED, 3), (refused(429, "RATE_LIMIT_EXCEEDED"), 3), (BROKEN, 1), (refused(503, "X"), 1), (TRUNCATED, 1)],
)
def test_a_patch_is_sent_again_only_if_it_did_nothing(fault: httpx.Response | Exception, times: int) -> None:
    client, script = blocking(Clock(), fault, retries=Retries(attempts=3))

    with pytest.raises(SluicewayError):
        client.rules.update("r", name="New")

    assert len(script.asked) == times
    assert set(script.keys) == {None}


@pytest.mark.parametrize("fault", [BROKEN, UNREACHED, refused(503, "X"), refused(429, "X"), TRUNCATED])
def test_a_get_is_sent_again_without_a_key(fault: httpx.Response | Exception) -> None:
    client, script = blocking(Clock(), fault, told(ACCOUNT))

    assert client.accounts.get("a").name == "Savings"
    assert script.keys == [None, None]


def test_pauses_grow_and_have_an_end() -> None:
    clock = Clock()
    client, script = blocking(clock, BROKEN, retries=Retries(attempts=7, first_s=1, longest_s=10))

    with pytest.raises(NotReached) as raised:
        client.rules.trigger("r")

    assert clock.slept == [1, 2, 4, 8, 10, 10]
    assert len(script.asked) == 7
    assert not raised.value.is_unsent
    assert raised.value.idempotency_key == "key-1"


def test_jitter_takes_up_to_half_of_a_pause_away() -> None:
    clock = Clock(chance=0.0)
    client, _ = blocking(clock, BROKEN, retries=Retries(attempts=3, first_s=1))

    with pytest.raises(NotReached):
        client.accounts.get("a")

    assert clock.slept == [0.5, 1]


@pytest.mark.parametrize(
    ("retry_after", "paused"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("Mon, 05 Jan 2026 14:00:09 GMT", 9.0),
        ("Mon, 05 Jan 2026 13:00:00 GMT", 0.5),
        ("soon", 0.5),
        ("-5", 0.5),
        ("", 0.5),
    ],
)
def test_a_server_that_says_when_is_believed(retry_after: str, paused: float) -> None:
    clock = Clock()
    busy = refused(429, "RATE_LIMIT_EXCEEDED", retry_after=retry_after, date="Mon, 05 Jan 2026 14:00:00 GMT")
    client, _ = blocking(clock, busy, told(ACCOUNT))

    client.accounts.get("a")

    assert clock.slept == [paused]


def test_who_is_told_to_come_back_much_later_is_told_so_at_once() -> None:
    clock = Clock()
    client, script = blocking(clock, refused(429, "RATE_LIMIT_EXCEEDED", retry_after="3600"))

    with pytest.raises(RateLimited) as raised:
        client.accounts.get("a")

    assert (len(script.asked), clock.slept, raised.value.retry_after_s) == (1, [], 3600)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, Unauthorized),
        (403, Denied),
        (404, NotFound),
        (409, Conflict),
        (429, RateLimited),
        (500, ServerFailed),
        (503, ServerFailed),
        (418, Refused),
    ],
)
def test_a_refusal_tells_all_that_is_known(status: int, kind: type[Refused]) -> None:
    client, _ = blocking(Clock(), refused(status, "SOME_CODE"), retries=Retries(attempts=1))

    with pytest.raises(SluicewayError) as raised:
        client.accounts.get("a")

    failed = raised.value
    assert type(failed) is kind
    assert (failed.status, failed.code, failed.message, failed.request_id) == (
        status, "SOME_CODE", "It says why", "req-7",
    )  # fmt: skip
    assert str(failed) == f"{status} SOME_CODE: It says why (request req-7)"


@pytest.mark.parametrize("body", [b"", b"Not Found", b"[1]", b'{"error":"no"}', b'{"error":{"code":4}}', b"[" * 9999])
def test_a_refusal_from_something_in_between_has_its_status(body: bytes) -> None:
    client, _ = blocking(Clock(), httpx.Response(404, content=body, headers={"x-request-id": "req-9"}))

    with pytest.raises(NotFound) as raised:
        client.accounts.get("a")

    assert str(raised.value) == "404: The server answered with status 404 Not Found (request req-9)"


def test_an_answer_in_another_shape_says_what_is_wrong_with_it() -> None:
    client, _ = blocking(Clock(), told(ACCOUNT | {"canBeSource": "yes"}))

    with pytest.raises(NotUnderstood, match=r"GET /accounts/a .*canBeSource"):
        client.accounts.get("a")


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluiceway.client.calling.LARGEST_ANSWER", 100)
    client, script = blocking(Clock(), httpx.Response(200, content=b" " * 5000 + b"{}"))

    with pytest.raises(NotUnderstood, match="more than 100 bytes"):
        client.accounts.get("a")
    assert len(script.asked) == 1


def test_an_answer_too_deep_to_be_read_is_not_understood() -> None:
    deep = b"[" * 100_000
    for body in (deep, b'{"data":' + deep, b'{"data":{"items":' + deep):
        client, _ = blocking(Clock(), httpx.Response(200, content=body))

        with pytest.raises(NotUnderstood):
            client.accounts.get("a")
        with pytest.raises(NotUnderstood):
            client.accounts.list().page()


async def test_the_awaiting_client_does_the_same() -> None:
    clock = Clock()
    client, script = awaiting(clock, BROKEN, refused(429, "X", retry_after="3"), OK)

    triggered = await client.rules.trigger("r")

    assert triggered.execution_id == "an-execution"
    assert script.keys == ["key-1"] * 3
    assert clock.slept == [0.5, 3]


@pytest.mark.parametrize("key", ["", "two words", "new\nline", "schlüssel"])
def test_what_cannot_be_a_key_is_not_sent(key: str) -> None:
    with pytest.raises(ValueError, match="API key"):
        Sluiceway(URL, key)


@pytest.mark.parametrize("url", ["", "sluiceway.test", "ftp://x/", "http://", "https://me:word@x/", "http://x/?a=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base address"):
        Sluiceway(url, KEY)


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://x.test", "https://x.test/platform/v1/rules/r"),
        ("https://x.test:81/", "https://x.test:81/platform/v1/rules/r"),
        ("http://127.0.0.1:81", "http://127.0.0.1:81/platform/v1/rules/r"),
        ("http://[::1]:81", "http://[::1]:81/platform/v1/rules/r"),
        ("http://localhost:81", "http://localhost:81/platform/v1/rules/r"),
        ("https://x.test/api/platform/v1/", "https://x.test/api/platform/v1/rules/r"),
    ],
)
def test_an_address_without_a_path_means_the_api(url: str, called: str) -> None:
    script = blocking(Clock(), refused(404, "X"))[1]
    with pytest.raises(NotFound):
        Sluiceway(url, KEY, transport=script).rules.get("r")

    assert str(script.asked[0].url) == called


@pytest.mark.parametrize("url", ["http://x.test", "HTTP://10.0.0.1:81", "http://localhost.x.test", "http://0.0.0.0"])
def test_a_key_is_sent_to_another_machine_unprotected_only_if_the_program_says_so(url: str) -> None:
    script = blocking(Clock(), refused(404, "X"))[1]
    with pytest.raises(ValueError, match="must begin with https://"):
        Sluiceway(url, KEY, transport=script)

    with pytest.raises(NotFound):
        Sluiceway(url, KEY, transport=script, allow_plain_http=True).rules.get("r")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_an_id_that_would_be_another_path_is_refused(name: str) -> None:
    client, script = blocking(Clock(), OK)

    with pytest.raises(ValueError, match="id must not be empty"):
        client.rules.get(name)

    assert script.asked == []


def test_an_id_stays_one_part_of_the_path() -> None:
    client, script = blocking(Clock(), refused(404, "X"))
    with pytest.raises(NotFound):
        client.rules.get("../accounts?x#y")

    assert script.asked[0].url.raw_path == b"/platform/v1/rules/..%2Faccounts%3Fx%23y"


def running(status: str) -> httpx.Response:
    return told(EXECUTION | {"status": status})


def test_waiting_looks_ever_more_seldom_until_it_has_ended() -> None:
    clock = Clock()
    going = running("IN_PROGRESS")
    client, script = blocking(clock, *[going] * 8, running("PARTIAL"))

    execution = client.wait_for_execution("r", "x", timeout_s=600)

    assert execution.status == "PARTIAL"
    assert clock.slept == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    assert len(script.asked) == 9


def test_waiting_has_an_end_and_looks_once_more_at_it() -> None:
    clock = Clock()
    client, script = blocking(clock, running("IN_PROGRESS"))

    with pytest.raises(NotFinished, match="within 5 seconds"):
        client.wait_for_execution("r", "x", timeout_s=5)

    assert sum(clock.slept) == pytest.approx(5)
    assert len(script.asked) == len(clock.slept) + 1


def test_what_was_just_started_may_be_unknown_for_a_moment() -> None:
    client, _ = blocking(Clock(), refused(404, "RULE_EXECUTION_NOT_FOUND"), running("EXECUTED"))

    assert client.wait_for_execution("r", "x").is_final


def test_what_stays_unknown_is_said_to_be() -> None:
    clock = Clock()
    client, _ = blocking(clock, refused(404, "RULE_EXECUTION_NOT_FOUND"))

    with pytest.raises(NotFound):
        client.wait_for_execution("r", "x")

    assert 10 <= sum(clock.slept) < 20
