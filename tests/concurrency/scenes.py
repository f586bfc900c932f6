"""The critical pairs by their names, and how far each is enumerated."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.concurrency import pairs, pairs_of_rules
from tests.concurrency.enumerating import Scene


class Pair(NamedTuple):
    """A scene, and how often somebody may be stopped in it who could have gone on; None: as often as can be."""

    scene: Scene
    preemptions: int | None = None


PAIRS: Final[Mapping[str, Pair]] = {
    "transfer/transfer crossing": Pair(pairs.crossing_transfers),
    "transfer/transfer of the last money": Pair(pairs.transfers_of_the_last_money),
    "transfer/hold": Pair(pairs.transfer_and_hold),
    "transfer x3 in a circle": Pair(pairs.three_in_a_circle),
    "original/replay": Pair(pairs.replay_and_original),
    "original/other body": Pair(pairs.one_key_for_two_bodies),
    "delete account/transfer": Pair(pairs.deleting_and_transfer),
    "first account x2": Pair(pairs.the_first_accounts),
    "revoke key/use key": Pair(pairs.revoking_and_use),
    "audit log append x3": Pair(pairs.three_on_record),
    "purchase/transfer": Pair(pairs.purchase_and_transfer),
    "trigger/disable": Pair(pairs_of_rules.trigger_and_disabling),
    "enable/edit": Pair(pairs_of_rules.enabling_and_edit),
    "approve/edit": Pair(pairs_of_rules.approving_and_edit),
    "approve/cancel": Pair(pairs_of_rules.approving_and_cancelling),
    "claim/claim": Pair(pairs_of_rules.two_workers_claim),
    "settle/transfer": Pair(pairs_of_rules.settling_and_transfer),
    "settle/pause": Pair(pairs_of_rules.settling_and_pause),
    "schedule/schedule": Pair(pairs_of_rules.two_fire_a_schedule),
    "complete/reclaim": Pair(pairs_of_rules.completing_and_reclaiming),
    "cancel/hand over": Pair(pairs_of_rules.cancelling_and_handing_over),
    "reverse/reverse": Pair(pairs_of_rules.two_reverse),
}
