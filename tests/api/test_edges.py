"""What every answer has in common, and what is refused before any operation is asked."""

from collections.abc import AsyncIterator

import httpx
import pytest

from sluiceway.api.app import create_app
from sluiceway.api.v1.errors import REFUSALS as V1_REFUSALS
from sluiceway.api.v1.errors import show_failure
from sluiceway.domain.access import Caller
from sluiceway.domain.errors import MaximumAmountExceeded, RateLimited
from sluiceway.services.edge import Edge
from sluiceway.services.keys import checksum
from sluiceway.storage.database import DatabaseUnavailable
from tests.api.client import Api, assert_refused, digest
from tests.support import World

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v2/rules", "/api/v1/rulez", "/sandbox/x", "/sandbox"])
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
async def test_an_unknown_path_is_not_found_whoever_asks(api: Api, path: str, method: str) -> None:
    for caller in (api, api.with_secret(None)):
        assert_refused(await caller.send(method, f"http://sluiceway.test{path}"), 404, "resource_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/rules/x", "DELETE, GET, PUT"),
        ("DELETE", "/rules", "GET, POST"),
        ("GET", "/rules/x/trigger", "POST"),
        ("HEAD", "/accounts", "GET"),
        ("OPTIONS", "/accounts", "GET"),
        ("BREW", "/accounts", "GET"),
        ("POST", "/rule-executions/x", "GET"),
        ("GET", "/sandbox/deposits", "POST"),
        ("POST", "/docs", "GET"),
        ("POST", "/openapi.json", "GET"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(api: Api, method: str, path: str, allowed: str) -> None:
    for caller in (api, api.with_secret(None)):
        answer = await caller.send(method, path)
        assert answer.status_code == 405
        assert method == "HEAD" or answer.json()["error"]["code"] == "method_not_allowed"
        assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("sent", ["mine", "x" * 128, "!~", '"quoted\\"'])
async def test_a_request_id_comes_back_in_header_and_body(api: Api, sent: str) -> None:
    caller = api.with_headers(X_Request_ID=sent)
    for answer in (
        await caller.get("/accounts"),
        await caller.get("/nothing"),
        await caller.with_secret(None).get("/accounts"),
        await caller.post("/accounts/pods", {}),
    ):
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "two words", "é", "tab\there"])
async def test_a_request_id_that_is_no_id_is_replaced(api: Api, sent: str) -> None:
    answer = await api.send("GET", "/accounts", headers={"X-Request-ID": sent.encode("latin-1")})

    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.json()["request_id"].startswith("req_")


async def test_every_answer_has_a_request_id(api: Api) -> None:
    for path in ("/", "/healthz", "/api/v1/docs", "/api/v1/openapi.json", "/sandbox/docs", "/nothing"):
        answer = await api.send("GET", f"http://sluiceway.test{path}")
        assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/jsonx", ""],
)
async def test_a_body_must_call_itself_json(api: Api, kind: str) -> None:
    before = await digest(api.world.engine.database)
    for path in ("/accounts/pods", f"/rules/{api.rule()}/trigger", "/sandbox/deposits"):
        assert_refused(await api.post_raw(path, b"{}", Content_Type=kind), 415, "unsupported_media_type")
    assert_refused(await api.post_raw("/rules", b"{}", Content_Encoding="gzip"), 415, "unsupported_media_type")
    assert await digest(api.world.engine.database) == before


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
async def test_json_may_name_its_charset(api: Api, kind: str) -> None:
    answer = await api.post_raw("/accounts/pods", b'{"nickname": "x"}', Content_Type=kind)

    assert answer.status_code == 201


async def test_more_than_a_mebibyte_is_not_read(api: Api) -> None:
    before = await digest(api.world.engine.database)
    pulled = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b" " * 65_536

    whole = await api.post_raw("/accounts/pods", b" " * (MEBIBYTE + 1))
    chunked = await api.send("POST", "/accounts/pods", content=endless(), headers={"Content-Type": "application/json"})

    assert_refused(whole, 413, "request_too_large")
    assert_refused(chunked, 413, "request_too_large")
    assert pulled <= MEBIBYTE // 65_536 + 3
    assert await digest(api.world.engine.database) == before


async def test_exactly_a_mebibyte_is_read(api: Api) -> None:
    body = b'{"nickname": "x"}'

    assert (await api.post_raw("/accounts/pods", body + b" " * (MEBIBYTE - len(body)))).status_code == 201


