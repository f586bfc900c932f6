"""Queues with an end: who is refused, and whose turn it is."""

import asyncio
from collections import Counter

import pytest

from sluiceway.services.queues import AT_LEAST, FEWEST, REMEMBERED_TURNS, TOGETHER, FairQueue, Overloaded
from sluiceway.services.turns import Turns


def filled(room: int, **lines: int) -> FairQueue[str]:
    queue = FairQueue[str]("letters", room)
    for owner, count in lines.items():
        for number in range(count):
            queue.put(owner, f"{owner}{number}")
    return queue


def test_one_owner_alone_is_taken_in_order():
    queue = filled(100, a=7)

    assert queue.take(5) == ["a0", "a1", "a2", "a3", "a4"]
    assert queue.take(5) == ["a5", "a6"]
    assert not queue


def test_owners_have_equal_shares_however_much_one_of_them_brings():
    queue = filled(100, noisy=40, quiet=2, calm=3)

    assert queue.take(9) == ["noisy0", "noisy1", "noisy2", "quiet0", "quiet1", "calm0", "calm1", "calm2"]
    assert queue.take(9) == [f"noisy{number}" for number in range(3, 12)]


def test_who_had_no_place_comes_first_next_time():
    queue = filled(100, a=3, b=3, c=3)

    assert queue.take(2) == ["a0", "b0"]
    assert queue.take(2) == ["c0", "a1"]
    assert queue.take(2) == ["b1", "c1"]


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        ({"noisy": 400, "quiet": 1}, {"noisy": TOGETHER - 1, "quiet": 1}),
        ({"noisy": 400, "quiet": 1, "busy": 20}, {"noisy": 20, "quiet": 1, "busy": 20}),
        ({"noisy": 400, "loud": 300, "quiet": 1}, {"noisy": 42, "loud": 42, "quiet": 1}),
    ],
)
def test_beside_others_nobody_has_many_more_places_than_the_next_one_wants(lines, places):
    queue = filled(10_000, **lines)

    taken = Counter(letter.rstrip("0123456789") for letter in queue.take(128))

    assert taken == places


def test_where_only_one_owner_is_taken_at_a_time_nobody_is_long_at_it_while_others_wait():
    queue = filled(1000, noisy=300, quiet=1)

    assert [len(queue.take(128, 1)) for _ in range(4)] == [64, 1, 128, 108]


def test_who_was_there_a_moment_ago_finds_a_short_turn_under_way_when_he_is_back():
    queue = filled(10_000, noisy=9000, quiet=9, calm=9)
    queue.take(128)

    turns = [len(queue.take(128)) for _ in range(REMEMBERED_TURNS + 1)]

    assert turns == [9] * REMEMBERED_TURNS + [128]


def test_among_many_a_turn_is_still_worth_having():
    queue = filled(10_000, noisy=900, **{f"guest{number}": 1 for number in range(100)})
    queue.take(128)

    assert len(queue.take(128)) == AT_LEAST
    assert len(queue.take(2)) == 2


@pytest.mark.parametrize(
    ("away", "waiting", "is_surplus"),
    [
        ({}, {"noisy": 400}, False),
        ({"calm": 1}, {"noisy": 400}, False),
        ({"calm": 20, "busy": 10}, {"noisy": 400}, False),
        ({"calm": 10, "busy": 10}, {"noisy": 400}, True),
        ({"calm": 10, "busy": 10}, {"noisy": 10}, False),
        ({"calm": 10, "busy": 10}, {"noisy": 400, "quiet": 1}, False),
        ({"calm": 10, "busy": 10}, {}, False),
    ],
)
def test_surplus_is_what_one_owner_wants_beyond_his_share_where_others_leave_little(away, waiting, is_surplus):
    queue = filled(10_000, **away)
    queue.take(128)
    for owner, count in waiting.items():
        for number in range(count):
            queue.put(owner, f"{owner}{number}")

    assert queue.is_one_owners_surplus(128) is is_surplus


