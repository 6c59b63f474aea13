"""The mean-square step size eta_ms: E|r_n|^2 -> 0 for every start iff 0 < eta < eta_ms (E11: an interval for every batch scheme and all weights)."""

from __future__ import annotations

from fractions import Fraction

from ..exact import InputError
from ..optimiser import SGD, GradientDescent
from ..problem import Problem
from .blocks import exact_blocks
from .even import MAX_DIMENSION, EvenMoment, forms_dimension
from .quadratic import METHOD, Unverified, quadratic_step_size
from .result import Bounds, Rigour, unknown

QUANTITY = "eta_ms"
SHARE = Fraction(1, 2**44)  # relative width of the bisection


def mean_square_step_size(problem: Problem) -> Bounds:
    """Rigorous ends of eta_ms, relatively about 1e-13 apart (the problem's own step size is ignored). Plain SGD and gradient descent.

    Batch 1, one output, K nonsingular: the verified N x N form, for up to 4096 samples; a measured K is taken as the exact binary numbers that it holds, which
    `reason` says. Otherwise, where the second moments have at most 210 dimensions: bisection with exact signs of L(2).
    """
    optimiser, minimum = problem.optimiser, problem.minimum
    if minimum is None or not isinstance(optimiser, (SGD, GradientDescent)) or not optimiser.plain:
        raise InputError("the mean-square step size is for SGD and gradient descent at a Gram matrix or features, without momentum and weight decay")
    reason = "K is measured: only batch 1 is done"
    if isinstance(optimiser, SGD) and optimiser.batch == 1 and minimum.outputs == 1:
        try:
            return quadratic_step_size(problem)
        except Unverified as error:
            reason = str(error)
    if not problem.is_exact:
        return unknown(QUANTITY, METHOD, reason)
    try:
        return _by_signs(problem)
    except InputError as error:
        return unknown(QUANTITY, "signs of L(2)", str(error))


def _by_signs(problem: Problem) -> Bounds:
    def contracts(eta: Fraction) -> bool:
        return all(EvenMoment(block, 2).sign < 0 for block in exact_blocks(problem.at(eta)))

    blocks = exact_blocks(problem)
    if max(forms_dimension(block.dimension, 2) for block in blocks) > MAX_DIMENSION:
        return unknown(QUANTITY, "signs of L(2)", "the second moments have too many dimensions")
    lo, hi = Fraction(0), 2 / max(problem.exact[0].diagonal)
    while contracts(hi):
        lo, hi = hi, 2 * hi
    while hi - lo > SHARE * hi:
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if contracts(middle) else (lo, middle)
    return Bounds(QUANTITY, lo, hi, Rigour.EXACT, "signs of L(2)")
