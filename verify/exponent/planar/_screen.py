"""The test of planar forms in floats with an error bound, on all pieces at once: what it clears needs no exact test.

All coefficients of prod_s F_{k_s}(A_s v)^{P_s} and of F_k(v)^{sum P_s} along a piece are sums of products of positive numbers, so floats have them to a few
units in the last place; a piece is clear where every ratio lies on the right side of rho by more than that.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ._geometry import Geometry
from ._model import Floats, Ints

DEPTH = 3


def convolve(a: Floats, b: Floats) -> Floats:
    result = np.zeros((a.shape[0], a.shape[1] + b.shape[1] - 1))
    for j in range(b.shape[1]):
        result[:, j : j + a.shape[1]] += a * b[:, j : j + 1]
    return result


def normalised(ends: Floats) -> tuple[Floats, Floats]:
    size = np.maximum(ends.max(axis=1), 1e-300)
    return ends / size[:, None], np.log(size)


class Screen:
    """The pieces of a geometry as floats, kept for several forms. Numbers beyond the range of floats make every piece a suspect."""

    def __init__(self, geometry: Geometry, powers: tuple[int, ...], q: int) -> None:
        self.powers, self.q, self.size = powers, q, geometry.size
        self.usable = True
        try:
            self.targets = [np.array(geometry.cone)] + [np.array(label) for label in geometry.label]
            self.ends = [np.array([(*x, *y) for x, y in zip(geometry.start, geometry.end, strict=True)], dtype=np.float64)]
            self.ends += [np.array(image, dtype=np.float64) for image in geometry.images]
            dets = np.log(np.array([cone.det for cone in geometry.cones], dtype=np.float64))
            self.logs = [np.zeros(geometry.size)]
            self.logs += [dets[target] + float(np.log(float(scale))) for target, scale in zip(self.targets[1:], geometry.scale, strict=True)]
        except OverflowError:
            self.usable = False

    def suspects(self, forms: list[list[int]], rho: Fraction, upper: bool) -> Ints:
        """The pieces that floats do not clear."""
        everything = np.arange(self.size)
        if not self.usable:
            return everything
        try:
            table = np.array([[float(c) for c in row] for row in forms])
            limit = float(np.log(float(rho)))
        except OverflowError:
            return everything
        gauge = table.max(axis=1)
        found = self._recurse(everything, self.ends, table / gauge[:, None], np.log(gauge), limit, upper, DEPTH)
        return np.unique(found)

    def _recurse(self, rows: Ints, ends: list[Floats], table: Floats, gauge: Floats, limit: float, upper: bool, depth: int) -> Ints:
        ratio, logs = self._log_ratio(rows, ends, table, gauge)
        slack = 4e-15 * (self.q + 2) * sum(self.powers) + 1e-15 * logs[:, None]
        clear = (ratio - limit < -slack).all(axis=1) if upper else (ratio - limit > slack).all(axis=1)
        left = np.flatnonzero(~clear)
        if depth == 0 or left.size == 0:
            result: Ints = rows[left]
            return result
        ends = [e[left] for e in ends]
        middles = [e[:, :2] + e[:, 2:] for e in ends]
        first = [np.concatenate([e[:, :2], m], axis=1) for e, m in zip(ends, middles, strict=True)]
        second = [np.concatenate([m, e[:, 2:]], axis=1) for e, m in zip(ends, middles, strict=True)]
        return np.concatenate([self._recurse(rows[left], half, table, gauge, limit, upper, depth - 1) for half in (first, second)])

    def _log_ratio(self, rows: Ints, ends: list[Floats], table: Floats, gauge: Floats) -> tuple[Floats, Floats]:
        """log of there / here, coefficient by coefficient, and the size of the logarithms that were added."""
        total, here, there = np.zeros(rows.size), np.ones((rows.size, 1)), np.ones((rows.size, 1))
        size = np.zeros(rows.size)
        for number, power in enumerate((-sum(self.powers), *self.powers)):
            along, log = self._along(table, gauge, self.targets[number][rows], ends[number])
            log = log - self.q * self.logs[number][rows]
            total = total + power * log
            size = size + abs(power) * np.abs(log)
            for _ in range(abs(power)):
                if number:
                    there = convolve(there, along)
                else:
                    here = convolve(here, along)
        with np.errstate(divide="ignore"):
            return np.log(there / here) + total[:, None], size

    def _along(self, table: Floats, gauge: Floats, k: Ints, ends: Floats) -> tuple[Floats, Floats]:
        q = self.q
        c, size = normalised(ends)
        form = table[k]
        acc, power = form[:, q:], np.ones((k.size, 1))
        for j in range(q - 1, -1, -1):
            power = convolve(power, c[:, [0, 2]])
            acc = convolve(acc, c[:, [1, 3]]) + form[:, j : j + 1] * power
        return acc, q * size + gauge[k]
