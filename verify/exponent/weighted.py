"""The mean square with multipliers: lambda <= -(1/2n) sum_w p_w log t_w if sum_w p_w t_w A_w^T Q A_w <= Q, over all words w of length n, t_w > 0, Q > 0.

By weighted AM-GM, E log |A_w v|_Q^2 <= log sum_w p_w t_w |A_w v|_Q^2 - sum_w p_w log t_w, so S1 applies to the words with h = |.|_Q (THEORY.md, S7). With t = 1
this is E11; with t_w = 1/tr(Q^-1 A_w^T Q A_w) it is the bound of the words, so the best multipliers are never worse than either. Any dimension.

The best t for n: t_w = rho <L, R> / <L, A_w R A_w^T>, L and R the leading eigenmatrices of S -> sum p_w t_w A_w^T S A_w and its adjoint (the stationary
point of log rho(t) - sum p_w log t_w, which is convex in log t). Found in floating point, rounded, and left to the checker.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..balls import log_sum_bounds
from ..family import MatrixFamily
from .question import Bound, Finding, Question

Floats = NDArray[np.float64]
MAX_DIMENSION = 8
MAX_WORDS = 1500
LONGEST = 12
CHECKED_WORDS = 20_000  # the checker's limit of (steps + 1)^length
MULTIPLIER_BITS, NORM_BITS = 30, 52
MARGIN = 1e-6


def weighted_mean_square(question: Question) -> Finding:
    """An upper bound of lambda from words as long as `MAX_WORDS` allows, or as needed for the sign."""
    if question.dimension > MAX_DIMENSION:
        return Finding(f"dimension {question.dimension} is above {MAX_DIMENSION}")
    if question.why_no_family:
        return Finding(question.why_no_family)
    family = question.family
    if not family.matrices or len(family.matrices) > MAX_WORDS:
        return Finding(f"{len(family.matrices)} different steps: the search needs 1 to {MAX_WORDS}")
    steps, p = family.as_floats()
    if not np.isfinite(steps).all():
        return Finding("the entries are too large for the search")
    if sum(family.probabilities) < 1:
        steps, p = np.concatenate([steps, np.eye(family.dimension)[None]]), np.append(p, 1 - p.sum())
    longest = min(LONGEST, int(math.log(CHECKED_WORDS) / math.log(len(family.matrices) + 1)))
    best, length, found = math.inf, 0, None
    words, chances, t, first = np.eye(family.dimension)[None], np.ones(1), np.ones(1), np.ones(len(p))
    with np.errstate(all="ignore"):
        while len(words) * len(steps) <= MAX_WORDS and length < longest and question.seconds_left > 0 and (question.width is not None or not best < -1e-6):
            words = np.einsum("wij,sjk->wsik", words, steps).reshape(-1, *steps.shape[1:])
            chances, length = np.outer(chances, p).ravel(), length + 1
            try:
                value, t, norm = _optimised(words, chances, np.outer(t, first).ravel())
            except np.linalg.LinAlgError:
                break
            first = t if length == 1 else first
            if not value / (2 * length) < best or not np.isfinite(norm).all():
                break
            best, found = value / (2 * length), (length, t, norm)
    if found is None or (question.width is None and not best < -1e-7):
        return Finding(f"words up to length {length} only give lambda <= {best:.3g}")
    bound = _rounded(family, *found)
    return Finding("" if bound else "the rounded inequality fails", upper=bound)


def _optimised(words: Floats, p: Floats, t: Floats, rounds: int = 150) -> tuple[float, Floats, Floats]:
    """(log rho - sum p log t, t, Q) at the best multipliers reached from `t`."""
    d = words.shape[1]
    left, right = np.eye(d), np.eye(d)
    value = math.inf
    for count in range(rounds):
        weights = p * t
        for _ in range(3 if count else 50):
            left = np.tensordot(weights, words.transpose(0, 2, 1) @ left @ words, 1)
            right = np.tensordot(weights, words @ right @ words.transpose(0, 2, 1), 1)
            rho = np.trace(left)
            left, right = left / rho, right / np.trace(right)
        moved = np.einsum("ij,wji->w", left, words @ right @ words.transpose(0, 2, 1))
        target = np.sum(left * right) / np.maximum(moved, 1e-300)
        new = float(math.log(rho) - p @ np.log(t))
        step = np.sqrt(target / t / float(np.exp(p @ np.log(target / t))))
        if not np.isfinite(step).all() or (abs(new - value) < 1e-7 and count > 10):
            break
        value, t = new, t * step
    return _with_margin(words, p, t)


def _with_margin(words: Floats, p: Floats, t: Floats) -> tuple[float, Floats, Floats]:
    """t scaled so that T(S) = sum p t A^T S A has a spectral radius just below 1, and Q = (1 - T)^-1 I, so that Q - T(Q) = I."""
    d = words.shape[1]
    transposed = words.transpose(0, 2, 1)
    operator = np.einsum("w,wij,wkl->ikjl", p * t, transposed, transposed).reshape(d * d, d * d)
    t = t / (float(np.abs(np.linalg.eigvals(operator)).max()) * (1 + MARGIN))
    scaled = np.einsum("w,wij,wkl->ikjl", p * t, transposed, transposed).reshape(d * d, d * d)
    norm = np.linalg.solve(np.eye(d * d) - scaled, np.eye(d).ravel()).reshape(d, d)
    return float(-p @ np.log(t)), t, norm


def _rounded(family: MatrixFamily, length: int, t: Floats, norm: Floats) -> Bound | None:
    scale = 2.0**NORM_BITS / np.abs(norm).max()
    q = [[str(round(x * scale)) for x in row] for row in (norm + norm.T) / 2]
    multipliers = [_below(x) for x in t.tolist()]
    rest = 1 - sum(family.probabilities, start=Fraction(0))
    p = [*family.probabilities, *([rest] if rest else [])]
    chances = [Fraction(1)]
    for _ in range(length):
        chances = [x * y for x in chances for y in p]
    bounds = log_sum_bounds([(-x / (2 * length), y) for x, y in zip(chances, multipliers, strict=True)], Fraction(1, 10**12))
    if bounds is None:
        return None
    proof = {"kind": "weighted-mean-square", "length": length, "norm": q, "multipliers": [str(x) for x in multipliers]}
    return Bound(Fraction(math.ceil(bounds[1] * 10**9), 10**9), proof)


def _below(x: float) -> Fraction:
    """A fraction with few digits just below x > 0."""
    mantissa, exponent = math.frexp(x)
    return Fraction(math.floor(mantissa * 2**MULTIPLIER_BITS)) * Fraction(2) ** (exponent - MULTIPLIER_BITS)
