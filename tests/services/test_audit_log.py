"""The audit log has what was done, where it was done and nowhere else; and whatever is done to the log shows."""

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import pytest
from structlog.testing import capture_logs

from sluiceway.domain.access import Actor, ActorKind
from sluiceway.domain.audit import Act, operators_act
from sluiceway.domain.errors import IdempotencyKeyMismatch, NotFound, PasswordRefused, RuleChanged
from sluiceway.domain.ids import KeyId, OrganizationId, RuleId
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.rules import PaymentSide
from sluiceway.outbound import Outbound, read_policy
from sluiceway.services import keys, limits, organizations, remote_access, rules, webhooks
from sluiceway.services.admission import admit
from sluiceway.services.audit import LOG, run_audit
from sluiceway.services.audit_chain import KnownHead, list_heads
from sluiceway.services.audit_log import PAUSE_S, Done, Recorder, attempt, do, list_entries, record, record_alone
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.storage.ach import Period
from sluiceway.storage.audit_log import ListedEntry
from sluiceway.storage.database import Database, DatabaseOptions, DatabaseUnavailable, WriteTx
from tests.support import PASSWORD, World, fixed, new_world, on_demand

KEY: Final = Actor(ActorKind.API_KEY, "01900000-0000-7000-8000-0000000000aa")


def call(world: World, request_id: str, action: str = "GET_ACCOUNT") -> Act:
    """Name a call that some key makes."""
    return Act(world.organization_id, KEY, action, None, "/api/v1/accounts/x", request_id, "because")


async def entries(world: World, **wanted: object) -> list[ListedEntry]:
    """List the log, oldest first."""
    found = await list_entries(world.engine, world.organization_id, limit=10_000, **wanted)  # type: ignore[arg-type]
    return found[::-1]


async def actions(world: World) -> list[str]:
    return [listed.entry.act.action for listed in await entries(world)]


async def breaks(engine: Engine, *known: KnownHead) -> int:
    [found] = [result for result in await run_audit(engine, known) if result.name == LOG]
    assert bool(found.violations) == bool(found.examples)
    return found.violations


# -------------------------------------------------------------------------------------------------- what is recorded


async def test_whoever_runs_the_server_is_recorded_with_everything_that_changes_something(
    world: World, outbound: Outbound
):
    engine, organization_id = replace(world.engine, outbound=outbound), world.organization_id
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    record = await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
    key, _ = await keys.create_key(engine, organization_id, "Payroll", {})
    await keys.set_rate_limit(engine, organization_id, key.id, "", 5)
    await keys.revoke_key(engine, organization_id, key.id, "")
    await rules.disable_rule(engine, organization_id, record.id, "")
    await organizations.pause(engine, organization_id)
    await organizations.resume(engine, organization_id)
    day = timedelta(days=1)
    await organizations.set_waits(engine, organization_id, approval_lasts=day, handover_delay=day)
    person_id = await organizations.create_person(engine, organization_id, "other@example.com", PASSWORD)
    await limits.set_limit(engine, organization_id, PaymentSide.CREDIT, Period.DAY, amount=None, transfers=5)
    await remote_access.enable(engine, organization_id)
    token, _ = await remote_access.create_token(engine, organization_id, "Sheet", None)
    [(secret, _)] = await remote_access.create_rule_secrets(engine, organization_id, [(RuleId(record.id), "")])
    await remote_access.revoke_token(engine, organization_id, token.id, "")
    await remote_access.revoke_rule_secret(engine, organization_id, secret.id, "")
    await remote_access.disable(engine, organization_id)
    endpoint, _ = await webhooks.create_endpoint(engine, organization_id, "https://example.com/hook", ["*"])
    await webhooks.rotate_secret(engine, organization_id, endpoint.id, "")
    await webhooks.disable_endpoint(engine, organization_id, endpoint.id, "")
    await webhooks.enable_endpoint(engine, organization_id, endpoint.id, "")
    await webhooks.replay(engine, organization_id, endpoint.id, engine.now() - day, engine.now())

    found = [listed.entry for listed in await entries(world)]
    assert [(entry.act.action, entry.act.subject_id) for entry in found] == [
        ("ENABLE_RULE", record.id), ("CREATE_KEY", key.id), ("SET_RATE_LIMIT", key.id), ("REVOKE_KEY", key.id),
        ("DISABLE_RULE", record.id), ("PAUSE_ORGANIZATION", None), ("RESUME_ORGANIZATION", None), ("SET_WAITS", None),
        ("CREATE_PERSON", person_id), ("SET_ACH_LIMIT", None), ("ENABLE_REMOTE_API", None),
        ("CREATE_ACCESS_TOKEN", token.id), ("CREATE_RULE_SECRETS", None), ("REVOKE_ACCESS_TOKEN", token.id),
        ("REVOKE_RULE_SECRET", secret.id), ("DISABLE_REMOTE_API", None), ("CREATE_ENDPOINT", endpoint.id),
        ("ROTATE_ENDPOINT_SECRET", endpoint.id), ("DISABLE_ENDPOINT", endpoint.id), ("ENABLE_ENDPOINT", endpoint.id),
        ("REPLAY_EVENTS", endpoint.id),
    ]  # fmt: skip
    kinds = {entry.act.actor.kind for entry in found}
    assert kinds == {ActorKind.PERSON, ActorKind.OPERATOR}
    assert not any(entry.error_code for entry in found)
    assert await breaks(engine) == 0


