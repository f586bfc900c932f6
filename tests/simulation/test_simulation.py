"""Virtual months of the program over tables in memory: nothing is lost, doubled, made up or left lying."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sluiceway.services import idempotency, progress
from sluiceway.storage.database import _Attempt
from tests.simulation import campaign
from tests.simulation.campaign import PIECE, explore, live

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "500"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, PIECE))
def test_months_with_bad_luck_break_no_promise(first: int):
    found = explore(range(first, first + PIECE))

    assert found.violations == []
