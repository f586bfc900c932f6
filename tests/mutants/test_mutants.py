"""Known faults of comparable systems, planted: every one can still be planted, and some are hunted in each run."""

import os
import random
from collections import Counter

import pytest

from tests.mutants.running import Mutant, hunt, unharmed
from tests.mutants.zoo import ZOO

HUNTED = 3
LEAST = 30

# Others in each run, and the same ones in all of its processes.
_some = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).sample(ZOO, HUNTED)


def test_the_zoo_has_what_the_programme_asks_for():
    assert len(ZOO) >= LEAST
    assert Counter(mutant.name for mutant in ZOO).most_common(1)[0][1] == 1


@pytest.mark.parametrize("mutant", ZOO, ids=lambda mutant: mutant.name)
def test_a_fault_can_still_be_planted_and_its_tests_are_there(mutant: Mutant):
    mutant.check()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("place", range(HUNTED))
def test_a_planted_fault_is_caught(place: int):
    outcome = hunt(_some[place])

    assert outcome.caught_by is not None, f"{outcome.mutant} went unnoticed: {outcome.said}"


@pytest.mark.timeout(200)
def test_a_fault_that_is_none_is_not_caught():
    assert unharmed(["tests/unit/test_money.py"]) is None


def test_a_fault_that_nobody_looks_for_is_said_to_go_unnoticed():
    tests = ("tests/unit/test_money.py",)
    harmless = Mutant("harmless", "-", "domain/money.py", "floored to the minor unit", "floored", tests)

    assert hunt(harmless).caught_by is None
