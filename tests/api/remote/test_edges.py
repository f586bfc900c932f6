"""Paths and methods, errors that are flat, and what a program is told when something breaks."""

import httpx
import pytest

from sluiceway.api.app import create_app
from sluiceway.api.remote.errors import REFUSALS
from sluiceway.domain.access import Caller
from sluiceway.domain.errors import RateLimited
from sluiceway.services.edge import Edge
from sluiceway.storage.database import DatabaseUnavailable
from tests.api.remote.client import Remote, assert_refused
from tests.support import World

UNKNOWN = ["/accounts/x", "/rules/x", "/rules/x/trigger/x", "/remote-api", "/remote-api/x", "/remote-api/amount",
           "/remote-api/remote-api/accounts", "/accounts%2f", "/rules/x%2ftrigger", "/rules//trigger"]  # fmt: skip
EMPTY = ["/pods", "/rules", "/cards", "/transfers", "/webhooks", "//pods/", "/remote-api/rules"]


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
async def test_an_unknown_path_is_not_found(remote: Remote, unchanged: None, path: str, method: str) -> None:
    assert_refused(await remote.send(method, path, {}), 404, "NOT_FOUND", "Route not found")


@pytest.mark.parametrize("path", ["/accounts", "//accounts", "/remote-api/accounts", "/rules/ru_1/trigger"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "BREW"])
async def test_only_post_is_allowed(remote: Remote, unchanged: None, path: str, method: str) -> None:
    answer = await remote.send(method, path, {})

    assert_refused(answer, 405, "METHOD_NOT_ALLOWED", "Method not allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", EMPTY)
async def test_paths_without_operations_answer_as_they_are_known_to(remote: Remote, path: str) -> None:
    asked = await remote.send("GET", path, {})

    assert_refused(asked, 405, "METHOD_NOT_ALLOWED", "Method not allowed")
    assert asked.headers["allow"] == ""
    assert asked.headers["cache-control"] == "no-store"
    assert_refused(await remote.send("POST", path, {}, json={}), 404, "NOT_FOUND", "Route not found")


async def test_a_request_id_comes_back(remote: Remote) -> None:
    headers: dict[str, str | bytes] = {"x-sequence-access-token": f"Bearer {remote.token}", "x-request-id": "mine"}
    answer = await remote.send("POST", "/accounts", headers, json={})
    refused = await remote.send("POST", "/accounts", {"x-request-id": "mine"}, json={})

    assert answer.headers["x-request-id"] == answer.json()["requestId"] == "mine"
    assert refused.headers["x-request-id"] == refused.json()["requestId"] == "mine"


async def test_other_apis_keep_their_paths_and_words(remote: Remote) -> None:
    for path in ("/nothing", "/accountsx", "/api/v1/nothing"):
        answer = await remote.send("GET", path, {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found"), path


def test_too_many_requests_are_told_when_to_try_again() -> None:
    failure = REFUSALS[RateLimited](RateLimited(100, 17))

    assert (failure.status, failure.code) == (429, "TOO_MANY_REQUESTS")
    assert (b"retry-after", b"17") in failure.headers


class Broken(Edge):
    """An edge behind which everything fails."""

    def __init__(self, world: World, failure: Exception) -> None:
        super().__init__(world.engine)
        self.failure = failure

    async def identify_token(self, secret: str) -> Caller:  # noqa: ARG002 -- nobody is asked
        raise self.failure


async def ask_broken(world: World, failure: Exception) -> httpx.Response:
    transport = httpx.ASGITransport(create_app(Broken(world, failure)))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluiceway.test") as http:
        return await http.post("/accounts", headers={"x-sequence-access-token": "Bearer x"}, json={})


async def test_a_database_that_is_away_is_worth_another_try(world: World) -> None:
    answer = await ask_broken(world, DatabaseUnavailable("secret host is down"))

    assert (answer.status_code, answer.json()["code"]) == (503, "UNEXPECTED_ERROR")
    assert answer.headers["retry-after"] == "1"
    assert "secret" not in answer.text


async def test_a_broken_promise_tells_no_internals(world: World) -> None:
    answer = await ask_broken(world, AssertionError("secret"))

    assert_refused(answer, 500, "UNEXPECTED_ERROR", "Unexpected error")
    assert "secret" not in answer.text
