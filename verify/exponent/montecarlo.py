"""Monte Carlo estimates of the top Lyapunov exponent lambda = lim (1/n) log ||A_n ... A_1||, in nats per step, for any number of samples.

Statistical, never a certificate: the result is a confidence interval. Independent chains (64, or 32 above dimension 64) start near the slowest direction of
the mean step; the first eighth of each run (at least 20 N / B steps) is thrown away; the mean log growth of each chain is one observation and the interval
is Student's with (chains - 1) degrees of freedom, so that correlation within a chain, however long, does no harm. Two signs of a start not yet forgotten
widen it: the excess of the change from the first to the second half of the run over two of its own standard errors, and the difference between the mean
growth in the Euclidean norm and in the 1-norm. With several interacting parts (see `chains`) the intervals of the parts share
the error probability (Bonferroni) and lambda is within the maximum of their lower ends and the maximum of their upper ends.

What cannot be resolved: exponents that differ on a time scale longer than the run (kappa_min eta / N below one over the steps of one chain, step sizes or
couplings that are tiny) except in the start's favour; families with invariant subspaces that are not coordinate subspaces and have nearly equal exponents;
events rarer than one over the number of steps; cancellation below 1e-15: a product that is zero only up to round-off looks like a factor of 1e-16.
Speed: one step costs about 2 N flops for batch 1, B N for batches, 2 B d in a span of dimension d < N, d^2 for a family.

Sources: H. Furstenberg, H. Kesten, Products of random matrices, Ann. Math. Statist. 31, 1960; J.-P. Eckmann, D. Ruelle, Rev. Mod. Phys. 57, 1985 (the
method of renormalised products); D. Chemnitz, M. Engel, JMLR 26(134), 2025 (lambda of SGD at a minimum).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exact import InputError
from .chains import Chains, Part, SGDProblem, family_parts, features_block, gram_block

Floats = NDArray[np.float64]
STEPS = 20_000_000
# Round-off of a step, relative; no interval is narrower.
ROUNDING = 1e-15


@dataclass(frozen=True)
class GrowthEstimate:
    """lambda is within value +- half_width (nats per step) with probability about `confidence` over the random samples.

    `value` is -inf (and half_width 0) if a vector became exactly zero: a product that vanishes with positive probability has lambda = -inf. `steps` counts
    the steps of all chains after the burn-in; both counts are 0 where lambda is a sum of logarithms and nothing had to be sampled.
    """

    value: float
    half_width: float
    confidence: float
    steps: int
    chains: int
    seed: int

    @property
    def sign(self) -> int:
        """-1 or 1 if the interval excludes zero, else 0."""
        return 0 if abs(self.value) <= self.half_width else int(math.copysign(1, self.value))


def sgd_growth(
    gram: ArrayLike,
    step_size: float,
    *,
    batch: int = 1,
    replacement: bool = True,
    weights: ArrayLike | None = None,
    steps: int = STEPS,
    target_half_width: float | None = None,
    time_limit: float = 5.0,
    confidence: float = 0.99,
    seed: int = 0,
) -> GrowthEstimate:
    """Estimate lambda of SGD at a minimum with the Gram matrix `gram` (N, N): steps r <- r - (eta/B) sum_{i in S} K e_i r_i, restricted to range(K).

    S holds `batch` samples, independent with probabilities proportional to `weights` (N,) (uniform if None; repeated samples count), or without
    `replacement` a uniform set. The run has `steps` steps over all chains, or goes on until the half-width is at most `target_half_width` (then `steps`
    plays no part), and ends at `time_limit` seconds, which do not include compiling, nor the eigenvalues of K (N^3). Unless the time runs out, the
    result is a function of the arguments; the same seed draws the same samples whatever the step size. Rigour: statistical, see the module.

    Raises `InputError` for arguments out of range and for a matrix that is not symmetric positive semidefinite.
    """
    problem = _gram_problem(gram, batch, replacement, weights)
    return _estimate(problem.at(float(step_size), _seed(seed)), steps, target_half_width, time_limit, confidence, seed)


def features_growth(
    features: ArrayLike,
    step_size: float,
    *,
    batch: int = 1,
    replacement: bool = True,
    weights: ArrayLike | None = None,
    steps: int = STEPS,
    target_half_width: float | None = None,
    time_limit: float = 5.0,
    confidence: float = 0.99,
    seed: int = 0,
) -> GrowthEstimate:
    """As `sgd_growth` for K = X X^T with X = `features` (N, D), the rows being the gradients g_i. K is not formed if D < N."""
    x = _floats(features, "features", 2)
    row: Callable[[int], Floats] = lambda i: x @ x[i]  # noqa: E731
    problem = SGDProblem.build(len(x), np.einsum("ij,ij->i", x, x), row, lambda s: features_block(x[s], s), batch, replacement, weights)
    return _estimate(problem.at(float(step_size), _seed(seed)), steps, target_half_width, time_limit, confidence, seed)


def family_growth(
    matrices: ArrayLike,
    probabilities: ArrayLike,
    *,
    steps: int = STEPS,
    target_half_width: float | None = None,
    time_limit: float = 5.0,
    confidence: float = 0.99,
    seed: int = 0,
) -> GrowthEstimate:
    """Estimate lambda of independent products of `matrices` (m, d, d), drawn with `probabilities` (m,) that sum to at most 1; the identity has the rest.

    The other arguments, the result and its rigour are those of `sgd_growth`. Raises `InputError` for arguments out of range.
    """
    family, p = _floats(matrices, "matrices", 3), _floats(probabilities, "probabilities", 1)
    if family.shape[1] != family.shape[2] or len(p) != len(family):
        raise InputError(f"matrices has the shape {family.shape} and probabilities {p.shape}; they must be (m, d, d) and (m,)")
    if not np.all(p > 0) or p.sum() > 1 + 1e-9:
        raise InputError(f"probabilities must be positive with a sum of at most 1, but their minimum is {p.min()} and their sum {p.sum()}")
    if np.abs(family).max() > 1e150:
        raise InputError(f"matrices has an entry of size {np.abs(family).max():.3g}; at most 1e150 can be handled: scale the family and add the logarithm")
    return _estimate(family_parts(family, p, _seed(seed)), steps, target_half_width, time_limit, confidence, seed)


def sgd_threshold(
    gram: ArrayLike,
    *,
    lo: float,
    hi: float,
    batch: int = 1,
    replacement: bool = True,
    weights: ArrayLike | None = None,
    width: float,
    confidence: float = 0.95,
    time_limit: float = 30.0,
    seed: int = 0,
    progress: Callable[[float, float, float], None] | None = None,
) -> tuple[float, float, str]:
    """A bracket [lo', hi'] of a sign change of lambda(eta) within [lo, hi], and "" or the reason why it is wider than `width`.

    With probability at least `confidence` lambda has, at lo' and hi', the two opposite signs seen there. All estimates use common random numbers, so that
    lambda(eta) - lambda(eta') is known better than either; each step size is run until its sign is significant. Look number k, over the whole call, spends
    (1 - confidence) / (k (k + 1)) of the error probability: the sum over any number of looks stays within bounds. {eta : lambda < 0} need not be
    an interval: this finds one of the sign changes. `progress(lo', hi', seconds)` is called at each improvement. Rigour: statistical.

    Raises `InputError` for arguments out of range, or if lambda has the same sign at both ends.
    """
    if not 0 < lo < hi < math.inf or not width > 0:
        raise InputError(f"lo = {lo}, hi = {hi}, width = {width}: needed are 0 < lo < hi and a positive width")
    problem = _gram_problem(gram, batch, replacement, weights)
    _check_limits(1, None, time_limit, confidence)
    return _Bracket(problem, _seed(seed), 1 - confidence, perf_counter() + time_limit).shrink(float(lo), float(hi), float(width), progress)


class _Bracket:
    """The search of `sgd_threshold`: sign tests at step sizes beside the estimated zero."""

    def __init__(self, problem: SGDProblem, seed: int, error: float, deadline: float) -> None:
        self.problem, self.seed, self.error, self.deadline = problem, seed, error, deadline
        self.start = perf_counter()
        self.looks = 0

    def test(self, eta: float, resolution: float) -> GrowthEstimate:
        """The estimate at `eta`, run until its sign is significant, its half-width is below `resolution`, or the time is up."""
        parts = self.problem.at(eta, self.seed)
        steps = 1 << 12
        while True:
            in_time = _extend(parts, steps, self.deadline)
            self.looks += 1
            estimate = _interval(parts, 1 - self.error / (self.looks * (self.looks + 1)), self.seed)
            if estimate.sign or not in_time or estimate.half_width < resolution or not estimate.chains:
                return estimate
            steps *= 2

    def shrink(self, lo: float, hi: float, width: float, progress: Callable[[float, float, float], None] | None) -> tuple[float, float, str]:
        left, right = self.test(lo, 0.0), self.test(hi, 0.0)
        for eta, end in ((lo, left), (hi, right)):
            if not end.sign:
                return lo, hi, f"the sign at {eta:g} was not decided in time: lambda = {_spell(end)}, so that a sign change in between is not established"
        if left.sign == right.sign:
            raise InputError(f"lambda has the same sign at lo = {lo:g} ({_spell(left)}) and hi = {hi:g} ({_spell(right)}); move one of them")
        # Infinite values say nothing about where the zero is; a finite stand-in starts the search in the middle.
        values = [max(left.value, -1.0), max(right.value, -1.0)]
        zero, side = lo + (hi - lo) * values[0] / (values[0] - values[1]), 0
        while hi - lo > width:
            margin = 0.45 * width if hi - lo < 6 * width else 0.12 * (hi - lo)
            eta = zero - margin if side == 0 else zero + margin
            if not lo < eta < hi:
                side, eta = 1 - side, (zero + margin if side == 0 else zero - margin)
            if not lo < eta < hi or perf_counter() > self.deadline:
                eta = (lo + hi) / 2
            slope = abs(values[1] - values[0]) / (hi - lo)
            found = self.test(eta, 0.2 * slope * width)
            if perf_counter() > self.deadline and not found.sign:
                return lo, hi, f"the time was up: the sign at {eta:.12g} is not significant, lambda = {_spell(found)}"
            value = max(found.value, -1.0)
            if found.sign == left.sign:
                lo, values[0] = eta, value
            elif found.sign:
                hi, values[1] = eta, value
            if found.sign and progress is not None:
                progress(lo, hi, perf_counter() - self.start)
            # The newest estimate and the slope place the zero; a secant of the ends is the fallback.
            guess = eta - value * (hi - lo) / (values[1] - values[0]) if values[1] != values[0] else lo
            zero = guess if lo < guess < hi else lo + (hi - lo) * values[0] / (values[0] - values[1])
            side = 1 - side
        return lo, hi, ""


def _gram_problem(gram: ArrayLike, batch: int, replacement: bool, weights: ArrayLike | None) -> SGDProblem:
    k = _floats(gram, "gram", 2)
    scale = np.sqrt(np.abs(np.diag(k))) if k.shape[0] == k.shape[1] else np.zeros(0)
    if len(scale) != len(k) or np.any(np.diag(k) < 0) or np.any(np.abs(k - k.T) > 1e-8 * np.outer(scale, scale)):
        raise InputError(f"gram, of shape {k.shape}, is not a symmetric positive semidefinite matrix (N, N); symmetrise it or look for the error in it")
    k = (k + k.T) / 2
    if np.any(np.abs(k) > (1 + 1e-8) * np.outer(scale, scale)):
        raise InputError("gram has |K_ij| > sqrt(K_ii K_jj), which no Gram matrix has")
    return SGDProblem.build(len(k), np.diag(k), lambda i: k[i], lambda s: gram_block(k[np.ix_(s, s)], s), batch, replacement, weights)


def _estimate(parts: list[Part], steps: int, target: float | None, time_limit: float, confidence: float, seed: int) -> GrowthEstimate:
    _check_limits(steps, target, time_limit, confidence)
    deadline = perf_counter() + time_limit
    chains = [part.chains for part in parts if part.chains]
    goal = max((steps * 8 // 7 // c.count + c.burn for c in chains), default=0)
    if target is not None:
        goal = min(goal, 1 << 12)
    while True:
        in_time = _extend(parts, goal, deadline)
        result = _interval(parts, confidence, seed)
        if target is None or not in_time or result.half_width <= target or not chains:
            return result
        # Few looks, as each is a chance to stop on a lucky half-width.
        goal = int(goal * min(4.0, max(1.3, 1.1 * (result.half_width / target) ** 2)))


def _extend(parts: list[Part], steps: int, deadline: float) -> bool:
    """Run all chains up to `steps` each; the parts share the time that is left. True if that was reached."""
    chains = [part.chains for part in parts if part.chains]
    reached = True
    for index, run in enumerate(chains):
        now = perf_counter()
        reached &= run.extend(steps, now + max(0.0, deadline - now) / (len(chains) - index))
    return reached


def _interval(parts: list[Part], confidence: float, seed: int) -> GrowthEstimate:
    """The maximum over the parts, from simultaneous intervals."""
    chains = [part.chains for part in parts if part.chains]
    error = (1 - confidence) / max(1, len(chains))
    ends = [_part_interval(part, error) for part in parts]
    low, high = max(end[0] for end in ends), max(end[1] for end in ends)
    steps = sum(run.measured * run.count for run in chains)
    if high == -math.inf:
        return GrowthEstimate(-math.inf, 0.0, confidence, steps, sum(run.count for run in chains), seed)
    value, half_width = (low + high) / 2, (high - low) / 2
    return GrowthEstimate(value, half_width + ROUNDING * (1 + abs(value)), confidence, steps, sum(run.count for run in chains), seed)


def _part_interval(part: Part, error: float) -> tuple[float, float]:
    if part.chains is None:
        return part.exact, part.exact
    mean, half_width = _student(part.chains, error)
    return part.scale * (mean - half_width), part.scale * (mean + half_width)


def _student(run: Chains, error: float) -> tuple[float, float]:
    """Mean growth per step and the half-width of its interval with two-sided error probability `error`."""
    from scipy.special import stdtrit

    means, changes, shapes = run.means()
    if np.any(means == -math.inf):
        return -math.inf, 0.0
    if not np.all(np.isfinite(means)):
        raise ArithmeticError("a chain left the range of floating point; please report the input: the spacing of renormalisations was to exclude this")
    root = math.sqrt(len(means))
    drift = max(0.0, abs(float(changes.mean())) - 2 * float(changes.std(ddof=1)) / root) + abs(float(shapes.mean()))
    quantile = float(stdtrit(len(means) - 1, 1 - error / 2))
    return float(means.mean()), quantile * float(means.std(ddof=1)) / root + drift


def _floats(values: ArrayLike, name: str, dimensions: int) -> Floats:
    array = np.ascontiguousarray(np.asarray(values, dtype=float))
    if array.ndim != dimensions or not array.size or not np.all(np.isfinite(array)):
        raise InputError(f"{name} must be a nonempty array of finite numbers with {dimensions} axes; its shape is {array.shape}")
    return array


def _check_limits(steps: int, target: float | None, time_limit: float, confidence: float) -> None:
    if steps < 1 or not time_limit > 0 or not 0 < confidence < 1 or (target is not None and not target > 0):
        raise InputError(f"steps = {steps}, target_half_width = {target}, time_limit = {time_limit} must be positive, confidence = {confidence} in (0, 1)")


def _seed(seed: int) -> int:
    from . import kernels

    return int(kernels.splitmix(seed, 1)[0])


def _spell(estimate: GrowthEstimate) -> str:
    return f"{estimate.value:.6g} +- {estimate.half_width:.2g}"
