"""From float cones to exact ones: integer generators, trees of short rational cuts, and images in exact coordinates.

The same arithmetic as the certificate format describes (cones, trees, labels), written independently of the checker: the search has to know what will be checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from ...family import MatrixFamily
from ._model import FRINGE, Cones, Floats, Ints, Model, Pieces, SearchFailed, crossings, labels

Ray = tuple[int, int]
Square = tuple[int, int, int, int]  # rows: (a b; c d)

_FRINGE_BITS = round(-np.log2(FRINGE))
_SHRINK = 0.04  # share of a crossing's room that is left unused at either end, for the errors of the floats that found it


def det(v: Ray, w: Ray) -> int:
    return v[0] * w[1] - v[1] * w[0]


def product(a: Square, b: Square) -> Square:
    return (a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3])


def times(a: Square, v: Ray) -> Ray:
    return (a[0] * v[0] + a[1] * v[1], a[2] * v[0] + a[3] * v[1])


def integral(family: MatrixFamily) -> list[tuple[Square, int]]:
    """Each step as (integer matrix, positive denominator)."""
    result = []
    for (a, b), (c, d) in family.matrices:
        scale = lcm(a.denominator, b.denominator, c.denominator, d.denominator)
        result.append(((int(a * scale), int(b * scale), int(c * scale), int(d * scale)), scale))
    return result


@dataclass(frozen=True)
class ExactCone:
    """Generators as the columns of `basis`; adjugate times a ray is det times its coordinates. `level`: generators are 2^level times the float ones."""

    generators: tuple[Ray, Ray]
    basis: Square
    adjugate: Square
    det: int
    level: int

    @classmethod
    def spanned(cls, e: Ray, f: Ray, level: int = 0) -> ExactCone:
        area = det(e, f)
        sign = 1 if area > 0 else -1
        return cls((e, f), (e[0], f[0], e[1], f[1]), (sign * f[1], -sign * f[0], -sign * e[1], sign * e[0]), abs(area), level)


@dataclass(frozen=True)
class ExactPiece:
    """A leaf: generators in the cone's coordinates, labels, and per step the coordinates of their images times `scales`."""

    cone: int
    start: Ray
    end: Ray
    labels: tuple[int, ...]
    images: tuple[tuple[Ray, Ray], ...]
    scales: tuple[int, ...]


@dataclass(frozen=True)
class Geometry:
    cones: list[ExactCone]
    trees: list[list[list[object]]]
    pieces: list[ExactPiece]
    floats: Pieces


def dyadic_ray(u: float, level: int, second: bool, shift: int) -> Ray:
    """2^level times the ray of u in the given chart, in the family's own coordinates."""
    scaled = Fraction(u) * (1 << level)
    if scaled.denominator != 1:
        raise SearchFailed("a node is not dyadic")
    x, y = (2 * (1 << level) - int(scaled), 1 << level) if second else (1 << level, int(scaled))
    return (x << max(-shift, 0), y << max(shift, 0))


