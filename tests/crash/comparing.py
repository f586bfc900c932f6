"""Holds the clients' journal against the database, the bank's book and the outside: each request has one effect.

What is compared comes from the tables of the facts themselves; the table of remembered answers is not asked.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg

from sluiceway.domain.ids import IdKind, parse_id
from sluiceway.services.audit import run_audit
from sluiceway.storage.database import Database, DatabaseOptions
from tests.crash.journal import Story, read
from tests.crash.stage import Stage
from tests.crash.town import KINDS, LEAST, SHARES, Town
from tests.invariants import violations
from tests.support import plain_engine

AT_REST_S: Final = 120.0
"""How long what is left may stay as much as it is."""
DAYS: Final = 10
"""How far the bank's clock is turned at the end: all that is on its way has arrived by then."""

_UNFINISHED: Final[LiteralString] = """
    SELECT (SELECT count(*) FROM execution e JOIN organization o ON o.id = e.organization_id
            WHERE e.due_at <= coalesce(o.frozen_at, now() + o.clock_offset)),
           (SELECT count(*) FROM transfer_leg l JOIN organization o ON o.id = l.organization_id
            WHERE l.due_at <= coalesce(o.frozen_at, now() + o.clock_offset)),
           (SELECT count(*) FROM webhook_delivery WHERE status = 'PENDING'),
           (SELECT count(*) FROM outbox WHERE is_pending)
"""
_EXECUTIONS: Final[LiteralString] = """
    SELECT e.id::text, e.rule_id::text, e.transfer_amount, e.status, e.finished_at IS NOT NULL,
           e.cause_transfer_id::text,
           array_agg(t.amount ORDER BY t.step, t.action, t.part) FILTER (WHERE t.id IS NOT NULL)
    FROM execution e
    LEFT JOIN transfer t
        ON t.organization_id = e.organization_id AND t.execution_id = e.id AND t.status = 'COMPLETE'
    GROUP BY e.organization_id, e.id
"""
_TRANSFERS: Final[LiteralString] = """
    SELECT id::text, source_account_id::text, destination_account_id::text, amount, status FROM transfer
    WHERE execution_id IS NULL
"""
_RULES: Final[LiteralString] = "SELECT rule_id::text, definition ->> 'name' FROM rule_revision"
_RELEASES: Final[LiteralString] = """
    SELECT t.id::text, t.status, count(p.*) FROM transfer t
    LEFT JOIN posting p ON p.organization_id = t.organization_id AND p.transfer_id = t.id AND p.kind = 'release'
    WHERE t.status = 'CANCELLED' GROUP BY t.id, t.status
"""
_BANK: Final[LiteralString] = "SELECT key::text, calls FROM bank_payment"
_LEGS: Final[LiteralString] = """
    SELECT l.id::text, l.attempts, l.status FROM transfer_leg l WHERE l.attempts > 0 AND l.status <> 'CANCELLED'
"""
_REMOTE: Final[LiteralString] = "SELECT execution_id::text, amount FROM remote_amount"
_EVENTS: Final[LiteralString] = """
    SELECT o.id::text FROM outbox o JOIN webhook_endpoint w ON w.organization_id = o.organization_id AND o.id > w.id
    WHERE o.kind IN ('transfer.created', 'execution.finished')
"""


@dataclass
class Verdict:
    """What was found: what is wrong, one a sentence, and how much was looked at."""

    wrong: list[str] = field(default_factory=list[str])
    figures: dict[str, int] = field(default_factory=dict[str, int])

    def say(self, sentence: str) -> None:
        self.wrong.append(sentence)


async def come_to_rest(stage: Stage) -> None:
    """Wait until nothing is due any more, turn the bank's clock, and wait again. Nobody lends a hand."""
    await _until_nothing_is_due(stage.cluster.url)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.ports[0])
    body = json.dumps({"days": DAYS}).encode()
    writer.write(
        b"POST /sandbox/clock/advance HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nAuthorization: ApiKey %b\r\nContent-Length: %d\r\n\r\n%b"
        % (stage.town.secrets["outer"].encode(), len(body), body)
    )
    async with asyncio.timeout(AT_REST_S):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    await _until_nothing_is_due(stage.cluster.url)


async def _until_nothing_is_due(url: str) -> None:
    deadline, least = time.monotonic() + AT_REST_S, float("inf")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        while True:
            [left] = await (await conn.execute(_UNFINISHED)).fetchall()
            if not any(left):
                return
            if sum(left) < least:
                deadline, least = time.monotonic() + AT_REST_S, sum(left)
            assert time.monotonic() < deadline, f"executions, legs, messages, events that do not end: {left}"
            await asyncio.sleep(0.05)


