"""One extra scalar per cone: value iteration that makes a bound out of piecewise residuals, and the cones where that bound is attained.

With residuals r_j on the pieces j and h scaled on cone k by exp(delta_k), the upper bound is max_j [r_j + sum_s p_s delta(k_s(j)) - delta(k(j))].
Every delta gives a bound; value and policy iteration (the optimality equation of a Markov decision process that picks the worst piece) make it nearly
the best. Without it the worst residual sits in tiny repelling regions and the width is useless.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._chain import poisson_solution
from ._model import Floats, Ints, Pieces

DENSE, DIRECT = 200, 4000  # cones up to which policy iteration solves densely, at all


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
    patience, jumps = 40, 0
    for count in range(rounds):
        values = r + (weights * d[label]).sum(axis=0)
        new = np.maximum.reduceat(values, starts)
        change = new - d
        high, low = float(change.max()), float(change.min())
        if high < best:
            best, best_d = high, d
        if not high - low > tolerance:
            break
        if count >= patience and jumps < 12 and d.size <= DIRECT:
            d, patience, jumps = improved(p, pieces, r, values, new), count + 5, jumps + 1
        else:
            d = new - 0.5 * (high + low)
    values = r + (weights * best_d[label]).sum(axis=0)
    return Drift(sign * best, sign * best_d, attained(cone, values, np.maximum.reduceat(values, starts)))


def attained(cone: Ints, values: Floats, maximum: Floats) -> Ints:
    """For every cone the first piece that attains its maximum."""
    rows = np.flatnonzero(values == maximum[cone])
    worst = np.zeros(maximum.size, np.int64)
    worst[cone[rows][::-1]] = rows[::-1]
    return worst


def improved(p: Floats, pieces: Pieces, r: Floats, values: Floats, maximum: Floats) -> Floats:
    """One step of policy iteration: the scalars that level the worst pieces, c + d_k = r_j + sum_s p_s d(k_s(j)). Value iteration needs as many rounds as
    the steps need to move a direction across a cone, which is without bound near the identity.
    """
    from scipy.sparse import csr_matrix

    worst = attained(pieces.cone, values, maximum)
    n = maximum.size
    targets = pieces.label[:, worst]
    rows = np.broadcast_to(np.arange(n), targets.shape).ravel()
    transfer = csr_matrix((np.broadcast_to(p[:, None], targets.shape).ravel(), (rows, targets.ravel())), shape=(n, n))
    solved = poisson_solution(transfer, r[worst], DENSE)
    return maximum if solved is None else solved[0] - solved[0].max()


def occupancy(p: Floats, pieces: Pieces, drift: Drift, start: Floats, rounds: int) -> Floats:
    """How often the adversary of the bound visits each cone."""
    targets = pieces.label[:, drift.worst]
    measure: Floats = start / start.sum()
    for _ in range(rounds):
        new: Floats = 0.5 * (measure + np.bincount(targets.ravel(), weights=(p[:, None] * measure).ravel(), minlength=measure.size))
        change = float(np.abs(new - measure).sum())
        measure = new
        if change < 1e-8:
            break
    return measure
