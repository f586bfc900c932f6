"""How long things are kept is chosen by a deployment, and never shorter than callers have been promised."""

from datetime import timedelta

import pytest

from sluiceway.domain.retention import DEFAULT, LEAST, MOST, Retention
from sluiceway.domain.webhooks import KEPT
from sluiceway.settings import read_settings


def test_without_a_word_it_is_what_the_page_says():
    assert read_settings({}).retention == DEFAULT


def test_each_is_chosen_by_itself():
    chosen = {"ANSWERS_KEPT_HOURS": "24", "SIMULATIONS_KEPT_DAYS": "31", "READS_KEPT_DAYS": "36500"}

    assert read_settings(chosen).retention == Retention(LEAST.answers, LEAST.simulations, MOST)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANSWERS_KEPT_HOURS", "23"),
        ("SIMULATIONS_KEPT_DAYS", "30"),
        ("READS_KEPT_DAYS", "90"),
        ("READS_KEPT_DAYS", "36501"),
        ("READS_KEPT_DAYS", "for ever"),
        ("READS_KEPT_DAYS", "0"),
    ],
)
def test_what_breaks_a_promise_or_is_no_number_is_refused_by_name(name: str, value: str):
    with pytest.raises(ValueError, match=name):
        read_settings({name: value})


def test_events_never_outlive_the_simulations_that_they_name():
    assert LEAST.simulations > KEPT > timedelta(0)
