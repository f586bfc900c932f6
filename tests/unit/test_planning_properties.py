"""What every plan promises, whatever the rule: checked on the plan alone, without a second opinion on the amounts."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluiceway.domain import rules as r
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import NOTHING, Account, AccountKind, Balance
from sluiceway.domain.money import MAX_CENTS, PERCENT_UNIT, WHOLE, Cents, Percent
from tests.unit.strategies import LARGEST, RULE, Case, cases, make_case

CASES = 4_000
POD, JAR = AccountId("pod"), AccountId("jar")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

Planned = tuple[Case, r.Plan]


@pytest.fixture(scope="module")
def plans() -> list[Planned]:
    """Plan many random cases once; keep those in which a step matched."""
    made = [make_case(Random(seed), 1 + seed % LARGEST) for seed in range(2_000_000, 2_000_000 + CASES)]
    planned = [(case, plan_of(case)) for case in made]
    assert sum(bool(moved(plan)) for _, plan in planned) > CASES / 5, "properties of empty plans prove nothing"
    return [(case, plan) for case, plan in planned if plan.step is not None]


def plan_of(case: Case) -> r.Plan:
    return r.plan(RULE, case.rule, case.event, case.snapshot)


def moved(plan: r.Plan) -> list[r.PlannedTransfer]:
    return [transfer for transfer in plan.transfers if transfer.error_code is None]


def action_of(case: Case, plan: r.Plan, entry: r.ActionTrace) -> r.Action:
    assert plan.step is not None
    return case.rule.steps[plan.step].actions[int(entry.path.rpartition("/")[2])]


# ---------------------------------------------------------------------------------------------- determined by its input


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_plan_is_the_same_every_time_and_leaves_its_input_alone(case: Case):
    before = deepcopy(case)

    first = plan_of(case)

    assert case == before
    assert plan_of(before) == first


def test_what_a_rule_needs_is_all_that_its_plan_looks_at(plans: list[Planned]):
    for case, plan in plans:
        needs, snapshot = r.needs(case.rule), case.snapshot
        keys = set(r.needs(case.rule).cap_keys(RULE, r.local_date(case.rule, case.event)))
        needed = replace(
            snapshot,
            accounts={name: account for name, account in snapshot.accounts.items() if name in needs.accounts},
            balances={name: balance for name, balance in snapshot.balances.items() if name in needs.accounts},
            caps_used={key: used for key, used in snapshot.caps_used.items() if key in keys},
            remote_amounts={key: sum_ for key, sum_ in snapshot.remote_amounts.items() if key in needs.remote},
        )

        assert plan_of(replace(case, snapshot=with_pods(needed, snapshot))) == plan
        assert set(plan.cap_uses) <= keys


def with_pods(needed: r.Snapshot, snapshot: r.Snapshot) -> r.Snapshot:
    """Add the holding pods of the accounts that are needed, as a loader does."""
    pods = {snapshot.holding_pods[name] for name in needed.accounts if name in snapshot.holding_pods}
    return replace(
        needed,
        accounts=dict(needed.accounts) | {name: snapshot.accounts[name] for name in pods & snapshot.accounts.keys()},
        balances=dict(needed.balances) | {name: snapshot.balances[name] for name in pods & snapshot.balances.keys()},
    )


def test_the_written_form_of_a_rule_plans_like_the_rule(plans: list[Planned]):
    for case, plan in plans:
        assert plan_of(replace(case, rule=r.read_rule(r.write_rule(case.rule)))) == plan


# ---------------------------------------------------------------------------------------------------------------- money


def test_every_move_has_a_source_a_destination_and_a_whole_positive_amount(plans: list[Planned]):
    for case, plan in plans:
        for transfer in plan.transfers:
            assert transfer.source != transfer.destination
            assert type(transfer.amount) is int
            assert transfer.amount > 0
        for transfer in moved(plan):
            assert transfer.amount >= case.snapshot.minimum
            assert not case.snapshot.accounts[transfer.source].is_deleted
            assert not case.snapshot.accounts[transfer.destination].is_deleted


def test_no_plan_spends_more_than_is_there_when_it_is_spent(plans: list[Planned]):
    for case, plan in plans:
        spendable: Counter[AccountId] = Counter()
        for name, account in case.snapshot.accounts.items():
            spendable[name] = (account.available(case.snapshot.balances[name]) or 0) - account.floor
        for transfer in moved(plan):
            assert transfer.amount <= spendable[transfer.source]
            spendable[transfer.source] -= transfer.amount
            # Money is spendable at once only where it stays with us all the way, and waits for nobody.
            receiver = case.snapshot.holding_pods.get(transfer.destination, transfer.destination)
            ends = [case.snapshot.accounts[name] for name in (transfer.source, receiver)]
            arrives = all(end.is_kept for end in ends) and not transfer.needs_approval
            spendable[receiver] += transfer.amount if arrives else 0


def test_every_cent_that_leaves_an_account_arrives_in_another(plans: list[Planned]):
    for case, plan in plans:
        after: Counter[AccountId] = Counter({name: balance.posted for name, balance in case.snapshot.balances.items()})
        for transfer in moved(plan):
            after[transfer.source] -= transfer.amount
            after[transfer.destination] += transfer.amount

        assert sum(after.values()) == sum(balance.posted for balance in case.snapshot.balances.values())
        assert after.keys() == case.snapshot.balances.keys()


def test_no_group_moves_more_than_its_cap_has_room_for(plans: list[Planned]):
    capped = 0
    for case, plan in plans:
        assert plan.step is not None
        today = case.event.at.astimezone(ZoneInfo(case.rule.zone)).date()
        for action in case.rule.steps[plan.step].actions:
            if action.cap is None:
                continue
            key = r.CapKey(RULE, plan.step, action.group, action.cap.period, first_day(action.cap.period, today))
            is_running = action.cap.period is not r.CapPeriod.PER_TRANSFER
            used = case.snapshot.caps_used.get(key, 0) if is_running else 0
            total = sum(
                entry.moved for entry in plan.trace.actions if action_of(case, plan, entry).group == action.group
            )

            assert total <= max(0, action.cap.amount - used)
            assert plan.cap_uses.get(key, 0) == (total if is_running else 0)
            capped += total > 0
    assert capped > 100


def first_day(period: r.CapPeriod, day: date) -> date:
    while period is r.CapPeriod.PER_WEEK and day.isoweekday() != 1:
        day = day.fromordinal(day.toordinal() - 1)
    if period in {r.CapPeriod.PER_MONTH, r.CapPeriod.PER_YEAR}:
        day = day.replace(day=1)
    return day.replace(month=1) if period is r.CapPeriod.PER_YEAR else day


def test_no_plan_takes_more_than_the_ach_limits_leave(plans: list[Planned]):
    used = 0
    for case, plan in plans:
        accounts, pods = case.snapshot.accounts, case.snapshot.holding_pods
        pulls = [each for each in moved(plan) if not accounts[each.source].is_kept]
        pushes = [
            each for each in moved(plan) if not accounts[each.destination].is_kept and each.destination not in pods
        ]
        for side, transfers in ((r.PaymentSide.DEBIT, pulls), (r.PaymentSide.CREDIT, pushes)):
            for room in case.snapshot.ach.get(side, ()):
                assert room.amount is None or not transfers or sum(each.amount for each in transfers) <= room.amount
                assert room.transfers is None or len(transfers) <= room.transfers
                used += bool(transfers)
    assert used > 100


def test_exactly_what_is_above_the_threshold_waits_for_a_person(plans: list[Planned]):
    waiting = 0
    for case, plan in plans:
        for transfer in plan.transfers:
            above = case.rule.approval_above
            is_large = transfer.error_code is None and above is not None and transfer.amount > above

            assert transfer.needs_approval == is_large
            waiting += is_large
    assert waiting > 100


def test_nothing_leaves_an_account_whose_balance_is_too_old_or_whose_bank_is_gone(plans: list[Planned]):
    for case, plan in plans:
        age = case.rule.max_balance_age
        for transfer in moved(plan):
            ends = [case.snapshot.accounts[name] for name in (transfer.source, transfer.destination)]
            assert all(end.reported.error != "DISCONNECTED_ACCOUNT" for end in ends)
            if age is not None and not ends[0].is_kept:
                reported_at = ends[0].reported.updated_at
                assert reported_at is not None
                assert (case.snapshot.at or case.event.at) - reported_at <= age


def test_the_cap_uses_are_all_that_was_moved_under_running_caps(plans: list[Planned]):
    for case, plan in plans:
        assert plan.step is not None
        running = {
            action.group
            for action in case.rule.steps[plan.step].actions
            if action.cap is not None and action.cap.period is not r.CapPeriod.PER_TRANSFER
        }
        total = sum(entry.moved for entry in plan.trace.actions if action_of(case, plan, entry).group in running)

        assert sum(plan.cap_uses.values()) == total


# ---------------------------------------------------------------------------------------------------------------- trace


def test_the_trace_accounts_for_every_transfer(plans: list[Planned]):
    for _, plan in plans:
        told = [
            (entry.path, entry.part, entry.source, entry.destination, entry.error_code)
            for entry in plan.trace.actions
            if entry.moved or entry.error_code
        ]
        made = [
            (f"steps/{t.step}/actions/{t.action}", t.part, t.source, t.destination, t.error_code)
            for t in plan.transfers
        ]

        assert [entry for entry in told if entry in made] == made
        assert sum(entry.moved for entry in plan.trace.actions) == sum(transfer.amount for transfer in moved(plan))


def test_each_entry_is_moved_skipped_incomplete_or_wrong_and_says_why(plans: list[Planned]):
    for _, plan in plans:
        for entry in plan.trace.actions:
            assert (entry.moved > 0) == (entry.result is r.ActionResult.MOVED)
            failed = entry.result in {r.ActionResult.ERROR, r.ActionResult.INCOMPLETE}
            assert (entry.error_code is not None) == failed
            is_short = entry.result is r.ActionResult.INCOMPLETE
            assert (entry.error_code == r.ErrorCode.INSUFFICIENT_FUNDS) == is_short
            # Only what moved in full has nothing to explain.
            assert (entry.why is None) == (entry.result is r.ActionResult.MOVED and not entry.cuts)


def test_every_action_is_attempted_and_the_failed_ones_are_counted(plans: list[Planned]):
    for case, plan in plans:
        assert plan.step is not None
        paths = {entry.path for entry in plan.trace.actions}
        step = case.rule.steps[plan.step]

        assert paths == {f"steps/{plan.step}/actions/{index}" for index in range(len(step.actions))}
        assert plan.attempted == len(plan.trace.actions)
        assert plan.failed == sum(entry.error_code is not None for entry in plan.trace.actions)
        assert plan.failed >= sum(transfer.error_code is not None for transfer in plan.transfers)
        assert plan.first_error == next((e.error_code for e in plan.trace.actions if e.error_code), None)


def test_actions_run_group_by_group_and_in_order_within_one(plans: list[Planned]):
    for case, plan in plans:
        indices = [int(entry.path.rpartition("/")[2]) for entry in plan.trace.actions]
        groups = [action_of(case, plan, entry).group for entry in plan.trace.actions]

        assert groups == sorted(groups)
        assert list(zip(groups, indices, strict=True)) == sorted(zip(groups, indices, strict=True))


def test_nothing_happens_after_an_error_that_stops_the_step(plans: list[Planned]):
    stopped = 0
    for _, plan in plans:
        stops = [
            index
            for index, entry in enumerate(plan.trace.actions)
            if entry.error_code not in {None, r.ErrorCode.TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR}
        ]
        first = stops[0] if stops else len(plan.trace.actions)
        stopped += bool(stops)

        assert all(entry.why is r.Why.STOPPED for entry in plan.trace.actions[first + 1 :])
        assert all(entry.why is not r.Why.STOPPED for entry in plan.trace.actions[: first + 1])
    assert stopped > 100


def test_an_amount_is_cut_in_order_and_to_what_moves(plans: list[Planned]):
    order = [r.Why.CEILING, r.Why.CAP, r.Why.AVAILABLE_FUNDS]
    for case, plan in plans:
        for entry in plan.trace.actions:
            if isinstance(action_of(case, plan, entry).amount, r.PayDown):
                continue
            places = [order.index(cut.why) for cut in entry.cuts]
            assert places == sorted(set(places))
            falling = [entry.asked, *(cut.to for cut in entry.cuts)]
            assert all(high > low for high, low in pairwise(falling))
            if entry.result is r.ActionResult.MOVED:
                assert entry.moved == falling[-1]


def test_a_cut_never_raises_what_a_part_of_a_pay_down_asked_for(plans: list[Planned]):
    for _, plan in plans:
        for entry in plan.trace.actions:
            assert all(entry.asked is None or cut.to <= entry.asked for cut in entry.cuts)


def test_a_leaf_is_addressed_by_the_place_of_its_node():
    day = r.Comparison(r.Fact.DATE, r.Operator.EQUALS, 2)
    plan = run(r.Action(r.FixedAmount(Cents(100)), POD, JAR), posted=100, condition=r.AllOf((day, day)))

    assert {node.path for step in plan.trace.steps for node in step.nodes} >= {"steps/0/conditions/all/1"}


def test_no_step_means_nothing_at_all():
    never = r.Comparison(r.Fact.DATE, r.Operator.EQUALS, 31)
    plan = run(r.Action(r.FixedAmount(Cents(100)), POD, JAR), posted=100, condition=never)

    assert (plan.step, plan.transfers, plan.attempted, plan.failed) == (None, (), 0, 0)
    assert not plan.cap_uses
    assert plan.trace.actions == ()
    assert plan.first_error is None


# -------------------------------------------------------------------------------------------------------------- amounts


def percents_of_a_whole() -> st.SearchStrategy[list[Percent]]:
    """Cut 100 % into up to twelve parts of any size, down to a millionth of a percent."""
    cuts = st.lists(st.integers(0, WHOLE), max_size=11).map(lambda found: [0, *sorted(found), WHOLE])
    return cuts.map(lambda at: [Percent(high - low) for low, high in pairwise(at)])


def run(*actions: r.Action, posted: int, incoming: int | None = None, condition: r.Condition | None = None) -> r.Plan:
    accounts = {name: Account(name, AccountKind.POD) for name in (POD, JAR)}
    rule = r.Rule(r.OnFunds(POD), (r.Step(condition, actions),))
    event = r.Event(r.TriggerType.ON_FUNDS_TRANSFERRED, NOON, None if incoming is None else Cents(incoming))
    balances = {POD: Balance(posted, 0, 0), JAR: NOTHING}
    return r.plan(RULE, rule, event, r.Snapshot(accounts, balances, minimum=Cents(0)))


@settings(max_examples=300, deadline=None)
@given(percents_of_a_whole(), st.integers(0, MAX_CENTS), st.sampled_from(r.PercentageTarget))
def test_shares_of_a_hundred_percent_move_every_cent(percents: list[Percent], total: int, target: r.PercentageTarget):
    actions = [r.Action(r.Percentage(percent, target), POD, JAR) for percent in percents]

    plan = run(*actions, posted=total, incoming=total)

    assert sum(entry.moved for entry in plan.trace.actions) == total
    for percent, entry in zip(percents, plan.trace.actions, strict=True):
        assert entry.asked is not None
        assert abs(entry.asked - Fraction(total * percent, WHOLE)) < 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, WHOLE // 12), min_size=1, max_size=11), st.integers(0, MAX_CENTS))
def test_shares_of_less_than_the_whole_are_floored(parts: list[int], total: int):
    assume(sum(parts) != WHOLE)
    source = r.PercentageTarget.SOURCE_ACCOUNT
    actions = [r.Action(r.Percentage(Percent(part), source), POD, JAR) for part in parts]

    plan = run(*actions, posted=total)

    assert [entry.asked for entry in plan.trace.actions] == [
        int(Fraction(total * part, 100 * PERCENT_UNIT)) for part in parts
    ]


@settings(max_examples=200, deadline=None)
@given(st.integers(1, WHOLE), st.integers(1, WHOLE), st.integers(0, MAX_CENTS))
def test_shares_of_one_group_do_not_cascade_and_those_of_the_next_do(first: int, second: int, total: int):
    assume(first + second < WHOLE)
    source = r.PercentageTarget.SOURCE_ACCOUNT
    percents = [r.Percentage(Percent(part), source) for part in (first, second)]

    together = run(*(r.Action(percent, POD, JAR) for percent in percents), posted=total)
    apart = run(*(r.Action(percent, POD, JAR, group=group) for group, percent in enumerate(percents)), posted=total)

    alone = total * first // WHOLE
    assert [entry.asked for entry in together.trace.actions] == [alone, total * second // WHOLE]
    assert [entry.asked for entry in apart.trace.actions] == [alone, (total - alone) * second // WHOLE]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, MAX_CENTS), st.integers(1, 10**6))
def test_rounding_down_leaves_a_multiple_and_sweeping_leaves_what_is_kept(total: int, unit: int):
    rounded = run(r.Action(r.RoundDown(Cents(unit)), POD, JAR), posted=total)
    swept = run(r.Action(r.SweepAbove(Cents(unit)), POD, JAR), posted=total)

    assert (total - left(rounded)) % unit == 0
    assert total - left(swept) == min(total, unit)


def left(plan: r.Plan) -> int:
    return sum(transfer.amount for transfer in moved(plan))


def test_a_second_top_up_finds_the_jar_full():
    top_up = r.Action(r.TopUp(Cents(700)), POD, JAR)

    plan = run(top_up, top_up, posted=5_000)

    assert [entry.moved for entry in plan.trace.actions] == [700, 0]
