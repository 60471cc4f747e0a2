"""The arithmetic of the benchmarks' report."""

from __future__ import annotations

import pytest

from benchmarks.numbers import Spread, percentile, slope, spread, sum_between


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([5, 1, 3], 50, 3), (list(range(1, 61)), 95, 57), ([1, 2], 50, 1), ([7], 95, 7), ([1, 2, 3], 0, 1), ([1, 2, 3], 100, 3)],
)
def test_a_percentile_is_a_value_that_occurred(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_slope_is_that_of_least_squares() -> None:
    assert slope([1, 2, 3], [2, 4, 6]) == pytest.approx(2)
    assert slope([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert slope([4, 4], [1, 9]) == 0


def test_spread_of_runs() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2, 1, 3, 3)


def test_a_curve_is_summed_by_straight_lines_between_what_is_known() -> None:
    assert sum_between([1, 3, 5], [10, 30, 10], 1, 5) == 10 + 20 + 30 + 20 + 10
    assert sum_between([2, 4], [1, 3], 1, 5) == 1 + 1 + 2 + 3 + 3