@pytest.mark.parametrize(
    "announced",
    [{"Content-Length": "33"}, {"Transfer-Encoding": "chunked", "Connection": "Upgrade", "Upgrade": "h2c"}],
    ids=["with a length", "in chunks"],
)
async def test_a_trigger_whose_body_got_lost_does_not_run_without_its_amount(
    api: Api, announced: dict[str, str]
) -> None:
    before = await digest(api.world.engine.database)
    headers = announced | {"Content-Type": "application/json"}
    answer = await api.send("POST", f"/rules/{api.rule()}/trigger", content=b"", headers=headers)

    assert_refused(answer, 400, "invalid_parameters", ["ended before it was complete"])
    assert await digest(api.world.engine.database) == before


@pytest.mark.parametrize(
    "path",
    ["/api/v1/accounts/%2f", "/api/v1/accounts%2Fpods", "/api%2fv1/accounts", "/api/v1/rules/x%2ftrigger"],
)
async def test_an_escaped_slash_separates_nothing(api: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await api.send(method, f"http://sluiceway.test{path}")
        assert_refused(answer, 404, "resource_not_found", ["nothing at this path"])


async def test_a_header_that_is_sent_twice_is_refused(api: Api) -> None:
    headers = [("Authorization", f"ApiKey {api.secret}"), ("Authorization", "ApiKey other")]
    answer = await api.http.get("/api/v1/accounts", headers=headers)

    assert_refused(answer, 400, "invalid_parameters")


def unknown_secret() -> str:
    return f"sk_{'A' * 32}{checksum('A' * 32)}"


async def test_only_a_whole_known_key_gets_in(api: Api) -> None:
    before = await digest(api.world.engine.database)
    for authorization in (
        None,
        "",
        "ApiKey",
        "ApiKey ",
        f"Bearer {api.secret}",
        f"ApiKey{api.secret}",
        f"{api.secret}",
        f"ApiKey {api.secret} {api.secret}",
        f"ApiKey {(api.secret or '')[:-1]}",
        f"ApiKey {unknown_secret()}",
        "ApiKey " + "x" * 10_000,
        "ApiKey schlüssel",
    ):
        headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
        answer = await api.with_secret(None).send("POST", f"/rules/{api.rule()}/trigger", json={}, headers=headers)
        assert_refused(answer, 401, "unauthorized", ["Missing or invalid API key."])
    assert await digest(api.world.engine.database) == before


async def test_who_is_asking_comes_before_what_is_asked(api: Api) -> None:
    stranger = api.with_secret(None)
    for answer in (
        await stranger.post_raw("/accounts/pods", b"not json", Content_Type="text/plain"),
        await stranger.post_raw("/accounts/pods", b" " * (MEBIBYTE + 1)),
        await stranger.get("/rules/nonsense"),
        await stranger.get("/accounts", first="x"),
    ):
        assert_refused(answer, 401, "unauthorized")


def test_a_limit_says_what_and_when() -> None:
    assert "2500" in V1_REFUSALS[MaximumAmountExceeded](MaximumAmountExceeded(2500)).message
    limited = V1_REFUSALS[RateLimited](RateLimited(100, 9))
    assert (b"retry-after", b"9") in limited.headers
    assert b"rate_limit_exceeded" in show_failure(limited, "req_1")


class Broken(Edge):
    """An edge behind which everything fails."""

    def __init__(self, world: World, failure: Exception) -> None:
        super().__init__(world.engine)
        self.failure = failure

    async def identify(self, secret: str) -> Caller:  # noqa: ARG002 -- nobody is asked
        raise self.failure


async def ask_broken(world: World, failure: Exception) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(Broken(world, failure)))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluiceway.test") as http:
        return await http.get("/api/v1/accounts", headers={"Authorization": "ApiKey x"})


async def test_a_database_that_is_away_is_worth_another_try(world: World) -> None:
    answer = await ask_broken(world, DatabaseUnavailable("secret host is down"))

    assert_refused(answer, 503, "service_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in answer.text


async def test_a_broken_promise_is_an_envelope_without_internals(world: World) -> None:
    answer = await ask_broken(world, AssertionError("secret"))

    assert_refused(answer, 500, "unexpected_error")
    assert "secret" not in answer.text


async def test_the_front_page_and_the_health_check_need_no_key(api: Api) -> None:
    stranger = api.with_secret(None)

    assert (await stranger.send("GET", "/")).json()["docs"] == "/api/v1/docs"
    assert (await stranger.send("GET", "/healthz")).json() == {"status": "ok"}
