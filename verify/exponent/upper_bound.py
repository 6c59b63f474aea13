"""One-sided finite-sample upper confidence bounds for lambda: an inequality for a fixed number of samples, no limit theorem and no burn-in.

Let |.| be a Euclidean norm on the span of the gradients (dimension d), v uniform on its unit sphere and independent of A = A_n ... A_1, and u the top right
singular vector of A. Then |A v| >= ||A|| |<u, v>|, and E log|<u, v>| = -C_d, C_d = (psi(d/2) - psi(1/2)) / 2 (psi the digamma function), so that

    n lambda <= E log||A|| <= E log|A v| + C_d <= E Y + C_d,    Y = max(log|A v|, -M),

for every n and M (the first step is subadditivity). In the norm of the gradients a step of batch B has ||A_i|| <= max(1, |1 - eta max K_ii|) = exp(b), hence
-M <= Y <= n b, a range of R = n b + M. With n, m, M and the inequality fixed before the m independent samples of Y (mean Y', variance V) are drawn,

    Hoeffding:            E Y <= Y' + R sqrt(log(1/delta) / (2 m))
    empirical Bernstein:  E Y <= Y' + sqrt(2 V log(2/delta) / m) + 7 R log(2/delta) / (3 (m - 1))

each with probability at least 1 - delta (W. Hoeffding, JASA 58, 1963; A. Maurer, M. Pontil, Empirical Bernstein bounds, COLT 2009, Theorem 4). Several
components of K share delta, and lambda is at most the largest of their bounds. n, m and M that are not given come from a pilot run with other random numbers.

Rigour: statistical, with the stated confidence, up to the pseudo-random numbers and the round-off of the simulation (`ROUNDING` a step is added). A bound
says nothing about lambda > 0, and slow modes need n of the order of 1/|lambda|.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..exact import InputError
from ..measured import float_data
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import SGD, Optimiser
from ..result import as_float
from . import kernels
from .blocks import RANK_LIMIT, Block, Floats, mean_log_cosine
from .chains import LOG_CANCELLATION, Part, SGDProblem
from .montecarlo import Source
from .sampling import ROUNDING, available_cores

INEQUALITIES = ("bernstein", "hoeffding")
PILOT_STEPS = 1 << 13
SLACK = 1 / 8
CHUNK = 64
MOST_SAMPLES = 1 << 20


@dataclass(frozen=True)
class UpperBound:
    """lambda <= `value` (nats per step) with probability at least `confidence`; m = `samples` products of n = `steps` steps, logarithms cut at -`floor`."""

    value: float
    confidence: float
    steps: int
    samples: int
    floor: float
    inequality: str
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Stable keys: value (null: minus infinity), confidence, steps, samples, floor, inequality."""
        value = self.value if math.isfinite(self.value) else None
        return {"value": value, "confidence": self.confidence, "steps": self.steps, "samples": self.samples, "floor": self.floor, "inequality": self.inequality}

    def __str__(self) -> str:
        plan = f"{self.samples} products of {self.steps} steps, {self.inequality}"
        return f"at most {self.value:.6g} with confidence {100 * self.confidence:g} % ({plan}): statistical, not a proof"


@dataclass(frozen=True)
class Plan:
    """n, m and M, fixed before the samples are drawn; 0 where nothing is sampled."""

    steps: int
    samples: int
    floor: float


def sgd_upper_bound(
    values: ArrayLike,
    step_size: float,
    *,
    batch: int = 1,
    replacement: bool = True,
    weights: ArrayLike | None = None,
    features: bool = False,
    steps: int | None = None,
    samples: int | None = None,
    floor: float | None = None,
    confidence: float = 0.99,
    inequality: str = "bernstein",
    seed: int = 0,
    time_limit: float = 20.0,
    threads: int | None = None,
) -> UpperBound:
    """An upper confidence bound for lambda of SGD with K (or with `features` X) = `values`; the optimiser as in `sgd_growth`.

    n = `steps` (rounded up to a multiple of a power of two), m = `samples` and M = `floor` are chosen by a pilot run, for about `time_limit` seconds, where
    they are not given; the run is never cut short, as m may not depend on what it shows. Raises `InputError` for arguments out of range and where the rank of
    K is not known (more than 6000 dimensions).
    """
    if inequality not in INEQUALITIES:
        raise InputError(f"inequality = {inequality!r} is not known; write one of {', '.join(INEQUALITIES)}")
    if not 0 < confidence < 1 or not time_limit > 0 or any(x is not None and not x > 0 for x in (steps, floor)) or (samples is not None and samples < 2):
        raise InputError(f"steps = {steps}, floor = {floor}, time_limit = {time_limit} must be positive, samples = {samples} at least 2, confidence in (0, 1)")
    problem = Source.of(values, features).problem(batch, replacement, weights)
    if not problem.checked:
        raise InputError(f"an upper bound needs the rank of K, which is determined up to {RANK_LIMIT} dimensions; use fewer samples or shorter features")
    states = [int(x) for x in kernels.splitmix(seed, 2)]  # of the pilot and of the run
    cores = threads or available_cores()
    delta = (1 - confidence) / max(1, sum(part.chains is not None for part in problem.at(step_size, states[0])))
    seconds, found = time_limit / len(problem.blocks), []
    for index in range(len(problem.blocks)):
        sampler = _Sampler(problem, float(step_size), index, cores)
        plan = sampler.plan(states[0], steps, samples, floor, delta, seconds)
        bound, n = sampler.bound(plan, states[1], delta, inequality)
        found.append((bound, replace(plan, steps=n)))
    longest = max((plan for _, plan in found), key=lambda plan: plan.steps * plan.samples)
    return UpperBound(max(bound for bound, _ in found), confidence, longest.steps, longest.samples, longest.floor, inequality, seed)


