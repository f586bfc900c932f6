"""Found by the simulation: a payment that a bank sent back before midnight, of which we hear after it.

The transfer said that it came back on the bank's day, and the rule's days that it came back on ours. The audit, which
holds the two against each other, stopped the organization's money.
"""

import pytest

from tests.simulation.campaign import live
from tests.simulation.world import DAYS

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_what_comes_back_counts_on_the_day_on_which_the_bank_sent_it():
    assert live(1099, DAYS).violations == []
