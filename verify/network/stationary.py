"""SGD with weight decay omega at a minimum: no common fixed point, so T2 does not apply; what takes its place is a stationary law near the minima.

Linear models (and the linearisation at an interpolating w*): with u = w - w* a step is u <- M_i u - eta omega w*, M_i = (1 - eta omega) I - eta g_i g_i^T, in
residual coordinates r <- (1 - eta omega) r - eta K e_i r_i - eta omega b, b_j = <g_j, w*>. Let 0 < eta omega < 1.
- Exponents: log(1 - eta omega) on the complement of span{g_i}, and lambda_omega(eta) = log(1 - eta omega) + lambda(eta / (1 - eta omega)) on the span.
- lambda_omega < 0: there is one stationary law, and runs on the same samples meet at the rate of the larger exponent (A. Brandt, Adv. Appl. Probab. 18, 1986;
  P. Bougerol, N. Picard, Ann. Probab. 20, 1992). This is no convergence to a point: for N >= 2 independent g_i all steps have one fixed point in common only
  if b = 0.
- Size: r is of order omega; E r r^T solves a linear equation, if the mean square of the M_i contracts (`linear_mean_square`).
- Tail: P(|r| > t) ~ c t^-s with L_omega(s) = 0, L_omega(p) = p log(1 - eta omega) + L(p; eta / (1 - eta omega)), if some product of steps expands, they are
  invertible, act irreducibly and are not arithmetic (H. Kesten, Acta Math. 131, 1973; C. Goldie, Ann. Appl. Probab. 1, 1991). The mean square is infinite iff
  s <= 2. `verify.escape_exponent` of the problem with weight decay bounds s.
- Support: if all steps contract, |M_i| <= c < 1, then |w - w*| <= eta omega |w*| / (1 - c) (`support_radius`).
For a network all of this is an extension: the linearisation holds near M only; along M the exponent differs from log(1 - eta omega) by the curvature of F, by
terms of the same order; and weight decay moves the runs along M to where w is in span{g_i(w)}, where K has to be taken (`interpolating_near`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..exact import InputError
from ..optimiser import SGD, Optimiser
from ..result import as_float
from .descent import Descent, State, ball
from .draws import Indices, draws
from .levenberg_marquardt import interpolate
from .minimum import NetworkMinimum
from .model import Floats
from .precision import double_precision, jax_module

PIECE = 1000
EVERY = 20
APART = 1e-4


@dataclass(frozen=True)
class StationaryRuns:
    """Real runs after a burn-in; every figure is a mean over independent runs with its standard error.

    `mean_square` is that of the residuals of all samples, `exponent` the growth per step of the derivative of the run on R^D, `meeting` the growth per step of
    the distance between two runs on the same samples, `w` (runs, D) the last points and `norms` |residuals| (records, runs).
    """

    mean_square: float
    mean_square_error: float
    exponent: float
    exponent_error: float
    meeting: float
    meeting_error: float
    w: Floats
    norms: Floats


def stationary_runs(
    minimum: NetworkMinimum, optimiser: SGD, *, burn: int, steps: int, runs: int = 16, radius: float = 1e-5, piece: int = PIECE, seed: int = 0
) -> StationaryRuns:
    """Runs that start near w*. `burn` and `steps` should be several 1/(eta omega), the time that weight decay takes to move along M and the tangent to turn.

    The distance of two runs is looked at every `piece` steps (a multiple of 20).

    Raises `InputError` for an optimiser that is not SGD with weight decay and without momentum, and for runs that leave floating point.
    """
    if not isinstance(optimiser, SGD) or not optimiser.weight_decay or optimiser.momentum:
        raise InputError('a stationary law is looked for with weight decay and without momentum; write for example SGD("1/10", weight_decay="1/1000")')
    descent = minimum.descent(optimiser)
    rng = np.random.default_rng(seed)
    state = descent.start(ball(minimum.w, radius, runs, rng))
    for _ in range(-(-burn // piece)):
        state, _ = descent.moved(state, draws(optimiser, minimum.network.size, piece, runs, rng), EVERY)
    return _measured(descent, state, -(-steps // piece), piece, rng)


def _measured(descent: Descent, state: State, pieces: int, piece: int, rng: np.random.Generator) -> StationaryRuns:
    runs, dimension = state.w.shape
    tangent, derivative = rng.standard_normal((runs, dimension)), _tangent(descent)
    twin = descent.start(np.asarray(state.w) + ball(np.zeros(dimension), APART, runs, rng))
    logs, growth, path = [], [], [np.full(runs, APART)]
    for _ in range(pieces):
        indices = draws(descent.optimiser, descent.network.size, piece, runs, rng)
        tangent, grown = derivative(state.w, tangent, indices)
        state, found = descent.moved(state, indices, EVERY)
        twin, _ = descent.moved(twin, indices, EVERY)
        logs.append(found)
        growth.append(grown)
        path.append(np.linalg.norm(np.asarray(state.w) - np.asarray(twin.w), axis=1))
    norms = math.sqrt(descent.targets.size) * np.exp(np.concatenate(logs))
    if not np.isfinite(norms).all():
        raise InputError(f"step_size = {descent.optimiser.step_size}: the runs leave the range of floating point, there is no stationary law to measure")
    rates = np.mean(growth[pieces // 4 :], axis=0)  # a random direction has to turn first
    return StationaryRuns(*_mean((norms**2).mean(0) / descent.targets.size), *_mean(rates), *_meeting(np.stack(path), piece), np.asarray(state.w), norms)


def _meeting(path: Floats, piece: int) -> tuple[float, float]:
    """The mean slope of log distance (looks, runs), from the second look to the last one above the rounding of double precision."""
    seen = path > 1e-11
    last = np.where(seen.all(0), len(path) - 1, seen.argmin(0) - 1)
    used = np.flatnonzero(last > 1)
    return _mean(np.log(path[last[used], used] / path[1, used]) / ((last[used] - 1) * piece))


def _mean(values: Floats) -> tuple[float, float]:
    """(mean, its standard error), nan of nothing."""
    if len(values) < 2:
        return math.nan, math.nan
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def _tangent(descent: Descent) -> Any:
    """w, v (runs, D), samples (steps, runs, B) -> v after the derivatives of these steps, normalised, and its mean log growth per step (runs,)."""
    jax = jax_module()
    eta, decay = as_float(descent.optimiser.step_size), as_float(descent.optimiser.weight_decay)

    def one(w: Any, v: Any, samples: Any) -> Any:
        w, v = jax.jvp(lambda u: u + descent.descended(u, samples, eta, decay), (w,), (v,))
        size = jax.numpy.linalg.norm(v)
        return w, v / size, jax.numpy.log(size)

    def step(carry: Any, samples: Any) -> Any:
        w, v, grown = jax.vmap(one)(*carry, samples)
        return (w, v), grown

    program = jax.jit(lambda w, v, indices: jax.lax.scan(step, (w, v), indices))

    @double_precision
    def moved(w: Any, v: Any, indices: Indices) -> tuple[Floats, Floats]:
        (_, v), grown = program(w, v, indices)
        return np.asarray(v), np.asarray(grown).mean(0)

    return moved


def interpolating_near(minimum: NetworkMinimum, w: Floats) -> NetworkMinimum:
    """The interpolating point that Levenberg-Marquardt reaches from w: where to linearise around runs that have moved along M. Raises `InputError`."""
    fit = interpolate(minimum.network, minimum.targets, start=w)
    if not fit.residual <= 1e-10:
        raise InputError(f"from w the search for an interpolating point stays at residuals of {fit.residual:.2g}: w is too far from the minima")
    return NetworkMinimum.of(minimum.network, fit.w, minimum.targets, minimum.loss)


def linear_mean_square(minimum: NetworkMinimum, optimiser: SGD) -> float:
    """The stationary mean square of the residuals under the linearised steps at w* (batch 1, one output); infinite where the second moment is.

    With A = E M_i the mean m solves m = A m - eta omega b and E r r^T = S solves S = E M_i S M_i^T - eta omega (A m b^T + b m^T A^T) + (eta omega)^2 b b^T.
    """
    (eta, drift), k, n = _single(minimum, optimiser), minimum.gram, minimum.network.size
    b = drift * minimum.network.push(minimum.w, minimum.w).ravel()
    steps = (1 - drift) * np.eye(n) - eta * k.T[:, :, None] * np.eye(n)[:, None, :]  # steps[i] = (1 - eta omega) I - eta K e_i e_i^T
    both = np.einsum("iab,icd->acbd", steps, steps).reshape(n * n, n * n) / n
    if np.abs(np.linalg.eigvals(both)).max() >= 1:
        return math.inf
    mean = steps.mean(0)
    cross = np.outer(mean @ np.linalg.solve(np.eye(n) - mean, -b), b)
    second = np.linalg.solve(np.eye(n * n) - both, (np.outer(b, b) - cross - cross.T).ravel()).reshape(n, n)
    return float(np.trace(second)) / n


def support_radius(minimum: NetworkMinimum, optimiser: SGD) -> float:
    """A bound of |w - w*| under the stationary law of the linearised steps (batch 1, one output), infinite where some step does not contract."""
    eta, drift = _single(minimum, optimiser)
    contraction = max(abs(1 - drift), float(np.abs(1 - drift - eta * np.diag(minimum.gram)).max()))
    return drift * float(np.linalg.norm(minimum.w)) / (1 - contraction) if contraction < 1 else math.inf


def _single(minimum: NetworkMinimum, optimiser: Optimiser) -> tuple[float, float]:
    """eta and eta omega, in the theory's convention."""
    theory = minimum.theory(optimiser)
    if not isinstance(theory, SGD) or theory.batch != 1 or minimum.network.outputs != 1 or theory.momentum or theory.weights is not None:
        raise InputError("this is written for uniform batches of one sample, one output and no momentum; use SGD(step_size, weight_decay=...)")
    return as_float(theory.step_size), as_float(theory.step_size * theory.weight_decay)


def hill(values: Floats, share: float = 0.02, confidence: float = 0.99) -> tuple[float, float]:
    """(s, half-width): Hill's estimate of the exponent of a power tail, P(X > t) ~ c t^-s, from the largest `share` of all values.

    `values` (groups, n), positive; the groups are independent, dependence inside a group does no harm: s is the number of the values above the threshold over
    the sum of their log(x / threshold), and the interval is Student's over the groups, of that ratio linearised. It does not cover the bias of a tail that is
    not yet a power there; look at several shares.
    """
    from scipy.special import stdtrit

    groups = len(values)
    threshold = np.quantile(values, 1 - share)
    above = values > threshold
    if groups < 4 or above.sum() < 100:
        raise InputError(f"hill needs at least 4 groups and 100 values in the tail; there are {groups} and {above.sum()}")
    counts, excess = above.sum(1), np.log(np.where(above, values / threshold, 1.0)).sum(1)
    s = counts.sum() / excess.sum()
    error = (counts - s * excess).std(ddof=1) / excess.mean() / math.sqrt(groups)
    return float(s), float(stdtrit(groups - 1, (1 + confidence) / 2) * error)
