"""One extra factor exp(delta) per cone, separately for each bound, by value iteration against the worst piece; and where that worst case lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels import compiled
from ._mesh import Floats, Ints
from ._pieces import Pieces


@dataclass(frozen=True)
class Drift:
    """lambda <= (upper) or >= `bound` with forms times exp(delta); `worst` is the piece that binds in each cone."""

    bound: float
    delta: Floats
    worst: Ints


def settled(p: Floats, pieces: Pieces, upper: bool, delta: Floats, tolerance: float, rounds: int) -> Drift:
    """Value iteration from `delta`, until the bound is known to be within `tolerance` of the best one or `rounds` are over."""
    delta, worst = delta.copy(), np.zeros(len(delta), np.int64)
    sign = 1.0 if upper else -1.0
    bound = _iterated(pieces.first, pieces.label, pieces.high if upper else pieces.low, p, sign, delta, worst, tolerance, rounds)
    return Drift(float(bound), delta, worst)


def gain(p: Floats, pieces: Pieces, drift: Drift, sign: float, inner: Any) -> Floats:
    """For every cone, what the adversary of the bound (sign 1: upper, -1: lower), who always picks the worst piece, gains there per step: by a residual worse
    than the mean of the cone, and (charged to the label) by labels that are no leaves (`inner`) and worse than the mean label."""
    starts, counts = pieces.first[:-1], np.diff(pieces.first)
    visits = np.full(len(pieces.cells), 1.0 / len(pieces.cells))
    _visited(pieces.label, drift.worst, p, visits, 300)
    middle = np.add.reduceat(0.5 * sign * (pieces.high + pieces.low), starts) / counts
    residual = sign * (pieces.high if sign > 0 else pieces.low)[drift.worst]
    total = visits * np.maximum(0.0, residual - middle)
    for s, weight in enumerate(p):
        label, delta = pieces.label[:, s], sign * drift.delta[pieces.label[:, s]]
        excess = np.maximum(0.0, delta[drift.worst] - np.add.reduceat(delta, starts) / counts)
        worst = label[drift.worst]
        np.add.at(total, worst, np.where(inner[worst], weight * visits * excess, 0.0))
    return np.asarray(total)


@compiled
def _iterated(first: Any, label: Any, residual: Any, p: Any, sign: float, delta: Any, worst: Any, tolerance: float, rounds: int) -> Any:
    n, m = delta.size, p.size
    rest = 1.0 - p.sum()
    change, best, best_delta = np.zeros(n), 1e300, delta.copy()
    for _ in range(rounds):
        low, high = 1e300, -1e300
        for k in range(n):
            most = -1e300
            for q in range(first[k], first[k + 1]):
                value = residual[q]
                for s in range(m):
                    value += p[s] * delta[label[q, s]]
                if sign * value > most:
                    most = sign * value
            change[k] = most - sign * (1.0 - rest) * delta[k]
            low, high = min(low, change[k]), max(high, change[k])
        if high < best:
            best = high
            best_delta[:] = delta
        if high - low < tolerance:
            break
        middle = 0.5 * (low + high)
        for k in range(n):
            delta[k] += sign * (change[k] - middle)
    delta[:] = best_delta
    for k in range(n):
        most = -1e300
        for q in range(first[k], first[k + 1]):
            value = residual[q]
            for s in range(m):
                value += p[s] * delta[label[q, s]]
            if sign * value > most:
                most = sign * value
                worst[k] = q
    return sign * best


@compiled
def _visited(label: Any, worst: Any, p: Any, visits: Any, rounds: int) -> None:
    n, m = visits.size, p.size
    rest = 1.0 - p.sum()
    new = np.zeros(n)
    for _ in range(rounds):
        for k in range(n):
            new[k] = (1.0 + rest) * visits[k]
        for k in range(n):
            for s in range(m):
                new[label[worst[k], s]] += p[s] * visits[k]
        for k in range(n):
            visits[k] = 0.5 * new[k]
