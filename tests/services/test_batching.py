"""Group commit: who shares a batch with whom, and that nobody pays for a neighbour."""

import asyncio
from collections.abc import Sequence

import pytest

from sluiceway.domain.errors import Refusal, RuleDisabled
from sluiceway.services import batching
from sluiceway.services.batching import Batcher
from sluiceway.services.queues import AT_LEAST, FairQueue, Overloaded
from sluiceway.storage.database import DatabaseUnavailable


class Kitchen:
    """Doubles numbers, one batch after the other, and remembers the batches. Some numbers are trouble."""

    def __init__(
        self, *, limit: int = 500, lanes: int = 1, room: int = 2000, owners_at_once: int | None = None
    ) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.at_once = 0
        self.most_at_once = 0
        self.batcher = Batcher(
            self.run, FairQueue("orders", room), limit=limit, lanes=lanes, owners_at_once=owners_at_once
        )

    async def run(self, items: Sequence[int]) -> list[int | Refusal]:
        self.batches.append(list(items))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
            if 13 in items:
                raise ValueError("thirteen")
            if 404 in items:
                raise DatabaseUnavailable("the connection was lost while committing")
            return [RuleDisabled() if item < 0 else item * 2 for item in items][: 1 if 99 in items else None]
        finally:
            self.at_once -= 1


async def within(awaitable, seconds: float = 2):
    return await asyncio.wait_for(awaitable, seconds)


async def test_one_call_is_a_batch_of_one_and_does_not_wait_for_company():
    kitchen = Kitchen()

    assert await within(kitchen.batcher.submit(4)) == 8
    assert kitchen.batches == [[4]]


async def test_a_caller_may_call_again_the_moment_it_is_answered():
    kitchen = Kitchen()

    async def caller() -> list[int]:
        return [await kitchen.batcher.submit(number) for number in range(5)]

    assert await within(caller()) == [0, 2, 4, 6, 8]


async def test_many_callers_that_call_again_at_once_are_all_answered():
    kitchen = Kitchen(limit=3, lanes=2)

    async def caller(first: int) -> int:
        number = first
        for _ in range(20):
            number = await kitchen.batcher.submit(number) // 2 + 1000
        return number

    assert await within(asyncio.gather(*(caller(number) for number in range(14, 24)))) == [
        number + 20_000 for number in range(14, 24)
    ]


async def test_calls_that_arrive_while_a_batch_is_under_way_form_the_next_one():
    kitchen = Kitchen()
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(0))]
    await asyncio.sleep(0.01)
    calls += [asyncio.create_task(kitchen.batcher.submit(number)) for number in range(1, 6)]
    await asyncio.sleep(0.01)
    kitchen.open.set()

    assert await within(asyncio.gather(*calls)) == [0, 2, 4, 6, 8, 10]
    assert kitchen.batches == [[0], [1, 2, 3, 4, 5]]


async def test_no_batch_is_larger_than_the_limit_and_their_order_is_that_of_the_calls():
    kitchen = Kitchen(limit=4)

    answers = await within(asyncio.gather(*(kitchen.batcher.submit(number) for number in range(10))))

    assert answers == [number * 2 for number in range(10)]
    assert kitchen.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_lanes_say_how_many_batches_run_at_once():
    kitchen = Kitchen(limit=1, lanes=3)
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(number)) for number in range(9)]
    await asyncio.sleep(0.01)
    assert kitchen.at_once == 3
    kitchen.open.set()

    assert await within(asyncio.gather(*calls)) == [number * 2 for number in range(9)]
    assert kitchen.most_at_once == 3


async def test_beside_another_a_batch_begins_once_as_many_calls_wait_as_that_one_took():
    kitchen = Kitchen(lanes=2)
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(number)) for number in range(3)]
    await asyncio.sleep(0.01)
    calls += [asyncio.create_task(kitchen.batcher.submit(number)) for number in range(3, 5)]
    await asyncio.sleep(0.01)
    assert kitchen.batches == [[0, 1, 2]]

    calls += [asyncio.create_task(kitchen.batcher.submit(5))]
    await asyncio.sleep(0.01)
    assert kitchen.batches == [[0, 1, 2], [3, 4, 5]]
    kitchen.open.set()

    assert await within(asyncio.gather(*calls)) == [number * 2 for number in range(6)]