@pytest.fixture
async def outbound() -> AsyncGenerator[Outbound]:
    async with Outbound(read_policy("")) as opened:
        yield opened


async def test_an_organization_begins_its_log_with_its_own_making(engine: Engine):
    organization_id = await organizations.create_organization(engine, "New", is_sandbox=True)

    [first] = await list_entries(engine, organization_id, limit=10)
    assert (first.entry.act.action, first.entry.act.actor.kind) == ("CREATE_ORGANIZATION", ActorKind.OPERATOR)
    assert await breaks(engine) == 0


async def test_what_a_person_is_refused_is_recorded_with_the_reason(world: World):
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    record = await world.rule("save", on_demand("income", fixed(100, "income", "savings")), enabled=False)

    with pytest.raises(PasswordRefused):
        await rules.enable_rule(world.engine, world.person, "wrong", record.id, record.fingerprint)
    with pytest.raises(RuleChanged):
        await rules.enable_rule(world.engine, world.person, PASSWORD, record.id, b"another")
    await rules.enable_rule(world.engine, world.person, PASSWORD, record.id, record.fingerprint)
    with pytest.raises(PasswordRefused):
        await keys.rule_secret(world.engine, world.person, "wrong", record.id, "")

    assert [
        (listed.actor_name, listed.entry.act.action, listed.entry.outcome, listed.entry.error_code)
        for listed in await entries(world)
    ] == [
        ("person@example.com", "ENABLE_RULE", "FAILURE", "PASSWORD_REFUSED"),
        ("person@example.com", "ENABLE_RULE", "FAILURE", "RULE_CHANGED"),
        ("person@example.com", "ENABLE_RULE", "SUCCESS", None),
        ("person@example.com", "SHOW_RULE_SECRET", "FAILURE", "PASSWORD_REFUSED"),
    ]


async def test_what_does_not_happen_leaves_no_trace_of_having_happened(world: World):
    with pytest.raises(NotFound):
        await keys.revoke_key(world.engine, world.organization_id, KeyId(world.engine.new_id()), "")

    async def fail(_: WriteTx) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await do(world.engine, operators_act(world.organization_id, "TRY"), fail)
    with pytest.raises(RuntimeError):
        await attempt(world.engine, operators_act(world.organization_id, "TRY"), fail)

    assert await entries(world) == []


