"""Which passwords may be set: not the easily guessed ones, and all others, whatever they are made of."""

from pathlib import Path

import pytest

from sluiceway.domain.errors import InvalidParameters
from sluiceway.services.new_passwords import COMMON, LONGEST, NAMES, ONLY_NAMES, SHORTEST, common, require_good

ORGANIZATION, EMAIL = "Müller & Sons", "grace.hopper@navy.example"


def why_not(password: str) -> str | None:
    try:
        require_good(password, ORGANIZATION, EMAIL)
    except InvalidParameters as refusal:
        [problem] = refusal.problems
        assert problem.path == "password"
        return problem.message
    return None


def test_those_that_many_have_are_many_and_each_would_otherwise_do():
    """At least 3,000 that are long enough, says ASVS 6.2.4."""
    assert len(common()) == 20_000
    assert all(SHORTEST <= len(each) <= LONGEST and each == each.casefold() for each in common())
    assert {"1234567890", "password123", "qwertyuiop"} <= common()


@pytest.mark.parametrize("password", ["1234567890", "Password123", "QWERTYUIOP", " qwertyuiop "])
def test_one_that_many_have_is_refused_however_it_is_written(password: str):
    assert why_not(password) == COMMON


@pytest.mark.parametrize(
    "password",
    [
        "Sluiceway1!",
        "sluiceway sluiceway",
        "admin-admin-1",
        "müller & sons",
        "Müller&Sons!",
        "MÜLLERsons2026",
        "grace.hopper@navy.example",
        "HopperGrace99",
        "grace grace 123",
    ],
)
def test_one_that_is_little_more_than_a_name_is_refused(password: str):
    assert why_not(password) == ONLY_NAMES


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "sluiceway in the rain",
        "hopper was an admiral",
        "aaaaaaaaaaa!",
        "\N{GAME DIE}" * 10,
        "            x",
        "Müller und Töchter",
    ],
)
def test_whatever_else_there_is_will_do(password: str):
    assert why_not(password) is None


@pytest.mark.parametrize("length", [SHORTEST - 1, LONGEST + 1])
def test_the_length_is_bounded(length: int):
    assert why_not("\N{GAME DIE}" * length) == f"must have {SHORTEST} to {LONGEST} characters"


def test_the_names_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "signing-in.md").read_text(encoding="utf-8")

    assert all(f"`{name}`" in page for name in NAMES)
