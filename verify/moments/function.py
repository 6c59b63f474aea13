"""The moment function L(p) = lim (1/n) log E||A^n||^p (E11), nats per step: convex in p, L(0) = 0, L'(0+) = lambda, L(2) = 2 ms.

Which method answers: even p: the symmetric power (`even`, exact arithmetic; any number of digits) or, for batch 1 with many samples and p = 2, the N x N
form (`quadratic`, verified floating point); rank 1: a sum of powers; rank 2: the transfer operator (`planar`, balls); any other p > 0: convexity between
even moments, with an estimate by cloning beside it. Full batches: L(p) = p mu (E2).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ..balls import ends, fmpq_of
from ..exact import InputError, positive, rational
from ..family import MatrixFamily
from ..optimiser import SGD, is_full_batch
from ..problem import Problem
from ..result import Enclosure
from . import even
from .blocks import exact_blocks, period, remainder, whole_family
from .cloning import cloned_moment
from .convexity import ORIGIN, Known, bounds_at
from .planar import planar_moment
from .result import Bounds, Rigour, unknown

EXACT_WIDTH, PLANAR_WIDTH = Fraction(1, 10**12), Fraction(1, 10**5)
WIDE = Fraction(1, 1000)  # proved bounds further apart get an estimate beside them, where no width is asked for
MAX_CONVEXITY = 130  # dimension of the forms that serve convexity
LARGEST_P = 200
Ends = tuple[Fraction | None, Fraction | None]


def moment(
    problem: Problem,
    p: Any,
    *,
    width: Any = None,
    time_limit: float = 20.0,
    confidence: float = 0.99,
    seed: int = 0,
    estimate: bool = True,
    certificate: bool = False,
) -> Bounds:
    """Bounds of L(p) for an exact rational p (2, "1/2"; not a float), -1 < p <= 200.

    `width`: how close the proved ends shall be (default 1e-12 where arithmetic is exact, 1e-5 for the transfer operator). Where nothing proved is that
    narrow (by default: 1e-3) and p > 0, `estimate` adds an interval by cloning with the given confidence. `certificate` (even p, small dimensions) asks for
    bounds, about 1e-6 wide, with
    a certificate of the mean-square kind for the trusted checker; for p = 2k > 2 its subject is the family of the symmetric powers Sym^k A, whose identity
    with the problem is computed here and not checked there. For p < 0 all steps must be invertible, K's graph connected, and narrow
    bounds need rank 1 or 2.
    """
    exponent = rational(p, "p")
    if not -1 < exponent <= LARGEST_P:
        raise InputError(f"p = {exponent} is not between -1 (exclusive) and {LARGEST_P}; moments of order -1 and below need not exist")
    wanted = None if width is None else positive(width, "width")
    quantity = f"L({exponent})"
    if not exponent:
        return Bounds(quantity, Fraction(0), Fraction(0), Rigour.EXACT, "L(0) = 0")
    if certificate:
        return certified(problem, exponent)
    found = _proved(problem, exponent, wanted, time.monotonic() + time_limit)
    if found.reaches(wanted or WIDE) or not estimate or exponent < 0:
        return found
    sampled = cloned_moment(problem, exponent, confidence=confidence, time_limit=min(10.0, time_limit), seed=seed)
    return Bounds(**{**vars(found), "estimate": sampled})


def certified(problem: Problem, p: Fraction) -> Bounds:
    """Bounds of L(p), p even, that the trusted checker has accepted; unknown where there is no such certificate."""
    quantity, k = f"L({p})", p / 2
    if k.denominator != 1 or k < 1:
        raise InputError(f"p = {p} is not an even integer; certificates of moments exist for p = 2, 4, 6, ...")
    factor = Fraction(2)
    if k == 1:
        found, about = problem.mean_square(), "L(2) = 2 ms"
    else:
        family = whole_family(problem)
        if even.forms_dimension(family.dimension, int(k)) > 12:
            return unknown(quantity, "mean square (E11)", f"Sym^{k} has a dimension above 12, the largest of the mean-square certificate")
        found = Problem.from_matrices(*even.power_family(family, int(k)), name=f"Sym^{k} of {problem.name}").mean_square()
        factor /= period(problem)
        about = f"L({p}) = {factor} ms of the family of the Sym^{k} A; that these are the symmetric powers is computed, not certified"
    return _scaled(found, quantity, about, factor)


def _scaled(found: Any, quantity: str, about: str, factor: Fraction) -> Bounds:
    if not isinstance(found, Enclosure) or found.certificate is None:
        return unknown(quantity, found.method, found.reason)
    ends_ = [None if end is None else factor * end for end in found.ends]
    lo, hi = ends_ if factor > 0 else ends_[::-1]
    return Bounds(quantity, lo, hi, Rigour.CERTIFICATE, found.method, about, certificate=found.certificate)


def _proved(problem: Problem, p: Fraction, width: Fraction | None, deadline: float) -> Bounds:
    quantity = f"L({p})"
    if problem.optimiser is not None and problem.is_exact and is_full_batch(problem.optimiser, problem.exact[0].size):
        return _scaled(problem.mu(None if width is None else width / abs(p)), quantity, "full batch: L(p) = p mu (E2)", p)
    if p == 2 and _prefers_quadratic(problem):
        from .quadratic import quadratic_moment

        return quadratic_moment(problem)
    if not problem.is_exact:
        return unknown(quantity, "none", "K is measured, not exact")
    try:
        blocks = exact_blocks(problem)
    except InputError as error:
        return unknown(quantity, "none", str(error))
    steps = period(problem)
    if p < 0 and len(blocks) > 1:
        return unknown(quantity, "none", "p < 0 with several components: the moment is no maximum over them")
    parts = [_block(block, p, width and width * steps, deadline) for block in blocks]
    lows, highs = [part[0][0] for part in parts if part[0][0] is not None], [part[0][1] for part in parts]
    methods, reasons = dict.fromkeys(part[2] for part in parts), dict.fromkeys(part[3] for part in parts if part[3])
    rigour = Rigour.BALLS if any(part[1] is Rigour.BALLS for part in parts) else Rigour.EXACT
    hi = None if any(x is None for x in highs) else max(x for x in highs if x is not None)
    lo = max(lows, default=None)
    rigour = Rigour.NONE if lo is None and hi is None else rigour
    return Bounds(quantity, lo and lo / steps, hi and hi / steps, rigour, " + ".join(methods), "; ".join(reasons))


def _prefers_quadratic(problem: Problem) -> bool:
    """Whether the exact symmetric square is out of reach and the N x N form is not."""
    single = isinstance(problem.optimiser, SGD) and problem.optimiser.batch == 1 and problem.optimiser.plain
    if not single or problem.minimum is None or problem.minimum.outputs > 1:
        return False
    if not problem.is_exact:
        return True
    minimum = problem.exact[0]
    return even.forms_dimension(min(minimum.rank, max(map(len, minimum.components))), 2) > even.MAX_DIMENSION


def _block(family: MatrixFamily, p: Fraction, width: Fraction | None, deadline: float) -> tuple[Ends, Rigour, str, str]:
    """(ends, rigour, method, reason) for one block."""
    if not family.matrices:
        return (Fraction(0), Fraction(0)), Rigour.EXACT, "every step is the identity", ""
    determinants = determinant_moment(family, p, width or EXACT_WIDTH)
    if family.dimension == 1:
        known = determinants[0] is not None
        return determinants, Rigour.BALLS if known else Rigour.NONE, "sum of powers (one dimension)", "" if known else "a step vanishes"
    if p < 0:
        return _negative(family, p, determinants[1], width or PLANAR_WIDTH, deadline)
    if is_even(p) and even.forms_dimension(family.dimension, int(p)) <= even.MAX_DIMENSION:
        bounds = even.EvenMoment(family, int(p)).bounds(width or EXACT_WIDTH)
        reason = "" if bounds else "all long products vanish: L(p) = -infinity"
        return bounds or (None, None), Rigour.EXACT, f"symmetric power {p}", reason
    if family.dimension == 2:
        lo, hi, reason = planar_moment(family, p, width or PLANAR_WIDTH, max(0.1, deadline - time.monotonic()))
        return (lo, hi), Rigour.BALLS, "transfer operator in the plane", reason
    lo, hi = bounds_at(even_moments(family, lambda k: k.p >= p + 2), p)
    lows = [x for x in (lo, determinants[0]) if x is not None]
    return (max(lows, default=None), hi), Rigour.BALLS, "convexity between even moments, determinants", ""


def _negative(family: MatrixFamily, p: Fraction, hi: Fraction | None, width: Fraction, deadline: float) -> tuple[Ends, Rigour, str, str]:
    """p < 0 in two or more dimensions: determinants from above, and by convexity L(p) >= p L(q) / q, q > 0, from below; in the plane also the transfer
    operator."""
    if hi is None:
        return (None, None), Rigour.NONE, "none", "a step is singular and p < 0: the moment need not be finite"
    if family.dimension > 2:
        below = [p * k.hi / k.p for k in even_moments(family, lambda _: True) if k.p]
        return (max(below, default=None), hi), Rigour.BALLS, "convexity, determinants", ""
    small = Fraction(1, 64)
    limit = max(0.1, (deadline - time.monotonic()) / 4)
    lo, top, reason = planar_moment(family, p, width, limit)
    near = planar_moment(family, small, small * width, limit)[1]
    if near is not None:
        lo = max(p * near / small, lo) if lo is not None else p * near / small
    hi = min(hi, top) if top is not None else hi
    return (lo, hi), Rigour.BALLS, "transfer operator in the plane, convexity", reason if lo is None or hi - lo > width else ""


def is_even(p: Fraction) -> bool:
    """Whether p is a positive even integer."""
    return p > 0 and p.denominator == 1 and p.numerator % 2 == 0


def determinant_moment(family: MatrixFamily, p: Fraction, width: Fraction) -> Ends:
    """Ends of log E |det A|^(p/d), in balls; none where that is -infinity or, for p < 0, infinite. As ||A^n|| >= |det A^n|^(1/d) it is a lower bound of L(p)
    for p > 0, an
    upper one for p < 0, and L(p) itself for d = 1."""
    from flint import arb, ctx

    terms = [(q, abs(x)) for x, q in zip(family.determinants, family.probabilities, strict=True)]
    if (p < 0 and any(not x for _, x in terms)) or (not remainder(family) and not any(x for _, x in terms)):
        return None, None
    for precision in (96, 256, 1024, 8192):
        with ctx.workprec(precision):
            power = arb(fmpq_of(p / family.dimension))
            total = sum((arb(fmpq_of(q)) * arb(fmpq_of(x)) ** power for q, x in terms if x), start=arb(fmpq_of(remainder(family))))
            lo, hi = ends(total.log())
        if hi - lo <= width:
            break
    return lo, hi


def even_moments(family: MatrixFamily, stop: Callable[[Known], bool] = lambda _: False) -> list[Known]:
    """L(0), L(2), L(4), ... exactly, as far as the dimension of the forms allows, or until `stop`."""
    known, p = [ORIGIN], 2
    while even.forms_dimension(family.dimension, p) <= MAX_CONVEXITY:
        bounds = even.EvenMoment(family, p).bounds(EXACT_WIDTH)
        if bounds is None:
            break
        known.append(Known(Fraction(p), *bounds))
        if stop(known[-1]):
            break
        p += 2
    return known

