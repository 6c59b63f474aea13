"""The escape exponent alpha > 0, L(alpha) = 0: where lambda < 0 and some product expands, SGD started at distance r from the minimum leaves a fixed
neighbourhood with probability of order r^alpha, although it converges almost surely.

For the linearised steps, if the family is strongly irreducible, proximal and non-arithmetic, P(sup_n |A^n v| > 1/r) ~ C(v) r^alpha with C > 0
(Cramer-Lundberg; H. Kesten, Acta Math. 131, 1973; Y. Guivarc'h, E. Le Page). For a nonlinear model this is a heuristic: it says what the linear part does
before the nonlinearity is felt. L is convex, L(0) = 0 and L'(0+) = lambda, so alpha exists iff lambda < 0 and L(p) > 0 for some p, that is iff rho_JSR > 1
(E12); and L(p) < 0 iff 0 < p < alpha. Hence every proved sign of L is a proved bound of alpha: even moments give one for any number of samples, their chords
and prolonged chords narrower ones, the transfer operator any width in the plane. With several components alpha is the smallest of theirs.
"""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any

from ..exact import InputError, positive
from ..family import MatrixFamily
from ..optimiser import is_full_batch
from ..problem import Problem
from ..result import Sign
from .blocks import exact_blocks
from .cloning import cloned_moment
from .convexity import Known, zero_bracket
from .function import Ends, determinant_moment, even_moments
from .planar import planar_moment
from .radius import joint_spectral_radius
from .result import Bounds, Rigour, unknown

QUANTITY = "alpha"
WIDTH = Fraction(1, 1000)
METHOD = "signs of moments (E11)"
SMALLEST = Fraction(1, 128)  # the smallest order at which a negative moment is looked for
LOOKS = 10
Bracket = tuple[Fraction, Fraction | None]
_NONE = "there is no alpha"


def escape_exponent(
    problem: Problem, *, width: Any = None, time_limit: float = 30.0, confidence: float = 0.99, seed: int = 0, estimate: bool = True
) -> Bounds:
    """Bounds of alpha, proved; where they are wider than `width` (default 1e-3) and `estimate`, a confidence interval by cloning stands beside them.

    Where no alpha exists, or none is known, both ends are missing and `reason` says why.
    """
    wanted, deadline = WIDTH if width is None else positive(width, "width"), time.monotonic() + time_limit
    if problem.optimiser is not None and problem.minimum is not None and is_full_batch(problem.optimiser, problem.minimum.size):
        return unknown(QUANTITY, METHOD, "a full batch is deterministic: it converges from every start or does not")
    try:
        found = _proved(problem, wanted, deadline)
    except InputError as error:
        found = unknown(QUANTITY, METHOD, str(error) if problem.is_exact else "K is measured, not exact")
    if found.reaches(wanted) or not estimate or found.reason.startswith(_NONE):
        return found
    sampled = _sampled(problem, found, confidence, max(4.0, deadline - time.monotonic()), seed)
    return Bounds(**{**vars(found), "estimate": sampled})


def _proved(problem: Problem, width: Fraction, deadline: float) -> Bounds:
    blocks = [family for family in exact_blocks(problem) if family.dimension > 1 or not _shrinks(family)]
    radius = joint_spectral_radius(problem, time_limit=2.0)
    if radius.hi is not None and radius.hi <= 1:
        return unknown(QUANTITY, METHOD, f"{_NONE}: no product expands (joint spectral radius at most 1), so it is infinite where lambda < 0")
    brackets, rigour = list[Bracket](), Rigour.EXACT
    for family in blocks:
        known, sign = _even(family, deadline), Sign.NEGATIVE
        if not any(k.hi < 0 for k in known):
            sign = problem.lyapunov(estimate=False, time_limit=max(1.0, (deadline - time.monotonic()) / 4)).sign
            if sign in (Sign.POSITIVE, Sign.ZERO):
                return unknown(QUANTITY, METHOD, f"{_NONE}: lambda is {sign.value}, proved")
        bracket = zero_bracket(known)
        if family.dimension <= 2 and not _narrow(bracket, width):
            bracket, rigour = _refined(family, known, width, deadline), Rigour.BALLS
        if bracket is None and sign is Sign.UNDECIDED:
            return unknown(QUANTITY, METHOD, "no order with L(p) < 0 was found, and the sign of lambda is not proved")
        brackets.append(bracket or (Fraction(0), min((k.p for k in known if _grows(k)), default=None)))
    lo, hi = min(x for x, _ in brackets), min((x for _, x in brackets if x is not None), default=None)
    reason = "" if hi is not None else "no growing moment was found within the orders that are computed"
    return Bounds(QUANTITY, lo, hi, rigour, METHOD, reason)


def _narrow(bracket: Bracket | None, width: Fraction) -> bool:
    return bracket is not None and bracket[1] is not None and bracket[1] - bracket[0] <= width


def _shrinks(family: MatrixFamily) -> bool:
    """Whether a block of dimension one only shrinks, and does: it never leaves."""
    factors = [abs(a[0][0]) for a in family.matrices]
    return bool(factors) and max(factors) <= 1 and min(factors) < 1


def _grows(known: Known) -> bool:
    return known.lo is not None and known.lo > 0