async def test_beside_another_no_batch_begins_for_one_owner_whose_share_is_less_than_that_one_took():
    kitchen = Kitchen(lanes=2, limit=64)
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(1, f"guest{number}")) for number in range(32)]
    calls += [asyncio.create_task(kitchen.batcher.submit(100, "noisy")) for _ in range(60)]
    await asyncio.sleep(0.01)
    assert [len(batch) for batch in kitchen.batches] == [33]

    calls += [asyncio.create_task(kitchen.batcher.submit(1, f"guest{number}")) for number in range(32)]
    await asyncio.sleep(0.01)
    assert [len(batch) for batch in kitchen.batches] == [33, 33]
    kitchen.open.set()

    await within(asyncio.gather(*calls))


async def test_what_one_owner_wants_beyond_his_share_waits_for_others_and_not_for_ever(monkeypatch):
    # Longer than this test may take: it is the other one who ends the pause.
    monkeypatch.setattr(batching, "PAUSE_S", 60)
    kitchen = Kitchen(limit=64)
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(1, f"guest{number}")) for number in range(32)]
    calls += [asyncio.create_task(kitchen.batcher.submit(100, "noisy")) for _ in range(60)]
    await asyncio.sleep(0.01)
    kitchen.open.set()
    await within(asyncio.gather(*calls[:32]))
    await asyncio.sleep(0.02)
    assert len(kitchen.batches) == 1

    back = asyncio.create_task(kitchen.batcher.submit(2, "guest0"))
    monkeypatch.undo()
    assert await within(back) == 4
    assert kitchen.batches[1] == [100] * AT_LEAST + [2]

    await within(asyncio.gather(*calls))
    assert {len(batch) for batch in kitchen.batches[2:-1]} == {AT_LEAST}


async def test_where_a_batch_takes_few_owners_the_others_do_not_wait_for_it():
    kitchen = Kitchen(lanes=2, owners_at_once=1)
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(number, "first")) for number in range(3)]
    await asyncio.sleep(0.01)
    calls += [asyncio.create_task(kitchen.batcher.submit(7, "second"))]
    await asyncio.sleep(0.01)
    assert kitchen.batches == [[0, 1, 2], [7]]
    kitchen.open.set()

    assert await within(asyncio.gather(*calls)) == [0, 2, 4, 14]


async def test_a_refusal_is_raised_to_its_caller_alone():
    kitchen = Kitchen()

    answers = await within(asyncio.gather(*(kitchen.batcher.submit(n) for n in (1, -1, 2)), return_exceptions=True))

    assert [answers[0], type(answers[1]), answers[2]] == [2, RuleDisabled, 4]
    assert len(kitchen.batches) == 1


async def test_an_item_that_breaks_its_batch_does_not_break_its_neighbours():
    kitchen = Kitchen()

    answers = await within(asyncio.gather(*(kitchen.batcher.submit(n) for n in (1, 13, 2)), return_exceptions=True))

    assert [answers[0], str(answers[1]), answers[2]] == [2, "thirteen", 4]
    assert kitchen.batches == [[1, 13, 2], [1], [13], [2]]
    assert await within(kitchen.batcher.submit(5)) == 10


async def test_a_batch_whose_commit_is_in_doubt_is_not_run_again():
    kitchen = Kitchen()

    answers = await within(asyncio.gather(*(kitchen.batcher.submit(n) for n in (1, 404, 2)), return_exceptions=True))

    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
    assert kitchen.batches == [[1, 404, 2]]


async def test_a_batch_that_forgets_an_answer_fails_its_callers_and_is_not_run_again():
    kitchen = Kitchen()

    answers = await within(asyncio.gather(*(kitchen.batcher.submit(n) for n in (99, 1)), return_exceptions=True))

    assert [type(answer) for answer in answers] == [AssertionError] * 2
    assert kitchen.batches == [[99, 1]]
    assert await within(kitchen.batcher.submit(5)) == 10


async def test_a_caller_that_hangs_up_does_not_stop_the_work_or_its_neighbours():
    kitchen = Kitchen()
    kitchen.open.clear()
    quitter, patient = (asyncio.create_task(kitchen.batcher.submit(number)) for number in (1, 2))
    await asyncio.sleep(0.01)

    quitter.cancel()
    await asyncio.sleep(0.01)
    kitchen.open.set()

    assert await within(patient) == 4
    assert kitchen.batches == [[1, 2]]
    with pytest.raises(asyncio.CancelledError):
        await quitter


