"""One extra scalar per cone: value iteration that makes a bound out of piecewise residuals, and the cones where that bound is attained.

With residuals r_j on the pieces j and h scaled on cone k by exp(delta_k), the upper bound is max_j [r_j + sum_s p_s delta(k_s(j)) - delta(k(j))]. Every delta gives
a bound; value iteration (the optimality equation of a Markov decision process that picks the worst piece) makes it nearly the best. Without it
the worst residual sits in tiny repelling regions and the width is useless.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._model import Floats, Ints, Pieces


@dataclass(frozen=True)
class Drift:
    """A bound with its scalars delta, and for every cone the piece that attains the worst value."""

    bound: float
    delta: Floats
    worst: Ints


def settle(p: Floats, pieces: Pieces, residual: Floats, upper: bool, delta: Floats, tolerance: float, rounds: int) -> Drift:
    """Value iteration from `delta` until the spread of the increments is below `tolerance`; keeps the best bound seen."""
    sign = 1.0 if upper else -1.0
    starts = np.flatnonzero(np.diff(pieces.cone, prepend=-1))
    r = sign * residual
    d = sign * delta
    best, best_d = np.inf, d
    weights, label, cone = p[:, None], pieces.label, pieces.cone
    values = r
    for _ in range(rounds):
        values = r + (weights * d[label]).sum(axis=0)
        new = np.maximum.reduceat(values, starts)
        change = new - d
        high, low = float(change.max()), float(change.min())
        if high < best:
            best, best_d = high, d
        if not high - low > tolerance:
            break
        d = new - 0.5 * (high + low)
    values = r + (weights * best_d[label]).sum(axis=0)
    attained = np.flatnonzero(values == np.maximum.reduceat(values, starts)[cone])
    worst = np.zeros(delta.size, np.int64)
    worst[cone[attained][::-1]] = attained[::-1]
    return Drift(sign * best, sign * best_d, worst)


def occupancy(p: Floats, pieces: Pieces, drift: Drift, start: Floats, rounds: int) -> Floats:
    """How often the adversary of the bound visits each cone."""
    targets = pieces.label[:, drift.worst]
    measure = start / start.sum()
    for _ in range(rounds):
        new = 0.5 * (measure + np.bincount(targets.ravel(), weights=(p[:, None] * measure).ravel(), minlength=measure.size))
        change = float(np.abs(new - measure).sum())
        measure = new
        if change < 1e-8:
            break
    return measure