def upper_bound(minimum: Minimum | MeasuredMinimum | None, optimiser: Optimiser | None, **options: Any) -> UpperBound:
    """`sgd_upper_bound` of a problem. Raises `InputError` for what is not plain SGD with one output."""
    if minimum is None or not isinstance(optimiser, SGD) or not optimiser.plain or minimum.outputs > 1:
        raise InputError("an upper confidence bound is for SGD with one output, without momentum and weight decay; leave it out")
    data, features = float_data(minimum)
    weights = None if optimiser.weights is None else [as_float(w) for w in optimiser.weights]
    scheme: dict[str, Any] = {"batch": optimiser.batch, "replacement": optimiser.replacement, "weights": weights}
    return sgd_upper_bound(data, as_float(optimiser.step_size), features=features, **scheme, **options)


class _Sampler:
    """Samples of Y for one component of K."""

    def __init__(self, problem: SGDProblem, eta: float, index: int, cores: int) -> None:
        self.problem, self.eta, self.cores = problem, eta, cores
        self.block = problem.blocks[index]
        self.stretch = math.log(max(1.0, abs(1 - eta * float(self.block.norms.max()))))
        self.constant = mean_log_cosine(self.block.dimension)
        self.lift, self.length = _norm(self.block)

    def part(self, seed: int, count: int) -> Part:
        """`count` chains that start uniformly on the sphere."""
        vectors = np.random.default_rng(seed).standard_normal((count, self.block.dimension))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return self.problem.part(self.block, self.eta, seed, self.lift(vectors))

    def logs(self, seed: int, count: int, steps: int) -> tuple[Floats, int, float]:
        """(log|A v| of `count` products, their number of steps, the share of the samples that falls into this component)."""
        part = self.part(seed, count)
        run = part.chains
        assert run is not None
        run.extend(steps, math.inf, self.cores)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.log(self.length(run.now.arrays[-2][:, : self.block.dimension]))
            total = np.sum(run.now.pieces, axis=0)
        return np.where(np.isneginf(total), -math.inf, total + ends), run.steps, part.scale

    def plan(self, seed: int, steps: int | None, samples: int | None, floor: float | None, delta: float, seconds: float) -> Plan:
        """n, m and M such that C_d / n and both terms of the inequality are about `SLACK` of the growth that the pilot sees, as far as time allows."""
        run = self.part(seed, CHUNK).chains
        if run is None:
            return Plan(0, 0, 0.0)
        start = perf_counter()
        logs, done, _ = self.logs(seed, CHUNK, PILOT_STEPS)
        most = seconds / (perf_counter() - start) * done * CHUNK
        finite = np.maximum(logs, -LOG_CANCELLATION * done)
        rate, spread = max(abs(float(finite.mean())) / done, 1e-12), float(finite.std(ddof=1)) / math.sqrt(done)
        error = math.log(2 / delta)
        # Where time is short, n m = `most` is split such that C_d / n and the last term of Bernstein's inequality have the least sum.
        balance = math.sqrt(self.constant * most / (7 / 3 * (self.stretch + 2 * rate) * error))
        n = run.rounded(steps if steps is not None else int(min(self.constant / (SLACK * rate), balance)) + 1)
        reach = floor if floor is not None else 1 + 2 * n * rate + 8 * math.sqrt(n) * spread
        need = max(7 * (self.stretch + reach / n) * error / (3 * SLACK * rate), 2 * spread**2 * error / (n * (SLACK * rate) ** 2), float(CHUNK))
        return Plan(n, samples if samples is not None else int(min(need, max(most / n, CHUNK), MOST_SAMPLES)), reach)

    def bound(self, plan: Plan, seed: int, delta: float, inequality: str) -> tuple[float, int]:
        """(the bound of this component from fresh samples, n)."""
        if not plan.samples:
            return self.part(seed, CHUNK).exact, 0
        found = []
        for k in range(0, plan.samples, CHUNK):
            logs, n, scale = self.logs(kernels.splitmix(seed ^ k, 1)[0].item(), CHUNK, plan.steps)
            found.append(logs)
        y = np.maximum(np.concatenate(found)[: plan.samples], -plan.floor)
        m, reach = plan.samples, n * self.stretch + plan.floor
        if inequality == "hoeffding":
            slack = reach * math.sqrt(math.log(1 / delta) / (2 * m))
        else:
            slack = math.sqrt(2 * float(y.var(ddof=1)) * math.log(2 / delta) / m) + 7 * reach * math.log(2 / delta) / (3 * (m - 1))
        return scale * ((float(y.mean()) + slack + self.constant) / n + ROUNDING), n


def _norm(block: Block) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """(vectors of the span in its Euclidean norm to the coordinates of the chains, the norm of vectors in these). Rows are vectors."""
    if block.factor:
        return lambda w: w, lambda w: np.linalg.norm(w, axis=1)
    from scipy.linalg import solve_triangular

    root = np.linalg.cholesky(np.asarray(block.rows, dtype=float))  # K = L L^T, r = L w: |w| is the norm in the span
    return lambda w: w @ root.T, lambda r: np.linalg.norm(solve_triangular(root, r.T, lower=True), axis=0)
