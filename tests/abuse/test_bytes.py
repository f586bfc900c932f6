"""Bodies, heads and queries that no program would send, to every operation there is: refused, and nothing else."""

import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.abuse.asked import DOCUMENTS, committed
from tests.abuse.bodies import JSON, REFUSED
from tests.abuse.bombard import ask_bodies, ask_heads, ask_odd_bodies, leaving_no_trace, smuggle, some_of
from tests.abuse.heads import SMUGGLED, smuggled
from tests.abuse.judged import Seen
from tests.abuse.lines import Heard, Line, written
from tests.abuse.stage import Stage, open_stage

MOST_GROWTH_KIB = 96 * 1024
"""How much more memory a process may take while it refuses: less than any of the bodies would unfold to."""
CARRIERS = {
    "v1 POST /accounts/pods",
    "v1 GET /rules",
    "platform POST /transfers",
    "remote POST /accounts",
    "sandbox POST /deposits",
    "app POST /app/sign-in",
    "app GET /app/session",
}

pytestmark = [pytest.mark.timeout(300)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(module_database_url: str) -> AsyncGenerator[Stage]:
    async with open_stage(module_database_url) as opened:
        yield opened


async def test_every_operation_there_is_is_asked(stage: Stage):
    listed = {
        f"{name} {method.upper()} {path}"
        for name in DOCUMENTS
        for path, methods in committed(name)["paths"].items()
        for method in methods
    }

    assert {operation.label for operation in await stage.operations()} == listed


async def test_bodies_that_are_not_right_are_refused_and_leave_no_trace(stage: Stage):
    asked = [operation for operation in await stage.operations() if operation.takes_body]
    seen = Seen()
    stage.forget_peak()
    before = stage.memory_kib()
    async with leaving_no_trace(stage, seen, "bodies"):
        count = await ask_bodies(stage, asked, seen, some_of(3, 1))

    assert seen.faults == []
    assert count > 1000
    assert stage.memory_kib() - before < MOST_GROWTH_KIB


async def test_heads_and_queries_that_are_not_right_are_refused_and_leave_no_trace(stage: Stage):
    asked = await stage.operations()
    seen = Seen()
    async with leaving_no_trace(stage, seen, "heads"):
        await ask_heads(stage, asked, seen, some_of(4, 2))

    assert seen.faults == []


async def test_no_request_hides_in_another(stage: Stage):
    asked = [operation for operation in await stage.operations() if operation.label in CARRIERS | {"v1 GET /accounts"}]
    seen = Seen()
    await smuggle(stage, asked, seen)

    assert seen.faults == []


async def test_the_checks_can_fail(stage: Stage):
    by_label = {operation.label: operation for operation in await stage.operations()}
    pods, lists = by_label["v1 POST /accounts/pods"], by_label["v1 GET /accounts"]
    seen = Seen()
    async with leaving_no_trace(stage, seen, "a pod"), Line(stage.port) as line:
        body = json.dumps({"nickname": "Made meanwhile"}).encode()
        made = await line.ask(written("POST", pods.target, {**pods.headers, **JSON}, body))
        seen.note("a pod", pods, made, REFUSED)
        after = written("GET", lists.target, lists.headers) + smuggled(lists.target, lists.headers)
        followed = await line.say(after)
    for heard in (
        Heard(0),
        Heard(500, {}, b"{}"),
        Heard(400, {"x-request-id": "a"}, b'{"error": {"code": "x", "message": "Traceback"}, "request_id": "a"}'),
        Heard(400, {"x-request-id": "a"}, b'{"error": {"code": "x", "message": "y"}, "request_id": "b"}'),
        Heard(400, {"x-request-id": "a"}, b'{"error": {"code": "x", "message": "y"}, "request_id": "a"}', 60.0),
    ):
        seen.note("what is wrong", pods, heard, None)

    assert len(seen.faults) == 2 + 5
    assert followed[-1].headers["x-request-id"] == SMUGGLED


async def test_what_is_odd_breaks_nothing(stage: Stage):
    asked = [operation for operation in await stage.operations() if operation.takes_body]
    seen = Seen()
    await ask_odd_bodies(stage, asked, seen, some_of(4, 3))

    assert seen.faults == []
