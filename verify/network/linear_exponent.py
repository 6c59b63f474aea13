"""Exponents and thresholds from linear runs, for methods that have no optimiser class. Statistical: Student's interval over independent runs."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..exact import InputError
from ..optimiser import Optimiser, with_step_size
from ..result import Estimate, as_float
from ..threshold import Threshold
from .cocycle import linear_course
from .draws import Indices, draws
from .minimum import NetworkMinimum
from .model import Floats

EVERY = 20
RUNS = 64
NEGLIGIBLE = 1e-12


def range_projector(gram: Floats) -> Floats:
    """The orthogonal projector onto range(K), to which residuals of the linearised model belong. Eigenvalues below 1e-12 of the largest count as zero."""
    kappa, v = np.linalg.eigh(gram)
    kept = v[:, kappa > NEGLIGIBLE * kappa[-1]]
    return np.asarray(kept @ kept.T)


def linear_exponent(
    gram: Floats,
    optimiser: Optimiser,
    *,
    outputs: int = 1,
    nesterov: bool = False,
    steps: int = 2_000_000,
    confidence: float = 0.99,
    seed: int = 0,
) -> Estimate:
    """lambda from `RUNS` linear runs with `steps` steps together (optimiser and K in the theory's convention); the first eighth of each is left out.

    Raises `InputError` for a singular K, where rounding leaves the range of K and would not decay.
    """
    sampled = _Sampled(gram, optimiser, outputs, nesterov, steps, seed)
    rates = sampled.rates(as_float(optimiser.step_size))
    reason = "K is measured, not exact: no proof is possible"
    return Estimate("linear runs", reason, float(rates.mean()), _half_width(rates, confidence), confidence)


def linear_threshold(
    minimum: NetworkMinimum, optimiser: Optimiser, resolution: float, *, nesterov: bool = True, steps: int = 1_000_000, confidence: float = 0.95, seed: int = 0
) -> Threshold:
    """A sign change of lambda, in the optimiser's own step size, from linear runs with common samples; the interval is that of their mean at the crossing.

    The bracket starts at 1/trace K and doubles until lambda > 0, so that a first sign change may be jumped over.
    """
    from scipy.optimize import brentq

    theory, f = minimum.theory(optimiser), minimum.factor(optimiser)
    sampled = _Sampled(minimum.gram, theory, minimum.network.outputs, nesterov, steps, seed)
    hi = 1 / float(np.trace(minimum.gram))
    while sampled.rates(hi).mean() < 0:
        hi *= 2
        if not hi < 1e12:
            raise InputError("no step size with lambda > 0 was found")
    root = float(brentq(lambda eta: float(sampled.rates(eta).mean()), hi / 2, hi, rtol=resolution / 10))
    span = 0.01 * root
    slope = float((sampled.rates(root + span) - sampled.rates(root - span)).mean()) / (2 * span)
    half = _half_width(sampled.rates(root), confidence) / abs(slope) + resolution / 10 * root
    lo, hi_ = (Fraction(repr(x)) / f for x in (root - half, root + half))
    return Threshold(lo, hi_, False, False, f"linear runs, {100 * confidence:g} % confidence")


class _Sampled:
    """Runs on fixed samples at any step size."""

    def __init__(self, gram: Floats, optimiser: Optimiser, outputs: int, nesterov: bool, steps: int, seed: int) -> None:
        kappa = np.linalg.eigvalsh(gram)
        if not kappa[0] > NEGLIGIBLE * kappa[-1]:
            raise InputError(f"gram has the eigenvalue {kappa[0]:.3g} (the largest is {kappa[-1]:.3g}): linear runs need a nonsingular K")
        self.gram, self.optimiser, self.outputs, self.nesterov = gram, optimiser, outputs, nesterov
        size, rng = len(gram) // outputs, np.random.default_rng(seed)
        length = math.lcm(8 * EVERY, size)  # whole epochs
        steps_each = -(-steps // RUNS // length) * length
        self.indices: Indices = draws(optimiser, size, steps_each, RUNS, rng)
        self.start = rng.standard_normal((RUNS, len(gram)))

    def rates(self, step_size: float) -> Floats:
        """Mean growth per step of each run."""
        optimiser = with_step_size(self.optimiser, Fraction(step_size))
        logs = linear_course(self.gram, optimiser, self.start, self.indices, EVERY, outputs=self.outputs, nesterov=self.nesterov)
        burnt = len(logs) // 8
        return np.asarray((logs[-1] - logs[burnt]) / ((len(logs) - 1 - burnt) * EVERY))


def _half_width(rates: Floats, confidence: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(len(rates) - 1, (1 + confidence) / 2) * rates.std(ddof=1) / math.sqrt(len(rates)))