@pytest.mark.parametrize(
    "lines",
    [{}, {"a": 3}, {"a": 300}, {"noisy": 400, "quiet": 1}, {f"guest{number}": 2 for number in range(100)}],
)
def test_what_is_at_hand_is_what_is_taken(lines: dict[str, int]):
    queue = filled(10_000, back=1, **lines)
    for _ in range(10):
        at_hand = queue.at_hand(64)
        assert len(queue.take(64)) == at_hand


def test_who_brings_too_much_is_refused_and_nobody_else():
    queue = filled(10, noisy=10)
    with pytest.raises(Overloaded, match="too many letters are waiting"):
        queue.put("noisy", "one more")
    queue.put("quiet", "q")
    with pytest.raises(Overloaded):
        queue.put("noisy", "one more")

    assert queue.take(4) == ["noisy0", "noisy1", "q"]


def test_no_more_owners_than_places():
    queue = filled(3, a=1, b=1, c=1)

    with pytest.raises(Overloaded):
        queue.put("made up", "d")


@pytest.mark.parametrize(("per_second", "longest"), [(5, FEWEST), (1000, 500), (10**9, 10_000)])
def test_as_many_may_wait_as_can_be_had_within_half_a_second(per_second: int, longest: int):
    queue = FairQueue[int]("numbers", 100)
    for _ in range(100):
        queue.measure(per_second, 1)
    for number in range(longest):
        queue.put("a", number)

    with pytest.raises(Overloaded):
        queue.put("a", longest)
    assert len(queue.take(longest + 1)) == longest


class Office:
    """Serves two at a time, and says whose turn came when."""

    def __init__(self, room: int = 100) -> None:
        self.turns = Turns(2, FairQueue("visitors", room))
        self.came: list[str] = []
        self.open = asyncio.Event()

    async def visit(self, owner: str, name: str) -> str:
        async def work() -> str:
            self.came.append(name)
            await self.open.wait()
            return name

        return await self.turns.run(owner, work)

    async def visitors(self, *names: str) -> list[asyncio.Task[str]]:
        tasks = [asyncio.create_task(self.visit(name[0], name)) for name in names]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks


async def test_so_many_are_in_at_once_and_the_others_have_their_turn_owner_by_owner():
    office = Office()
    tasks = await office.visitors("a1", "a2", "a3", "a4", "a5", "b1")
    assert office.came == ["a1", "a2"]

    office.open.set()

    assert await asyncio.gather(*tasks) == ["a1", "a2", "a3", "a4", "a5", "b1"]
    assert office.came == ["a1", "a2", "a3", "b1", "a4", "a5"]


async def test_who_would_come_too_late_is_refused_and_the_others_are_served():
    office = Office(room=1)
    tasks = await office.visitors("a1", "a2", "a3", "a4")
    office.open.set()

    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[:3] == ["a1", "a2", "a3"]
    assert isinstance(answers[3], Overloaded)
    assert await office.visit("a", "a5") == "a5"


async def test_who_leaves_while_waiting_takes_no_turn_along():
    office = Office()
    first, second, leaving, last = await office.visitors("a1", "a2", "a3", "a4")

    leaving.cancel()
    office.open.set()

    assert await asyncio.gather(first, second, last) == ["a1", "a2", "a4"]
    assert office.came == ["a1", "a2", "a4"]
    tasks = await office.visitors("a5", "a6")
    assert await asyncio.gather(*tasks) == ["a5", "a6"]


async def test_who_leaves_just_when_the_turn_comes_hands_it_on():
    office = Office()
    first, second, leaving, last = await office.visitors("a1", "a2", "a3", "a4")
    office.open.set()
    await asyncio.sleep(0)
    leaving.cancel()

    assert await asyncio.gather(first, second, last) == ["a1", "a2", "a4"]
    tasks = await office.visitors("a5", "a6", "a7")
    assert await asyncio.gather(*tasks) == ["a5", "a6", "a7"]


async def test_a_failure_inside_frees_the_place():
    turns = Turns(1, FairQueue("visitors"))

    async def fail() -> None:
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await turns.run("a", fail)
