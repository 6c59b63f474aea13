"""From float cones to exact ones: integer generators, trees of short rational cuts, and images in exact coordinates.

The same arithmetic as the certificate format describes (cones, trees, labels), written independently of the checker: the search has to know what will
be checked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import gcd, lcm

import numpy as np

from ...family import MatrixFamily
from ._model import Cones, Floats, Ints, Model, Pieces, SearchFailed, crossings, fringed, labels

Ray = tuple[int, int]
Square = tuple[int, int, int, int]  # rows: (a b; c d)
Leaf = tuple[int, Ray, Ray, int]  # cone, both generators, position in the cone's tree

_SHRINK = 0.04  # share of a crossing's room that is left unused at either end, for the errors of the floats that found it


def det(v: Ray, w: Ray) -> int:
    return v[0] * w[1] - v[1] * w[0]


def product(a: Square, b: Square) -> Square:
    return (a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3])


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
class Geometry:
    """Exact cones, their trees, and the leaves in columns: piece j of cone `cone[j]` has the generators `start[j]`, `end[j]` in the cone's coordinates;
    under step s it goes to cone `label[s][j]`, and `images[s][j]` holds the coordinates there of the images of both generators, times
    `scale[s] * cones[label[s][j]].det`.
    """

    cones: list[ExactCone]
    trees: list[list[list[object]]]
    cone: list[int]
    start: list[Ray]
    end: list[Ray]
    label: list[list[int]]
    images: list[list[Square]]  # (x0, x1, y0, y1)
    scale: list[int]
    floats: Pieces

    @property
    def size(self) -> int:
        return len(self.cone)


def dyadic_ray(u: float, level: int, second: bool, shift: int) -> Ray:
    """2^level times the ray of u in the given chart, in the family's own coordinates."""
    scaled, unit = round(math.ldexp(u, level)), 1 << level
    x, y = (2 * unit - scaled, unit) if second else (unit, scaled)
    return (x << max(-shift, 0), y << max(shift, 0))


def exact_cones(model: Model, cones: Cones) -> list[ExactCone]:
    result = []
    left, right = fringed(cones.nodes, cones.index)
    borders = cones.nodes[cones.index], cones.nodes[cones.index + 1]
    levels = -np.log2(np.minimum(borders[0] - left, right - borders[1])).round().astype(int)
    for u, v, level, end in zip(left.tolist(), right.tolist(), levels.tolist(), borders[1].tolist(), strict=True):
        e, f = (dyadic_ray(x, level, end > 1.0, model.shift) for x in (u, v))
        common = gcd(*e, *f)
        while common % 2 == 0 and e[0] % 2 == e[1] % 2 == f[0] % 2 == f[1] % 2 == 0:
            e, f, level, common = (e[0] // 2, e[1] // 2), (f[0] // 2, f[1] // 2), level - 1, common // 2
        result.append(ExactCone.spanned(e, f, level))
    return result


def simplest(low: float, high: float) -> tuple[int, int]:
    """(a, b), positive, with low <= b/a <= high and small terms (continued fractions); 0 <= low < high."""
    h0, h1, k0, k1 = 0, 1, 1, 0
    for _ in range(40):
        whole = math.floor(low)
        if low == whole and low > 0:
            break
        whole += 1
        if whole <= high:
            break
        whole -= 1
        h0, h1, k0, k1 = h1, whole * h1 + h0, k1, whole * k1 + k0
        low, high = 1.0 / (high - whole), (1.0 / (low - whole) if low > whole else math.inf)
    return whole * k1 + k0, whole * h1 + h0


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
                x, y = -det(cone.generators[1], kernel), det(cone.generators[0], kernel)
                if (x > 0 and y > 0) or (x < 0 and y < 0):
                    wanted[k].append(Cut(y / (x + y), y / (x + y), (abs(x), abs(y))))
    trees: list[list[list[object]]] = []
    leaves: list[Leaf] = []
    for k, cuts in enumerate(wanted):
        trees.append([])
        here: list[tuple[Ray, Ray, int]] = []
        plant(stab(cuts) if cuts else [], (1, 0), (0, 1), trees[k], here)
        leaves += [(k, *leaf) for leaf in here]
    left, right = ends(leaves)
    return label_leaves(exact, steps, trees, leaves, labels(model, cones, np.array([leaf[0] for leaf in leaves]), left, right))


def ends(leaves: list[Leaf]) -> tuple[Floats, Floats]:
    """The coordinates z of both ends of the leaves."""
    return np.array([leaf[1][1] / sum(leaf[1]) for leaf in leaves]), np.array([leaf[2][1] / sum(leaf[2]) for leaf in leaves])


def label_leaves(exact: list[ExactCone], steps: list[tuple[Square, int]], trees: list[list[list[object]]], leaves: list[Leaf], guess: Ints) -> Geometry:
    """Name the cones that hold the images (the guess or a neighbour), exactly, and complete the leaves of the trees."""
    cone, start, end, position = (list(column) for column in zip(*leaves, strict=True))
    n = len(exact)
    names: list[list[int]] = []
    images: list[list[Square]] = []
    for s, (matrix, _) in enumerate(steps):
        moved = [product(matrix, c.basis) for c in exact]
        names_here: list[int] = []
        images_here: list[Square] = []
        last, carried = (-1, -1), (0, 0, 0, 0)
        for j, name in enumerate(guess[s].tolist()):
            for candidate in (name % n, (name - 1) % n, (name + 1) % n):
                if last != (cone[j], candidate):
                    last, carried = (cone[j], candidate), product(exact[candidate].adjugate, moved[cone[j]])
                (a, b), (c, d) = start[j], end[j]
                image = (carried[0] * a + carried[1] * b, carried[2] * a + carried[3] * b, carried[0] * c + carried[1] * d, carried[2] * c + carried[3] * d)
                if max(image) <= 0:
                    image = (-image[0], -image[1], -image[2], -image[3])
                if min(image) >= 0:
                    break
            else:
                raise SearchFailed("an image of a piece lies in no cone")
            names_here.append(candidate)
            images_here.append(image)
        names.append(names_here)
        images.append(images_here)
    for j, row in enumerate(zip(*names, strict=True)):
        trees[cone[j]][position[j]] = ["=", *row]
    return Geometry(exact, trees, cone, start, end, names, images, [scale for _, scale in steps], Pieces(np.array(cone), *ends(leaves), np.array(names)))
