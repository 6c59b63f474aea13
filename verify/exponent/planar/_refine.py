"""Adaptive search for the cones: solve, bound both sides, split the cones that matter, until a goal is met."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from ._drift import Drift, occupancy, settle
from ._model import Cones, Floats, Ints, Model, Pieces, SearchFailed, assemble, crossings, kernels, reachable, stationary
from ._poisson import Forms, collocate, forms, residuals

FINEST = 2.0**-30


@dataclass(frozen=True)
class Level:
    """One refinement level, in the units of the model (Model)."""

    cones: Cones
    pieces: Pieces
    forms: Forms
    lower: Drift
    upper: Drift
    value: float
    exhausted: bool

    @property
    def width(self) -> float:
        return self.upper.bound - self.lower.bound


def cut(model: Model, cones: Cones) -> Pieces:
    """All pieces of the cones, cut in the middle of the crossings."""
    found = crossings(model, cones)
    extra = kernels(model, cones)
    return assemble(model, cones, np.concatenate([found.cone, extra[0]]), np.concatenate([found.at, extra[1]]))


def refine(model: Model, q: int, *, start: int = 16, bulk: float = 0.5, most: int = 400, deadline: float) -> Generator[Level, int | None, None]:
    """Yield levels with more and more cones. Stops by itself when nothing can be split, `most` cones are reached or time is up (the last level says so).
    A number sent back bounds the cones of the next level.
    """
    nodes = np.linspace(-1.0, 3.0, start + 1)
    n = start
    upper_delta, lower_delta = np.zeros(n), np.zeros(n)
    upper_visits, lower_visits, measure = np.full(n, 1.0 / n), np.full(n, 1.0 / n), np.full(n, 1.0 / n)
    warm: Floats | None = None
    width = 1.0
    while True:
        tiles = Cones.over(nodes)
        everything = cut(model, tiles)
        measure = stationary(model, everything, measure + 1e-12, 300)
        cones = Cones.over(nodes, reachable(everything, n, int(np.argmax(measure))))
        index = cones.index
        pieces = everything.restricted(cones)
        g, value = collocate(model, cones, pieces, q, None if warm is None else warm[index], 0.01 * width)
        h = forms(q, g)
        low, high = residuals(model, cones, pieces, h, 2 * q + 5)
        if not (np.isfinite(high).all() and np.isfinite(value)):
            raise SearchFailed("the collocation has no finite solution")
        rounds = 3000 if index.size < 500 else 400
        upper = settle(model.p, pieces, high, True, upper_delta[index], 0.02 * width, rounds)
        lower = settle(model.p, pieces, low, False, lower_delta[index], 0.02 * width, rounds)
        width = max(upper.bound - lower.bound, 1e-16)
        share = pieces.right - pieces.left

        def average(values: Floats, pieces: Pieces = pieces, share: Floats = share, size: int = index.size) -> Floats:
            result: Floats = np.bincount(pieces.cone, weights=share * values, minlength=size).astype(np.float64)
            return result

        upper_policy = occupancy(model.p, pieces, upper, upper_visits[index] + 1e-9, 200)
        lower_policy = occupancy(model.p, pieces, lower, lower_visits[index] + 1e-9, 200)
        after_upper = high + model.p @ upper.delta[pieces.label] - upper.bound
        after_lower = low + model.p @ lower.delta[pieces.label] - lower.bound
        gap = np.maximum(upper.delta - average(after_upper), 0) + np.maximum(average(after_lower) - lower.delta, 0) + average(high - low)
        weight = (measure[index] + upper_policy + lower_policy) * gap
        weight[nodes[index + 1] - nodes[index] <= FINEST] = 0.0
        order = np.argsort(-weight, kind="stable")
        running = np.cumsum(weight[order])
        exhausted = index.size >= most or not running[-1] > 0.0 or time.monotonic() > deadline
        limit = yield Level(cones, pieces, h, lower, upper, value, exhausted)
        if exhausted:
            return
        room = max(min(most, limit or most) - index.size, 1 + index.size // 20)
        count = min(int(np.searchsorted(running, bulk * running[-1])) + 1, room)

        def spread(values: Floats, into: Floats, index: Ints = index) -> Floats:
            into[index] = values
            return into

        upper_delta, lower_delta = spread(upper.delta, np.zeros(n)), spread(lower.delta, np.zeros(n))
        upper_visits, lower_visits = spread(upper_policy, np.zeros(n)), spread(lower_policy, np.zeros(n))
        full = np.zeros((n, q + 1))
        full[index] = g
        mark = np.zeros(n, bool)
        mark[index[order[:count]]] = True
        repeat = np.where(mark, 2, 1)
        source = np.repeat(np.arange(n), repeat)
        warm = full[source]
        upper_delta, lower_delta = upper_delta[source], lower_delta[source]
        upper_visits, lower_visits, measure = (x[source] / repeat[source] for x in (upper_visits, lower_visits, measure))
        nodes = np.sort(np.concatenate([nodes, (0.5 * (nodes[:-1] + nodes[1:]))[mark]]))
        n = nodes.size - 1
