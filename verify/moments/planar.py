"""L(p) for real p in the plane, rigorously: the p-twisted transfer operator between its least and its largest quotient.

For h > 0 homogeneous of degree one and even on R^2 \\ 0, bounded above and below by multiples of |v|, put q(v) = sum_i p_i (h(A_i v) / h(v))^p. Then
    log inf q <= L(p) <= log sup q        for p > 0 (singular A_i allowed, h(0) = 0) and for -1 < p < 0 (all A_i invertible).
Proof. E h(A^n v)^p lies between (inf q)^n h(v)^p and (sup q)^n h(v)^p. For p > 0, ||A||^p and max_j |A e_j|^p are equivalent. For p < 0, ||A||^p <= |A v|^p
gives the upper bound; ||A||^p >= c_p int |A v|^p dv over the unit circle, as |A v| >= ||A|| |cos(v, a)| for some a and |cos|^p is integrable for p > -1,
gives the lower one. (At p <= -1 the integral diverges and inf q bounds something else: refused. With a singular A_i and p < 0, q is unbounded.) []
For p > 0 both bounds, and for p < 0 the upper one, need q only on a closed set J of directions with interior that every A_i maps into itself: E h(A^n v)^p
is then known for v in a basis. So cells that no terminal class of cells leads to, where the eigenfunction may be rough, do not matter.

h is linear between neighbouring rays v_0, ..., v_n = -v_0, the values at the rays solving q = const there (Newton's method in floating point, untrusted).
The proof. Rays and values are integers, and so are the coordinates of A_i v_k in its cone: all geometry is exact. On the cell between two rays h(A_i v) is
piecewise linear with kinks where the image meets rays, so it lies between low_i and up_i times its chord, from its values at the kinks. Along the cell,
normalised by h(v) = 1, the chord x is linear, and x^p differs from its own chord by at most |p (p-1)| max(x_0^(p-2), x_1^(p-2)) (x_1 - x_0)^2 / 8 and at
most |x_1^p - x_0^p|, upwards iff 0 < p < 1. So sup q and inf q over the cell follow from its two ends; the powers are balls of python-flint. Kinks and
curvature are of second order: the width falls like n^-2 where the eigenfunction is smooth, and cells are split where it is not.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..balls import ends, fmpq_of
from ..exact import InputError
from ..family import MatrixFamily
from .blocks import remainder

Ray = tuple[int, int]
BITS = 44  # of the coordinates of the rays
HEIGHT_BITS = 50  # of the values of h
PRECISION = 96


@dataclass(frozen=True)
class Cell:
    """One step on one cell: h(A v) at both ends and the numbers low <= 1 <= up of the module, as (numerator, denominator)."""

    start: tuple[int, int]
    end: tuple[int, int]
    low: tuple[int, int]
    up: tuple[int, int]
    reached: tuple[int, int]  # the first and the last cone that the image meets


def det(v: Ray, w: Ray) -> int:
    """v x w."""
    return v[0] * w[1] - v[1] * w[0]


class Fan:
    """Rays v_0 .. v_n = -v_0 counter-clockwise over half a turn, and the integer values of h there; v_{k+n} = -v_k."""

    def __init__(self, rays: list[Ray], heights: list[int]) -> None:
        self.rays, self.heights, self.size = rays, heights, len(rays)
        if min(heights) < 1 or any(det(rays[0], v) <= 0 for v in rays[1:]) or any(det(self.ray(k), self.ray(k + 1)) <= 0 for k in range(self.size)):
            raise ArithmeticError("the rays do not go around half a turn, or h is not positive")

    def ray(self, k: int) -> Ray:
        turns, index = divmod(k, self.size)
        x, y = self.rays[index]
        return (-x, -y) if turns % 2 else (x, y)

    def locate(self, v: Ray) -> int:
        """k with v in the cone of v_k (included) and v_{k+1}, for v != 0."""
        lo, hi = (0, self.size) if (det(self.rays[0], v) > 0 or (det(self.rays[0], v) == 0 and self._along(v))) else (self.size, 2 * self.size)
        while hi - lo > 1:
            middle = (lo + hi) // 2
            lo, hi = (middle, hi) if det(self.ray(middle), v) >= 0 else (lo, middle)
        return lo

    def _along(self, v: Ray) -> bool:
        return self.rays[0][0] * v[0] + self.rays[0][1] * v[1] > 0

    def height(self, v: Ray, k: int) -> tuple[int, int]:
        """h(v) = numerator / denominator for v in cone k."""
        a, b = self.ray(k), self.ray(k + 1)
        return self.heights[k % self.size] * det(v, b) + self.heights[(k + 1) % self.size] * det(a, v), det(a, b)

    def cells(self, matrix: tuple[tuple[int, int], tuple[int, int]]) -> Iterator[Cell]:
        """What an integer matrix does on every cell; neighbouring cells share an end."""
        (a, b), (c, d) = matrix
        images = [(a * x + b * y, c * x + d * y) for x, y in self.rays]
        images.append((-images[0][0], -images[0][1]))
        at = self.locate(images[0]) if any(images[0]) else 0
        start = self.height(images[0], at)
        singular = a * d == b * c
        for u, w in itertools.pairwise(images):
            low, up, begun = (1, 1), (1, 1), at
            if singular:
                at = self.locate(w) if any(w) else at
                end = self.height(w, at)
                if u[0] * w[0] + u[1] * w[1] < 0:  # the kernel is inside: |linear function| with a zero
                    low = (0, 1)
                begun = at
            else:
                at, kinks, end = self._swept(u, w, at)
                for kink in kinks:
                    v, area = self.ray(kink), det(u, w)
                    # v = (det(v, w) u + det(u, v) w) / det(u, w): the chord there, against h(v).
                    chord = det(v, w) * start[0] * end[1] + det(u, v) * end[0] * start[1], area * start[1] * end[1]
                    share = self.heights[kink % self.size] * chord[1], chord[0]
                    share = share if share[1] > 0 else (-share[0], -share[1])
                    low = share if share[0] * low[1] < low[0] * share[1] else low
                    up = share if share[0] * up[1] > up[0] * share[1] else up
            yield Cell(start, end, low, up, (min(begun, at), max(begun, at)))
            start = end

    def _swept(self, u: Ray, w: Ray, at: int) -> tuple[int, list[int], tuple[int, int]]:
        """(cone of w, rays strictly between u and w, h(w)), walking from u in cone `at` to w."""
        kinks = []
        if det(u, w) > 0:
            while det(self.ray(at + 1), w) > 0:
                at += 1
                kinks.append(at)
            if det(self.ray(at + 1), w) == 0:
                at += 1
        else:
            if det(self.ray(at), u) == 0:
                at -= 1
            while det(self.ray(at), w) < 0:
                kinks.append(at)
                at -= 1
        return at, kinks, self.height(w, at)


class Quotients:
    """Rigorous bounds of q on every cell (balls `lows`, `highs`), and which cells lead to which."""

    def __init__(self, family: MatrixFamily, fan: Fan, p: Fraction) -> None:
        from flint import arb, fmpq

        self.size, self.p = fan.size, p
        self.edges: list[tuple[int, int]] = []
        power = arb(fmpq_of(p))
        bend = abs(power * (power - 1)) / 8
        rest = arb(fmpq_of(remainder(family)))
        lows, highs = [[rest, rest, arb(0)] for _ in range(fan.size)], [[rest, rest, arb(0)] for _ in range(fan.size)]  # both ends, and what may lie beyond
        for matrix, probability in zip(family.matrices, family.probabilities, strict=True):
            scale = math.lcm(*(x.denominator for row in matrix for x in row))
            integers: Any = tuple(tuple(int(x * scale) for x in row) for row in matrix)
            weight = arb(fmpq_of(probability))
            for k, cell in enumerate(fan.cells(integers)):
                self.edges += [(k, j % fan.size) for j in range(cell.reached[0], cell.reached[1] + 1)]
                heights = fan.heights[k], fan.heights[(k + 1) % fan.size]
                x, y = (arb(fmpq(a, b * h * scale)) for (a, b), h in zip((cell.start, cell.end), heights, strict=True))
                powers = _raised(x, power), _raised(y, power)
                beyond = abs(powers[1] - powers[0])
                if x > 0 and y > 0:
                    curved = bend * arb.max(powers[0] / x**2, powers[1] / y**2) * (y - x) ** 2
                    beyond = curved if curved < beyond else beyond
                shares = (cell.low, cell.up) if p > 0 else (cell.up, cell.low)
                for side, share, bulges in ((lows[k], shares[0], not 0 < p < 1), (highs[k], shares[1], 0 < p < 1)):
                    factor = weight if share == (1, 1) else weight * _raised(arb(fmpq(*share)), power)
                    side[0] += factor * powers[0]
                    side[1] += factor * powers[1]
                    if bulges:
                        side[2] += factor * beyond
        self.lows = [ends(arb.min(low[0], low[1]) - low[2])[0] for low in lows]
        self.highs = [ends(arb.max(high[0], high[1]) + high[2])[1] for high in highs]

    def bounds(self) -> tuple[Fraction, Fraction, list[int]]:
        """(lo, hi, the cells that decide them): lo <= exp L(p) <= hi; lo may be negative."""
        classes = self._closed_classes()
        upper = min(classes, key=lambda cells: max(self.highs[k] for k in cells))
        lower = max(classes, key=lambda cells: min(self.lows[k] for k in cells)) if self.p > 0 else range(self.size)
        return min(self.lows[k] for k in lower), max(self.highs[k] for k in upper), sorted({*lower, *upper})

    def _closed_classes(self) -> list[list[int]]:
        """Strongly connected sets of cells that no edge leaves: each is mapped into itself by every step."""
        import numpy as np
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import connected_components

        source, target = np.array(self.edges).T
        graph = csr_matrix((np.ones(len(source)), (source, target)), shape=(self.size, self.size))
        count, label = connected_components(graph, directed=True, connection="strong")
        left = set(label[source][label[source] != label[target]].tolist())
        return [np.flatnonzero(label == c).tolist() for c in range(count) if c not in left]


def _raised(x: Any, power: Any) -> Any:
    return x**power if x > 0 else x  # x is an exact zero (its numerator is an integer), and then power > 0


def planar_moment(family: MatrixFamily, p: Fraction, width: Fraction, time_limit: float = 20.0) -> tuple[Fraction | None, Fraction | None, str]:
    """(lo, hi, "" or why the width was not reached) with lo <= L(p) <= hi, for a family of 2 x 2 matrices, p > -1, p != 0."""
    if p <= -1 or not p:
        raise InputError(f"p = {p} is not handled by the transfer operator; write a number above -1 other than 0")
    if p < 0 and not all(family.determinants):
        return None, None, "a step is singular and p < 0: the transfer operator is unbounded"
    from flint import arb, ctx

    from ._eigenfunction import Unsolved, eigenfunction, first_angles, refined

    deadline, lo, hi = time.monotonic() + time_limit, None, None
    angles, warm = first_angles(), None
    while True:
        begun = time.monotonic()
        try:
            rays, heights, warm = eigenfunction(family, angles, float(p), warm)
        except Unsolved as error:
            return lo, hi, str(error)
        with ctx.workprec(PRECISION):
            quotients = Quotients(family, Fan(rays, heights), p)
            least, largest, cells = quotients.bounds()
            if least > 0:
                new = ends(arb(fmpq_of(least)).log())[0]
                lo = new if lo is None else max(lo, new)
            if largest > 0:
                new = ends(arb(fmpq_of(largest)).log())[1]
                hi = new if hi is None else min(hi, new)
        if lo is not None and hi is not None and hi - lo <= width:
            return lo, hi, ""
        if time.monotonic() + 2.5 * (time.monotonic() - begun) > deadline:
            return lo, hi, "the time was up"
        angles = refined(angles, cells, quotients.lows, quotients.highs, float(width))
