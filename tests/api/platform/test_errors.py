"""How /platform/v1 refuses: documented codes, messages and envelopes, and plain text for methods that are not there."""

from typing import Any

import httpx
import pytest

from sluiceway.api.app import create_app
from sluiceway.api.platform.errors import REFUSALS, RUN_IN_PROGRESS, TRANSFER_IN_PROGRESS, show_failure
from sluiceway.api.platform.routes import OPERATIONS
from sluiceway.domain.errors import IdempotencyKeyInUse, InvalidParameters, Problem, RateLimited, Refusal
from sluiceway.services.admission import TriggerRule
from sluiceway.services.edge import Edge
from sluiceway.services.idempotency import Answer
from sluiceway.services.transfers import CreateTransfer
from sluiceway.storage.database import DatabaseUnavailable
from tests.api.platform.client import Platform, assert_refused, open_platform
from tests.support import World


def test_too_many_requests_say_for_how_many_seconds_to_wait() -> None:
    limited = REFUSALS[RateLimited](RateLimited(100, 7))

    assert (limited.status, limited.code, limited.headers) == (429, "RATE_LIMIT_EXCEEDED", ((b"retry-after", b"7"),))
    assert limited.message == "Rate limit exceeded. Maximum 100 requests per minute per token."
    assert b'"requestId":"req_1"' in show_failure(limited, "req_1")


def test_our_own_names_are_told_in_the_words_of_this_api() -> None:
    problems = (
        Problem("steps/0/actions/1/percentage_value", "must be a number"),
        Problem("steps/0", "must have exactly one of amount_in_cents, liabilities"),
        Problem("my_field", "is not a known field"),
        Problem("", "is not UTF-8"),
    )

    assert REFUSALS[InvalidParameters](InvalidParameters(problems)).message == (
        "steps/0/actions/1/percentageValue must be a number; "
        "steps/0 must have exactly one of amountInCents, liabilities; "
        "my_field is not a known field; request body is not UTF-8"
    )


async def test_what_a_caller_wrote_is_told_as_it_was_written(platform: Platform) -> None:
    end = {"id": platform.account("income"), "type": "INCOME_SOURCE"}
    action = {"type": "FIXED", "amountInCents": 1, "source": end, "destination": {"id": "acc_nobody", "type": "POD"}}
    common = {"groupIndex": 0, "upToEnabled": False, "isDirectDeposit": False, "limit": None, "achDescription": None}
    trigger = {"type": "MANUAL", "accountId": platform.account("income")}
    answer = await platform.post("/rules", {"trigger": trigger, "steps": [{"actions": [action | common]}]})

    assert_refused(answer, 400, "INVALID_PARAMETERS", ["no account with id 'acc_nobody'"])


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
async def test_a_method_that_a_path_does_not_have_is_not_found_in_plain_text(
    platform: Platform, path: str, method: str
) -> None:
    if any((operation.path, operation.method) == (path, method) for operation in OPERATIONS):
        return
    for prefix in ("/platform/v1", "/api/platform/v1"):
        answer = await platform.under(prefix).with_secret(None).send(method, path)

        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
        assert answer.text == ("" if method == "HEAD" else "Not Found")
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/accounts/x/y", "/rules/a/executions/b/c"])
async def test_a_path_that_is_not_there_has_the_envelope(platform: Platform, path: str) -> None:
    assert_refused(await platform.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "ApiKey {}", "Basic {}", "Bearer {}x", "Bearer sk_é", "{}"]
)
async def test_whoever_has_no_key_is_not_let_in(platform: Platform, header: str) -> None:
    sent = header.format(platform.secret).encode("latin-1")
    answer = await platform.with_secret(None).send("GET", "/accounts", headers={"Authorization": sent})

    assert_refused(answer, 401, "UNAUTHORIZED", "Unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_is_read_in_any_case(platform: Platform) -> None:
    sent = {"Authorization": f"bearer {platform.secret}"}

    assert (await platform.with_secret(None).send("GET", "/accounts", headers=sent)).status_code == 200


async def test_a_request_s_id_is_echoed_in_both_places_and_a_reason_is_taken(platform: Platform) -> None:
    caller = platform.with_headers(X_Request_ID="broker-1", X_Called_Reason="because I can")
    found, lost = await caller.get("/accounts"), await caller.get("/accounts/x")

    for answer in (found, lost):
        assert answer.headers["x-request-id"] == answer.json()["requestId"] == "broker-1"


class Busy(Edge):
    """An edge at which every key is in use."""

    async def trigger(self, command: TriggerRule) -> Answer:  # noqa: ARG002 -- nobody is run
        raise IdempotencyKeyInUse

    async def transfer(self, command: CreateTransfer) -> Answer:  # noqa: ARG002 -- nothing is moved
        raise IdempotencyKeyInUse


async def test_a_key_whose_first_request_has_not_ended_is_told_by_what_it_does(world: World) -> None:
    edge = Busy(world.engine)
    async with open_platform(world, edge) as platform:
        body = {"sourceAccountId": "a", "destinationAccountId": "b", "amountInCents": 100}
        transferred = await platform.post("/transfers", body, key="k")
        triggered = await platform.post(f"/rules/{platform.rule()}/trigger", {}, key="k")
    await edge.close()

    assert_refused(transferred, 409, "TRANSFER_IN_PROGRESS", TRANSFER_IN_PROGRESS.message)
    assert_refused(triggered, 409, "RULE_EXECUTION_IN_PROGRESS", RUN_IN_PROGRESS.message)


class Broken(Edge):
    """An edge behind which everything fails."""

    def __init__(self, world: World, failure: Exception) -> None:
        super().__init__(world.engine)
        self.failure = failure

    async def identify(self, secret: str) -> Any:  # noqa: ARG002 -- nobody is asked
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (DatabaseUnavailable("secret host is down"), 503, "SERVICE_UNAVAILABLE"),
        (AssertionError("secret"), 500, "UNEXPECTED_ERROR"),
        (Refusal("secret"), 500, "UNEXPECTED_ERROR"),
    ],
)
async def test_what_fails_behind_is_an_envelope_without_internals(
    world: World, failure: Exception, status: int, code: str
) -> None:
    transport = httpx.ASGITransport(create_app(Broken(world, failure)))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluiceway.test") as http:
        answer = await http.get("/platform/v1/accounts", headers={"Authorization": "Bearer x"})

    assert_refused(answer, status, code)
    assert "secret" not in answer.text
