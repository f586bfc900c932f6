"""What of the past is played again, what is left out, and where a draft would have run."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.domain.ids import AccountId, ExecutionId, RuleId, TransferId
from sluiceway.domain.ledger import Balance, PostingKind
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import (
    Draft,
    LimitUsed,
    MoneyMoved,
    Past,
    PastExecution,
    PastPosting,
    PastUse,
    PlayEvent,
    RuleRuns,
    balances_before,
    replay,
    used_before,
)
from sluiceway.domain.rules import CapKey, CapPeriod, TriggerType, read_rule

START = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = START + timedelta(days=10)
WORLD, INCOME, POD, JAR, BANK = map(AccountId, ("world", "income", "pod", "jar", "bank"))
OLD = RuleId("old")


def second(number: int) -> datetime:
    return START + timedelta(seconds=number)


def posting(
    name: str,
    at: int,
    debit: AccountId,
    credit: AccountId,
    *,
    kind: PostingKind = PostingKind.POST,
    by: tuple[str, str] | None = None,
    begun: int | None = None,
    queued: int | None = None,
    is_by_card: bool = False,
) -> PastPosting:
    """Write a posting of 100 cents; `by` names the execution and its rule."""
    return PastPosting(
        at=second(at),
        kind=kind,
        debit=debit,
        credit=credit,
        amount=Cents(100),
        transfer_id=TransferId(name),
        transfer_at=second(at if begun is None else begun),
        destination=credit,
        execution_id=None if by is None else ExecutionId(by[0]),
        rule_id=None if by is None else RuleId(by[1]),
        queued_at=second(at if queued is None else queued),
        is_by_card=is_by_card,
    )


def execution(
    name: str, rule: str, at: int, ran: int | None, *, cause: str | None = None, depth: int = 0, **more: Any
) -> PastExecution:
    return PastExecution(
        id=ExecutionId(name),
        rule_id=RuleId(rule),
        type=more.get("type", TriggerType.ON_FUNDS_TRANSFERRED),
        amount=more.get("amount", Cents(100)),
        stands_in=more.get("stands_in", False),
        cause_id=None if cause is None else TransferId(cause),
        origin_id=more.get("origin", cause or name),
        depth=depth,
        created_at=second(at),
        ran_at=None if ran is None else second(ran),
    )


def use(name: str, at: int, amount: int, *, by: tuple[str, str], queued: int) -> PastUse:
    """Write what a transfer took of its rule's limit of the year; `by` names the execution and its rule."""
    limit = CapKey(RuleId(by[1]), 0, 0, CapPeriod.PER_YEAR, START.date())
    return PastUse(second(at), limit, Cents(amount), TransferId(name), ExecutionId(by[0]), second(queued))


