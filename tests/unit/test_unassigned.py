"""Which arrivals the money in an income source is left of."""

from datetime import UTC, datetime

import pytest

from sluiceway.domain.ids import AccountId, TransferId
from sluiceway.domain.money import Cents
from sluiceway.domain.unassigned import unassigned

_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "left", "older"),
    [
        (0, [], 0),
        (30, [30], 0),
        (100, [100], 0),
        (130, [100, 30], 0),
        (300, [100, 200], 0),
        (350, [100, 200], 50),
    ],
)
def test_money_leaves_in_the_order_in_which_it_came(amount: int, left: list[int], older: int):
    arrived = [(TransferId("b"), Cents(100), "Pay", _AT), (TransferId("a"), Cents(200), None, _AT)]

    found = unassigned(AccountId("income"), "USD", Cents(amount), arrived)

    assert [part.left for part in found.parts] == left
    assert found.older == older
    assert sum(left) + older == amount