def _even(family: MatrixFamily, deadline: float) -> list[Known]:
    """Even moments up to the second one that grows."""
    beyond = 0

    def stop(k: Known) -> bool:
        nonlocal beyond
        beyond += _grows(k)
        return beyond == 2 or time.monotonic() > deadline

    return even_moments(family, stop) if family.dimension > 1 else []


def _refined(family: MatrixFamily, known: list[Known], width: Fraction, deadline: float) -> Bracket | None:
    """Signs of L on both sides of the zero, found by secants, at most `width` apart where the time allows; dimension one or two."""

    def value(p: Fraction, width: Fraction) -> Ends:
        if family.dimension == 1:
            return determinant_moment(family, p, width)
        return planar_moment(family, p, width, max(0.2, (deadline - time.monotonic()) / 4))[:2]

    def look(p: Fraction, width: Fraction) -> None:
        lo, hi = value(p, width)
        if hi is not None:
            known.append(Known(p, lo, hi))

    known = [k for k in known if k.p > 0]
    p = Fraction(1)
    while not any(k.hi < 0 for k in known) and p >= SMALLEST and time.monotonic() < deadline:
        look(p, p / 10**4)
        p /= 2
    p = Fraction(2)
    while any(k.hi < 0 for k in known) and not any(map(_grows, known)) and p <= 2**12 and time.monotonic() < deadline:
        look(p, Fraction(1, 10**4))
        p *= 2
    while time.monotonic() < deadline:
        bracket = zero_bracket(known)
        if bracket is None or bracket[1] is None or _narrow(bracket, width):
            return bracket
        lo, hi = bracket[0], bracket[1]
        below = max((k for k in known if k.hi < 0), key=lambda k: k.p)
        above = min(filter(_grows, known), key=lambda k: k.p, default=None)
        if hi - lo > 8 * width or above is None:
            look(_short((lo + hi) / 2, (hi - lo) / 8), Fraction(1, 10**4))
        else:
            assert above.lo is not None
            slope = (above.lo - below.hi) / (above.p - below.p)
            middle = (lo + hi) / 2
            for target in (middle - width * 2 / 5, middle + width * 2 / 5):
                if lo < target < hi:
                    look(_short(target, width / 16), max(slope * width / 6, Fraction(1, 10**9)))
        if zero_bracket(known) == bracket:
            break
    return zero_bracket(known)


def _short(p: Fraction, slack: Fraction) -> Fraction:
    """A short dyadic number within `slack` of p."""
    scale = 1 << max(0, (1 / slack).__ceil__().bit_length())
    return Fraction(round(p * scale), scale)


def _sampled(problem: Problem, found: Bounds, confidence: float, time_limit: float, seed: int) -> Bounds:
    """An interval between an order where L < 0 and one where L > 0, each significant; the looks share the error probability (Bonferroni)."""
    method, share = "signs of moments by cloning", 1 - (1 - confidence) / LOOKS
    seen: list[tuple[Fraction, float, float]] = []  # p, value, half-width
    lo, hi = found.lo or Fraction(0), found.hi
    p = (lo + hi) / 2 if hi is not None else max(2 * lo, Fraction(1))

    def look(p: Fraction) -> None:
        b = cloned_moment(problem, p, confidence=share, time_limit=time_limit / LOOKS, seed=seed + len(seen), steps=600)
        if b.lo is not None and b.hi is not None:
            seen.append((p, float(b.lo + b.hi) / 2, float(b.hi - b.lo) / 2))

    for _ in range(LOOKS - 2):
        count = len(seen)
        look(p)
        if len(seen) == count:
            return unknown(QUANTITY, method, f"no interval at p = {p}")
        (at, value, half) = seen[-1]
        if abs(value) <= half:
            break
        below, above = [s for s in seen if s[1] < 0], [s for s in seen if s[1] >= 0]
        if not above:
            p = at * 2
        elif not below:
            p = at / 2
            if p < SMALLEST:
                return unknown(QUANTITY, method, "lambda may be nonnegative: no moment is seen to decay")
        else:
            a, b = max(below), min(above)
            zero = float(a[0]) - a[1] * float(b[0] - a[0]) / (b[1] - a[1])
            p = min(max(_short(Fraction(zero), (b[0] - a[0]) / 64), a[0] + (b[0] - a[0]) / 20), b[0] - (b[0] - a[0]) / 20)
    at, value, half = seen[-1]
    others = [s for s in seen[:-1] if s[0] != at] or [(Fraction(0), 0.0, 0.0)]
    other = min(others, key=lambda s: abs(s[0] - at))
    slope = max((value - other[1]) / float(at - other[0]), 1e-9)
    for side in (-1, 1):
        target = float(at) - value / slope + side * 1.6 * half / slope
        if target > 0:
            look(_short(Fraction(target), Fraction(target) / 1000))
    below_, above_ = [s[0] for s in seen if s[1] + s[2] < 0], [s[0] for s in seen if s[1] - s[2] > 0]
    if not below_ or not above_:
        return unknown(QUANTITY, method, "the signs on both sides are not significant in this time")
    return Bounds(QUANTITY, max(below_), min(above_), Rigour.STATISTICAL, method, f"{len(seen)} orders", confidence)
