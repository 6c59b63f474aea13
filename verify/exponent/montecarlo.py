"""Monte Carlo estimates of the top Lyapunov exponent lambda = lim (1/n) log ||A_n ... A_1||, in nats per step, for any number of samples.

Statistical, never a certificate: the result is a confidence interval. Independent chains (64, or 32 above dimension 64, 16 above 4096) start near the slowest
direction of the mean step; the first eighth of each run (at least 20 N / B steps) is thrown away; the mean log growth of each chain is one observation and the
interval is Student's with (chains - 1) degrees of freedom, so that correlation within a chain, however long, does no harm. Two signs of a start not yet
forgotten widen it: the excess of the change from the first to the second half of the run over two of its own standard errors, and the difference between the
mean growth in the Euclidean norm and in the 1-norm; and, for what these do not show, `sampling.FORGOTTEN`. With several interacting parts (see `chains`) the
intervals of the parts share the error probability (Bonferroni) and lambda is within the maximum of their lower ends and the maximum of their upper ends.

What cannot be resolved: exponents that differ on a time scale longer than the run (kappa_min eta / N below one over the steps of one chain, step sizes or
couplings that are tiny) except in the start's favour; families with invariant subspaces that are not coordinate subspaces and have nearly equal exponents;
events rarer than one over the number of steps; cancellation below 1e-15: a product that is zero only up to round-off looks like a factor of 1e-16.
Where such slow modes hide the sign, eta below the mean-square threshold proves lambda < 0 (`estimate`); `upper_bound` has one-sided bounds for finite samples.

Size: one step costs about 2 N flops for batch 1, B N for batches, 2 B d in a span of dimension d < N, d^2 for a family; K or X lie in memory once (`blocks`), a
chain is a vector. From N of a few thousand on, the speed is that of the memory: a step reads a row of K, so float32 is up to twice as fast.
With precision = "float32" a float64 K or X is rounded, and the half-width grows by what that can change in a step, on average and to first order: by
eta 2^-24 |K|_F / N.

Sources: H. Furstenberg, H. Kesten, Products of random matrices, Ann. Math. Statist. 31, 1960; J.-P. Eckmann, D. Ruelle, Rev. Mod. Phys. 57, 1985 (the
method of renormalised products); D. Chemnitz, M. Engel, JMLR 26(134), 2025 (lambda of SGD at a minimum).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exact import InputError
from .blocks import Block, Floats, Reals, checked_gram, features_block, gram_block
from .chains import SGDProblem, family_parts
from .crossing import Crossing
from .descent_chains import DescentProblem
from .sampling import GrowthEstimate, Sampling, estimate

__all__ = ["DescentProblem", "GrowthEstimate", "descent_growth", "descent_threshold", "family_growth", "features_growth", "sgd_growth", "sgd_threshold"]

UNCHECKED = "the rank of K was not determined at this size"


@dataclass(frozen=True)
class Source:
    """K or features as they lie in memory, and the relative rounding of their entries by the change to float32 (0: none)."""

    array: Reals
    factor: bool
    rounding: float

    @classmethod
    def of(cls, values: ArrayLike, factor: bool, precision: str | None = None) -> Source:
        """Raises `InputError` for what is no finite matrix; for K see also `checked_gram`."""
        name = "features" if factor else "gram"
        if precision not in (None, "float32", "float64"):
            raise InputError(f"precision = {precision!r} is not known; write \"float32\" or \"float64\"")
        given = np.asarray(values)
        kept = given.dtype == np.float32 and precision != "float64"
        array = given if kept else _floats(values, name, 2)
        if kept and (array.ndim != 2 or not array.size or not np.all(np.isfinite(array))):
            raise InputError(f"{name} must be a nonempty array of finite numbers with 2 axes; its shape is {array.shape}")
        array = np.ascontiguousarray(array) if factor else checked_gram(np.ascontiguousarray(array))
        narrowed = precision == "float32" and not kept
        return cls(array.astype(np.float32) if narrowed else array, factor, 2.0**-24 if narrowed else 0.0)

    def problem(self, batch: int, replacement: bool, weights: ArrayLike | None) -> SGDProblem:
        """SGD on these data, at no particular step size."""
        x = self.array
        norms = np.einsum("ij,ij->i", x, x, dtype=float) if self.factor else np.diag(x).astype(float)

        def row(i: int) -> Floats:
            return np.asarray(x @ x[i] if self.factor else x[i], dtype=float)

        def block(samples: NDArray[np.int64]) -> Block:
            everything = len(samples) == len(x)
            if self.factor:
                return features_block(x if everything else x[samples], samples)
            return gram_block(x if everything else x[np.ix_(samples, samples)], samples)

        return SGDProblem.build(len(x), norms, row, block, batch, replacement, weights)

    def slack(self, step_size: float) -> float:
        """By how much rounding K (or X, twice) to float32 can change the growth per step: to first order, on average, at most."""
        if not self.rounding:
            return 0.0
        frobenius = float(np.linalg.norm(self.array.T @ self.array if self.factor else self.array))
        return (2 if self.factor else 1) * self.rounding * step_size * frobenius / len(self.array)


def sgd_growth(
    gram: ArrayLike,
    step_size: float,
    *,
    batch: int = 1,
    replacement: bool = True,
    weights: ArrayLike | None = None,
    precision: str | None = None,
    **options: Any,
) -> GrowthEstimate:
    """Estimate lambda of SGD at a minimum with the Gram matrix `gram` (N, N): steps r <- r - (eta/B) sum_{i in S} K e_i r_i, restricted to range(K).

    S holds `batch` samples, independent with probabilities proportional to `weights` (N,) (uniform if None; repeated samples count), or without
    `replacement` a uniform set. `precision` "float32" rounds K, None leaves a float32 array as it is and takes everything else in double precision.
    The other `options` are those of `Sampling`. Rigour: statistical, see the module.

    Raises `InputError` for arguments out of range and for a matrix that is not symmetric positive semidefinite (beyond N = 1024 only K_ii >= 0, symmetry and
    |K_ij| <= sqrt(K_ii K_jj) are checked).
    """
    return _growth(Source.of(gram, False, precision), float(step_size), batch, replacement, weights, Sampling(**options))


def features_growth(
    features: ArrayLike,
    step_size: float,
    *,
    batch: int = 1,
    replacement: bool = True,
    weights: ArrayLike | None = None,
    precision: str | None = None,
    **options: Any,
) -> GrowthEstimate:
    """As `sgd_growth` for K = X X^T with X = `features` (N, D), the rows being the gradients g_i. K is not formed if D < N: a step costs 2 D, not N."""
    return _growth(Source.of(features, True, precision), float(step_size), batch, replacement, weights, Sampling(**options))


def _growth(source: Source, step_size: float, batch: int, replacement: bool, weights: ArrayLike | None, sampling: Sampling) -> GrowthEstimate:
    problem = source.problem(batch, replacement, weights)
    parts = problem.at(step_size, _seed(sampling.seed))
    key = (source.array, source.factor, step_size, batch, replacement, problem.probabilities, sampling.seed)
    return estimate(parts, sampling, key, source.slack(step_size), "" if problem.checked else UNCHECKED)


def family_growth(matrices: ArrayLike, probabilities: ArrayLike, **options: Any) -> GrowthEstimate:
    """Estimate lambda of independent products of `matrices` (m, d, d), drawn with `probabilities` (m,) that sum to at most 1; the identity has the rest.

    The `options` are those of `Sampling`, the result and its rigour those of `sgd_growth`. Raises `InputError` for arguments out of range.
    """
    family, p, sampling = _floats(matrices, "matrices", 3), _floats(probabilities, "probabilities", 1), Sampling(**options)
    if family.shape[1] != family.shape[2] or len(p) != len(family):
        raise InputError(f"matrices has the shape {family.shape} and probabilities {p.shape}; they must be (m, d, d) and (m,)")
    if not np.all(p > 0) or p.sum() > 1 + 1e-9:
        raise InputError(f"probabilities must be positive with a sum of at most 1, but their minimum is {p.min()} and their sum {p.sum()}")
    if np.abs(family).max() > 1e150:
        raise InputError(f"matrices has an entry of size {np.abs(family).max():.3g}; at most 1e150 can be handled: scale the family and add the logarithm")
    return estimate(family_parts(family, p, _seed(sampling.seed)), sampling, (family, p, sampling.seed))


def descent_growth(problem: DescentProblem, step_size: float, **options: Any) -> GrowthEstimate:
    """Estimate lambda, per step, of an optimiser with momentum, weight decay, reshuffled epochs or vector outputs; the rest as for `sgd_growth`."""
    sampling = Sampling(**options)
    parts = problem.at(float(step_size), _seed(sampling.seed))
    found = estimate(parts, replace(sampling, steps=max(1, sampling.steps // problem.period)), (*problem.key, step_size, sampling.seed))
    return replace(found, steps=found.steps * problem.period)


def descent_threshold(
    problem: DescentProblem,
    *,
    lo: float,
    hi: float,
    width: float,
    confidence: float = 0.95,
    time_limit: float = 30.0,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[float, float, float], None] | None = None,
) -> tuple[float, float, str]:
    """As `sgd_threshold`, for the optimisers of `descent_growth`."""
    if not 0 < lo < hi < math.inf or not width > 0:
        raise InputError(f"lo = {lo}, hi = {hi}, width = {width}: needed are 0 < lo < hi and a positive width")
    sampling = Sampling(time_limit=time_limit, confidence=confidence, seed=seed, threads=threads)
    return Crossing(problem, sampling, _seed(seed)).shrink(float(lo), float(hi), float(width), progress)


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
    threads: int | None = None,
    precision: str | None = None,
    features: bool = False,
    progress: Callable[[float, float, float], None] | None = None,
) -> tuple[float, float, str]:
    """A bracket [lo', hi'] of a sign change of lambda(eta) within [lo, hi], and "" or the reason why it is wider than `width`.

    With probability at least `confidence` lambda has, at lo' and hi', the two opposite signs seen there. All estimates use common random numbers, so that
    lambda(eta) - lambda(eta') is known better than either; how the error probability is shared by the looks is said in `crossing`. {eta : lambda < 0} need not
    be an interval: this finds one of the sign changes. With `features` the first argument is X, and K = X X^T as in `features_growth`. `progress(lo', hi',
    seconds)` is called at each improvement. Rigour: statistical.

    Raises `InputError` for arguments out of range, or if lambda has the same sign at both ends.
    """
    if not 0 < lo < hi < math.inf or not width > 0:
        raise InputError(f"lo = {lo}, hi = {hi}, width = {width}: needed are 0 < lo < hi and a positive width")
    problem = Source.of(gram, features, precision).problem(batch, replacement, weights)
    sampling = Sampling(time_limit=time_limit, confidence=confidence, seed=seed, threads=threads)
    return Crossing(problem, sampling, _seed(seed)).shrink(float(lo), float(hi), float(width), progress)


def _floats(values: ArrayLike, name: str, dimensions: int) -> Floats:
    array = np.ascontiguousarray(np.asarray(values, dtype=float))
    if array.ndim != dimensions or not array.size or not np.all(np.isfinite(array)):
        raise InputError(f"{name} must be a nonempty array of finite numbers with {dimensions} axes; its shape is {array.shape}")
    return array


def _seed(seed: int) -> int:
    from . import kernels

    return int(kernels.splitmix(seed, 1)[0])