def exact_cones(model: Model, cones: Cones) -> list[ExactCone]:
    result = []
    for left, right in zip(cones.nodes[cones.index].tolist(), cones.nodes[cones.index + 1].tolist(), strict=True):
        fringe = FRINGE * (right - left)
        level = _FRINGE_BITS - round(np.log2(right - left))
        e, f = (dyadic_ray(u, level, right > 1.0, model.shift) for u in (left - fringe, right + fringe))
        common = gcd(*e, *f)
        while common % 2 == 0 and e[0] % 2 == e[1] % 2 == f[0] % 2 == f[1] % 2 == 0:
            e, f, level, common = (e[0] // 2, e[1] // 2), (f[0] // 2, f[1] // 2), level - 1, common // 2
        result.append(ExactCone.spanned(e, f, level))
    return result


def simplest(low: float, high: float) -> tuple[int, int]:
    """(a, b), positive, with low <= b/a <= high and small terms; 0 <= low < high."""
    lo, hi = Fraction(low), Fraction(high) if high != np.inf else None
    h0, h1, k0, k1 = 0, 1, 1, 0
    while True:
        whole = lo.numerator // lo.denominator
        if lo == whole and lo > 0:
            step = whole
        elif hi is None or whole + 1 <= hi:
            step = whole + 1
        else:
            h0, h1 = h1, whole * h1 + h0
            k0, k1 = k1, whole * k1 + k0
            lo, hi = 1 / (hi - whole), (1 / (lo - whole) if lo != whole else None)
            continue
        return (step * k1 + k0, step * h1 + h0)


@dataclass(frozen=True)
class Cut:
    """A cut anywhere between the coordinates low and high, or exactly at a ray (in cone coordinates)."""

    low: float
    high: float
    ray: Ray | None = None


def stab(cuts: list[Cut]) -> list[Cut]:
    """Few cuts that meet all the given ones: greedy from the left, each answer the common part of those it meets."""
    result: list[Cut] = []
    low, high = 0.0, -1.0
    for cut in sorted(cuts, key=lambda c: c.high):
        if result and cut.low <= high:
            low = max(low, cut.low)
            kept = result.pop()
            result.append(Cut(low, high, kept.ray or (cut.ray if cut.low == cut.high else None)))
        else:
            low, high = cut.low, cut.high
            result.append(cut)
    return result


def plant(cuts: list[Cut], start: Ray, end: Ray, tree: list[list[object]], leaves: list[tuple[Ray, Ray, int]]) -> None:
    """Append the subtree of the piece (start, end) in preorder: balanced, each cut with the smallest weights that its room allows."""
    if not cuts:
        leaves.append((start, end, len(tree)))
        tree.append([])
        return
    middle = len(cuts) // 2
    cut = cuts[middle]
    if cut.ray is not None:
        a, b = det(cut.ray, end), det(start, cut.ray)
        common = gcd(a, b)
        a, b = (a // common, b // common) if a > 0 and b > 0 else (0, 0)
    else:
        ends = []
        for z in (cut.low, cut.high):
            over, under = start[0] * z - start[1] * (1.0 - z), (1.0 - z) * end[1] - z * end[0]
            ends.append(max(over, 0.0) / under if under > 0 else np.inf)
        a, b = simplest(ends[0], ends[1]) if ends[0] < ends[1] else (0, 0)
    if not (a > 0 and b > 0):
        plant(cuts[:middle] + cuts[middle + 1 :], start, end, tree, leaves)
        return
    ray = (a * start[0] + b * end[0], a * start[1] + b * end[1])
    tree.append(["/", 0, 1, str(a), str(b)])
    plant(cuts[:middle], start, ray, tree, leaves)
    plant(cuts[middle + 1 :], ray, end, tree, leaves)


def build(family: MatrixFamily, model: Model, cones: Cones) -> Geometry:
    """The exact cones with their trees; raises SearchFailed if some piece has no label."""
    exact = exact_cones(model, cones)
    steps = integral(family)
    wanted: list[list[Cut]] = [[] for _ in exact]
    found = crossings(model, cones)
    low = np.clip(found.low + _SHRINK * (found.high - found.low), 0.0, 1.0)
    high = np.clip(found.high - _SHRINK * (found.high - found.low), 0.0, 1.0)
    for k, a, b in zip(found.cone.tolist(), low.tolist(), high.tolist(), strict=True):
        wanted[k].append(Cut(a, b))
    for (matrix, _), singular in zip(steps, model.singular, strict=True):
        if singular:
            kernel = (matrix[1], -matrix[0]) if matrix[0] or matrix[1] else (matrix[3], -matrix[2])
            for k, cone in enumerate(exact):
                x, y = times(cone.adjugate, kernel)
                if (x > 0 and y > 0) or (x < 0 and y < 0):
                    wanted[k].append(Cut(y / (x + y), y / (x + y), (abs(x), abs(y))))
    trees: list[list[list[object]]] = []
    leaves: list[tuple[int, Ray, Ray, int]] = []
    for k, cuts in enumerate(wanted):
        trees.append([])
        here: list[tuple[Ray, Ray, int]] = []
        plant(stab(cuts) if cuts else [], (1, 0), (0, 1), trees[k], here)
        leaves += [(k, *leaf) for leaf in here]
    pieces, floats = label_leaves(model, cones, exact, steps, leaves)
    for piece, (k, _, _, position) in zip(pieces, leaves, strict=True):
        trees[k][position] = ["=", *piece.labels]
    return Geometry(exact, trees, pieces, floats)


def label_leaves(
    model: Model, cones: Cones, exact: list[ExactCone], steps: list[tuple[Square, int]], leaves: list[tuple[int, Ray, Ray, int]]
) -> tuple[list[ExactPiece], Pieces]:
    k: Ints = np.array([leaf[0] for leaf in leaves])
    left: Floats = np.array([leaf[1][1] / (leaf[1][0] + leaf[1][1]) for leaf in leaves])
    right: Floats = np.array([leaf[2][1] / (leaf[2][0] + leaf[2][1]) for leaf in leaves])
    guess = labels(model, cones, k, left, right)
    columns = guess.T.tolist()
    pieces = []
    carried: dict[tuple[int, int, int], Square] = {}
    for (cone, start, end, _), row in zip(leaves, columns, strict=True):
        names, images, scales = [], [], []
        for s, (name, (matrix, scale)) in enumerate(zip(row, steps, strict=True)):
            for candidate in (name, (name - 1) % len(exact), (name + 1) % len(exact)):
                key = (cone, s, candidate)
                if key not in carried:
                    carried[key] = product(exact[candidate].adjugate, product(matrix, exact[cone].basis))
                x, y = times(carried[key], start), times(carried[key], end)
                if min(x) < 0 or min(y) < 0:
                    x, y = (-x[0], -x[1]), (-y[0], -y[1])
                if min(x) >= 0 and min(y) >= 0:
                    break
            else:
                raise SearchFailed("an image of a piece lies in no cone")
            names.append(candidate)
            images.append((x, y))
            scales.append(scale * exact[candidate].det)
        pieces.append(ExactPiece(cone, start, end, tuple(names), tuple(images), tuple(scales)))
    return pieces, Pieces(k, left, right, np.array([piece.labels for piece in pieces]).T.copy())
