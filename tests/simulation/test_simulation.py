"""Virtual months of the program over tables in memory: nothing is lost, doubled, made up or left lying."""

import os

import pytest

from tests.simulation.campaign import PIECE, explore

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "500"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, PIECE))
def test_months_with_bad_luck_break_no_promise(first: int):
    found = explore(range(first, first + PIECE))

    assert found.violations == []
