"""Virtual months of the program over tables in memory: nothing is lost, doubled, made up or left lying."""

import os
from collections import Counter
from typing import Any

import pytest

from tests.simulation.__main__ import live_again, piece_of, summed
from tests.simulation.campaign import PIECE, Found, explore
from tests.simulation.fidelity import compare, difference
from tests.simulation.plants import PLANTS, Plant, found_by, planted, without_claims
from tests.simulation.schema import schema_of
from tests.simulation.tables import read_schema
from tests.simulation.world import Outcome

# The loops of many worlds, and the server's of the comparison, are collected whenever Python likes: in any test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SEEDS = int(os.environ.get("SIMULATION_SEEDS", "500"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, PIECE))
def test_months_with_bad_luck_break_no_promise(first: int):
    found = explore(range(first, first + PIECE))

    assert found.violations == []


async def test_the_schema_is_that_of_a_migrated_database(database_url: str):
    assert await schema_of(database_url) == read_schema(), "write it anew: python -m tests.simulation.schema"


@pytest.mark.timeout(300)
def test_tables_in_memory_answer_as_postgresql_does(database_url: str):
    assert compare(range(8), database_url) == []


QUICKLY_FOUND = ("the gate is open", "balances forget what is held", "a day's last balance is its first")


@pytest.mark.parametrize("what", QUICKLY_FOUND)
def test_what_is_planted_is_found(what: str):
    [plant] = [plant for plant in PLANTS if plant.what == what]

    assert found_by(lambda: planted(plant), range(10)) is not None


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.what)
def test_what_is_to_be_planted_still_has_its_place(plant: Plant):
    with planted(plant):
        assert plant.was not in plant.queries[plant.name] or plant.was in plant.becomes


def test_an_answer_that_nobody_remembers_is_found():
    found = found_by(without_claims, range(30))

    assert found is not None
    assert "was done 2 times" in found[1] or "was answered differently" in found[1]


@pytest.mark.parametrize(
    ("told", "rows", "says"),
    [
        (["a", "c"], ["1"], "answer 1: b in memory, c on PostgreSQL"),
        (["a"], ["1"], "answer 1: b in memory, None on PostgreSQL"),
        (["a", "b"], ['{"id": 1, "x": 3}'], "table t: 1: {'x': (2, 3)}"),
        (["a", "b"], [], "table t: only in memory"),
    ],
)
def test_the_first_difference_between_two_tellings_is_named(told: list[str], rows: list[str], says: str):
    found = difference(["a", "b"], told, {"t": ['{"id": 1, "x": 2}']}, {"t": rows})

    assert found is not None
    assert found.startswith(says)


def test_pieces_of_several_commits_add_up():
    began = {"began_at": "2026-03-02T15:00:00+00:00", "seconds": 1.5, "is_dirty": False}
    first = piece_of(0, Found(seeds=2, virtual_days=60, reached=Counter(pause=1)), [3, 1], began | {"commit": "a"})
    second = piece_of(2, Found(seeds=5, virtual_days=150, reached=Counter(pause=2)), [], began | {"commit": "b"})

    found = summed([first, second])

    assert (found["seeds"], found["virtual_days"], found["detected"], found["most_seeds_to_detect"]) == (7, 210, 2, 3)
    assert (found["reached"], found["markers"], found["seconds_of_all_pieces"]) == ({"pause": 3}, 1, 3.0)
    assert [(each["commit"], each["first_seed"], each["seeds"]) for each in found["pieces"]] == [
        ("a", 0, 2),
        ("b", 2, 5),
    ]


def test_what_was_wrong_is_lived_through_again_and_listed_as_mended_where_it_is():
    pieces: list[dict[str, Any]] = [
        {"what_was_violated": ["seed 4: lost", "seed 5: doubled", "never in 20 seeds: pause"]},
        {"what_was_violated": []},
    ]
    outcomes = {4: [], 5: ["doubled still"]}

    live_again(pieces, "abc", lambda seed: Outcome(seed, outcomes[seed], 0, 0, 0, {}))

    assert pieces == [
        {
            "what_was_violated": ["seed 5: doubled still", "never in 20 seeds: pause"],
            "mended": [{"was": "seed 4: lost", "not_in": "abc"}],
        },
        {"what_was_violated": []},
    ]
