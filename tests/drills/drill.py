"""One drill: back up under load, lose everything, restore, look, release; the bank's book outlives it all.

Every amount is of one intent alone, so that the bank's book tells what was paid twice, whatever it was called.
"""

import asyncio
import json
import random
import stat
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
from psycopg import sql

from sluiceway.domain.ids import OrganizationId
from sluiceway.services import approvals
from sluiceway.services.engine import Engine
from sluiceway.services.restoring import Standing, standings
from sluiceway.storage.database import Database
from tests.drills.stage import Journal, Server, Stage, command, databases, hurry, pay_in, staged
from tests.support import PASSWORD, plain_engine

CALLERS = 4
PAUSE_S = 0.06
DEPOSIT_EVERY_S = 0.4
PATIENCE_S = 90.0


@dataclass
class Outcome:
    """What a drill found."""

    violations: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def check(self, promise: str, found: object) -> None:
        """Note a promise that is broken by something."""
        if found:
            self.violations.append(f"{promise}: {found!r:.300}")


async def drill(folder: Path, cluster_url: str, seed: int) -> Outcome:
    """Run one drill in a cluster of its own databases."""
    dice, outcome, journal = random.Random(seed), Outcome(), Journal()
    name, again, bank_name = f"drill_{seed}", f"drill_{seed}_again", f"drill_{seed}_bank"
    with databases(cluster_url, name, again, bank_name):
        async with staged(cluster_url, name, bank_name) as stage:
            file = folder / f"drill-{seed}.zip"
            taken_at, done_at = await _until_destroyed(stage, name, file, dice, journal)
            outcome.check("the file is for its owner alone", stat.S_IMODE(file.stat().st_mode) != 0o600)
            began = time.monotonic()
            restored = await asyncio.to_thread(
                command, "restore", str(file), "--json", "--database-url", stage.url(again)
            )
            outcome.check("the restore ends well", restored.returncode and restored.stderr)
            if restored.returncode:
                return outcome
            with Server(stage.url(again), stage.bank_url) as server:
                outcome.figures["rto_s"] = round(time.monotonic() - began, 2)
                outcome.figures["rows"] = json.loads(restored.stdout)["rows"]
                async with Database(stage.url(again)) as database:
                    engine = replace(plain_engine(database), rail_of=lambda _: stage.bank)
                    _check_restored(stage, stage.url(again), journal, taken_at, done_at, outcome)
                    held = await _check_held(stage, server, engine, journal, taken_at, dice, outcome)
                    await _release(stage, stage.url(again), engine, outcome)
                    await _check_ended(stage, stage.url(again), journal, taken_at, held, outcome)
            audited = await asyncio.to_thread(command, "audit", "--database-url", stage.url(again))
            outcome.check("the audit is clean at the end", audited.returncode and audited.stdout[-1500:])
            file.unlink()
    return outcome