@pytest.fixture
async def saving(world: World) -> World:
    await world.account("income", AccountKind.INCOME_SOURCE)
    await world.account("savings")
    await world.rule("save", on_demand("income", fixed(100, "income", "savings")))
    return world


async def test_a_call_and_its_effect_are_committed_together_also_a_replay_and_not_a_refusal(saving: World):
    def sent(request_id: str, amount: int | None, key: str | None):
        return replace(saving.trigger_command("save", amount, key), act=call(saving, request_id, "TRIGGER_RULE"))

    unknown = replace(sent("unknown", None, None), rule_id=RuleId(saving.engine.new_id()))
    answers = await admit(saving.engine, [sent("a", None, "k"), sent("b", None, "k"), unknown, sent("c", 5, "k")])
    again = await admit(saving.engine, [sent("d", None, "k")])

    assert [type(answer) for answer in answers] == [Answer, Answer, NotFound, IdempotencyKeyMismatch]
    assert len(again) == 1
    told = [(one.entry.act.request_id, one.entry.is_replay) for one in (await entries(saving)) if one.entry.act.path]
    assert sorted(told) == [("a", False), ("b", True), ("d", True)]
    assert len(await saving.executions()) == 1


async def test_two_processes_that_race_for_a_key_leave_one_entry_that_is_no_replay(saving: World, other_engine: Engine):
    async def send(engine: Engine, number: int) -> Sequence[object]:
        command = replace(saving.trigger_command("save", None, "k"), act=call(saving, f"{number}"))
        return await admit(engine, [command])

    await asyncio.gather(*(send(engine, n) for n, engine in enumerate([saving.engine, other_engine] * 20)))

    found = [listed.entry for listed in await entries(saving) if listed.entry.act.path]
    assert sorted(int(entry.act.request_id or "") for entry in found) == list(range(40))
    assert [entry.is_replay for entry in found].count(False) == 1
    assert await breaks(saving.engine) == 0


async def test_chains_stay_whole_whoever_writes_to_them_at_once(world: World, other_engine: Engine):
    stranger = await new_world(world.engine, email="other@example.com")

    async def many(engine: Engine, owner: World, number: int) -> None:
        await record_alone(engine, Done(call(owner, f"{number}")))

    owners = itertools.cycle((world, stranger))
    engines = itertools.cycle((world.engine, other_engine, world.engine))
    await asyncio.gather(*(many(next(engines), next(owners), n) for n in range(200)))

    assert await breaks(world.engine) == 0
    assert {head.number for head in await list_heads(world.engine)} == {100}


# ------------------------------------------------------------------------------------------ what is recorded afterwards


async def test_reads_are_recorded_together_and_the_rest_when_a_process_ends(world: World):
    recorder = Recorder(world.engine)
    for number in range(50):
        recorder.note(Done(call(world, f"{number}"), "FORBIDDEN" if number % 2 else None))
    await asyncio.sleep(PAUSE_S * 4)
    recorder.note(Done(call(world, "last")))
    await recorder.close()

    found = await entries(world)
    assert [listed.entry.act.request_id for listed in found] == [*(f"{n}" for n in range(50)), "last"]
    assert [listed.entry.error_code for listed in found[:3]] == [None, "FORBIDDEN", None]
    # Reads are in batches of their own, so that they can be cut.
    assert [head.number for head in await list_heads(world.engine)] == [3]
    assert await breaks(world.engine) == 0


async def test_a_database_that_is_away_delays_entries_and_loses_and_doubles_none(world: World, database_url: str):
    async with Database(database_url) as own:
        tries = iter([DatabaseUnavailable("away"), None, DatabaseUnavailable("answer lost"), None])
        write = own.write

        async def unreliable(work: Callable[[WriteTx], Awaitable[object]]) -> object:
            failure = next(tries, None)
            if failure is not None and failure.reason == "away":
                raise failure
            result = await write(work)
            if failure is not None:
                # Committed, and nobody was told.
                raise failure
            return result

        own.write = unreliable  # type: ignore[method-assign]
        recorder = Recorder(replace(world.engine, database=own))
        for number in range(3):
            recorder.note(Done(call(world, f"{number}")))
            await asyncio.sleep(PAUSE_S * 3)
        await recorder.close()

    assert [listed.entry.act.request_id for listed in await entries(world)] == ["0", "1", "2"]
    assert await breaks(world.engine) == 0


