"""The remote API: every credential at every address, with every body, for every rule (product facts 2.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product

import httpx
import pytest
import pytest_asyncio

from sluiceway.domain.ids import RuleId
from sluiceway.services.keys import checksum
from sluiceway.services.remote_access import (
    create_rule_secrets,
    create_token,
    disable,
    enable,
    revoke_rule_secret,
    revoke_token,
)
from tests.api.client import digest
from tests.api.matrix.holdings import ALL
from tests.api.matrix.keys import NOBODYS, SIGNATURE, TOKEN, Headers, lift_limits, remote_secrets, secret_of
from tests.api.matrix.oracle import Answered, Which
from tests.api.matrix.spelling import SPELLINGS, Spelling, malformed, prefixed
from tests.api.matrix.stage import KINDS, Stage
from tests.api.matrix.tables import DOCUMENTS, operations_of
from tests.support import World


class Said(Enum):
    """What is sent along."""

    NOTHING = (b"", None, None)
    EMPTY = (b"{}", "application/json", None)
    ANYTHING = (b'{"any": ["thing"]}', "application/json", None)
    NOT_JSON = (b'{"', "application/json", Answered(400, "INVALID_REQUEST"))
    UNTYPED = (b"{}", "text/plain", Answered(415, "UNSUPPORTED_MEDIA_TYPE"))


ADDRESSES = ("/remote-api/", "/", "//", "/remote-api//")
WHICH = (Which.LISTED, Which.UNLISTED, Which.FOREIGN, Which.UNKNOWN, Which.MALFORMED)
NO_TOKEN, NO_SECRET = Answered(401, "INVALID_ACCESS_TOKEN"), Answered(401, "INVALID_API_SECRET")
INVALID, DONE = Answered(400, "INVALID_REQUEST"), Answered(200)


@dataclass
class Issued:
    """What was given to programs, and what became of it."""

    valid: str
    revoked: str
    rotated: str
    switched_off: str
    exchanged: str
    """What the other operation is called with."""
    key: str
    begins: str

    def spoiled(self) -> str:
        return self.valid[:-1] + ("1" if self.valid[-1] == "0" else "0")

    def never_issued(self) -> str:
        return f"{self.begins}{NOBODYS}{checksum(NOBODYS)}"


Shown = Callable[[Issued, str, str], Headers]
"""Write headers from what was issued, the operation's own header, and the other operation's."""

STRANGERS: dict[str, Shown] = {
    "revoked": lambda issued, own, _: {own: f"Bearer {issued.revoked}"},
    "the one before it was rotated": lambda issued, own, _: {own: f"Bearer {issued.rotated}"},
    "of an organization that lets nobody in": lambda issued, own, _: {own: f"Bearer {issued.switched_off}"},
    "the other operation's": lambda issued, own, _: {own: f"Bearer {issued.exchanged}"},
    "a key": lambda issued, own, _: {own: f"Bearer {issued.key}"},
    "a key in its own header": lambda issued, _, __: {"authorization": f"Bearer {issued.key}"},
    "a key as in v1": lambda issued, _, __: {"authorization": f"ApiKey {issued.key}"},
    "in the other operation's header": lambda issued, _, other: {other: f"Bearer {issued.valid}"},
    "in the header of keys": lambda issued, _, __: {"authorization": f"Bearer {issued.valid}"},
    "with a wrong checksum": lambda issued, own, _: {own: f"Bearer {issued.spoiled()}"},
    "never issued": lambda issued, own, _: {own: f"Bearer {issued.never_issued()}"},
    "bare": lambda issued, own, _: {own: issued.valid},
    "glued to its word": lambda issued, own, _: {own: f"Bearer{issued.valid}"},
    "behind another word": lambda issued, own, _: {own: f"Basic {issued.valid}"},
    "behind the word of v1": lambda issued, own, _: {own: f"ApiKey {issued.valid}"},
    "twice": lambda issued, own, _: {own: f"Bearer {issued.valid} {issued.valid}"},
    "too long": lambda _, own, __: {own: "Bearer " + "x" * 10_000},
    "none": lambda _, __, ___: {},
    "an empty header": lambda _, own, __: {own: ""},
    "a word alone": lambda _, own, __: {own: "Bearer"},
}


@dataclass
class Remote:
    """Everything that may be shown to either operation."""

    stage: Stage
    token: Issued
    secret: Issued
    unlisted_secret: str
    """Of our rule that `secret` is not for."""

    async def post(self, address: str, path: str, headers: Headers, said: Said) -> httpx.Response:
        content, kind, _ = said.value
        # Joined by hand: the client would tidy doubled slashes away.
        url = httpx.URL("http://sluiceway.test").copy_with(raw_path=(address + path).encode())
        headers = headers | {"x-request-id": "matrix"} | ({} if kind is None else {"content-type": kind})
        return await self.stage.api.http.post(url, headers=headers, content=content)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def remote(stage: Stage) -> Remote:
    """Issue tokens and secrets, and take some of them back."""
    token, secret = await remote_secrets(stage)
    ours, theirs = stage.world, stage.neighbour.world
    await enable(stage.engine, theirs.organization_id)
    their_token, their_secret = await new_token(theirs), await new_secret(theirs, "listed rule")
    await disable(stage.engine, theirs.organization_id)
    key = await secret_of(stage, ALL)
    spent = [await spent_token(ours) for _ in range(2)]
    await new_token(ours)
    spent_secrets = [await spent_secret(ours) for _ in range(2)]
    await new_secret(ours, "listed rule")
    unlisted = await new_secret(ours, "unlisted rule")
    await lift_limits(stage)
    return Remote(
        stage,
        Issued(token, *spent, their_token, secret, key, "at_"),
        Issued(secret, *spent_secrets, their_secret, token, key, "rs_"),
        unlisted,
    )


async def new_token(world: World) -> str:
    _, secret = await create_token(world.engine, world.organization_id, "matrix", None)
    return secret


async def spent_token(world: World) -> str:
    token, secret = await create_token(world.engine, world.organization_id, "matrix", None)
    await revoke_token(world.engine, world.organization_id, token.id, token.id)
    return secret


async def new_secret(world: World, rule: str) -> str:
    wanted = [(RuleId(world.rules[rule].id), rule)]
    [(_, secret)] = await create_rule_secrets(world.engine, world.organization_id, wanted)
    return secret


async def spent_secret(world: World) -> str:
    wanted = [(RuleId(world.rules["listed rule"].id), "listed rule")]
    [(made, secret)] = await create_rule_secrets(world.engine, world.organization_id, wanted)
    await revoke_rule_secret(world.engine, world.organization_id, made.id, made.id)
    return secret


def answered(answer: httpx.Response) -> Answered:
    return Answered(answer.status_code, None if answer.status_code == 200 else answer.json()["code"])


def paths(stage: Stage, spellings: Sequence[Spelling] = SPELLINGS) -> list[tuple[Which, str]]:
    """Write where rules are triggered."""
    found: list[tuple[Which, str]] = []
    for which, spelling in product(WHICH, spellings):
        spelled = spelling(KINDS["rule"], stage.id_of("rule", which))
        found.append((which, f"rules/{malformed(spelled) if which is Which.MALFORMED else spelled}/trigger"))
    return found


def test_the_matrix_is_about_every_operation() -> None:
    assert operations_of(DOCUMENTS["remote"]) == {("POST", "/accounts"), ("POST", "/rules/{}/trigger")}


@pytest.mark.parametrize("shown", STRANGERS)
async def test_a_stranger_learns_nothing(remote: Remote, shown: str) -> None:
    token = STRANGERS[shown](remote.token, TOKEN, SIGNATURE)
    secret = STRANGERS[shown](remote.secret, SIGNATURE, TOKEN)
    before = await digest(remote.stage.engine.database)

    said_of_tokens, said_of_secrets = set(), set()
    for address, said in product(ADDRESSES, Said):
        answer = await remote.post(address, "accounts", token, said)
        said_of_tokens.add((answered(answer), tuple(answer.headers.multi_items()), answer.content))
        for _, path in paths(remote.stage, [prefixed]):
            answer = await remote.post(address, path, secret, said)
            said_of_secrets.add((answered(answer), tuple(answer.headers.multi_items()), answer.content))
    assert [verdict for verdict, _, _ in said_of_tokens] == [NO_TOKEN]
    assert [verdict for verdict, _, _ in said_of_secrets] == [NO_SECRET]
    assert await digest(remote.stage.engine.database) == before


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("said", Said)
async def test_a_token_reads_accounts(remote: Remote, address: str, said: Said) -> None:
    before = await digest(remote.stage.engine.database)
    answer = await remote.post(address, "accounts", {TOKEN: f"Bearer {remote.token.valid}"}, said)

    assert answered(answer) == (said.value[-1] or DONE)
    assert await digest(remote.stage.engine.database) == before


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("said", Said)
async def test_a_secret_runs_its_own_rule_and_no_other(remote: Remote, address: str, said: Said) -> None:
    own = {Which.LISTED: remote.secret.valid, Which.UNLISTED: remote.unlisted_secret}
    refusals: set[tuple[tuple[tuple[str, str], ...], bytes]] = set()
    before = await digest(remote.stage.engine.database)

    async def trigger(path: str, secret: str, expected: Answered) -> httpx.Response:
        answer = await remote.post(address, path, {SIGNATURE: f"Bearer {secret}"}, said)
        assert answered(answer) == expected, (path, said, answer.text)
        return answer

    for (which, path), (owner, secret) in product(paths(remote.stage), own.items()):
        if which is not owner:
            # Which rule comes before what is sent, and it is the same answer whether or not there is such a rule.
            answer = await trigger(path, secret, INVALID)
            refusals.add((tuple(answer.headers.multi_items()), answer.content))
    assert len(refusals) == 1
    assert await digest(remote.stage.engine.database) == before
    for which, path in paths(remote.stage):
        if which in own:
            await trigger(path, own[which], said.value[-1] or DONE)


async def test_an_answer_is_given_again_to_whom_it_belongs(remote: Remote) -> None:
    path = f"rules/{remote.stage.id_of('rule', Which.LISTED)}/trigger"
    key = {"idempotency-key": "mine"}
    secret = {SIGNATURE: f"Bearer {remote.secret.valid}"}
    first = await remote.post("/", path, secret | key, Said.EMPTY)
    before = await digest(remote.stage.engine.database)

    again = await remote.post("/remote-api/", path, secret | key, Said.ANYTHING)
    other = await remote.post("/", path, {SIGNATURE: f"Bearer {remote.unlisted_secret}"} | key, Said.EMPTY)
    revoked = await remote.post("/", path, {SIGNATURE: f"Bearer {remote.secret.revoked}"} | key, Said.EMPTY)
    assert (answered(first), again.content) == (DONE, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (answered(other), answered(revoked)) == (INVALID, NO_SECRET)
    assert await digest(remote.stage.engine.database) == before
