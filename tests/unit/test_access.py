"""Who may do what: a permission is held as a whole, on everything, on a list, or on pairs of accounts."""

import pytest

from sluiceway.domain.access import (
    EVERY,
    WITHOUT_RESOURCES,
    Grant,
    Permission,
    Principal,
    TransferPair,
    require,
    require_transfer,
    visible,
)
from sluiceway.domain.errors import MaximumAmountExceeded, PermissionDenied
from sluiceway.domain.ids import AccountId, KeyId, OrganizationId
from sluiceway.domain.money import Cents

A, B, C = AccountId("a"), AccountId("b"), AccountId("c")

WITH_RESOURCES = sorted(frozenset(Permission) - WITHOUT_RESOURCES - {Permission.MANUAL_TRANSFER})


def holding(permission: Permission, grant: Grant) -> Principal:
    return Principal(OrganizationId("org"), KeyId("key"), {permission: grant})


def moving(*pairs: TransferPair) -> Principal:
    return holding(Permission.MANUAL_TRANSFER, Grant(pairs=pairs))


NOBODY = Principal(OrganizationId("org"), KeyId("key"))


@pytest.mark.parametrize("permission", Permission)
def test_a_key_without_the_permission_is_denied_everywhere(permission: Permission):
    others = {other: Grant(is_for_every=True) for other in Permission if other is not permission}
    principal = Principal(OrganizationId("org"), KeyId("key"), others)

    for resource in (None, A):
        with pytest.raises(PermissionDenied):
            require(principal, permission, resource)
    with pytest.raises(PermissionDenied):
        visible(principal, permission)


@pytest.mark.parametrize("permission", sorted(WITHOUT_RESOURCES))
@pytest.mark.parametrize("grant", [Grant(), Grant(is_for_every=True), Grant(resources=frozenset({A}))])
def test_a_permission_without_resources_is_held_as_a_whole(permission: Permission, grant: Grant):
    principal = holding(permission, grant)

    require(principal, permission)
    require(principal, permission, B)
    assert visible(principal, permission) is None


@pytest.mark.parametrize("permission", WITH_RESOURCES)
@pytest.mark.parametrize(
    ("grant", "allowed", "denied", "shown"),
    [
        pytest.param(Grant(is_for_every=True), [None, A, B], [], None, id="every"),
        pytest.param(Grant(resources=frozenset({A})), [A], [None, B, "", EVERY], frozenset({A}), id="one"),
        pytest.param(Grant(resources=frozenset({A, B})), [A, B], [None, C], frozenset({A, B}), id="two"),
        pytest.param(Grant(), [], [None, A, EVERY], frozenset(), id="none"),
        pytest.param(
            Grant(is_for_every=True, resources=frozenset({A})), [A, B], [], None, id="every_wins_over_the_list"
        ),
    ],
)
def test_a_permission_with_resources_is_held_on_its_list(
    permission: Permission,
    grant: Grant,
    allowed: list[str | None],
    denied: list[str | None],
    shown: frozenset[str] | None,
):
    principal = holding(permission, grant)

    for resource in allowed:
        require(principal, permission, resource)
    for resource in denied:
        with pytest.raises(PermissionDenied):
            require(principal, permission, resource)
    assert visible(principal, permission) == shown


@pytest.mark.parametrize(
    ("pair", "covered"),
    [
        (TransferPair(A, B), [(A, B)]),
        (TransferPair(A, EVERY), [(A, B), (A, C)]),
        (TransferPair(EVERY, B), [(A, B), (C, B)]),
        (TransferPair(EVERY, EVERY), [(A, B), (A, C), (B, A), (B, C), (C, A), (C, B)]),
    ],
)
def test_a_pair_covers_its_own_direction_only(pair: TransferPair, covered: list[tuple[AccountId, AccountId]]):
    ends = [(source, target) for source in (A, B, C) for target in (A, B, C) if source != target]

    assert [(source, target) for source, target in ends if pair.covers(source, target)] == covered


@pytest.mark.parametrize(
    ("pairs", "source", "target", "amount"),
    [
        pytest.param([TransferPair(A, B)], A, B, 10**13, id="no_maximum"),
        pytest.param([TransferPair(A, B, Cents(500))], A, B, 500, id="exactly_the_maximum"),
        pytest.param([TransferPair(EVERY, EVERY, Cents(500))], C, A, 1, id="anywhere"),
        pytest.param(
            [TransferPair(A, B, Cents(500)), TransferPair(A, B, Cents(900))], A, B, 900, id="the_larger_of_two"
        ),
        pytest.param(
            [TransferPair(A, B, Cents(500)), TransferPair(A, EVERY)], A, B, 501, id="one_entry_without_a_maximum"
        ),
        pytest.param(
            [TransferPair(EVERY, B, Cents(900)), TransferPair(A, EVERY, Cents(500))], A, B, 900, id="either_end_open"
        ),
    ],
)
def test_a_transfer_that_one_entry_covers_is_allowed(
    pairs: list[TransferPair], source: AccountId, target: AccountId, amount: int
):
    require_transfer(moving(*pairs), source, target, Cents(amount))


@pytest.mark.parametrize(
    ("pairs", "source", "target"),
    [
        pytest.param([], A, B, id="no_entry"),
        pytest.param([TransferPair(A, B)], B, A, id="the_way_back"),
        pytest.param([TransferPair(A, B)], A, C, id="another_target"),
        pytest.param([TransferPair(A, B), TransferPair(B, C)], A, C, id="source_of_one_and_target_of_another"),
        pytest.param([TransferPair(A, EVERY), TransferPair(EVERY, B)], B, C, id="both_open_at_the_wrong_end"),
    ],
)
def test_a_transfer_that_no_entry_covers_is_denied_whatever_the_amount(
    pairs: list[TransferPair], source: AccountId, target: AccountId
):
    for amount in (1, 10**13):
        with pytest.raises(PermissionDenied):
            require_transfer(moving(*pairs), source, target, Cents(amount))


@pytest.mark.parametrize(
    ("pairs", "amount", "maximum"),
    [
        pytest.param([TransferPair(A, B, Cents(500))], 501, 500, id="one_cent_too_many"),
        pytest.param([TransferPair(A, B, Cents(0))], 1, 0, id="nothing_allowed"),
        pytest.param(
            [TransferPair(A, B, Cents(500)), TransferPair(EVERY, B, Cents(900))], 901, 900, id="above_the_largest"
        ),
        pytest.param(
            [TransferPair(A, B, Cents(500)), TransferPair(A, C)], 501, 500, id="an_entry_for_another_pair_is_no_help"
        ),
    ],
)
def test_an_amount_above_every_maximum_is_refused_and_the_largest_is_named(
    pairs: list[TransferPair], amount: int, maximum: int
):
    with pytest.raises(MaximumAmountExceeded) as refused:
        require_transfer(moving(*pairs), A, B, Cents(amount))

    assert refused.value.maximum == maximum


def test_a_key_for_every_transfer_needs_no_pairs_and_a_key_without_the_permission_has_none():
    require_transfer(holding(Permission.MANUAL_TRANSFER, Grant(is_for_every=True)), A, B, Cents(10**13))

    with pytest.raises(PermissionDenied):
        require_transfer(NOBODY, A, B, Cents(1))


def test_listed_accounts_do_not_stand_for_pairs():
    principal = holding(Permission.MANUAL_TRANSFER, Grant(resources=frozenset({A, B})))

    with pytest.raises(PermissionDenied):
        require_transfer(principal, A, B, Cents(1))
