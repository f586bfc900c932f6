"""What the benchmarks make of what they measured."""

import pytest

from bench.figures import Row, each, growth, latencies, percentile, ratio, summary


@pytest.mark.parametrize(
    ("count", "percent", "found"),
    [
        (1, 50, 1),
        (1, 99, 1),
        (2, 50, 1),
        (4, 50, 2),
        (5, 50, 3),
        (100, 95, 95),
        (100, 99, 99),
        (101, 99, 100),
        (1000, 99, 990),
        (10, 100, 10),
    ],
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(count: int, percent: float, found: int) -> None:
    ordered = [float(value) for value in range(1, count + 1)]

    assert percentile(ordered, percent) == found


def test_latencies_are_told_in_milliseconds_whatever_the_order_in_which_they_came() -> None:
    assert latencies([0.004, 0.001, 0.0035, 0.002]) == {"p50_ms": 2.0, "p95_ms": 4.0, "p99_ms": 4.0, "max_ms": 4.0}


def test_without_an_answer_there_is_no_latency() -> None:
    assert latencies([]) == {"p50_ms": None, "p95_ms": None, "p99_ms": None, "max_ms": None}


@pytest.mark.parametrize(
    ("value", "base", "found"),
    [(3000.0, 1500.0, 2.0), (1.0, 3.0, 0.333), (None, 5.0, None), (5.0, None, None), (5.0, 0.0, None)],
)
def test_a_ratio_needs_both_figures(value: float | None, base: float | None, found: float | None) -> None:
    assert ratio(value, base) == found


def test_what_nobody_has_made_has_no_share() -> None:
    assert each(4096, 3) == 1365.3
    assert each(4096, 0) is None


def runs() -> list[Row]:
    return [
        {"scenario": "hot", "per_second": 3000.0, "p99_ms": 40.0, "requests": 90, "errors": 0, "statuses": {"200": 90}},
        {"scenario": "hot", "per_second": 1000.0, "p99_ms": 90.0, "requests": 30, "errors": 2, "statuses": {"200": 28}},
        {"scenario": "hot", "per_second": 2900.0, "p99_ms": 20.0, "requests": 87, "errors": 0, "statuses": {"200": 87}},
    ]


def test_of_several_runs_the_median_is_told_with_the_least_and_the_most() -> None:
    row = summary(runs())

    assert (row["scenario"], row["repeats"]) == ("hot", 3)
    assert (row["per_second_least"], row["per_second"], row["per_second_most"]) == (1000.0, 2900.0, 3000.0)
    assert (row["p99_ms_least"], row["p99_ms"], row["p99_ms_most"]) == (20.0, 40.0, 90.0)


def test_no_run_hides_the_errors_of_another() -> None:
    row = summary(runs())

    assert (row["requests"], row["errors"]) == (87, 2)


def test_one_run_speaks_for_itself() -> None:
    [first, *_] = runs()

    assert summary([first]) == first


def test_what_was_not_measured_in_every_run_has_no_median() -> None:
    row = summary(
        [{"scenario": "x", "per_second": None, "errors": 0}, {"scenario": "x", "per_second": 5.0, "errors": 0}]
    )

    assert row["per_second"] is None


@pytest.mark.parametrize(
    ("points", "found"),
    [
        ([], 0),
        ([(1.0, 7.0)], 0),
        ([(0.0, 100.0), (10.0, 100.0), (20.0, 100.0)], 0),
        ([(0.0, 100.0), (10.0, 105.0), (20.0, 110.0)], 0.5),
        ([(0.0, 100.0), (10.0, 111.0), (20.0, 104.0), (30.0, 115.0)], 0.38),
    ],
)
def test_growth_is_the_slope_of_the_line_that_lies_closest(points: list[tuple[float, float]], found: float) -> None:
    assert growth(points) == pytest.approx(found)
