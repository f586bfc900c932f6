"""COMMITs that are cut, before and after the server has heard of them, while a real server is asked for things."""

import random

import pytest

from tests.cuts.campaign import run_campaign, told
from tests.cuts.plan import Plan
from tests.cuts.reading import read_over
from tests.db.relay import Cut

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EACH_SIDE = 100
SEED = 20261128
WORKERS_TOO = ("settlement", "bank_hand_over", "webhooks")
"""Schedules are cut too, but not for certain among so few."""
ASKED_FOR = ("money", "trigger", "rule", "sign_in")


async def test_whatever_commit_is_cut_what_was_asked_for_happens_once(database_url: str):
    found = await run_campaign(database_url, EACH_SIDE, SEED)
    print(told(found))

    assert found.violations == []
    assert {side: found.cuts[side] for side in Cut} == dict.fromkeys(Cut, EACH_SIDE)
    for kind in (*WORKERS_TOO, *ASKED_FOR):
        assert sum(found.by_kind[kind, side] for side in Cut), f"no {kind} was cut"
    assert found.refused, "somebody was told to come again"


async def test_who_asks_again_under_another_key_is_found_out(database_url: str):
    """The same check, with a client that does it wrong: it can fail."""
    found = await run_campaign(database_url, 8, SEED, keeps_key=False)

    assert any("happened unasked" in violation for violation in found.violations)


async def test_what_is_read_over_a_line_that_breaks_or_carries_single_bytes_is_right(database_url: str):
    reads = await read_over(database_url, SEED, broken=20, splitting=20)

    assert reads.wrong == []
    assert reads.broken >= 20
    assert reads.refused
    assert reads.answered >= 20


async def test_with_a_single_connection_nobody_starves(database_url: str):
    found = await run_campaign(database_url, 10, SEED, connections=1)

    assert found.violations == []


def test_a_plan_cuts_as_many_on_each_side():
    plan = Plan(random.Random(SEED), 20)
    sides = [plan(["BEGIN", "/* insert_transfers */ ...", "COMMIT"]) for _ in range(1000)]

    assert [sides.count(side) for side in Cut] == [20, 20]
