"""Fluctuations of log ||A^n|| and the whole Lyapunov spectrum; both statistical.

The variance sigma^2 of the central limit theorem, (log ||A^n|| - n lambda) / sqrt(n) -> N(0, sigma^2) (E. Le Page, 1982; for regular families sigma > 0), is
n times the variance of the mean growth of blocks of n steps; sigma^2 = L''(0) where L is smooth. The spectrum lambda_1 >= ... >= lambda_d comes from
products of frames with QR decompositions (G. Benettin et al., Meccanica 15, 1980); its sum is known exactly (E4), which checks the whole computation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..balls import log_sum_bounds
from ..exact import InputError
from ..problem import Problem
from ..result import interval
from .blocks import Sampler, exact_blocks, period, sampler
from .result import Bounds, Rigour, statistical, unknown

if TYPE_CHECKING:
    import numpy as np

CHAINS, BLOCK, BLOCKS = 512, 256, 16
FRAMES = 32
ROUNDING = 1e-14  # a pivot this far below the largest one is a zero: the step is singular


def growth_variance(problem: Problem, *, confidence: float = 0.99, seed: int = 0, block: int = BLOCK) -> Bounds:
    """A confidence interval of sigma^2 (nats^2 per step), from 512 chains of 16 blocks of `block` steps after as many of burn-in.

    Chi-square with one degree of freedom per block (normal block sums), widened by what doubling the blocks changes beyond two standard errors: blocks
    shorter than the memory of the direction give another variance. No interval where products vanish.
    """
    import numpy as np
    from scipy.special import chdtri

    _check(confidence, block)
    steps = sampler(problem)
    sums = _block_sums(steps, block, seed)
    if not np.isfinite(sums).all():
        return unknown("sigma^2", "variance of blocks", "a product vanished: log ||A^n|| has no variance")
    pairs = (sums[0::2] + sums[1::2]).ravel()
    value, doubled = (float(x.var(ddof=1)) / (length * steps.period) for x, length in ((sums.ravel(), block), (pairs, 2 * block)))
    count = sums.size - 1
    drift = max(0.0, abs(doubled - value) - 2 * value * math.sqrt(2 / pairs.size))
    low, high = (value * count / float(chdtri(count, q)) for q in ((1 - confidence) / 2, (1 + confidence) / 2))
    low, high = max(0.0, low - drift), high + drift + 1e-14 * (1 + value)
    return statistical("sigma^2", (low + high) / 2, (high - low) / 2, confidence, "variance of blocks", f"{sums.size} blocks of {block} steps")


def _block_sums(steps: Sampler, block: int, seed: int) -> np.ndarray:
    """Log growth over consecutive blocks, (blocks, chains)."""
    import numpy as np

    rng = np.random.default_rng(seed)
    state = rng.standard_normal((CHAINS, steps.dimension, 1))
    sums = np.zeros((BLOCKS + 1, CHAINS))
    with np.errstate(divide="ignore", invalid="ignore"):
        for row in sums:
            for _ in range(block):
                state = steps.move(state, rng)
                size = np.linalg.norm(state, axis=(1, 2))
                row += np.log(size)
                state /= size[:, None, None]
    return sums[1:]


@dataclass(frozen=True)
class Spectrum:
    """Exponents in decreasing order (confidence intervals, simultaneous), their sum as estimated, and what the sum rule E4 says it is, exactly.

    `sum_rule_holds`: whether the two agree; None where the exact sum is not available.
    """

    exponents: tuple[Bounds, ...]
    total: Bounds
    sum_rule: Bounds

    @property
    def sum_rule_holds(self) -> bool | None:
        """Whether the interval of the estimated sum meets the exact one."""
        mine, exact = (self.total.lo, self.total.hi), (self.sum_rule.lo, self.sum_rule.hi)
        if None in exact or None in mine:
            return None
        return bool(mine[0] <= exact[1] and exact[0] <= mine[1])  # type: ignore[operator]

    def to_json(self) -> dict[str, Any]:
        """Stable keys, see JSON.md."""
        return {
            "exponents": [x.to_json() for x in self.exponents],
            "sum": self.total.to_json(),
            "sum_rule": self.sum_rule.to_json(),
            "sum_rule_holds": self.sum_rule_holds,
        }

    def __str__(self) -> str:
        holds = {True: "holds", False: "FAILS", None: "is not available"}[self.sum_rule_holds]
        estimated, exact = (interval(x.lo, x.hi) for x in (self.total, self.sum_rule))
        return "\n".join([*map(str, self.exponents), f"sum rule (E4) {holds}: estimated {estimated}, exact {exact}"])


def lyapunov_spectrum(problem: Problem, *, steps: int = 2000, confidence: float = 0.99, seed: int = 0) -> Spectrum:
    """All d exponents in nats per step: Student's intervals from 32 independent frames (simultaneous: the error probability is shared, Bonferroni), after a
    burn-in of a quarter of the steps. A singular step makes the last exponent -infinity (no interval).
    """
    import numpy as np

    _check(confidence, steps)
    source = sampler(problem)
    d, rng = source.dimension, np.random.default_rng(seed)
    frames = np.linalg.qr(rng.standard_normal((FRAMES, d, d)))[0]
    logs, burn = np.zeros((FRAMES, d)), steps // 4
    with np.errstate(divide="ignore", invalid="ignore"):
        for t in range(steps + burn):
            frames, r = np.linalg.qr(source.move(frames, rng))
            if t >= burn:
                pivots = np.abs(np.diagonal(r, axis1=1, axis2=2))
                logs += np.log(np.where(pivots < ROUNDING * pivots.max(axis=1, keepdims=True), 0.0, pivots))
    rates = logs / (steps * source.period)
    share = 1 - (1 - confidence) / (d + 1)
    exponents = [_student(f"lambda_{k + 1}", rates[:, k], share, steps) for k in range(d)]
    return Spectrum(tuple(exponents), _student("sum of the exponents", rates.sum(axis=1), share, steps), _sum_rule(problem))


def _student(quantity: str, values: np.ndarray, confidence: float, steps: int) -> Bounds:
    import numpy as np
    from scipy.special import stdtrit

    if not np.isfinite(values).all():
        return unknown(quantity, "QR", "-infinity: a step is singular")
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return statistical(quantity, float(values.mean()), half + 1e-12 * (1 + abs(float(values.mean()))), confidence, "QR", f"{FRAMES} frames of {steps} steps")


def _sum_rule(problem: Problem) -> Bounds:
    """E log |det A| on the span of the gradients: sum over the components."""
    quantity, method = "sum of the exponents", "determinants (E4)"
    try:
        terms = [(p, abs(x)) for family in exact_blocks(problem) for p, x in zip(family.probabilities, family.determinants, strict=True)]
    except InputError as error:
        return unknown(quantity, method, str(error))
    bounds = log_sum_bounds(terms, Fraction(1, 10**12))
    if bounds is None:
        return unknown(quantity, method, "-infinity: a step is singular")
    return Bounds(quantity, bounds[0] / period(problem), bounds[1] / period(problem), Rigour.EXACT, method)


def _check(confidence: float, steps: int) -> None:
    if not 0 < confidence < 1 or steps < 8:
        raise InputError(f"confidence = {confidence} must be in (0, 1) and the number of steps, {steps}, at least 8")
