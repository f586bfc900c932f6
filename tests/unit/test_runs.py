"""A run as people read it, for any rule there can be: every node is told, every cent is on a ladder."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from sluiceway.domain.endings import ENDING_WORDS, STATUSES, Ending, Outcome, ending_in_words, ending_of, waits_of
from sluiceway.domain.executions import Counts, Execution, ExecutionStatus, explain, status_of
from sluiceway.domain.ids import ExecutionId, OrganizationId
from sluiceway.domain.rules import NodeKind, Plan, TriggerType, explain_trace, nodes_of, plan
from sluiceway.domain.runs import RunFacts, view_of
from sluiceway.domain.transfers import Mode
from tests.unit.strategies import KINDS, RULE, Case, cases

AT = datetime(2026, 3, 4, 10, tzinfo=UTC)
NAMES = {account_id: account_id.title() for account_id in KINDS}


ENDED = Execution(
    organization_id=OrganizationId("organization"),
    id=ExecutionId("01900000-0000-7000-8000-000000000001"),
    rule_id=RULE,
    rule_name="A rule",
    revision=1,
    approval_id=None,
    mode=Mode.LIVE,
    trigger_type=TriggerType.MANUAL,
    transfer_amount=None,
    status=ExecutionStatus.EXECUTED,
    created_at=AT,
    finished_at=AT,
    step_matched=0,
    conditions_not_met=False,
    counts=Counts(1, 0, 0, 0),
    transfer_ids=(),
    error_message=None,
    next_attempt_at=None,
    depth=0,
    origin_id="origin",
    scheduled_for=None,
    trace=None,
)
"""A run that found nothing to move."""


def planned_execution(case: Case, planned: Plan) -> Execution:
    done = sum(each.error_code is None for each in planned.transfers)
    counts = Counts(planned.attempted, done, planned.failed, 0)
    return replace(
        ENDED,
        status=status_of(counts),
        counts=counts,
        step_matched=planned.step,
        conditions_not_met=planned.step is None,
        transfer_amount=case.event.transfer_amount,
        error_message=explain(planned.first_error),
        trace=planned.trace,
    )


@given(cases())
def test_every_run_is_told_node_by_node_and_every_cent_is_on_a_ladder(case: Case):
    planned = plan(RULE, case.rule, case.event, case.snapshot)
    view = view_of(RunFacts(planned_execution(case, planned), case.rule, case.snapshot.accounts, ()))

    tried = {node.path for step in planned.trace.steps for node in step.nodes}
    tried |= {step.path for step in planned.trace.steps} | {action.path for action in planned.trace.actions}
    assert {node.path for node in view.nodes if node.is_reached} == tried
    assert [node.path for node in view.nodes] == [node.path for node in nodes_of(case.rule, None, NAMES)]
    for node in view.nodes:
        assert node.is_reached == bool(node.said)
        if node.is_reached and node.kind is not NodeKind.ACTION:
            assert f"{'  ' * node.depth}{node.said}" in view.explanation
    moved = sum(each.amount for each in planned.transfers if each.error_code is None)
    assert sum(rung.moved for ladder in view.ladders for rung in ladder.rungs) == moved
    for ladder in view.ladders:
        if ladder.start is not None and ladder.remainder is not None:
            assert ladder.remainder <= ladder.start + moved


@given(cases())
def test_every_run_has_one_ending_at_a_status_that_it_can_have(case: Case):
    planned = plan(RULE, case.rule, case.event, case.snapshot)
    run = planned_execution(case, planned)
    view = view_of(RunFacts(run, case.rule, case.snapshot.accounts, ()))

    assert STATUSES[view.ending] in (None, run.status)
    assert view.ending_said.endswith(".")
    assert explain_trace(case.rule, planned.trace, {key: each.name for key, each in case.snapshot.accounts.items()})


@pytest.mark.parametrize(
    ("more", "ending", "said"),
    [
        ({}, Ending.NOTHING_TO_MOVE, "Nothing was moved: there was nothing to move."),
        (
            {"status": ExecutionStatus.FAILED, "error_message": explain("MONTHLY_ACH_DEBIT_LIMIT_REACHED")},
            Ending.BLOCKED_BY_LIMIT,
            "Nothing was moved: a limit was used up. The month's limit for payments from other banks has been reached.",
        ),
        (
            {"status": ExecutionStatus.FAILED, "error_message": explain("RULE_CHANGED")},
            Ending.CANCELLED,
            "Nothing was moved. The rule was changed or disabled before this run could start.",
        ),
        (
            {"mode": Mode.SIMULATION, "conditions_not_met": True},
            Ending.SIMULATED,
            "Simulated: it would have moved nothing, since the conditions of no step were met.",
        ),
        (
            {"mode": Mode.SIMULATION, "counts": Counts(1, 1, 0, 0)},
            Ending.SIMULATED,
            "Simulated: what it would have moved is no longer kept.",
        ),
        (
            {"status": ExecutionStatus.IN_PROGRESS, "error_message": explain("PAUSED")},
            Ending.WAITING,
            "It waits for automation to be resumed.",
        ),
        (
            {
                "status": ExecutionStatus.IN_PROGRESS,
                "next_attempt_at": AT + timedelta(minutes=5),
                "error_message": "The service did not answer.",
            },
            Ending.WAITING,
            "It waits for its next attempt. The service did not answer.",
        ),
    ],
)
def test_an_ending_says_why(more: dict[str, Any], ending: Ending, said: str):
    run = replace(ENDED, **more)

    assert ending_of(run, is_limited=False) is ending
    assert ending_in_words(run, ending, Outcome()) == said


def test_only_what_is_in_progress_waits_and_every_ending_has_words():
    assert waits_of(ENDED, Outcome(approvals=1)) == []
    assert set(ENDING_WORDS) == set(STATUSES) == set(Ending)