async def test_a_caller_that_hangs_up_while_waiting_still_has_its_work_done():
    kitchen = Kitchen()
    kitchen.open.clear()
    first = asyncio.create_task(kitchen.batcher.submit(1))
    await asyncio.sleep(0.01)
    quitter = asyncio.create_task(kitchen.batcher.submit(2))
    await asyncio.sleep(0.01)

    quitter.cancel()
    kitchen.open.set()

    assert await within(first) == 2
    await within(kitchen.batcher.close())
    assert kitchen.batches == [[1], [2]]


async def test_closing_waits_until_everything_that_was_submitted_is_answered():
    kitchen = Kitchen(limit=2)
    calls = [asyncio.create_task(kitchen.batcher.submit(number)) for number in range(7)]
    await asyncio.sleep(0)

    await within(kitchen.batcher.close())

    assert [call.done() for call in calls] == [True] * 7
    assert [await call for call in calls] == [0, 2, 4, 6, 8, 10, 12]


async def test_closing_an_idle_batcher_returns_at_once():
    kitchen = Kitchen()
    await within(kitchen.batcher.submit(1))

    await within(kitchen.batcher.close())

    assert kitchen.batches == [[1]]


async def test_a_batch_has_an_equal_share_of_every_owner():
    kitchen = Kitchen(limit=4)
    kitchen.open.clear()
    calls = [asyncio.create_task(kitchen.batcher.submit(0, "noisy"))]
    await asyncio.sleep(0.01)
    calls += [asyncio.create_task(kitchen.batcher.submit(number, "noisy")) for number in range(1, 8)]
    calls += [asyncio.create_task(kitchen.batcher.submit(number, "quiet")) for number in (100, 101)]
    await asyncio.sleep(0.01)
    kitchen.open.set()

    await within(asyncio.gather(*calls))
    assert kitchen.batches == [[0], [1, 2, 100, 101], [3, 4, 5, 6], [7]]


@pytest.mark.parametrize(
    ("owners_at_once", "batches"),
    [
        (None, [[1, 2, 3, 11, 12, 21, 22]]),
        (1, [[1, 2, 3], [11, 12], [21, 22]]),
        (2, [[1, 2, 3, 11, 12], [21, 22]]),
    ],
)
async def test_a_batch_has_so_many_owners_and_the_others_come_next(
    owners_at_once: int | None, batches: list[list[int]]
):
    kitchen = Kitchen(owners_at_once=owners_at_once)
    numbers = (1, 11, 2, 12, 21, 3, 22)

    answers = await within(asyncio.gather(*[kitchen.batcher.submit(n, f"table {n // 10}") for n in numbers]))

    assert answers == [2, 22, 4, 24, 42, 6, 44]
    assert kitchen.batches == batches


async def test_what_could_not_be_done_soon_is_refused_at_once_and_not_done():
    kitchen = Kitchen(room=3)
    kitchen.open.clear()
    first = asyncio.create_task(kitchen.batcher.submit(1))
    await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(kitchen.batcher.submit(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0.01)

    with pytest.raises(Overloaded):
        await within(kitchen.batcher.submit(5))
    kitchen.open.set()
    assert await within(asyncio.gather(first, *waiting)) == [2, 4, 6, 8]
    assert kitchen.batches == [[1], [2, 3, 4]]
    assert await within(kitchen.batcher.submit(6)) == 12


async def test_a_queue_that_was_short_for_a_while_grows_again_while_all_goes_well():
    kitchen = Kitchen(room=3)
    refused = 0

    async def caller(number: int) -> None:
        nonlocal refused
        for _ in range(40):
            try:
                await kitchen.batcher.submit(number + 1000)
            except Overloaded:
                refused += 1
            await asyncio.sleep(0)

    await within(asyncio.gather(*(caller(number) for number in range(100))))
    assert refused
    calls = [kitchen.batcher.submit(number + 1000) for number in range(100)]
    assert await within(asyncio.gather(*calls)) == [(number + 1000) * 2 for number in range(100)]