@pytest.mark.parametrize(("tries", "held_s", "recorded"), [(100, 0.6, 1), (2, 60, 0)])
async def test_a_process_that_ends_waits_for_a_lock_and_not_for_ever(
    world: World, database_url: str, monkeypatch: pytest.MonkeyPatch, tries: int, held_s: float, recorded: int
):
    monkeypatch.setattr("sluiceway.services.audit_log.LAST_TRIES", tries)
    async with Database(database_url, DatabaseOptions(lock_timeout_s=0.25)) as impatient:
        recorder = Recorder(replace(world.engine, database=impatient))
        with psycopg.connect(database_url) as holder:
            holder.execute("SELECT FROM audit_head FOR UPDATE")
            recorder.note(Done(call(world, "1")))
            closing = asyncio.create_task(recorder.close())
            await asyncio.wait({closing}, timeout=held_s)
            holder.rollback()
        await closing

    assert len(await entries(world)) == recorded


async def test_an_organization_whose_log_is_held_up_keeps_nobody_elses_waiting(world: World, database_url: str):
    stranger = await new_world(world.engine, email="other@example.com")
    recorder = Recorder(world.engine)
    held = "SELECT FROM audit_head WHERE organization_id = %s FOR UPDATE"
    with psycopg.connect(database_url) as conn:
        conn.execute(held.encode(), (world.organization_id,))
        for owner in (world, stranger):
            recorder.note(Done(call(owner, "read")))
        for _ in range(100):
            if await entries(stranger):
                break
            await asyncio.sleep(PAUSE_S)

        assert [one.entry.act.request_id for one in await entries(stranger)] == ["read"]
        assert await entries(world) == []
    await recorder.close()
    assert [one.entry.act.request_id for one in await entries(world)] == ["read"]
    assert await breaks(world.engine) == 0