async def compare(stage: Stage, *, may_be_handed_over_again: bool = False) -> Verdict:
    """Compare everything; and audit. `may_be_handed_over_again`: somebody stood still with a payment in hand."""
    verdict = Verdict(list(stage.seen.wrong))
    stories = read(stage.journal.path)
    for story in stories.values():
        _check_answers(verdict, story)
    async with await psycopg.AsyncConnection.connect(stage.cluster.url, autocommit=True) as conn:
        effects = await _find_effects(conn, stage.town, verdict)
        _check_effects(verdict, stories, effects)
        _check_no_others(verdict, stories, effects)
        await _check_outside(conn, stage, effects, verdict, may_be_handed_over_again)
    await _audit(stage.cluster.url, verdict)
    counted = Counter(story.kind for story in stories.values())
    verdict.figures |= {f"of_{kind}": counted[kind] for kind in KINDS}
    verdict.figures["journaled"] = len(stories)
    return verdict


def _check_answers(verdict: Verdict, story: Story) -> None:
    """Check that whatever was answered to one request was always the same, and all after the first a replay."""
    what = f"request {story.number} ({story.kind})"
    if KINDS[story.kind].is_refused:
        if any(not 400 <= told.status < 500 for told in story.answers):
            verdict.say(f"{what} had to be refused and was answered {story.answers}")
        return
    if not story.is_acknowledged:
        verdict.say(f"{what} was never acknowledged, however often it was repeated: {story.answers}")
    if len({(told.status, told.body) for told in story.answers}) > 1:
        verdict.say(f"{what} was given several answers: {story.answers}")
    if not all(told.is_replay for told in story.answers[1:]):
        verdict.say(f"{what} was answered anew: {story.answers}")


@dataclass
class Effects:
    """What has happened, by kind and amount: the ids."""

    found: defaultdict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list[str]))
    executions: dict[str, tuple[str, bool, list[int]]] = field(default_factory=dict)
    """By id: the status, whether it has ended, what its transfers moved."""
    caused: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list[str]))
    """Executions that a deposit has set off, by the deposit."""
    transfers: dict[str, str] = field(default_factory=dict)
    """By id: the status of those that no rule has made."""
    cancelled: dict[str, int] = field(default_factory=dict)
    """Transfers that were called back, and how often their hold was released."""


async def _find_effects(conn: psycopg.AsyncConnection[Any], town: Town, verdict: Verdict) -> Effects:
    effects = Effects()
    rules = {town.uuids[kind.rule]: name for name, kind in KINDS.items() if kind.rule}
    ends = {tuple(town.uuids[end] for end in kind.ends): name for name, kind in KINDS.items() if kind.ends}
    executions = await (await conn.execute(_EXECUTIONS)).fetchall()
    for id_, rule, amount, status, has_ended, cause, moved in executions:
        effects.executions[id_] = (status, has_ended, moved or [])
        if cause is not None:
            effects.caused[cause].append(id_)
        elif rule in rules:
            effects.found[rules[rule], amount].append(id_)
        else:
            verdict.say(f"execution {id_} of rule {rule} was asked for by nobody")
    transfers = await (await conn.execute(_TRANSFERS)).fetchall()
    for id_, source, destination, amount, status in transfers:
        effects.transfers[id_] = status
        if destination is None:
            effects.found["withdrawal", amount].append(id_)
        elif source is None:
            effects.found["deposit", amount].append(id_)
        else:
            # What waits for a person goes the same way as what does not; the amount tells them apart.
            effects.found[ends[source, destination], amount].append(id_)
    for id_, name in await (await conn.execute(_RULES)).fetchall():
        first, _, amount = (name or "").partition(" ")
        if first == "rule" and amount.isdigit():
            effects.found["rule", int(amount)].append(id_)
    effects.cancelled = {id_: count for id_, _, count in await (await conn.execute(_RELEASES)).fetchall()}
    verdict.figures |= {"executions": len(executions), "transfers_asked_for": len(transfers)}
    return effects


_SAME_WAY: Final = {"push": "held", "unreadable": "rule"}
"""Kinds whose effects look alike: told apart by the number of the request alone."""


def _place(kind: str) -> str:
    return _SAME_WAY.get(kind, kind)


def _check_effects(verdict: Verdict, stories: dict[int, Story], effects: Effects) -> None:
    """Check that what was acknowledged has one effect with the ids that were answered, and what was refused none."""
    for story in stories.values():
        what = f"request {story.number} ({story.kind})"
        found = effects.found.get((_place(story.kind), LEAST + story.number), [])
        if KINDS[story.kind].is_refused:
            if found:
                verdict.say(f"{what} was refused and has had the effect {found}")
            continue
        if not story.is_acknowledged:
            continue
        answered = _id_of(story)
        if story.kind == "settle":
            if effects.transfers.get(answered) != "COMPLETE":
                verdict.say(f"{what} settled {answered}, which is {effects.transfers.get(answered)}")
            continue
        if story.kind == "cancel":
            if effects.cancelled.get(answered) != 1:
                verdict.say(f"{what} called {answered} back: released {effects.cancelled.get(answered)} times")
            continue
        # Where the bank had not told of it in time, the answer named none.
        if found != [answered] and not (story.kind == "withdrawal" and not answered and len(found) == 1):
            verdict.say(f"{what} was answered {answered} and has had the effects {found}")
            continue
        _check_end(verdict, what, story, effects)


