"""What convexity of p -> L(p) says between and beyond the moments that are known. L(0) = 0 is always one of them.

On a chord L lies below it, beyond a chord above its line. So a sign change of L beyond 0 is bracketed by the zeros of chords and of their prolongations.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Known:
    """lo <= L(p) <= hi (lo None: no lower bound)."""

    p: Fraction
    lo: Fraction | None
    hi: Fraction


ORIGIN = Known(Fraction(0), Fraction(0), Fraction(0))


def bounds_at(known: Sequence[Known], p: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """(lo, hi) of L(p) from the known moments."""
    lows, highs = [], []
    for a, b in itertools.combinations(sorted(known, key=lambda k: k.p), 2):
        share = (p - a.p) / (b.p - a.p)
        if 0 <= share <= 1:
            highs.append((1 - share) * a.hi + share * b.hi)
        near, far, weight = (b, a, share) if share > 1 else (a, b, 1 - share)
        if weight > 1 and near.lo is not None:
            lows.append(weight * near.lo + (1 - weight) * far.hi)
    return max(lows, default=None), min(highs, default=None)


def zero_bracket(known: Sequence[Known]) -> tuple[Fraction, Fraction | None] | None:
    """(lo, hi) with the positive zero of L between them (hi None: no upper bound), provided that L(p) < 0 for some known p > 0; None where there is none.

    With L(a) < 0 <= L(b) the zero is at least that of the chord's upper bound, and at most b and the zeros of the lines prolonged from pairs on one side.
    """
    ordered = sorted((k for k in known if k.p > 0), key=lambda k: k.p)
    below = [k for k in ordered if k.hi < 0]
    if not below:
        return None
    above = [k for k in ordered if k.lo is not None and k.lo >= 0]
    lo, hi = below[-1].p, above[0].p if above else None
    for a in below:
        for b in ordered:
            if b.p > a.p and b.hi > 0:
                lo = max(lo, a.p - a.hi * (b.p - a.p) / (b.hi - a.hi))
    for a, b in itertools.combinations([ORIGIN, *ordered], 2):
        for near, far in ((a, b), (b, a)):
            if near.lo is None:
                continue
            slope = (far.hi - near.lo) / (far.p - near.p)  # of the line under L beyond `near`, away from `far`
            zero = near.p - near.lo / slope if slope > 0 else None
            if zero is not None and zero > 0 and (near.p - far.p) * (zero - near.p) >= 0:
                hi = zero if hi is None else min(hi, zero)
    return lo, hi