async def test_there_is_room_for_only_so_much(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluiceway.services.audit_log.MOST_WAITING", 3)
    recorder = Recorder(world.engine)
    for number in range(3):
        recorder.note(Done(call(world, f"{number}")))

    waiting = asyncio.create_task(recorder.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await waiting
    assert len(await entries(world)) == 3
    await recorder.close()


async def test_room_is_made_by_recording_as_much_as_there_was_too_much(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sluiceway.services.audit_log.MOST_WAITING", 2)
    monkeypatch.setattr("sluiceway.services.audit_log.AT_ONCE", 1)
    recorder = Recorder(world.engine)
    for number in range(6):
        recorder.note(Done(call(world, f"{number}")))

    await recorder.room()

    assert len(await entries(world)) >= 5
    await recorder.close()


async def test_what_the_log_does_not_take_is_said_to_be_lost(world: World):
    recorder, nowhere = Recorder(world.engine), OrganizationId(world.engine.new_id())
    recorder.note(Done(replace(call(world, "1"), organization_id=nowhere)))

    with capture_logs() as said:
        await recorder.close()

    assert [(line["event"], line["log_level"], line["count"]) for line in said] == [
        ("audit_entries_refused", "error", 1)
    ]


# ---------------------------------------------------------------------------------------------- what is done to the log


@pytest.fixture
async def logged(world: World) -> World:
    """Have twenty batches of one to three entries, and a neighbour with some."""
    stranger = await new_world(world.engine, email="other@example.com")
    for number in range(20):
        done = [Done(call(owner, f"{number}.{n}")) for owner in (world, stranger) for n in range(1 + number % 3)]

        async def work(tx: WriteTx, done: list[Done] = done) -> None:
            await record(world.engine, tx, done)

        await world.engine.database.write(work)
    assert await breaks(world.engine) == 0
    return world


# ruff: noqa: S608 -- the statements are put together from the constants of this file.
BATCH_7 = "organization_id = %(organization)s AND batch = 7"
MINE = "organization_id = %(organization)s"
REST = (
    "at, actor_kind, actor_id, action, subject_id, path, request_id, reason, outcome, error_code, is_replay"
    f" FROM audit_entry WHERE {BATCH_7}"
)
LIES: Final = {
    "an entry changed": f"UPDATE audit_entry SET action = 'SLEEP' WHERE {BATCH_7} AND position = 0",
    "a time changed": f"UPDATE audit_entry SET at = at + interval '1 microsecond' WHERE {BATCH_7} AND position = 0",
    "a time that no clock shows": f"UPDATE audit_entry SET at = 'infinity' WHERE {BATCH_7} AND position = 0",
    "a time before all others": f"UPDATE audit_entry SET at = '4000-01-01 BC' WHERE {BATCH_7} AND position = 0",
    "an actor changed": f"UPDATE audit_entry SET actor_id = gen_random_uuid() WHERE {BATCH_7} AND position = 0",
    "a failure invented": f"UPDATE audit_entry SET outcome = 'FAILURE', error_code = 'X' WHERE {BATCH_7}",
    "an entry dropped": f"DELETE FROM audit_entry WHERE {MINE} AND batch = 9 AND position = 2",
    "a batch dropped": f"DELETE FROM audit_entry WHERE {BATCH_7}; DELETE FROM audit_batch WHERE {MINE} AND number = 7",
    "two entries swapped": "UPDATE audit_entry SET position = 1 - position"
    f" WHERE {MINE} AND batch = 9 AND position < 2",
    "two batches swapped": "UPDATE audit_entry SET batch = CASE batch WHEN 4 THEN 7 ELSE 4 END"
    f" WHERE {MINE} AND batch IN (4, 7)",
    "an entry added": f"INSERT INTO audit_entry SELECT organization_id, gen_random_uuid(), batch, 1, {REST}",
    "an entry without a batch": f"INSERT INTO audit_entry SELECT organization_id, gen_random_uuid(), 21, 0, {REST}",
    "an entry given to another organization": "UPDATE audit_entry SET organization_id = (SELECT min(id::text)::uuid"
    f" FROM organization WHERE id <> %(organization)s) WHERE {BATCH_7} AND position = 0",
    "the end cut off": f"DELETE FROM audit_entry WHERE {MINE} AND batch > 15;"
    f" DELETE FROM audit_batch WHERE {MINE} AND number > 15",
    "everything gone": f"DELETE FROM audit_entry WHERE {MINE}; DELETE FROM audit_batch WHERE {MINE}",
    "the head gone": f"DELETE FROM audit_head WHERE {MINE}",
    "the head changed": f"UPDATE audit_head SET entries = entries + 1 WHERE {MINE}",
    "a batch of more than fits into memory": "UPDATE audit_batch SET entries = 2000000000"
    f" WHERE {MINE} AND number = 7",
    "a hash changed": f"UPDATE audit_batch SET hash = sha256('x') WHERE {MINE} AND number = 7",
    "a digest changed too": f"UPDATE audit_entry SET action = 'SLEEP' WHERE {BATCH_7};"
    f" UPDATE audit_batch SET digest = sha256('x') WHERE {MINE} AND number = 7",
}  # fmt: skip


def tamper(database_url: str, organization_id: OrganizationId, lie: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        for statement in lie.split(";"):
            assert conn.execute(statement.encode(), {"organization": organization_id}).rowcount, "nothing was changed"


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_whatever_is_done_to_the_log_is_found(logged: World, database_url: str, lie: str):
    tamper(database_url, logged.organization_id, lie)

    assert await breaks(logged.engine) > 0


async def test_a_log_that_was_cut_with_its_head_is_found_by_a_head_that_was_written_down(
    logged: World, database_url: str
):
    known = await list_heads(logged.engine)
    assert await breaks(logged.engine, *known) == 0
    rewind = (
        "DELETE FROM audit_entry WHERE organization_id = %(organization)s AND batch > 15;"
        "DELETE FROM audit_batch WHERE organization_id = %(organization)s AND number > 15;"
        "UPDATE audit_head h SET number = 15, hash = b.hash, entries = (SELECT count(*) FROM audit_entry e"
        " WHERE e.organization_id = b.organization_id) FROM audit_batch b WHERE b.organization_id = %(organization)s"
        " AND b.number = 15 AND h.organization_id = b.organization_id"
    )
    tamper(database_url, logged.organization_id, rewind)

    assert await breaks(logged.engine) == 0
    assert await breaks(logged.engine, *known) == 1


async def test_a_log_that_goes_on_still_leads_to_a_head_that_was_written_down(logged: World):
    known = await list_heads(logged.engine)
    await record_alone(logged.engine, Done(call(logged, "later")))

    assert await breaks(logged.engine, *known) == 0


async def test_any_letter_of_any_entry_that_changes_is_found(logged: World, database_url: str):
    dice = random.Random(11)
    columns = ("action", "path", "request_id", "reason")
    with psycopg.connect(database_url, autocommit=True) as conn:
        ids = [row[0] for row in conn.execute("SELECT id FROM audit_entry").fetchall()]
        for _ in range(25):
            column, chosen = dice.choice(columns), dice.choice(ids)
            change = f"UPDATE audit_entry SET {column} = {column} || 'x' WHERE id = %s"
            back = f"UPDATE audit_entry SET {column} = left({column}, -1) WHERE id = %s"
            conn.execute(change.encode(), (chosen,))
            assert await breaks(logged.engine) == 1
            conn.execute(back.encode(), (chosen,))
    assert await breaks(logged.engine) == 0


async def test_the_application_itself_cannot_change_what_it_has_recorded(logged: World):
    for statement in (
        "UPDATE audit_entry SET action = 'SLEEP'", "UPDATE audit_batch SET entries = 1", "DELETE FROM audit_batch",
        "UPDATE audit_batch SET first_id = last_id", "DELETE FROM audit_head",
    ):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with logged.engine.database.lend() as tx:
                await tx.conn.execute(statement.encode())


# ---------------------------------------------------------------------------------------------------- what is found


async def test_the_log_is_found_by_who_what_and_when(logged: World):
    engine = logged.engine
    key, _ = await keys.create_key(engine, logged.organization_id, "Payroll", {})
    done = replace(call(logged, "mine", "LIST_RULES"), actor=Actor(ActorKind.API_KEY, key.id))
    await record_alone(engine, Done(done))
    [mine] = await entries(logged, actor_id=key.id)

    assert (mine.actor_name, mine.entry.act.action, mine.entry.act.reason) == ("Payroll", "LIST_RULES", "because")
    assert [one.entry.act.action for one in await entries(logged, action="CREATE_KEY")] == ["CREATE_KEY"]
    at = mine.entry.at
    assert [one.entry.id for one in await entries(logged, from_at=at, to_at=at)] == [mine.entry.id]
    assert await entries(logged, from_at=at + timedelta(microseconds=1)) == []
    everything = await entries(logged)
    assert [one.entry.id for one in everything] == sorted(one.entry.id for one in everything)


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_the_calendar_ends_are_times_like_any_other(logged: World, at: datetime):
    everything = len(await entries(logged))

    before, after = await entries(logged, to_at=at), await entries(logged, from_at=at)

    assert sorted((len(before), len(after))) == [0, everything]


async def test_the_database_keeps_what_makes_no_sense_out(world: World):
    wrong = Act(world.organization_id, Actor(ActorKind.OPERATOR, world.engine.new_id()), "TRY")
    with pytest.raises(Exception, match="operators_have_no_id"):
        await record_alone(world.engine, Done(wrong))
