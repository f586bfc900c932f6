"""A server whose line to the database is cut at its COMMITs while households ask it for things: each happens once."""

import asyncio
import json
import random
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx

from sluiceway.storage.database import Database, fetch_all
from tests.clocks import until
from tests.cuts.households import Call, Household, choose, move_in, undone
from tests.cuts.plan import Plan, kind_of
from tests.db.relay import Cut, Relay
from tests.e2e.processes import Serving, free_port, run
from tests.invariants import violations
from tests.outbound.servers import Server, allowing, replying, serving
from tests.support import SECRET_KEY, real_engine
from tests.taxes import headers

CALLERS: Final = 4
"""For each household, at once."""
MOST_TRIES: Final = 200
SIGN_INS_EVERY_S: Final = 0.15
_REST: Final = """
    SELECT (SELECT count(*) FROM execution WHERE status = 'IN_PROGRESS' AND pending = 0)
         + (SELECT count(*) FROM outbox WHERE is_pending)
         + (SELECT count(*) FROM webhook_delivery WHERE status = 'PENDING')
         + (SELECT count(*) FROM transfer_leg WHERE status = 'PROCESSING')
"""


@dataclass
class Found:
    """What a run has done and seen."""

    seed: int
    cuts: Counter[Cut] = field(default_factory=Counter[Cut])
    by_kind: Counter[tuple[str, Cut]] = field(default_factory=Counter[tuple[str, Cut]])
    calls: Counter[str] = field(default_factory=Counter[str])
    refused: int = 0
    """How often a call was told to come again."""
    webhooks: int = 0
    violations: list[str] = field(default_factory=list[str])


@dataclass
class Campaign:
    """One run: the households, the line to the database, and what is done about an answer that did not come."""

    found: Found
    dice: random.Random
    relay: Relay
    http: httpx.AsyncClient
    each_side: int
    keeps_key: bool = True
    """Whether who asks again does so under the same key, as it must be done."""
    sessions: int = 0

    def is_over(self) -> bool:
        made = Counter(cut for cut, _ in self.relay.cuts)
        return all(made[side] >= self.each_side for side in Cut)

    async def ask(self, call: Call) -> None:
        """Send a call until it is answered; and, where it has a key, once more, for the same answer."""
        key = f"{self.found.seed}-{uuid.UUID(int=self.dice.getrandbits(128))}"
        first, _ = await self._until_answered(call, key)
        self.found.calls[call.what] += 1
        if not call.is_keyed:
            self.sessions += 1
            # The session that was begun is one.
            told = await self._until_answered(
                Call("session", "/app/session", {}, 200, {"Cookie": _cookie(first)}), "", method="GET"
            )
            if told[0].json()["data"].get("status", "signed_in") != "signed_in":
                self.found.violations.append(f"{call.what} {key}: signed in, and then not: {told[0].text}")
            return
        again, _ = await self._until_answered(call, key)
        if (again.status_code, again.content) != (first.status_code, first.content):
            self.found.violations.append(f"{call.what} {key}: answered {first.text}, and then {again.text}")
        if again.headers.get("idempotent-replayed") != "true":
            self.found.violations.append(f"{call.what} {key}: the second answer does not say that it is one")

    async def _until_answered(self, call: Call, key: str, method: str = "POST") -> tuple[httpx.Response, int]:
        number = 0
        while True:
            tried = key if self.keeps_key else f"{key}-{number}"
            answer = await self.http.request(
                method,
                call.path,
                json=call.body if method == "POST" else None,
                headers=call.headers | ({"Idempotency-Key": tried} if call.is_keyed else {}),
            )
            self.http.cookies.clear()
            if answer.status_code == call.status:
                return answer, number
            if answer.status_code != 503 or not answer.headers.get("retry-after"):
                self.found.violations.append(f"{call.what} {key}: {answer.status_code} {answer.text}")
                if answer.status_code < 500:
                    return answer, number
            self.found.refused += 1
            number += 1
            if number == MOST_TRIES:
                self.found.violations.append(f"{call.what} {key}: refused {MOST_TRIES} times")
                return answer, number
            await asyncio.sleep(0.02)

    async def live(self, household: Household) -> None:
        """Ask for one thing after the other."""
        while not self.is_over():
            await self.ask(household.call(choose(self.dice)))

    async def live_by_days(self, household: Household) -> None:
        """Let days pass, on which a rule runs and payments settle."""
        while not self.is_over():
            await self.ask(household.call("payment"))
            await self.ask(household.call("advance"))

    async def let_minutes_pass(self, household: Household) -> None:
        """Have what was cut off at the bank tried again, which is after a minute at first, and then after five."""
        headers = {"Authorization": f"ApiKey {household.secret}"}
        clock = await self._until_answered(Call("clock", "/sandbox/clock", {}, 200, headers, is_keyed=False), "", "GET")
        to = datetime.fromisoformat(clock[0].json()["data"]["now"]) + timedelta(minutes=10)
        move = Call("minutes", "/sandbox/clock/advance", {"to": to.isoformat()}, 200, headers, is_keyed=False)
        await self._until_answered(move, "")

    async def sign_in(self, households: list[Household]) -> None:
        while not self.is_over():
            await self.ask(self.dice.choice(households).call("sign_in"))
            await asyncio.sleep(SIGN_INS_EVERY_S)


