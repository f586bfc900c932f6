"""The audit that goes on: what was committed is verified within a minute, everything once a day.

Where a promise is broken, the organization's money stands still.

A look is cheap and bounded: what is new since the last one, every account, the settings, the links of the log. What it
has seen it seals. A violation is looked for a second time, in another snapshot, before the organization's money stops.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from sluiceway.domain.audit import first_link, next_link, operators_act
from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.services.audit import (
    EXAMPLES,
    HARMLESS,
    LOG,
    PATIENCE_S,
    CheckResult,
    Violation,
    check_everything,
    sealed_result,
)
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.sealing import LAG, SealReport, check_seals, resealed, seal_on
from sluiceway.storage import audit as stored_audit
from sluiceway.storage import organizations as stored_organizations
from sluiceway.storage import seals as stored
from sluiceway.storage.audit_log import heads
from sluiceway.storage.audit_recent import RecentCheck, Stretch, batches_after, find_recent_mismatches
from sluiceway.storage.database import LentTx, WriteTx
from sluiceway.storage.outbox import EventKind, OutboxEvent, insert_events
from sluiceway.storage.seals import KINDS, Look

EVERY: Final = timedelta(seconds=20)
"""How often each organization is looked at: with the lag and a second look, a violation is found within a minute."""
QUIET_EVERY: Final = timedelta(minutes=10)
"""How often one in which nothing happens."""
FULL_EVERY: Final = timedelta(days=1)
REACH: Final = timedelta(hours=1)
"""How far back a look reaches. After a longer absence of all workers everything is looked at."""
SHARES: Final = {"on": 0.02, "prompt": 0.25, "off": 0.0}
"""Which part of a worker's time may go into looking: whoever has looked rests for the rest of it."""
LONGEST_REST_S: Final = 300.0
AGAIN_AFTER_S: Final = 2.0
OVERLAP: Final = timedelta(seconds=10)
STRETCHES: Final = 40
"""How many stretches of each kind one look seals at most."""
BATCHES: Final = 20_000
_PROMISES: Final = {
    RecentCheck.TRANSFERS: ("New transfers did what they say", "transfers", "transfer"),
    RecentCheck.RUNS: ("New runs were approved", "executions", "execution"),
    RecentCheck.ACCOUNTS: ("Accounts hold what their days say", "accounts", "account"),
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look has found. `rows`: how many it has verified. `is_more`: there is more to look at already."""

    results: tuple[CheckResult, ...]
    rows: int
    is_more: bool

    @property
    def broken(self) -> list[CheckResult]:
        """Give the checks that an organization's money stops for."""
        return [result for result in self.results if result.violations and result.name not in HARMLESS]


async def organizations_to_verify(engine: Engine) -> list[OrganizationId]:
    """Find those whose turn it is; none while this process rests, or where the audit does not go on by itself."""
    if not engine.audit_share or time.monotonic() < engine.audit_rest.until_s:
        return []
    async with engine.database.read() as tx:
        return await stored.looks_due(tx, engine.now() - EVERY, engine.now() - QUIET_EVERY)


async def verify(engine: Engine, organization_id: OrganizationId) -> int:
    """Look at one organization, and stop its money where a promise is broken twice. Returns 1."""
    began = time.monotonic()
    looked = await look(engine, organization_id)
    if looked.broken:
        await asyncio.sleep(AGAIN_AFTER_S)
        again = await look(engine, organization_id)
        names = {result.name for result in looked.broken}
        if confirmed := [result for result in again.broken if result.name in names]:
            await stop_money(engine, organization_id, confirmed[0])
    took_s = time.monotonic() - began
    engine.tally.add("verified_rows", by=looked.rows)
    engine.tally.add("verified_seconds", by=took_s)
    # Not a sleep: nobody who stops a worker waits for it.
    engine.audit_rest.until_s = time.monotonic() + min(took_s * (1 / engine.audit_share - 1), LONGEST_REST_S)
    return 1


async def look(
    engine: Engine, organization_id: OrganizationId, *, is_full: bool | None = None, is_everything: bool = False
) -> Looked:
    """Verify what is new in an organization, or all of it where that is due (or `is_full`), and seal what was seen.

    `is_everything`: seal up to the very end, though something that began earlier may still be committed.
    """
    now = engine.now()
    async with engine.database.snapshot(PATIENCE_S) as tx:
        before = await stored.find_look(tx, organization_id)
        if is_full is None:
            is_full = before is not None and (now - before.full_at >= FULL_EVERY or now - before.verified_to >= REACH)
        head = (await heads(tx, organization_id)).get(organization_id)
        batches = 0 if head is None else head.number
        report = SealReport()
        await stored_audit.take_room(tx)
        if is_full:
            results = await check_everything(tx, organization_id, now, sealed=report)
            link, reached, rows = (b"" if head is None else head.hash), batches, sum(r.examined for r in results)
        else:
            results, link, reached, rows = await _recent(tx, organization_id, before, report, now)
        made = await seal_on(tx, organization_id, now, batches, is_everything=is_everything, most=STRETCHES)
    looked = Looked(tuple(results), rows + made.hashes, made.is_more)
    seals = [*resealed(report.late, now, batches), *made.seals]
    counts = dict({} if before is None else before.seals)
    for seal in made.seals:
        counts[seal.of] = max(counts.get(seal.of, 0), seal.number)
    violations = sum(result.violations for result in results)
    verified_to = now - LAG if not looked.broken else (before.verified_to if before else now - LAG)
    told = Look(
        looked_at=now,
        verified_to=verified_to,
        # The first full look comes within a day of the first one of all.
        full_at=now if is_full or before is None else before.full_at,
        batches=reached,
        link=link,
        seals=counts,
        rows=looked.rows + (0 if before is None else before.rows),
        violations=violations,
    )

    async def work(tx: WriteTx) -> None:
        if looked.broken and before is not None:
            # Nothing is sealed over what is wrong: the next look has to find it again.
            kept = replace(before, looked_at=now, violations=violations)
            await stored.put_look(tx, organization_id, kept, before)
        elif await stored.put_look(tx, organization_id, told, before):
            await stored.put_seals(tx, organization_id, seals)

    await engine.database.write(work)
    return looked


async def _recent(
    tx: LentTx, organization_id: OrganizationId, before: Look | None, report: SealReport, now: datetime
) -> tuple[list[CheckResult], bytes, int, int]:
    """Check what is new since the last look; tell also where the log has come to, and how much was looked at."""
    since = now - REACH if before is None else before.verified_to - OVERLAP
    end = now - LAG
    stretch = Stretch(least_id(since), least_id(end), least_id(now + timedelta(hours=1)))
    results: list[CheckResult] = []
    rows = 0
    for check, (promise, unit, what) in _PROMISES.items():
        violations, found, examined = await find_recent_mismatches(tx, organization_id, check, stretch, EXAMPLES)
        examples = tuple(
            Violation(each.organization_id, what, None, each.id, each.expected, each.found) for each in found
        )
        results.append(CheckResult(check, promise, examined, unit, violations, examples))
        rows += examined
    settings = [kind for kind in KINDS if kind.is_settings]
    found_seals = await check_seals(tx, organization_id, now, kinds=settings)
    report.late += found_seals.late
    results.append(sealed_result(found_seals))
    chain, link, number = await _links(tx, organization_id, before)
    return [*results, chain], link, number, rows + found_seals.hashes + chain.examined


async def _links(tx: LentTx, organization_id: OrganizationId, before: Look | None) -> tuple[CheckResult, bytes, int]:
    link = first_link(organization_id) if before is None or not before.batches else before.link
    number = 0 if before is None else before.batches
    wrong: list[Violation] = []
    found = await batches_after(tx, organization_id, number, BATCHES)
    for each in found:
        expected = next_link(link, number + 1, each.digest)
        if (each.number, each.hash) != (number + 1, expected):
            told = f"batch {number + 1} with {expected.hex()}", f"batch {each.number} with {each.hash.hex()}"
            wrong.append(Violation(organization_id, "batch", None, str(each.number), *told))
        link, number = each.hash, each.number
    head = (await heads(tx, organization_id)).get(organization_id)
    if len(found) < BATCHES and (head is None or (head.number, head.hash) != (number, link)):
        told_head = "none" if head is None else f"{head.number} batches up to {head.hash.hex()}"
        wrong.append(
            Violation(organization_id, "head", None, str(number), f"{number} batches up to {link.hex()}", told_head)
        )
    promise = "The links of the audit log hold"
    return CheckResult(LOG, promise, len(found), "batches", len(wrong), tuple(wrong[:EXAMPLES])), link, number


async def stop_money(engine: Engine, organization_id: OrganizationId, broken: CheckResult) -> None:
    """Let no money of an organization move until somebody lets it go on: a promise is broken. Reads go on."""
    because = in_words(broken)
    async with engine.database.read() as tx:
        if (await stored_organizations.find_organizations(tx, [organization_id]))[organization_id].stopped_for:
            return

    async def work(tx: WriteTx) -> None:
        organization = await stored_organizations.lock_organization(tx, organization_id)
        if organization.stopped_for is None:
            at = organization.clock.read(engine.now())
            await stored_organizations.set_stopped(tx, organization_id, at, because)
            event = OutboxEvent(organization_id, engine.new_id(), EventKind.ORGANIZATION_PAUSED, organization_id, at)
            await insert_events(tx, [event])

    await do(engine, operators_act(organization_id, "STOP_MONEY"), work)
    log.error("money_stopped", organization_id=organization_id, check=broken.name, because=because)


async def release(engine: Engine, organization_id: OrganizationId) -> str | None:
    """Let an organization's money move again, on an operator's word; return what it stood still for, None: it did not.

    Seals that do not hold are made anew of what there is now. What else is wrong has to be put right first, or it is
    found again.
    """

    async def work(tx: WriteTx) -> str | None:
        organization = await stored_organizations.lock_organization(tx, organization_id)
        if organization.stopped_for is None:
            return None
        now = engine.now()
        head = (await heads(tx, organization_id)).get(organization_id)
        changed = (await check_seals(tx, organization_id, now)).changed
        await stored.put_seals(tx, organization_id, resealed(changed, now, 0 if head is None else head.number))
        await stored_organizations.set_stopped(tx, organization_id, None, None)
        at = organization.clock.read(engine.now())
        event = OutboxEvent(organization_id, engine.new_id(), EventKind.ORGANIZATION_RESUMED, organization_id, at)
        await insert_events(tx, [event])
        return organization.stopped_for

    found = await do(engine, operators_act(organization_id, "RELEASE_MONEY"), work)
    engine.wake()
    return found


def in_words(broken: CheckResult) -> str:
    """Say in a sentence which promise is broken, with the first counter-example."""
    if not broken.examples:
        return f"Not so: {broken.promise}."
    first: Violation = broken.examples[0]
    return f"Not so: {broken.promise}. {first.what} {first.id}: expected {first.expected}, found {first.found}."[:500]
