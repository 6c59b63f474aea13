"""The mean-square threshold eta_ms (E11): E|r_n|^2 -> 0 iff eta < eta_ms.

With G = I - A at step size 1, L(S) = E[G] S + S E[G]^T and Q(S) = E[G S G^T] the second moment contracts iff eta < eta_ms = 1/rho(L^-1 Q): both L^-1 and Q
map semidefinite matrices to semidefinite ones, so the set of contracting step sizes is the interval (0, eta_ms). For batch 1 this is an N x N problem:
eta_ms = 1/rho(S), S_ij = (1/p_j) integral_0^inf (M exp(-tM))_ij^2 dt, M = P^(1/2) K P^(1/2), P = diag(p); for uniform p the same with M = K and no 1/p_j.

The number is proposed in floating point; for small dimensions certified signs of ms on both sides of it make a proved bracket.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from ..exact import InputError
from ..minimum import MeasuredMinimum
from ..optimiser import SGD, probabilities
from ..problem import Problem
from ..result import Sign, as_float
from .search import Threshold

if TYPE_CHECKING:
    import numpy as np

METHOD = "mean square (E11)"
MAX_SAMPLES = 400  # the N x N form takes N^4 operations
MAX_DENSE = 12  # the d^2 x d^2 form of batches
RELATIVE_ERROR = Fraction(1, 10**8)  # claimed for the floating-point value, far above round-off of well-scaled problems
SPREADS = ("1e-5", "1e-4", "1e-3", "1e-2")


def mean_square_threshold(problem: Problem) -> Threshold | None:
    """The bracket of eta_ms for an SGD problem: certified where both signs of ms are proved, else the float value; None where it is not computed.

    Weight decay and vector outputs are steps I - eta G as well; with momentum, or over epochs, the steps are not affine in eta and nothing is computed.
    """
    optimiser = problem.optimiser
    if not isinstance(optimiser, SGD) or problem.minimum is None or optimiser.momentum:
        return None
    scaled, scale = _scaled_gram(problem)
    value = _single(scaled, problem) if optimiser.batch == problem.minimum.outputs == 1 and optimiser.plain else _dense(problem, scale)
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    centre = Fraction(value) / scale
    bracket = _certified(problem, centre) if problem.is_exact else None
    if bracket is not None:
        return Threshold(*bracket, True, True, METHOD, "the signs of ms on both sides are proved")
    return Threshold(centre * (1 - RELATIVE_ERROR), centre * (1 + RELATIVE_ERROR), False, True, METHOD, "computed in floating point")


def _scaled_gram(problem: Problem) -> tuple[np.ndarray, Fraction]:
    """K / s in floating point, and s = max K_ii, so that huge and tiny kernels are handled alike."""
    import numpy as np

    minimum = problem.minimum
    if isinstance(minimum, MeasuredMinimum):
        s = float(np.diag(minimum.gram).max())
        return minimum.gram / s, Fraction(s)
    assert minimum is not None
    scale = max(minimum.diagonal)
    return np.array([[as_float(x / scale) for x in row] for row in minimum.gram]), scale


def _single(gram: np.ndarray, problem: Problem) -> float | None:
    """eta_ms for batch 1 from the N x N form, in the eigenbasis of M: S_ij = (1/p_j) sum_ab V_ia V_ja V_ib V_jb k_a k_b / (k_a + k_b)."""
    import numpy as np

    size = len(gram)
    if size > MAX_SAMPLES:
        return None
    assert problem.optimiser is not None
    p = np.array([as_float(x * size) for x in probabilities(problem.optimiser, size)])
    root = np.sqrt(p)
    kappa, v = np.linalg.eigh(root[:, None] * gram * root)
    kappa = np.where(kappa > 1e-13 * kappa[-1], kappa, 0.0)
    s = np.zeros((size, size))
    for a in range(size):
        if kappa[a] > 0:
            s += kappa[a] * np.outer(v[:, a], v[:, a]) * ((v * (kappa / (kappa[a] + kappa))) @ v.T)
    with np.errstate(all="ignore"):
        scaled = s / p
        if not np.isfinite(scaled).all():
            return None
        return float(1 / np.abs(np.linalg.eigvals(scaled)).max())


def _dense(problem: Problem, scale: Fraction) -> float | None:
    """eta_ms * scale for any batch, from the d^2 x d^2 form 1/rho(L^-1 Q)."""
    import numpy as np

    try:
        family = problem.at(1 / scale).family if problem.is_exact else None
    except InputError:
        return None
    if family is None or family.dimension > MAX_DENSE or not family.matrices:
        return None
    matrices, p = family.as_floats()
    d = family.dimension
    pulls = np.eye(d) - matrices
    mean = np.einsum("s,sij->ij", p, pulls)
    drift = np.kron(mean, np.eye(d)) + np.kron(np.eye(d), mean)
    noise = np.einsum("s,sij,skl->ikjl", p, pulls, pulls).reshape(d * d, d * d)
    return float(1 / np.abs(np.linalg.eigvals(np.linalg.solve(drift, noise))).max())


def _certified(problem: Problem, centre: Fraction) -> tuple[Fraction, Fraction] | None:
    """Short decimals lo < centre < hi with ms < 0 at lo and ms > 0 at hi, both proved."""
    for spread in SPREADS:
        width = Fraction(spread)
        lo, hi = short_decimal(centre * (1 - width), width / 2, False), short_decimal(centre * (1 + width), width / 2, True)
        low = problem.at(lo).mean_square()
        if low.ends == (None, None):
            return None
        if low.sign is Sign.NEGATIVE and problem.at(hi).mean_square().sign is Sign.POSITIVE:
            return lo, hi
    return None


def short_decimal(number: Fraction, relative: Fraction, up: bool) -> Fraction:
    """A decimal fraction with few digits on the named side of a positive number, within `relative` of it."""
    scale = Fraction(1)
    while scale * number * relative < 1:
        scale *= 10
    while scale * number * relative >= 10:
        scale /= 10
    scaled = number * scale
    return (scaled.__ceil__() if up else scaled.__floor__()) / scale