async def _until_destroyed(
    stage: Stage, name: str, file: Path, dice: random.Random, journal: Journal
) -> tuple[datetime, datetime]:
    """Back up at a random moment of a busy time, and lose the database at another; give when the backup was taken."""
    url, over = stage.url(name), asyncio.Event()
    with Server(url, stage.bank_url) as server:
        hurry(stage, url)
        await _until(lambda: stage.ask("SELECT posted FROM account WHERE posted > 0 AND kind <> 'WORLD'", url=url))
        busy = [asyncio.create_task(_call(stage, server, journal, number, over)) for number in range(CALLERS)]
        busy.append(asyncio.create_task(_pay(stage, url, journal, over)))
        await asyncio.sleep(dice.uniform(1.0, 3.0))
        words = ("--to", str(file), "--json", "--database-url", url)
        backed_up = await asyncio.to_thread(command, "backup", *words)
        assert backed_up.returncode == 0, backed_up.stderr
        done_at = datetime.now(UTC)
        await asyncio.sleep(dice.uniform(1.0, 2.5))
        server.kill()
        over.set()
        await asyncio.gather(*busy)
    with psycopg.connect(stage.cluster_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    return datetime.fromisoformat(json.loads(backed_up.stdout)["taken_at"]), done_at


async def _call(stage: Stage, server: Server, journal: Journal, number: int, over: asyncio.Event) -> None:
    async with httpx.AsyncClient(base_url=server.address, headers=stage.headers, timeout=30) as client:
        while not over.is_set():
            key = f"{number}-{len(journal.amounts)}"
            if await trigger(stage, client, journal, key) is None:
                return
            await asyncio.sleep(PAUSE_S)


async def trigger(stage: Stage, client: httpx.AsyncClient, journal: Journal, key: str) -> httpx.Response | None:
    """Trigger the rule that pays the rent, an amount of its own for each key; None: nobody answered."""
    amount = journal.amounts.setdefault(key, 10_000 + len(journal.amounts))
    journal.sent.setdefault(key, datetime.now(UTC))
    try:
        answer = await client.post(
            f"/api/v1/rules/{stage.world.rules['rent'].id}/trigger",
            headers={"Idempotency-Key": key},
            json={"manual_execute_amount": amount},
        )
    except httpx.TransportError:
        return None
    assert answer.status_code == 200, answer.text
    journal.answered[key] = (datetime.now(UTC), answer.json()["data"]["execution_id"].partition("_")[2])
    return answer


async def _pay(stage: Stage, url: str, journal: Journal, over: asyncio.Event) -> None:
    while not over.is_set():
        amount = 5_000_000 + len(journal.deposits)
        journal.deposits[amount] = datetime.now(UTC)
        await pay_in(stage.bank, stage.world, "salary", amount)
        hurry(stage, url)
        await asyncio.sleep(DEPOSIT_EVERY_S)


def _check_restored(
    stage: Stage, url: str, journal: Journal, taken_at: datetime, done_at: datetime, outcome: Outcome
) -> None:
    """Whatever was answered before the backup is there, and nothing that was asked for after it."""
    keys = {key for (key,) in stage.ask("SELECT key FROM idempotency", url=url)}
    executions = {str(id_) for (id_,) in stage.ask("SELECT id FROM execution", url=url)}
    before = {key: answer for key, (at, answer) in journal.answered.items() if at <= taken_at}
    after = {key for key, at in journal.sent.items() if at > done_at}
    from_base32 = {key: _uuid(answer) for key, answer in before.items()}
    outcome.check("every request that was answered before is there", sorted(before.keys() - keys))
    outcome.check("its run is there", [key for key, id_ in from_base32.items() if id_ not in executions])
    outcome.check("no request from after is there", sorted(after & keys))
    outcome.figures |= {"answered_before": len(before), "asked_after": len(after)}


def _uuid(spelling: str) -> str:
    from sluiceway.domain.ids import from_base32

    found = from_base32(spelling)
    assert found is not None
    return found


async def _check_held(
    stage: Stage,
    server: Server,
    engine: Engine,
    journal: Journal,
    taken_at: datetime,
    dice: random.Random,
    outcome: Outcome,
) -> str:
    """Nothing leaves while it is held; it answers, and says so; give the key of a request made meanwhile."""
    before = stage.calls()
    async with httpx.AsyncClient(base_url=server.address, headers=stage.headers, timeout=30) as client:
        known = [key for key, (at, _) in journal.answered.items() if at <= taken_at]
        for key in dice.sample(known, min(5, len(known))):
            answer = journal.answered[key][1]
            again = await trigger(stage, client, journal, key)
            assert again is not None
            outcome.check("a key gives its answer again", again.headers.get("idempotent-replayed") != "true" and key)
            outcome.check("and the same one", journal.answered[key][1] != answer and key)
            journal.answered[key] = (taken_at, answer)
        held = "while-held"
        answer = await trigger(stage, client, journal, held)
        outcome.check("a trigger is accepted while held", answer is None)
        accounts = stage.world.accounts
        body = {
            "source_account_id": accounts["income"],
            "destination_account_id": accounts["pod"],
            "amount_in_cents": 100_00,
        }
        moved = await client.post("/api/v1/transfers", json=body)
        outcome.check("a transfer is refused while held", moved.status_code != 503 and moved.text)
        ready = await client.get("/readyz")
        outcome.check("/readyz says that it is held", "held" not in ready.text and ready.text)
    found = await standings(engine)
    outcome.check("what may have been sent can be told", len(found) != 1 or not found[0].is_asked)
    _check_told(stage, found[0], outcome)
    await asyncio.sleep(1.5)
    outcome.check("nothing was handed over while held", stage.calls() != before and (before, stage.calls()))
    return held


def _check_told(stage: Stage, told: Standing, outcome: Outcome) -> None:
    known = {str(id_) for (id_,) in stage.ask("SELECT key FROM bank_payment")}
    wrong = [
        leg.id for leg, says in told.legs if (str(leg.id) in known) != (says is not None and says.startswith("has"))
    ]
    outcome.check("the bank's word on each payment is told", wrong)
    outcome.figures |= {"in_flight": len(told.legs), "deposits_again": len(told.arrivals)}


async def _release(stage: Stage, url: str, engine: Engine, outcome: Outcome) -> None:
    """Release, and decide on what waits for a person as one would: by the bank's book."""
    released = await asyncio.to_thread(
        command, "restore", "release", "--by", "The drill", "--yes", "--database-url", url
    )
    outcome.check("the release ends well", released.returncode and released.stderr)
    hurry(stage, url)
    organization_id, person, decided = stage.world.organization_id, stage.world.person, Counter[str]()
    quiet_since, deadline = time.monotonic(), time.monotonic() + PATIENCE_S
    while time.monotonic() - quiet_since < 2.0:
        assert time.monotonic() < deadline, "it does not come to rest"
        waiting = await approvals.list_waiting(engine, OrganizationId(organization_id))
        for each in waiting:
            transfer = each.transfer
            assert transfer.destination is not None
            is_outside = transfer.destination.id in (stage.world.accounts["landlord"], stage.world.accounts["broker"])
            if is_outside and stage.paid()[transfer.amount]:
                await approvals.refuse(engine, person, PASSWORD, transfer.id)
                decided["refused"] += 1
            else:
                digest = approvals.digest_of(transfer)
                await approvals.approve(engine, person, PASSWORD, transfer.id, digest)
                decided["approved"] += 1
        if waiting or _is_busy(stage, url):
            quiet_since = time.monotonic()
        await asyncio.sleep(0.1)
    outcome.figures |= {"approved": decided["approved"], "refused_as_paid": decided["refused"]}


def _is_busy(stage: Stage, url: str) -> bool:
    """Tell whether anything still waits that nobody has to decide."""
    [(busy,)] = stage.ask(
        "SELECT EXISTS (SELECT FROM execution WHERE due_at IS NOT NULL)"
        " OR EXISTS (SELECT FROM transfer_leg WHERE status = 'PROCESSING')"
        " OR EXISTS (SELECT FROM feed WHERE subject_id = organization_id AND due_at <= now())",
        url=url,
    )
    return busy


async def _check_ended(
    stage: Stage, url: str, journal: Journal, taken_at: datetime, held: str, outcome: Outcome
) -> None:
    """Each intent that was answered before is paid once, each of after at most once, and each deposit once."""
    paid = stage.paid()
    before = [key for key, (at, _) in journal.answered.items() if at <= taken_at]
    doubles = {amount: times for amount, times in paid.items() if times > 1}
    outcome.figures |= {"payments": sum(paid.values()), "double_submissions": sum(doubles.values()) - len(doubles)}
    outcome.check("no intent was paid twice", doubles)
    outcome.check("each request is paid", [key for key in [*before, held] if paid[journal.amounts[key]] != 1])
    outcome.check("each deposit is sent on", [amount for amount in journal.deposits if paid[amount] != 1])
    arrived = Counter(
        amount
        for (amount,) in stage.ask(
            "SELECT t.amount FROM transfer t WHERE t.source_account_id IS NULL AND t.status = 'COMPLETE'", url=url
        )
    )
    outcome.check("each deposit arrived once", [amount for amount in journal.deposits if arrived[amount] != 1])


async def _until(is_so) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
