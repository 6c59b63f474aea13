"""The float picture of a planar family: scaled steps, directions, and a cover of the projective line by overlapping cones.

Everything here serves the search only. Directions are numbers u in [-1, 3): u <= 1 stands for the ray (1, u), u > 1 for (2 - u, 1), in coordinates
balanced by a power of two (`shift`): the ray in the family's own coordinates is (x, 2^shift y). A tile lies between two dyadic nodes u_k < u_{k+1} in one
chart; its cone is the tile with a fringe of about FRINGE (u_{k+1} - u_k) on either side. Cones overlap, so the places where an image passes from one cone
to the next leave room for short rational cuts, and a cone's generators, cuts and forms stay small integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ...family import MatrixFamily

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TINY = 1e-300
FRINGE = 2.0**-4
SLACK = -1e-15  # an image that ends exactly at a cone's generator is inside; the exact arithmetic has the last word


class SearchFailed(Exception):
    """The search has no candidate; the message says why."""


def magnitude(x: Fraction) -> int:
    """log2 |x| within one, x != 0, without floats."""
    return abs(x.numerator).bit_length() - x.denominator.bit_length()


@dataclass(frozen=True)
class Model:
    """Scaled float steps A_s / 2^{k_s} in balanced coordinates with p_s normalised to one: lambda of the family is total (lambda of the model + offset),
    total = sum p_s, offset = sum (p_s / total) k_s log 2.
    """

    steps: Floats  # (m, 2, 2)
    adjugates: Floats  # (m, 2, 2)
    singular: tuple[bool, ...]
    p: Floats
    shift: int
    total: float
    offset: float

    @classmethod
    def of(cls, family: MatrixFamily) -> Model:
        below = [magnitude(a[1][0]) for a in family.matrices if a[1][0]]
        above = [magnitude(a[0][1]) for a in family.matrices if a[0][1]]
        shift = (max(below) - max(above)) // 2 if below and above else 0
        total = sum(family.probabilities)
        steps, offset = [], 0.0
        balance = Fraction(2) ** shift
        for a, p in zip(family.matrices, family.probabilities, strict=True):
            b = [[a[0][0], a[0][1] * balance], [a[1][0] / balance, a[1][1]]]
            entries = [magnitude(x) for row in b for x in row if x]
            if not entries:
                raise SearchFailed("a step is the zero matrix, so lambda = -infinity")
            scale = Fraction(2) ** max(entries)
            steps.append([[float(x / scale) for x in row] for row in b])
            offset += float(p / total) * max(entries) * math.log(2)
        adjugates = np.array([[[a[1][1], -a[0][1]], [-a[1][0], a[0][0]]] for a in steps])
        singular = tuple(a[0][0] * a[1][1] == a[0][1] * a[1][0] for a in family.matrices)
        return cls(np.array(steps), adjugates, singular, np.array([float(p / total) for p in family.probabilities]), shift, float(total), offset)

    def image(self, v: Floats) -> Floats:
        """A_s v for rays v of shape (..., 2): shape (m, ..., 2)."""
        return apply(self.steps, v)


def apply(matrices: Floats, v: Floats) -> Floats:
    tail = (1,) * (v.ndim - 1)
    a = [[matrices[:, i, j].reshape(-1, *tail) for j in range(2)] for i in range(2)]
    return np.stack([a[0][0] * v[..., 0] + a[0][1] * v[..., 1], a[1][0] * v[..., 0] + a[1][1] * v[..., 1]], axis=-1)


def ray(u: Floats) -> Floats:
    """The ray of the direction u."""
    first = u <= 1.0
    return np.stack([np.where(first, 1.0, 2.0 - u), np.where(first, u, 1.0)], axis=-1)


def direction(v: Floats) -> Floats:
    """u of a ray (or its negative)."""
    x, y = v[..., 0], v[..., 1]
    flat = np.abs(x) >= np.abs(y)
    bottom = np.where(flat, x, y)
    ratio = np.divide(np.where(flat, y, x), bottom, out=np.zeros_like(x), where=bottom != 0)
    return np.where(flat, ratio, 2.0 - ratio)


def cross(v: Floats, w: Floats) -> Floats:
    result: Floats = v[..., 0] * w[..., 1] - v[..., 1] * w[..., 0]
    return result


def fringed(nodes: Floats, index: Ints) -> tuple[Floats, Floats]:
    """The ends of the tiles with their fringes, each at most a quarter of the tile that it enters."""
    spans = np.diff(nodes)
    before = np.minimum(spans, 4 * np.roll(spans, 1))
    after = np.minimum(spans, 4 * np.roll(spans, -1))
    return nodes[index] - FRINGE * before[index], nodes[index + 1] + FRINGE * after[index]


@dataclass(frozen=True)
class Cones:
    """All tiles between consecutive nodes, or the kept ones (`index`, with `number` sending a tile to its kept cone or -1)."""

    nodes: Floats
    index: Ints
    number: Ints
    start: Floats  # generators, (n, 2): chart coordinates, so that x_0 + x_1 of a ray is its length in the chart
    end: Floats

    @classmethod
    def over(cls, nodes: Floats, keep: Flags | None = None) -> Cones:
        n = nodes.size - 1
        keep = np.ones(n, bool) if keep is None else keep
        index = np.flatnonzero(keep)
        left, right = fringed(nodes, index)
        chart = np.where(nodes[index + 1] <= 1.0, 0, 1)
        ends = []
        for u in (left, right):
            ends.append(np.where(chart[:, None] == 0, np.stack([np.ones_like(u), u], -1), np.stack([2.0 - u, np.ones_like(u)], -1)))
        return cls(nodes, index, np.where(keep, np.cumsum(keep) - 1, -1), ends[0], ends[1])

    @property
    def size(self) -> int:
        return int(self.index.size)

    def tile(self, v: Floats) -> Ints:
        """The kept cone whose tile holds the ray; -1 where there is none."""
        found = np.clip(np.searchsorted(self.nodes, direction(v), side="right") - 1, 0, self.nodes.size - 2)
        result: Ints = self.number[found]
        return result

    def coordinates(self, k: Ints, v: Floats) -> tuple[Floats, Floats]:
        """(length, z): the ray is +-length ((1 - z) start_k + z end_k); z is outside [0, 1] for a ray outside the cone."""
        start, end = self.start[k], self.end[k]
        area = cross(start, end)
        x0, x1 = cross(v, end) / area, cross(start, v) / area
        total = x0 + x1
        length = np.maximum(np.abs(total), TINY)
        return length, np.where(total < 0, -x1, x1) / length

    def rays(self, k: Ints, z: Floats) -> Floats:
        """(1 - z) start_k + z end_k."""
        result: Floats = (1.0 - z)[..., None] * self.start[k] + z[..., None] * self.end[k]
        return result

    def holds(self, k: Ints, v: Floats, slack: float = 0.0) -> Flags:
        z = self.coordinates(k, v)[1]
        result: Flags = (k >= 0) & (z >= slack) & (z <= 1.0 - slack)
        return result


@dataclass(frozen=True)
class Pieces:
    """Pieces [left, right] (coordinates z) of the cones, in order; label[s] is the cone that holds the image under step s."""

    cone: Ints
    left: Floats
    right: Floats
    label: Ints  # (m, S)

    def restricted(self, cones: Cones) -> Pieces:
        """The pieces of the kept cones (forward closed), renumbered."""
        rows = np.flatnonzero(cones.number[self.cone] >= 0)
        return Pieces(cones.number[self.cone[rows]], self.left[rows], self.right[rows], cones.number[self.label[:, rows]])


@dataclass(frozen=True)
class Crossings:
    """Where images pass from one cone to the next: in cone `cone`, any cut between z = low and z = high will do; `at` is the middle."""

    cone: Ints
    low: Floats
    high: Floats
    at: Floats


def crossings(model: Model, cones: Cones) -> Crossings:
    """All crossings of the borders between adjacent cones that an image of a cone needs (not those that its end lies close to)."""
    following = np.arange(cones.size)
    before = np.roll(following, 1)
    adjacent = cones.index[before] == (cones.index - 1) % (cones.nodes.size - 1)
    following, before = following[adjacent], before[adjacent]
    border = ray(cones.nodes[cones.index[following]])
    found: list[Crossings] = []
    ends = model.image(cones.start), model.image(cones.end)
    for s, singular in enumerate(model.singular):
        if singular:
            continue
        pulled = apply(model.adjugates[s : s + 1], np.stack([border, cones.start[following], cones.end[before]]))[0]
        home = np.clip(np.searchsorted(cones.nodes, direction(pulled[0]), side="right") - 1, 0, cones.nodes.size - 2)
        near = np.concatenate([cones.number[(home + step) % (cones.nodes.size - 1)] for step in (-1, 0, 1)])
        which = np.tile(np.arange(home.size), 3)
        z = cones.coordinates(near, pulled[0][which])[1]
        inside = (near >= 0) & (z > 1e-9) & (z < 1.0 - 1e-9)
        k, z, which = near[inside], z[inside], which[inside]
        first, last = np.ones(cones.size), np.zeros(cones.size)
        np.minimum.at(first, k, z)
        np.maximum.at(last, k, z)
        idle = np.zeros(k.size, bool)
        for end, outermost in zip(ends, (first, last), strict=True):
            v = end[s][k]
            idle |= (z == outermost[k]) & cones.holds(before[which], v, SLACK) & cones.holds(following[which], v, SLACK)
        k, z, which = k[~idle], z[~idle], which[~idle]
        edges = [cones.coordinates(k, pulled[j][which])[1] for j in (1, 2)]
        edges = [np.where(np.abs(e - z) < 2.0, e, z) for e in edges]
        low, high = np.minimum(edges[0], edges[1]), np.maximum(edges[0], edges[1])
        found.append(Crossings(k, np.minimum(low, z), np.maximum(high, z), z))
    if not found:
        return Crossings(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))
    return Crossings(
        np.concatenate([one.cone for one in found]),
        np.concatenate([one.low for one in found]),
        np.concatenate([one.high for one in found]),
        np.concatenate([one.at for one in found]),
    )


def kernels(model: Model, cones: Cones) -> tuple[Ints, Floats]:
    """(cone, z) of the kernels of singular steps."""
    found_k: list[int] = []
    found_z: list[float] = []
    for s, singular in enumerate(model.singular):
        if singular:
            columns = model.adjugates[s].T
            v = columns[int(np.argmax(np.abs(columns).sum(axis=1)))]
            z = cones.coordinates(np.arange(cones.size), np.broadcast_to(v, (cones.size, 2)))[1]
            inside = np.flatnonzero((z > 0) & (z < 1))
            found_k += inside.tolist()
            found_z += z[inside].tolist()
    return np.array(found_k, np.int64), np.array(found_z, np.float64)


def assemble(model: Model, cones: Cones, cone: Ints, z: Floats) -> Pieces:
    """Cut the cones at the points z of the cones `cone` and label the pieces; a label is -1 where no kept cone is near."""
    everything = np.arange(cones.size)
    k = np.concatenate([everything, cone, everything])
    points = np.concatenate([np.zeros(cones.size), z, np.ones(cones.size)])
    order = np.lexsort((points, k))
    k, points = k[order], points[order]
    fresh = np.ones(points.size, bool)
    fresh[1:] = (k[1:] != k[:-1]) | (points[1:] - points[:-1] > 1e-7) | (points[1:] == 1.0)
    k, points = k[fresh], points[fresh]
    first = np.flatnonzero(k[1:] == k[:-1])
    k, left, right = k[first], points[first], points[first + 1]
    return Pieces(k, left, right, labels(model, cones, k, left, right))


def labels(model: Model, cones: Cones, k: Ints, left: Floats, right: Floats) -> Ints:
    """For every step a kept cone that holds the image of the piece [left, right] of cone k; -1 or a wrong cone where there is none."""
    images = [model.image(cones.rays(k, t)) for t in (0.5 * (left + right), left, right)]
    label = cones.tile(images[0])
    fits = cones.holds(label, images[1], SLACK) & cones.holds(label, images[2], SLACK)
    for other in (1, 2):
        if fits.all():
            break
        candidate = cones.tile(images[other])
        better = ~fits & cones.holds(candidate, images[1], SLACK) & cones.holds(candidate, images[2], SLACK)
        label = np.where(better, candidate, label)
        fits |= better
    return label


def stationary(model: Model, pieces: Pieces, start: Floats, rounds: int) -> Floats:
    """Ulam's approximation of the stationary measure on the cones."""
    share = model.p[:, None] * (pieces.right - pieces.left)
    targets = pieces.label.ravel()
    measure: Floats = start / start.sum()
    for _ in range(rounds):
        flow: Floats = np.bincount(targets, weights=(share * measure[pieces.cone]).ravel(), minlength=measure.size).astype(np.float64)
        new: Floats = flow / flow.sum()
        change = float(np.abs(new - measure).sum())
        measure = new
        if change < 1e-8:
            break
    return measure


def reachable(pieces: Pieces, count: int, start: int) -> Flags:
    """The cones that images of the cone `start` can enter, itself included: forward closed (S2)."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    sources = np.broadcast_to(pieces.cone, pieces.label.shape).ravel()
    graph = csr_matrix((np.ones(sources.size, np.int8), (sources, pieces.label.ravel())), shape=(count, count))
    keep = np.zeros(count, bool)
    keep[breadth_first_order(graph, start, return_predecessors=False)] = True
    return keep
