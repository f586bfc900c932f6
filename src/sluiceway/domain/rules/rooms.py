"""What one plan still has room for: the cap that a group shares, and the organization's ACH limits."""

from collections.abc import Iterator, Mapping

from sluiceway.domain.rules.plans import AchRoom, CapKey, ErrorCode, PaymentSide


class CapRoom:
    """What is left of a group's shared cap; without a cap there is always room."""

    __slots__ = ("key", "left")

    def __init__(self, key: CapKey | None, left: int | None) -> None:
        self.key = key
        self.left = left


class AchRooms:
    """What is left of the ACH limits as the plan goes along. It changes nothing of what was loaded."""

    __slots__ = ("_left",)

    def __init__(self, loaded: Mapping[PaymentSide, tuple[AchRoom, ...]]) -> None:
        self._left = {side: list(rooms) for side, rooms in loaded.items()}

    def take(self, amount: int, *, is_pull: bool, is_push: bool) -> ErrorCode | None:
        """Take a transfer out of every limit it counts towards; if one has no room, take nothing and give its code."""
        sides = [*_sides(is_pull=is_pull, is_push=is_push)]
        for side in sides:
            for code, cents, transfers in self._left.get(side, ()):
                if (cents is not None and amount > cents) or (transfers is not None and transfers < 1):
                    return code
        for side in sides:
            self._left[side] = [
                AchRoom(code, None if cents is None else cents - amount, None if transfers is None else transfers - 1)
                for code, cents, transfers in self._left.get(side, ())
            ]
        return None


def _sides(*, is_pull: bool, is_push: bool) -> Iterator[PaymentSide]:
    # Money is pulled before it is pushed on.
    if is_pull:
        yield PaymentSide.DEBIT
    if is_push:
        yield PaymentSide.CREDIT
