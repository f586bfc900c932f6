"""Every golden pair, sent to the real application; and that there is one for everything that the documents name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import httpx
import pytest

from sluiceway.api.app import create_app
from sluiceway.api.http import Generation, Operation, every_refusal
from sluiceway.api.platform.app import PLATFORM
from sluiceway.api.remote.app import REMOTE
from sluiceway.api.v1.app import V1
from tests.api.client import Api
from tests.api.golden.documented import ERRORS, NEVER, OPERATIONS
from tests.api.golden.pairs import Bindings, Differences, Message, Pair, decode, read_pairs
from tests.api.golden.scenes import GIVEN, Scene
from tests.invariants import violations

GENERATIONS: Final[dict[str, Generation]] = {"v1": V1, "platform": PLATFORM, "remote": REMOTE}
PAIRS: Final = read_pairs()


def is_served(pair: Pair) -> bool:
    served = GENERATIONS[pair.generation].operations
    return any(_name(operation) == pair.operation for operation in served)


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


RUN: Final = [pair for pair in PAIRS if pair.needs is None or is_served(pair)]
"""What is not served yet joins by itself once its operation is there."""


async def send(http: httpx.AsyncClient, request: Message, bindings: Bindings) -> httpx.Response:
    method, path = bindings.fill(request.line).split(" ", 1)
    headers = {name: bindings.fill(value) for name, value in request.headers.items()}
    content = None if request.body is None else bindings.fill(request.body)
    return await http.request(method, path, headers=headers, content=content)


@asynccontextmanager
async def answered_by(scene: Scene) -> AsyncGenerator[httpx.AsyncClient]:
    """Ask the application, over another edge where the scene has one."""
    if scene.edge is None:
        yield scene.api.http
        return
    edge = scene.edge(scene.world)
    transport = httpx.ASGITransport(create_app(edge))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluiceway.test") as http:
        yield http
    await edge.close()


@pytest.mark.parametrize("pair", [pair for pair in RUN if pair.request is not None], ids=str)
async def test_a_golden_pair(api: Api, pair: Pair) -> None:
    assert pair.request is not None
    scene = Scene(api, Bindings(pair.generation))
    scene.bindings.bind("secret", "", api.secret or "")
    for step in pair.given:
        await GIVEN[step](scene)
    if pair.generation == "remote":
        await scene.open_remote()
    scene.learn()
    for request in pair.before:
        assert (await send(api.http, request, scene.bindings)).status_code < 500
    async with answered_by(scene) as http:
        answer = await ask(http, pair, scene.bindings)

    compare(pair, answer, scene.bindings)
    assert await violations(api.world.engine.database) == {}


async def ask(http: httpx.AsyncClient, pair: Pair, bindings: Bindings) -> httpx.Response:
    """Send the request; where the answer is documented to come true soon only, again until it has."""
    assert pair.request is not None
    answer = await send(http, pair.request, bindings)
    for _ in range(40 if pair.is_soon else 0):
        with suppress(AssertionError):
            compare(pair, answer, bindings.copy())
            break
        await asyncio.sleep(0.05)
        answer = await send(http, pair.request, bindings)
    return answer


def compare(pair: Pair, answer: httpx.Response, bindings: Bindings) -> None:
    expected = pair.response
    assert answer.status_code == int(expected.line), answer.text
    for name, value in expected.headers.items():
        assert name in answer.headers, f"{name} is missing"
        bindings.match(value, answer.headers[name], name)
    if answer.headers["content-type"] != "application/json":
        assert answer.text == (expected.body or "")
        return
    told = answer.json()
    differences = Differences(bindings, pair.extensions, pair.cut)
    differences.compare(decode(expected.body or "null"), told)
    assert not differences.unused, f"no such extensions: {sorted(differences.unused)}"
    if "idempotent-replayed" not in answer.headers:
        # What is given again is the first answer, with the first request's id.
        named = {told[key] for key in ("request_id", "requestId") if key in told}
        assert named <= {answer.headers["x-request-id"]}


@pytest.mark.parametrize("pair", [pair for pair in RUN if pair.refusal is not None], ids=str)
def test_what_no_request_meets_would_be_said_as_documented(pair: Pair) -> None:
    generation = GENERATIONS[pair.generation]
    [kind] = [kind for kind in every_refusal() if kind.__name__ == pair.refusal]
    failure = generation.refusals[kind](kind())
    told = decode(generation.show_failure(failure, "req_1").decode())

    assert failure.status == int(pair.response.line)
    Differences(Bindings(pair.generation), pair.extensions).compare(decode(pair.response.body or ""), told)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_documented_operation_has_a_pair_in_which_it_succeeds(generation: str) -> None:
    pairs = [pair for pair in PAIRS if pair.generation == generation]
    succeed = {pair.operation for pair in pairs if pair.response.line.startswith("2")}
    waiting = {pair.operation for pair in pairs if pair.needs is not None}

    assert succeed == set(OPERATIONS[generation])
    assert {pair.operation for pair in pairs if not is_served(pair)} <= waiting


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_documented_error_has_a_pair_in_which_it_occurs(generation: str) -> None:
    told: set[tuple[int, str, str]] = set()
    for pair in (pair for pair in PAIRS if pair.generation == generation and pair.needs is None):
        is_error = pair.response.line[0] in "45" and (pair.response.body or "").startswith("{")
        if is_error:
            body = decode(pair.response.body or "")
            error = body.get("error", body)
            told.add((int(pair.response.line), error["code"], error["message"]))

    for status, code, message in ERRORS[generation]:
        if (code, message) in NEVER[generation]:
            continue
        found = [text for known_status, known, text in told if (known_status, known) == (status, code)]
        assert any(message in text for text in found), (status, code, message)


def test_no_two_pairs_have_one_name() -> None:
    names = [str(pair) for pair in PAIRS]

    assert len(set(names)) == len(names)
    assert {step for pair in PAIRS for step in pair.given} == set(GIVEN)
