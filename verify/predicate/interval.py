"""Intervals with rational or infinite ends, open or closed: the arithmetic behind comparisons of certified enclosures.

An end that is None is infinite. Where an operation has no value for some members (division by an interval that holds zero, infinity minus infinity) the
answer is the whole line, so that nothing follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)


@dataclass(frozen=True)
class Interval:
    """lo < or <= x < or <= hi; `lo_open` and `hi_open` say which."""

    lo: Fraction | None
    hi: Fraction | None
    lo_open: bool = False
    hi_open: bool = False

    @classmethod
    def point(cls, value: Fraction) -> Interval:
        return cls(value, value)

    def __neg__(self) -> Interval:
        return Interval(None if self.hi is None else -self.hi, None if self.lo is None else -self.lo, self.hi_open, self.lo_open)

    def __add__(self, other: Interval) -> Interval:
        lo = None if self.lo is None or other.lo is None else self.lo + other.lo
        hi = None if self.hi is None or other.hi is None else self.hi + other.hi
        return Interval(lo, hi, self.lo_open or other.lo_open, self.hi_open or other.hi_open)

    def scaled(self, factor: Fraction) -> Interval:
        """factor * x for a nonzero factor."""
        lo, hi = (None if end is None else abs(factor) * end for end in (self.lo, self.hi))
        one = Interval(lo, hi, self.lo_open, self.hi_open)
        return one if factor > 0 else -one

    def __mul__(self, other: Interval) -> Interval:
        if None in (self.lo, self.hi, other.lo, other.hi):
            return WHOLE
        products = [x * y for x in (self.lo, self.hi) for y in (other.lo, other.hi) if x is not None and y is not None]
        return Interval(min(products), max(products))

    def inverse(self) -> Interval:
        if self.lo is None or self.hi is None or self.lo <= 0 <= self.hi:
            return WHOLE
        return Interval(1 / self.hi, 1 / self.lo)

    def __abs__(self) -> Interval:
        if self.lo is not None and self.lo >= 0:
            return self
        if self.hi is not None and self.hi <= 0:
            return -self
        if self.lo is None or self.hi is None:
            return Interval(ZERO, None)
        return Interval(ZERO, max(-self.lo, self.hi))

    def __pow__(self, exponent: int) -> Interval:
        if exponent < 0:
            return (self**-exponent).inverse()
        found = Interval.point(Fraction(1))
        base = abs(self) if exponent % 2 == 0 else self
        for _ in range(exponent):
            found = found * base
        return found

    def compared(self, operator: str) -> bool | None:
        """Whether x `operator` 0 for every member (True), for none (False), or neither (None)."""
        below = self.hi is not None and (self.hi < 0 or (self.hi == 0 and self.hi_open))
        above = self.lo is not None and (self.lo > 0 or (self.lo == 0 and self.lo_open))
        not_above = self.hi is not None and self.hi <= 0
        not_below = self.lo is not None and self.lo >= 0
        zero = not_above and not_below
        verdicts: dict[str, tuple[bool, bool]] = {
            "<": (below, not_below),
            "<=": (not_above, above),
            ">": (above, not_above),
            ">=": (not_below, below),
            "==": (zero, below or above),
            "!=": (below or above, zero),
        }
        yes, no = verdicts[operator]
        return True if yes else False if no else None

    @property
    def distance(self) -> float:
        """How far the interval is from zero (0.0 if it touches it)."""
        if self.lo is not None and self.lo > 0:
            return float(self.lo)
        return float(-self.hi) if self.hi is not None and self.hi < 0 else 0.0


WHOLE = Interval(None, None)