def _check_end(verdict: Verdict, what: str, story: Story, effects: Effects) -> None:
    """Check that what was set off has ended, and has moved what it should."""
    amount, id_ = LEAST + story.number, _id_of(story)
    if story.kind == "deposit":
        runs = effects.caused.get(id_, [])
        if len(runs) != 1:
            verdict.say(f"{what} set off {len(runs)} executions")
            return
        id_ = runs[0]
    if id_ not in effects.executions:
        return
    status, has_ended, moved = effects.executions[id_]
    wanted = [amount * share // 100 for share in SHARES]
    if not has_ended or status != "EXECUTED" or (story.kind != "remote" and moved != wanted):
        verdict.say(f"{what}: execution {id_} is {status} ({has_ended=}) and has moved {moved} instead of {wanted}")


def _check_no_others(verdict: Verdict, stories: dict[int, Story], effects: Effects) -> None:
    """Check that nothing has happened that nobody wrote down before asking for it."""
    asked = {(_place(story.kind), LEAST + story.number) for story in stories.values()}
    for place, ids in effects.found.items():
        if place not in asked and place[1] > LEAST and place[1] < LEAST + 10**9:
            verdict.say(f"nobody asked for {ids} ({place[0]} of {place[1]})")


async def _check_outside(
    conn: psycopg.AsyncConnection[Any],
    stage: Stage,
    effects: Effects,
    verdict: Verdict,
    may_be_handed_over_again: bool,
) -> None:
    """Check the bank's book, what remote services were asked, and what was told."""
    outside = stage.outside
    book = dict(await (await conn.execute(_BANK)).fetchall())
    legs = {id_: attempts for id_, attempts, _ in await (await conn.execute(_LEGS)).fetchall()}
    again = [key for key, calls in book.items() if calls != 1]
    if again and not may_be_handed_over_again:
        verdict.say(f"{len(again)} payments were handed to the bank more than once: {again[:5]}")
    if book.keys() != legs.keys():
        verdict.say(f"the bank's payments are not our legs: {list(book.keys() ^ legs.keys())[:5]}")
    used = dict(await (await conn.execute(_REMOTE)).fetchall())
    for execution, amount in used.items():
        if amount not in outside.said[execution]:
            verdict.say(f"execution {execution} used {amount}, and was told {outside.said[execution]}")
        if effects.executions[execution][2] != [amount]:
            verdict.say(f"execution {execution} used {amount}, and has moved {effects.executions[execution][2]}")
    events = {id_ for (id_,) in await (await conn.execute(_EVENTS)).fetchall()}
    if events != outside.heard.keys():
        verdict.say(
            f"of {len(events)} events {len(events - outside.heard.keys())} were not told,"
            f" and {len(outside.heard.keys() - events)} were told that never were"
        )
    if outside.unsigned:
        verdict.say(f"{outside.unsigned} messages were not signed")
    verdict.figures |= {
        "payments_at_the_bank": len(book),
        "payments_handed_over_again": len(again),
        "payments_tried_again": sum(attempts > 1 for attempts in legs.values()),
        "amounts_asked_for": len(used),
        "amounts_asked_for_again": sum(len(said) > 1 for said in outside.said.values()),
        "events_told": len(events),
        "events_told_again": sum(times > 1 for times in outside.heard.values()),
    }


async def _audit(url: str, verdict: Verdict) -> None:
    """Run the audit that everybody has, and the tests' own."""
    async with Database(url, DatabaseOptions(transaction_timeout_s=300)) as database:
        for result in await run_audit(plain_engine(database)):
            if result.violations:
                verdict.say(f"audit: {result.promise}: {result.violations} of {result.examined}: {result.examples[:2]}")
        for sentence, rows in (await violations(database)).items():
            verdict.say(f"not so: {sentence}: {rows[:3]}")


def _id_of(story: Story) -> str:
    told = json.loads(story.answers[0].body)["data"]
    if "execution_id" in told:
        return parse_id(IdKind.EXECUTION, told["execution_id"]) or ""
    kind = IdKind.RULE if story.kind == "rule" else IdKind.TRANSFER
    return parse_id(kind, told["id"] or "") or ""
