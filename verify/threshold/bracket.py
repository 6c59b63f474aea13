"""E6, the bracket of the critical step sizes for batch 1: every eta with lambda(eta) = 0 lies in [2/max K_ii, eta_det].

eta_det is the largest root of f(eta) = sum_i p_i log |1 - eta K_ii|. Beyond 1/min K_ii the sum increases from -infinity and it is positive beyond
2/min K_ii (K_ii > 0), so the root is unique there and bisection with the exact sign of f encloses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..balls import log_sum_bounds
from ..minimum import Minimum
from ..optimiser import SGD, probabilities


@dataclass(frozen=True)
class CriticalBracket:
    """The two ends of E6: `lower` exactly, the upper one as an interval [upper[0], upper[1]] (proved)."""

    lower: Fraction
    upper: tuple[Fraction, Fraction]


def critical_bracket(minimum: Minimum, optimiser: SGD, relative_width: Fraction = Fraction(1, 10**12)) -> CriticalBracket:
    """Both ends, the upper one to a relative width. A fact for batch 1 (the caller sees to that)."""
    pairs = [(p, k) for p, k in zip(probabilities(optimiser, minimum.size), minimum.diagonal, strict=True) if k]
    smallest, largest = min(k for _, k in pairs), max(k for _, k in pairs)
    if smallest == largest:
        return CriticalBracket(2 / largest, (2 / largest, 2 / largest))
    lo, hi = 1 / smallest, 2 / smallest
    while hi - lo > relative_width * hi:
        cuts = (_shortened(lo + (hi - lo) * share, (hi - lo) / 16) for share in (Fraction(1, 2), Fraction(2, 5)))
        signed = next(((cut, sign) for cut in cuts if (sign := _sign(pairs, cut))), None)
        if signed is None:  # two step sizes where the sum is too close to zero
            break
        lo, hi = (lo, signed[0]) if signed[1] > 0 else (signed[0], hi)
    return CriticalBracket(2 / largest, (max(lo, 2 / largest), hi))


def _shortened(number: Fraction, slack: Fraction) -> Fraction:
    """A short dyadic fraction within `slack` of the number, so that bisection does not make long fractions longer."""
    scale = Fraction(2) ** (1 / slack).__ceil__().bit_length() if slack < 1 else Fraction(1)
    return (number * scale).__floor__() / scale if slack < 1 else number


def _sign(pairs: list[tuple[Fraction, Fraction]], eta: Fraction) -> int:
    """The sign of f(eta) where it is proved, else 0 (at a root)."""
    for width in (Fraction(1, 10**6), Fraction(1, 10**15), Fraction(1, 10**30)):
        bounds = log_sum_bounds([(p, abs(1 - eta * k)) for p, k in pairs], width)
        if bounds is None or bounds[1] < 0:
            return -1
        if bounds[0] > 0:
            return 1
    return 0
