"""Strategies of exact numbers, and the checks that all strategies share."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ..exact import InputError, rational

MAX_DIGITS = 4
MAX_POINTS = 12


def rationals(
    min_value: Any = None, max_value: Any = None, *, max_digits: int = 2, exclude_min: bool = False, exclude_max: bool = False
) -> SearchStrategy[Fraction]:
    """Fractions in [min_value, max_value] whose numerator and denominator have at most `max_digits` digits; they shrink to integers, then towards 0."""
    bound = bound_of(max_digits)
    low = Fraction(-bound) if min_value is None else rational(min_value, "min_value")
    high = Fraction(bound) if max_value is None else rational(max_value, "max_value")
    if low > high or (low == high and (exclude_min or exclude_max)):
        raise InputError(f"min_value = {low} and max_value = {high} leave no number; widen the interval")
    ranges = _numerators(low, high, bound, exclude_min, exclude_max)
    if not ranges:
        raise InputError(f"max_digits = {max_digits}: no fraction with so few digits lies between min_value = {low} and max_value = {high}; allow more digits")

    def with_denominator(choice: tuple[int, int, int]) -> SearchStrategy[Fraction]:
        q, first, last = choice
        return st.integers(first, last).map(lambda p: Fraction(p, q))

    return st.sampled_from(ranges).flatmap(with_denominator)


@lru_cache(maxsize=64)
def _numerators(low: Fraction, high: Fraction, bound: int, exclude_min: bool, exclude_max: bool) -> tuple[tuple[int, int, int], ...]:
    """(q, first, last): for every denominator the numerators that keep the fraction inside."""
    found = []
    for q in range(1, bound + 1):
        first, last = math.ceil(low * q), math.floor(high * q)
        first += bool(exclude_min and first == low * q)
        last -= bool(exclude_max and last == high * q)
        first, last = max(first, -bound), min(last, bound)
        if first <= last:
            found.append((q, first, last))
    return tuple(found)


def step_sizes(min_value: Any = 0, max_value: Any = None, *, max_digits: int = 2) -> SearchStrategy[Fraction]:
    """Positive rational step sizes in (min_value, max_value] for min_value = 0, else in [min_value, max_value]."""
    low = rational(min_value, "min_value")
    if low < 0:
        raise InputError(f"min_value = {low} is negative; a step size is positive")
    return rationals(low, max_value, max_digits=max_digits, exclude_min=low == 0)


def simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction with the smallest denominator in [low, high], 0 < low <= high (Stern-Brocot)."""
    floor = math.floor(low)
    if floor == low:
        return Fraction(floor)
    if floor + 1 <= high:
        return Fraction(floor + 1)
    return floor + 1 / simplest(1 / (high - floor), 1 / (low - floor))


def check_points(points: int) -> None:
    if count(points, "points") > MAX_POINTS:
        raise InputError(f"points = {points} is above {MAX_POINTS}, the largest number of data points that is drawn")


def count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{name} = {value!r} is not a positive integer; write for example 2")
    return value


def bound_of(max_digits: int) -> int:
    if count(max_digits, "max_digits") > MAX_DIGITS:
        raise InputError(f"max_digits = {max_digits} is above {MAX_DIGITS}; small cases are what strategies are for")
    return int(10**max_digits - 1)
