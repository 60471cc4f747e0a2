"""The arithmetic of the report: percentiles, slopes, spreads."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Median, least and greatest of some runs."""

    median: float
    least: float
    greatest: float
    runs: int


def spread(values: Sequence[float]) -> Spread:
    """Summarise the values of several runs."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest value that at least ``percent`` of all are not above (nearest rank): one that has occurred."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Give the slope of the line of least squares; 0 for fewer than two different ``xs``."""
    if len(set(xs)) < 2:
        return 0.0
    return statistics.linear_regression(xs, ys).slope


def sum_between(xs: Sequence[int], ys: Sequence[float], first: int, last: int) -> float:
    """Sum a curve known at some whole ``xs`` over every whole number from ``first`` to ``last``, by straight lines between."""
    return sum(_at(xs, ys, x) for x in range(first, last + 1))


def _at(xs: Sequence[int], ys: Sequence[float], x: int) -> float:
    if x <= xs[0]:
        return ys[0]
    for (left, low), (right, high) in zip(zip(xs, ys, strict=True), zip(xs[1:], ys[1:], strict=True), strict=False):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]
