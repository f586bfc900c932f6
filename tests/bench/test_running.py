"""What can be asked of the benchmarks, and what they hold against what."""

import pytest

from bench.__main__ import compared
from bench.options import Options, read_options
from bench.scenarios import EVERY, IN_QUICK


def read(*words: str) -> Options:
    return read_options(list(words), EVERY, IN_QUICK)


def test_everything_is_run_unless_something_is_named() -> None:
    assert all(read().wants(scenario) for scenario in EVERY)
    assert [scenario for scenario in EVERY if read("--only", "hot,engine").wants(scenario)] == ["engine", "hot"]


def test_a_scenario_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--only", "hot,cold")

    assert "there is no cold; there are engine, " in capsys.readouterr().err


def test_a_quick_run_is_a_few_scenarios_for_a_short_time_and_can_still_be_told_otherwise() -> None:
    quick = read("--quick", "--callers", "8")

    assert quick.quick
    assert quick.callers == 8
    assert quick.seconds < 5
    assert quick.only == IN_QUICK
    assert not quick.wants("memory")


def test_history_is_filled_from_little_to_much() -> None:
    assert read("--history", "100000,0").history == (0, 100_000)


def test_loads_are_held_against_the_baselines_of_the_same_run() -> None:
    rows = [{"scenario": name, "per_second": rate} for name, rate in (("plain", 1000.0), ("plain_hot", 400.0))]
    rows += [{"scenario": "tpcb", "per_second": 2000.0}]
    hot = {"scenario": "hot", "per_second": 3000.0, "transfers_per_second": 6000.0}

    held = compared([*rows, hot])

    ratios = {"ratio_to_plain": 3.0, "ratio_to_plain_hot": 7.5, "transfers_ratio_to_plain": 6.0, "ratio_to_tpcb": 1.5}
    assert held == [*rows, hot | ratios]