def draft(trigger: dict[str, Any] | None = None, *, replaces: bool = False) -> Draft:
    written = {
        "trigger": trigger or {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"},
        "steps": [{"actions": [{"type": "FIXED", "amount_in_cents": 1, "source": "income", "destination": "pod"}]}],
    }
    return Draft(OLD if replaces else RuleId("draft"), read_rule(written), OLD if replaces else None)


def story(past: Past) -> list[str]:
    """Tell the events in short: the transfer of a posting, or the instant of a run."""
    return [_short(event) for event in past.events]


def _short(event: PlayEvent) -> str:
    match event:
        case MoneyMoved():
            return event.transfer_id or "a card"
        case RuleRuns():
            return f"run@{(event.at - START).total_seconds():g}"
        case LimitUsed():
            return f"{event.limit.rule_id} uses {event.amount}"
        case _:
            raise AssertionError(event)


def test_what_a_card_has_done_is_played_again_and_fires_nothing():
    paid, given = (posting(name, at, *ends, is_by_card=True) for name, at, ends in CARDS)

    past = replay(draft(), [paid, given, posting("a", 3, WORLD, INCOME)], [], START, UNTIL)

    assert story(past) == ["a card", "a card", "a", "run@3"]
    before = balances_before({INCOME: Balance(1_000, 0, 0)}, [paid])
    assert before == {INCOME: Balance(1_100, 0, 0)}


CARDS = (("paid", 1, (INCOME, WORLD)), ("given back", 2, (WORLD, INCOME)))


def test_the_present_less_what_was_posted_since_is_the_past():
    postings = [
        posting("a", 1, WORLD, INCOME),
        posting("b", 2, INCOME, POD),
        posting("c", 3, INCOME, BANK, kind=PostingKind.HOLD),
        posting("d", 4, INCOME, BANK, kind=PostingKind.HOLD),
        posting("c", 5, INCOME, WORLD, kind=PostingKind.SETTLE),
        posting("d", 6, INCOME, WORLD, kind=PostingKind.RELEASE),
        posting("c", 7, WORLD, INCOME, kind=PostingKind.REVERSE),
    ]

    before = balances_before({INCOME: Balance(1_000, 50, 70), POD: Balance(300, 0, 0)}, postings)

    assert before == {INCOME: Balance(1_000, 50, 0), POD: Balance(200, 0, 0)}


def test_a_new_rule_runs_at_once_where_nothing_else_did():
    past = replay(draft(), [posting("a", 1, WORLD, INCOME), posting("b", 2, WORLD, POD)], [], START, UNTIL)

    assert story(past) == ["a", "run@1", "b"]
    run = past.events[1]
    assert isinstance(run, RuleRuns)
    assert (run.type, run.amount, run.since, run.origin, run.depth) == (
        TriggerType.ON_FUNDS_TRANSFERRED,
        100,
        second(1),
        "a",
        0,
    )


def test_a_new_rule_runs_behind_what_the_same_arrival_really_set_off():
    postings = [
        posting("a", 1, WORLD, INCOME),
        posting("moved", 3, INCOME, POD, by=("e1", "other"), queued=1),
        posting("further", 4, POD, JAR, by=("e2", "further"), queued=3),
    ]
    executions = [
        execution("e1", "other", 1, 3, cause="a"),
        execution("e2", "further", 3, 4, cause="moved", depth=1, origin="a"),
    ]

    assert story(replay(draft(), postings, executions, START, UNTIL)) == ["a", "moved", "run@3", "further"]


def test_a_rule_that_replaces_another_runs_where_that_one_ran_and_in_its_turn():
    postings = [
        posting("a", 1, WORLD, INCOME),
        posting("old", 3, INCOME, POD, by=("e1", "old"), queued=1),
        posting("later", 3, INCOME, POD, by=("e2", "other"), queued=1),
    ]
    executions = [execution("e1", "old", 1, 3, cause="a"), execution("e2", "other", 1, 3, cause="a")]

    past = replay(draft(replaces=True), postings, executions, START, UNTIL)

    assert story(past) == ["a", "run@3", "later"]
    assert [left.transfer_id for left in past.left_out] == ["old"]


def test_with_a_rule_goes_all_that_followed_from_it():
    postings = [
        posting("a", 1, WORLD, INCOME),
        posting("old", 2, INCOME, POD, by=("e1", "old"), queued=1),
        posting("on", 3, POD, JAR, by=("e2", "on"), queued=2),
        posting("back", 4, JAR, INCOME, by=("e3", "back"), queued=3),
        posting("other", 5, POD, JAR, by=("e4", "on"), queued=5),
    ]
    executions = [
        execution("e1", "old", 1, 2, cause="a"),
        execution("e2", "on", 2, 3, cause="old", depth=1),
        execution("e3", "back", 3, 4, cause="on", depth=2),
        execution("e4", "on", 5, 5, type=TriggerType.MANUAL),
    ]

    past = replay(draft(replaces=True), postings, executions, START, UNTIL)

    assert story(past) == ["a", "run@2", "other"]
    assert [left.transfer_id for left in past.left_out] == ["old", "on", "back"]


def test_what_is_played_names_what_set_it_off_and_the_past_tells_when_what_was_queued_had_its_turn():
    postings = [
        posting("a", 1, WORLD, INCOME),
        posting("moved", 3, INCOME, POD, by=("e1", "on"), queued=1),
        posting("further", 4, POD, JAR, by=("e2", "other"), queued=3),
    ]
    executions = [
        execution("e1", "on", 1, 3, cause="a"),
        execution("e2", "other", 3, 4, cause="moved", depth=1),
        execution("e3", "slow", 3, 9, cause="moved", depth=1),
        execution("e4", "waiting", 5, None, cause="moved", depth=1),
    ]
    uses = [use("further", 4, 100, by=("e2", "other"), queued=3)]

    past = replay(draft(), postings, executions, START, UNTIL, uses)

    assert story(past) == ["a", "moved", "run@3", "further", "other uses 100"]
    causes = [each.cause_id for each in past.events if isinstance(each, (MoneyMoved, RuleRuns, LimitUsed))]
    assert causes == [None, "a", "a", "moved", "moved"]
    assert past.turns == {second(1): second(3), second(3): second(4)}


def test_a_limit_is_used_in_its_turn_and_by_nothing_that_goes_with_a_rule():
    postings = [
        posting("a", 1, WORLD, INCOME),
        posting("old", 2, INCOME, POD, by=("e1", "old"), queued=1),
        posting("other", 5, POD, JAR, by=("e3", "on"), queued=4),
    ]
    executions = [
        execution("e1", "old", 1, 2, cause="a"),
        execution("e2", "on", 2, 3, cause="old", depth=1),
        execution("e3", "on", 4, 5, type=TriggerType.MANUAL),
    ]
    uses = [
        use("before", -1, 7, by=("e0", "on"), queued=-2),
        use("old", 2, 100, by=("e1", "old"), queued=1),
        # A bank still carries it, so that it has no posting yet.
        use("pulled", 3, 50, by=("e2", "on"), queued=2),
        use("other", 5, 100, by=("e3", "on"), queued=4),
    ]

    past = replay(draft(replaces=True), postings, executions, START, UNTIL, uses)

    assert story(past) == ["a", "run@2", "other", "on uses 100"]
    assert used_before(uses, START) == {uses[0].limit: 7}


def test_what_began_before_the_window_ends_as_it_did():
    settled = posting("old", 5, INCOME, WORLD, kind=PostingKind.SETTLE, by=("e1", "old"), begun=-5, queued=-5)

    past = replay(draft(replaces=True), [settled], [execution("e1", "old", -6, -5)], START, UNTIL)

    assert story(past) == ["old"]
    assert past.left_out == []


def test_money_that_a_rule_moved_to_its_own_account_does_not_fire_it():
    postings = [
        posting("own", 2, POD, INCOME, by=("e1", "old"), begun=-1),
        posting("else", 3, POD, INCOME, by=("e2", "x")),
    ]
    executions = [execution("e2", "x", 3, 3, type=TriggerType.MANUAL)]

    assert story(replay(draft(replaces=True), postings, executions, START, UNTIL)) == ["own", "else", "run@3"]


def test_an_arrival_deep_in_a_chain_keeps_its_depth_and_origin_and_the_deepest_fires_nothing():
    postings = [
        posting("a", 1, POD, INCOME, by=("e1", "x")),
        posting("b", 2, POD, INCOME, by=("e2", "x")),
    ]
    executions = [
        execution("e1", "x", 1, 1, cause="?", depth=7, origin="first"),
        execution("e2", "x", 2, 2, cause="?", depth=16, origin="second"),
    ]

    past = replay(draft(), postings, executions, START, UNTIL)

    assert story(past) == ["a", "run@1", "b"]
    run = past.events[1]
    assert isinstance(run, RuleRuns)
    assert (run.origin, run.depth) == ("first", 8)


def test_whoever_pressed_run_would_have_run_the_draft():
    executions = [
        execution("e1", "old", 1, 2, type=TriggerType.SEQUENCE_API, amount=Cents(700), stands_in=True),
        execution("e2", "old", -9, -8, type=TriggerType.MANUAL),
        execution("e3", "old", 9, None, type=TriggerType.MANUAL),
        execution("e4", "other", 3, 3, type=TriggerType.MANUAL),
    ]

    past = replay(draft({"type": "MANUAL", "account_id": "income"}, replaces=True), [], executions, START, UNTIL)

    [run] = past.events
    assert isinstance(run, RuleRuns)
    assert (run.at, run.since, run.type, run.amount, run.stands_in) == (
        second(2),
        second(1),
        TriggerType.SEQUENCE_API,
        700,
        True,
    )


def test_a_schedule_fires_on_its_days_after_all_else_of_that_instant():
    weekly = {
        "type": "SCHEDULED",
        "account_id": "income",
        "schedule_type": "WEEKLY",
        "start": "2026-01-05T00:00:00",
    }
    monday = int(timedelta(days=1).total_seconds())

    past = replay(draft(weekly), [posting("a", monday, WORLD, INCOME)], [], START, UNTIL)

    assert story(past) == ["a", f"run@{monday}", f"run@{8 * monday}"]