async def run_campaign(
    database_url: str,
    each_side: int,
    seed: int,
    *,
    keeps_key: bool = True,
    limit_s: float = 260,
    connections: int | None = None,
) -> Found:
    """Cut `each_side` COMMITs before and as many after the server hears of them; then see what has happened."""
    found = Found(seed)
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        receiver = await stack.enter_async_context(serving(replying(204)))
        outbound = await stack.enter_async_context(allowing(receiver))
        households = await move_in(real_engine(database, outbound=outbound), f"http://127.0.0.1:{receiver.port}/hook")
        relay = await stack.enter_async_context(Relay.between(database_url, seed))
        environment = {} if connections is None else {"MAX_CONNECTIONS": str(connections)}
        server = await stack.enter_async_context(served(relay.url, receiver, **environment))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url, timeout=60))
        plan = Plan(dice, each_side)
        campaign = Campaign(found, dice, relay, http, each_side, keeps_key)
        plan.missed = lambda: relay.missed
        relay.judge = plan
        try:
            async with asyncio.timeout(limit_s), asyncio.TaskGroup() as living:
                for household in households[:-1]:
                    for _ in range(CALLERS):
                        living.create_task(campaign.live(household))
                living.create_task(campaign.live_by_days(households[-1]))
                living.create_task(campaign.sign_in(households))
        except TimeoutError:
            found.violations.append(f"not done within {limit_s} s: {plan.planned}")
        relay.judge = None
        for cut, statements in relay.cuts:
            found.cuts[cut] += 1
            found.by_kind[kind_of(statements), cut] += 1
        for household in households:
            await campaign.let_minutes_pass(household)
        await _until_at_rest(database)
        lost_sessions = found.by_kind["sign_in", Cut.AFTER]
        found.violations += await undone(database, households, campaign.sessions + lost_sessions)
        found.violations += await untold(database, households[0], receiver, found)
        for sentence, rows in (await violations(database)).items():
            found.violations.append(f"not true: {sentence}: {rows[:3]}")
        audited = await asyncio.to_thread(
            run, "audit", "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1", SECRET_KEY=SECRET_KEY
        )
        if audited.returncode:
            found.violations.append(f"the audit: {audited.stdout[-2000:]}{audited.stderr[-2000:]}")
    return found


@asynccontextmanager
async def served(database_url: str, receiver: Server | None = None, /, **environment: str) -> AsyncGenerator[Serving]:
    """Run a real server, with a worker beside it, over a line to a database."""
    allowed = {} if receiver is None else {"REMOTE_ALLOW": f"http://127.0.0.1:{receiver.port}"}
    with tempfile.TemporaryDirectory(prefix="sluiceway-cuts-") as folder:
        # What was cut off is begun again once its lease is over, and here nobody waits for half a minute.
        given = {"ALLOW_UNSAFE_POSTGRES": "1", "LEASE_S": "2", "SECRET_KEY": SECRET_KEY, **allowed, **environment}
        server = Serving("serve", Path(folder) / "data", free_port(), "--database-url", database_url, **given)
        try:
            # The line that it needs is ours to carry meanwhile.
            await asyncio.to_thread(server.start)
            yield server
        finally:
            await asyncio.to_thread(server.kill)


async def _until_at_rest(database: Database) -> None:
    async def is_at_rest() -> bool:
        async with database.read() as tx:
            [(left,)] = await fetch_all(tx, _REST)
        await asyncio.sleep(0.1)
        return left == 0

    await until(is_at_rest, 60)


async def untold(database: Database, household: Household, receiver: Server, found: Found) -> list[str]:
    """Say which events of a household never arrived, and which arrived in two versions."""
    async with database.read() as tx:
        rows = await fetch_all(
            tx,
            "SELECT event_id, body FROM webhook_delivery WHERE organization_id = %(id)s::uuid",
            {"id": household.world.organization_id},
        )
        [(events,)] = await fetch_all(
            tx,
            "SELECT count(*) FROM outbox o JOIN webhook_endpoint e USING (organization_id)"
            " WHERE organization_id = %(id)s::uuid AND o.created_at > e.created_at",
            {"id": household.world.organization_id},
        )
    heard: dict[str, set[bytes]] = {}
    for request in receiver.requests:
        heard.setdefault(headers(request)["webhook-id"], set()).add(request.partition(b"\r\n\r\n")[2])
    found.webhooks = len(receiver.requests)
    said = [f"{name} arrived as {len(bodies)} different ones" for name, bodies in heard.items() if len(bodies) > 1]
    if not len(heard) == len(rows) == events:
        said.append(f"{events} events, {len(rows)} deliveries, {len(heard)} arrived")
    return said


def _cookie(answer: httpx.Response) -> str:
    return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


def shown(by_kind: Counter[tuple[str, Cut]]) -> dict[str, dict[str, int]]:
    """Write cuts by their kind and side."""
    kinds = sorted({kind for kind, _ in by_kind})
    return {kind: {side.value: by_kind[kind, side] for side in Cut} for kind in kinds}


def told(found: Found) -> str:
    return json.dumps({"seed": found.seed, "calls": dict(found.calls), "cuts": shown(found.by_kind)})
