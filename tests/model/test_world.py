"""The services against a naive oracle: whatever people, rules, banks and clocks do, both tell the same of the money."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from sluiceway.services.audit import run_audit
from tests.invariants import violations
from tests.model.machine import WorldMachine
from tests.model.organization import Town

STEPS = 50
HAPPENINGS = {
    *("deposit", "transfer", "transfer again", "create rule", "enable", "disable", "revise", "delete"),
    *("trigger", "trigger again", "approve", "refuse", "cancel", "cancel TransferNotCancellable", "pause", "limit"),
    *("die", "set waits", "delete account", "delete account AccountNotEmpty", "plan", "state", "return", "fault"),
    *("refresh", "work", "wait"),
}
SEARCHING = os.environ.get("MODEL_EXAMPLES")
"""How many random lives to live, without shrinking what goes wrong: for whoever looks for more."""


def live(town: Town, examples: int, *, is_random: bool = False) -> None:
    """Live so many lives, and audit the town."""
    run_state_machine_as_test(
        lambda: WorldMachine(town),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            derandomize=not is_random,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate] if SEARCHING else [Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert town.run(violations(town.database)) == {}
    assert [check for check in town.run(run_audit(town.engine())) if check.violations] == []


@pytest.mark.timeout(300)
def test_services_and_oracle_agree(town: Town):
    live(town, 100)

    assert town.steps >= 5_000
    assert town.done.keys() >= HAPPENINGS


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_services_and_oracle_agree_for_long(town: Town):
    live(town, int(SEARCHING or 2_000), is_random=True)

    assert town.steps >= 20 * int(SEARCHING or 2_000)
