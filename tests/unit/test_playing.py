"""A play: what one instant causes, what banks carry, where chains end, and what is left at the end of each day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.domain.ach import PaymentKind
from sluiceway.domain.ids import AccountId, RuleId, TransferId
from sluiceway.domain.ledger import Account, AccountKind, Balance, ExternalKind, PostingKind, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.playing import (
    Beginning,
    Low,
    MoneyArrives,
    MoneyLeaves,
    MoneyMoved,
    OnTheWay,
    PlayedRule,
    Player,
    PlayEvent,
    RuleRuns,
    Terms,
    arrives_by_ach,
)
from sluiceway.domain.rules import TriggerType, read_rule

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)

INCOME, POD, JAR, BANK, CARD = map(AccountId, ("income", "pod", "jar", "bank", "card"))


def account(name: AccountId, **more: Any) -> Account:
    match name:
        case "bank":
            reported = ReportedBalance(Cents(50_000), Cents(50_000))
            return Account(name, AccountKind.EXTERNAL_ACCOUNT, ExternalKind.DEPOSITORY, reported=reported, **more)
        case "card":
            reported = ReportedBalance(Cents(30_000), next_payment_minimum=Cents(2_500))
            return Account(name, AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY, reported=reported, **more)
        case _:
            return Account(name, AccountKind.POD, **more)


ACCOUNTS = {name: account(name) for name in (INCOME, POD, JAR, BANK, CARD)}


def fixed(amount: int, source: str, destination: str, **more: Any) -> dict[str, Any]:
    return {"type": "FIXED", "amount_in_cents": amount, "source": source, "destination": destination, **more}


def rule(name: str, trigger: str | None, *actions: dict[str, Any], **more: Any) -> PlayedRule:
    """Write a rule that money arriving at `trigger` fires, or (None) one that runs on demand."""
    kind = {"type": "REMOTE_API"} if trigger is None else {"type": "ON_FUNDS_TRANSFERRED", "account_id": trigger}
    return PlayedRule(RuleId(name), read_rule({"trigger": kind, "steps": [{"actions": list(actions)}]}), **more)


def play(
    rules: Sequence[PlayedRule],
    events: Sequence[PlayEvent],
    balances: dict[AccountId, int] | None = None,
    *,
    days: int = 7,
    accounts: dict[AccountId, Account] | None = None,
    terms: Terms | None = None,
    **more: Any,
) -> Player:
    given_balances = {name: Balance(amount, 0, 0) for name, amount in (balances or {}).items()}
    beginning = Beginning(MONDAY, accounts or ACCOUNTS, given_balances, rules, **more)
    player = Player(beginning, terms or Terms())
    for event in events:
        player.play(event)
    player.finish(MONDAY + days * DAY)
    return player


def arrives(account_id: AccountId, amount: int, at: datetime = MONDAY) -> MoneyArrives:
    return MoneyArrives(at, account_id, Cents(amount))


def leaves(account_id: AccountId, amount: int, at: datetime = MONDAY) -> MoneyLeaves:
    return MoneyLeaves(at, account_id, Cents(amount))


def there(player: Player) -> dict[str, int | None]:
    return {name: player.available(name) for name in (INCOME, POD, JAR)}


def test_money_that_arrives_runs_the_rules_of_its_account_and_what_they_move_runs_those_of_theirs():
    first = rule("first", "income", fixed(600, "income", "pod"))
    second = rule("second", "pod", fixed(250, "pod", "jar"))

    player = play([first, second], [arrives(INCOME, 1_000)])

    assert there(player) == {"income": 400, "pod": 350, "jar": 250}
    assert [(run.rule_id, run.depth, run.amount, run.step) for run in player.runs] == [
        ("first", 0, 1_000, 0),
        ("second", 1, 600, 0),
    ]


def test_rules_of_one_account_run_in_their_order_each_seeing_what_the_one_before_left():
    first = rule("first", "income", fixed(800, "income", "pod"))
    second = rule("second", "income", fixed(800, "income", "jar", up_to_enabled=True))

    assert there(play([first, second], [arrives(INCOME, 1_000)])) == {"income": 0, "pod": 800, "jar": 200}
    assert there(play([second, first], [arrives(INCOME, 1_000)])) == {"income": 200, "pod": 0, "jar": 800}


def test_what_happens_at_one_instant_happens_before_what_it_causes():
    sweep = {"type": "SWEEP_ABOVE", "amount_in_cents": 0, "source": "income", "destination": "pod"}
    rules = [rule("sweep", "income", sweep)]

    together = play(rules, [arrives(INCOME, 1_000), arrives(INCOME, 500)])
    apart = play(rules, [arrives(INCOME, 1_000), arrives(INCOME, 500, MONDAY + DAY)])

    assert [[each.amount for each in run.transfers] for run in together.runs] == [[1_500], []]
    assert [[each.amount for each in run.transfers] for run in apart.runs] == [[1_000], [500]]


def test_a_bill_that_is_due_with_the_pay_is_collected_after_the_rules_have_moved_the_pay_on():
    player = play([rule("fill", "income", fixed(900, "income", "pod"))], [arrives(INCOME, 1_000), leaves(POD, 900)])

    assert there(player) == {"income": 100, "pod": 0, "jar": 0}
    assert player.shortfalls == []


def test_a_bill_that_is_not_covered_takes_the_account_below_its_floor_and_is_told():
    accounts = ACCOUNTS | {POD: account(POD, floor=Cents(100))}

    player = play([], [leaves(POD, 400), leaves(POD, 200, MONDAY + DAY)], {POD: 500}, accounts=accounts)

    [short] = player.shortfalls
    assert (short.at, short.account_id, short.amount, short.available) == (MONDAY + DAY, POD, 200, -100)
    assert player.lows[POD] == Low(Cents(-100), MONDAY + DAY)


def test_a_failure_moves_nothing_and_is_told_with_its_code():
    player = play([rule("big", "income", fixed(5_000, "income", "pod"))], [arrives(INCOME, 1_000)])

    [run] = player.runs
    assert (run.failed, run.error, run.transfers[0].error_code) == (1, "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS")
    assert there(player) == {"income": 1_000, "pod": 0, "jar": 0}


@pytest.mark.parametrize(("answers", "error"), [({}, "REMOTE_AMOUNT_UNAVAILABLE"), ({(0, 0): Cents(700)}, None)])
def test_a_remote_amount_is_what_the_play_is_told_or_cannot_be_known(answers: Any, error: str | None):
    action = {"type": "REMOTE_AMOUNT", "url": "https://example.com", "source": "income", "destination": "pod"}

    player = play([rule("ask", "income", action, remote_amounts=answers)], [arrives(INCOME, 1_000)])

    assert player.runs[0].error == error
    assert player.available(POD) == (0 if error else 700)


def test_a_limit_runs_on_from_one_run_to_the_next_and_starts_anew_with_its_period():
    action = fixed(600, "income", "pod", limit={"period": "PER_WEEK", "amount_in_cents": 1_000})
    events = [arrives(INCOME, 1_000, MONDAY + count * DAY) for count in (0, 1, 2, 7)]

    player = play([rule("limited", "income", action)], events, days=8)

    assert [[each.amount for each in run.transfers] for run in player.runs] == [[600], [400], [], [600]]
    assert sorted(player.caps_used.values()) == [600, 1_000]


def test_two_rules_that_feed_each_other_stop_after_sixteen():
    there_and_back = [
        rule("there", "pod", fixed(100, "pod", "jar")),
        rule("back", "jar", fixed(100, "jar", "pod")),
    ]

    player = play(there_and_back, [arrives(POD, 1_000)])

    assert [run.depth for run in player.runs] == list(range(17))
    assert player.stopped == 1


def test_one_event_causes_at_most_sixty_four_runs():
    forth = [fixed(100, "pod", "jar")] * 40
    rules = [rule("many", "pod", *forth), *(rule(f"each{n}", "jar", fixed(100, "jar", "income")) for n in range(2))]

    player = play(rules, [arrives(POD, 10_000), arrives(POD, 10_000, MONDAY + DAY)])

    # 63 beside the first run, of 80 that would be due; and the next event counts anew.
    assert len(player.runs) == 2 * 64
    assert player.stopped == 2 * (80 - 63)


def test_a_push_is_held_at_once_and_lowers_a_debt_when_it_has_settled():
    player = play([rule("pay", "income", fixed(10_000, "income", "card"))], [arrives(INCOME, 25_000)])

    assert player.available(CARD) == 20_000
    assert player.balances[INCOME] == Balance(15_000, 0, 0)
    assert player.balances[CARD] == Balance(0, 0, 0)


def test_a_pull_arrives_when_banks_have_settled_it_and_fires_the_rules_of_its_account_then():
    pull = rule("pull", None, fixed(20_000, "bank", "pod"))
    onward = rule("onward", "pod", fixed(5_000, "pod", "jar"))
    runs = RuleRuns(MONDAY, pull.id, TriggerType.REMOTE_API)

    player = play([pull, onward], [runs])

    settles = arrives_by_ach(MONDAY, PaymentKind.PULL, Cents(20_000))
    assert settles > MONDAY + DAY
    assert [(run.rule_id, run.at, run.depth) for run in player.runs] == [("pull", MONDAY, 0), ("onward", settles, 1)]
    assert there(player) == {"income": 0, "pod": 15_000, "jar": 5_000}
    assert (player.available(BANK), player.balances[BANK]) == (30_000, Balance(0, 0, 0))
    assert player.daily[POD][:4] == [0, 0, 15_000, 15_000]
    assert player.daily[BANK][0] == 30_000


def test_money_between_two_banks_takes_a_pull_and_then_a_push():
    across = rule("across", None, fixed(10_000, "bank", "card"))

    player = play([across], [RuleRuns(MONDAY, across.id, TriggerType.REMOTE_API)])

    assert (player.available(BANK), player.available(CARD)) == (40_000, 20_000)
    assert player.balances[BANK] == player.balances[CARD] == Balance(0, 0, 0)


def test_reports_that_do_not_follow_stay_as_they_were():
    pay = rule("pay", "income", fixed(10_000, "income", "card"))

    player = play([pay], [arrives(INCOME, 25_000)], terms=Terms(moves_reports=False))

    assert player.available(CARD) == 30_000
    assert player.balances[CARD] == Balance(0, 0, 0)


def test_what_was_on_its_way_arrives():
    coming = OnTheWay(None, POD, Cents(3_000))
    onward = rule("onward", "pod", fixed(1_000, "pod", "jar"))
    balances = {POD: Balance(0, 0, 3_000)}
    beginning = Beginning(MONDAY, ACCOUNTS, balances, [onward], on_the_way=[(MONDAY + DAY, coming)])

    player = Player(beginning, Terms())
    player.finish(MONDAY + 3 * DAY)

    assert player.balances[POD] == Balance(2_000, 0, 0)
    assert player.runs[0].at == MONDAY + DAY


def test_a_transfer_that_would_wait_for_a_person_counts_as_approved_at_once():
    written = read_rule(
        {
            "trigger": {"type": "ON_FUNDS_TRANSFERRED", "account_id": "income"},
            "steps": [{"actions": [fixed(600, "income", "pod")]}],
            "approval_above_in_cents": 500,
        }
    )

    player = play([PlayedRule(RuleId("large"), written)], [arrives(INCOME, 1_000)])

    assert player.runs[0].transfers[0].needs_approval
    assert there(player) == {"income": 400, "pod": 600, "jar": 0}


def test_what_goes_to_a_manual_liability_waits_in_its_pod():
    holding = AccountId("holding")
    accounts = ACCOUNTS | {holding: account(holding, linked_account_id=CARD)}

    player = play([rule("pay", "income", fixed(900, "income", "card"))], [arrives(INCOME, 1_000)], accounts=accounts)

    assert player.available(holding) == 900
    assert player.available(CARD) == 30_000


def test_every_day_has_its_end_also_those_on_which_nothing_happens():
    player = play([], [arrives(POD, 100), leaves(POD, 30, MONDAY + 3 * DAY)], days=5)

    assert player.days == [date(2026, 3, day) for day in range(2, 8)]
    assert player.daily[POD] == [100, 100, 100, 70, 70, 70]


def test_real_postings_move_what_they_moved_and_fire_nothing():
    world = AccountId("the world")
    moves = [
        (PostingKind.POST, world, POD, 1_000),
        (PostingKind.HOLD, POD, BANK, 400),
        (PostingKind.SETTLE, POD, world, 400),
        (PostingKind.HOLD, POD, BANK, 200),
        (PostingKind.RELEASE, POD, world, 200),
        (PostingKind.REVERSE, world, POD, 400),
    ]
    events = [MoneyMoved(MONDAY, kind, a, b, Cents(amount), TransferId("t")) for kind, a, b, amount in moves]

    player = play([rule("never", "pod", fixed(100, "pod", "jar"))], events)

    assert player.balances[POD] == Balance(1_000, 0, 0)
    assert player.runs == []
    assert player.lows[POD] == Low(Cents(0), MONDAY)


SECOND = timedelta(seconds=1)


def moved(at: int, source: AccountId, destination: AccountId, amount: int, **more: Any) -> MoneyMoved:
    """Write a real transfer so many seconds later; `cause_id` is the one that set it off."""
    transfer_id = more.pop("transfer_id", TransferId("t"))
    return MoneyMoved(MONDAY + at * SECOND, PostingKind.POST, source, destination, Cents(amount), transfer_id, **more)


def test_what_a_played_run_sets_off_takes_its_turn_between_the_real_runs_that_were_queued_before_it_and_after():
    before, after = TransferId("before"), TransferId("after")
    draft = rule("draft", None, fixed(300, "income", "pod"))
    follows = rule("follows", "pod", fixed(900, "pod", "jar", up_to_enabled=True))
    events: list[PlayEvent] = [
        moved(1, INCOME, POD, 100, transfer_id=before),
        RuleRuns(MONDAY + SECOND, RuleId("draft"), TriggerType.REMOTE_API),
        moved(1, INCOME, POD, 100, transfer_id=after),
        moved(2, POD, JAR, 150, cause_id=before),
        moved(2, POD, JAR, 50, cause_id=after, transfer_id=TransferId("too late")),
    ]

    player = play([draft, follows], events, {INCOME: 500})

    assert [transfer.amount for run in player.runs for transfer in run.transfers] == [300, 350]
    assert [short.transfer_id for short in player.shortfalls] == ["too late"]


@pytest.mark.parametrize(("waits", "amount"), [(False, 300), (True, 100)])
def test_what_is_queued_waits_as_long_as_what_was_really_queued_at_that_instant(waits: bool, amount: int):
    draft = rule("draft", None, fixed(300, "income", "pod"))
    follows = rule("follows", "pod", fixed(900, "pod", "jar", up_to_enabled=True))
    turns = {MONDAY + SECOND: MONDAY + 3 * SECOND} if waits else {}
    events: list[PlayEvent] = [
        RuleRuns(MONDAY + SECOND, RuleId("draft"), TriggerType.REMOTE_API),
        moved(2, POD, INCOME, 200),
    ]

    player = play([draft, follows], events, {INCOME: 500}, turns=turns)

    assert [transfer.amount for transfer in player.runs[1].transfers] == [amount]
    assert player.runs[1].at == MONDAY + (3 if waits else 1) * SECOND


def test_a_real_transfer_that_would_not_have_been_possible_is_told():
    draft = rule("draft", None, fixed(700, "pod", "jar"))
    spent = MoneyMoved(MONDAY + DAY, PostingKind.POST, POD, INCOME, Cents(500), TransferId("rent"))

    player = play([draft], [RuleRuns(MONDAY, draft.id, TriggerType.REMOTE_API), spent], {POD: 1_000})

    [short] = player.shortfalls
    assert (short.transfer_id, short.amount, short.available) == ("rent", 500, -200)


def test_events_out_of_order_are_a_mistake_of_the_caller():
    with pytest.raises(AssertionError, match="in the order of their time"):
        play([], [arrives(POD, 100, MONDAY + DAY), arrives(POD, 100)])


deposits = st.lists(st.tuples(st.integers(0, 500), st.sampled_from([INCOME, POD, JAR]), st.integers(1, 100_000)))


@given(deposits)
def test_no_cent_is_lost_or_made_and_no_rule_takes_an_account_below_its_floor(moves: list[tuple[int, AccountId, int]]):
    rules = [
        rule("split", "income", fixed(300, "income", "pod"), fixed(5_000, "income", "jar", up_to_enabled=True)),
        rule("back", "jar", fixed(200, "jar", "income")),
        rule("on", "pod", fixed(150, "pod", "jar")),
    ]
    events = [arrives(name, amount, MONDAY + timedelta(hours=hours)) for hours, name, amount in sorted(moves)]

    player = play(rules, events, days=30)

    assert sum(balance.posted for balance in player.balances.values()) == sum(amount for _, _, amount in moves)
    assert player.shortfalls == []
    assert all(low.available >= 0 for low in player.lows.values())
