"""One proof of the sign of lambda for a whole range of step sizes, in the plane (S4, S5, S6): wide, strongly overlapping cones with linear forms.

A proof for one step size is tailored to it: its cones barely hold their images. Here images may move with the step size: cones lie over arcs of three
tiles of the projective line, or of six, twelve, ... where an image sweeps that far. h solves Poisson's inequality against an adversary who picks the step
size anew at every step from the two ends and the middle of the range (value iteration), which is the best that one h can do for the range; a scalar per
cone then makes the most of what the cones lose. Floating point throughout; the checker decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from ..certificate import Proof
from ..exponent.planar._drift import settle
from ..exponent.planar._geometry import dyadic_ray
from ..exponent.planar._model import Floats, Ints, Model, Pieces, apply, direction, ray
from ..family import MatrixFamily

TILES = (32, 128, 512)
MOST = 5000  # pieces
SHORTEST, PATIENCE = 3, 1  # tiles of a short cone; how much longer than necessary a cone may be
TINY = 1e-9
SAMPLES = 5
LARGEST_WEIGHT = 12  # sum of the integer weights, the degree of the binary forms of S5; beyond, S4
ROUNDS, DAMPING = 400, 0.6
BITS = 16
DEPTH = 9
HOPELESS = 4.0  # over the number of tiles: a bound so far from the wanted sign does not get it from finer tiles
LOWEST = -60.0  # stands for log 0


@dataclass(frozen=True)
class _Range:
    """Float steps, each (m, 2, 2), in coordinates balanced by 2^shift: in the middle, and at the corners of the range and of the box."""

    middle: Floats
    corners: tuple[Floats, ...]
    p: Floats
    shift: int

    @classmethod
    def over(cls, low: MatrixFamily, high: MatrixFamily, slack: tuple[float, float]) -> _Range:
        """`slack` is eta delta at either end: what the box allows to either entry of column s of step s."""
        shift = Model.of(low).shift
        balance = np.array([[1.0, 2.0**shift], [2.0**-shift, 1.0]])
        ends = [family.as_floats()[0] for family in (low, high)]
        corners = []
        for steps, room in zip(ends, slack, strict=True):
            for signs in product((-1.0, 1.0), repeat=4) if room else ((),):
                moved = steps.copy()
                for s, x in enumerate(signs):
                    moved[s // 2, s % 2, s // 2] += x * room
                corners.append(moved * balance)
        middle = 0.5 * (ends[0] + ends[1]) * balance
        return cls(middle, tuple(corners), low.as_floats()[1], shift)

    @property
    def steps(self) -> tuple[Floats, ...]:
        """All of them, the middle first."""
        return (self.middle, *self.corners)


def range_proof(low: MatrixFamily, high: MatrixFamily, relation: str, slack: tuple[float, float] = (0.0, 0.0)) -> Proof | None:
    """A candidate proof of lambda < 0 ("<") or > 0 (">") for every step size between those of the two families; None where the search sees none.

    With `slack` = eta delta at the two ends (batch 1, N = 2) also for every K within delta, entry by entry.
    """
    if low.dimension != 2 or len(low.matrices) != len(high.matrices) or (any(slack) and len(low.matrices) != 2):
        return None
    forms = sum(low.integer_weights) <= LARGEST_WEIGHT
    with np.errstate(all="ignore"):
        data = _Range.over(low, high, slack)
        for tiles in TILES:
            solution, bound = _solved(data, tiles, relation == "<")
            if solution is None:
                if bound > HOPELESS / tiles:
                    return None
                continue
            proof = _built(data, solution, relation == "<", forms)
            if proof is not None:
                return proof
    return None


def _grid(tiles: int) -> Floats:
    """The left ends of the tiles."""
    nodes: Floats = np.arange(tiles, dtype=np.float64) * (4.0 / tiles) - 1.0
    return nodes


def _typical(data: _Range) -> Floats:
    """A direction that an orbit visits."""
    v = start = np.array([0.6, 0.8])
    for k in range(300):
        v = data.middle[(k * k + k // 3) % len(data.p)] @ v
        size = float(np.abs(v).max())
        v = v / size if size > 0 else start
    return v


@dataclass(frozen=True)
class _Solution:
    """h = length * height(u), linear in u on each of the `tiles`; `keep` marks a forward closed set of tiles."""

    tiles: int
    height: Floats
    keep: Any


def _solved(data: _Range, tiles: int, upper: bool) -> tuple[_Solution | None, float]:
    """Value iteration of g <- max (min) over step sizes of sum p_s (log |A_s v| + g(A_s v)) on the nodes, and the bound that it reaches, negative where
    the drift has the wanted sign everywhere; None where it has not.
    """
    width = 4.0 / tiles
    nodes = _grid(tiles)
    images = [apply(steps, ray(nodes)) for steps in data.steps]
    length = [np.maximum(np.log(np.abs(v).max(axis=-1)), LOWEST) for v in images]
    place = [(direction(v) + 1.0) / width for v in images]
    home = [np.minimum(x.astype(np.int64), tiles - 1) for x in place]
    share = [x - k for x, k in zip(place, home, strict=True)]
    keep = _closed(data, tiles)
    at = keep | np.roll(keep, 1)  # node k is an end of the tiles k - 1 and k
    g, best, found = np.zeros(tiles), np.inf, None
    for count in range(ROUNDS):
        h = np.exp(g - g[at].max())
        moved = [
            np.einsum("s,sn->n", data.p, x + np.log((1 - t) * h[k] + t * h[(k + 1) % tiles] + 1e-300)) - np.log(h) * data.p.sum()
            for x, k, t in zip(length, home, share, strict=True)
        ]
        gain = np.max(moved, axis=0) if upper else np.min(moved, axis=0)
        worst = float(gain[at].max() if upper else -gain[at].min())
        if worst < best:
            best, found = worst, h
        elif count > 50 and worst > best - 1e-4 * abs(best) and best < 0:
            break
        g = np.where(at, np.log(h) + DAMPING * (gain - gain[at].mean()), 0.0)
    return (_Solution(tiles, found, keep) if found is not None and best < 0 else None), float(best)


def _arcs(data: _Range, left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """For each step and tile [left, right] the arc (start, length) in u that the images sweep over the range of step sizes."""
    points = np.stack([direction(apply(steps, ray(u))) for steps in data.steps for u in (0.5 * (left + right), left, right)])
    centre = points[0]
    offset = (points - centre + 2.0) % 4.0 - 2.0
    return centre + offset.min(axis=0), offset.max(axis=0) - offset.min(axis=0)


def _closed(data: _Range, tiles: int) -> Any:
    """A forward closed set of tiles with half a tile around them: those that a typical orbit can reach."""
    width = 4.0 / tiles
    left = _grid(tiles) - width
    start, span = _arcs(data, left, left + 3 * width)
    first = np.floor((start + 1.0) / width - 0.5).astype(np.int64)
    count = np.where(span > 1.5, tiles, np.ceil(span / width + 1.0).astype(np.int64) + 1)
    keep = np.zeros(tiles, bool)
    front = [int((float(direction(_typical(data))) + 1.0) / width) % tiles]
    while front:
        k = front.pop()
        if not keep[k]:
            keep[k] = True
            for s in range(len(data.p)):
                front += [int(j) % tiles for j in range(first[s, k], first[s, k] + min(int(count[s, k]), tiles)) if not keep[int(j) % tiles]]
    return keep


Arc = tuple[int, int]  # the tiles start, ..., start + length - 1


class _Arcs:
    """The arcs of tiles that cones may lie over: of SHORTEST tiles from any tile on, and of twice, four times ... that length."""

    def __init__(self, data: _Range, solution: _Solution, upper: bool) -> None:
        self.data, self.upper, self.tiles, self.width = data, upper, solution.tiles, 4.0 / solution.tiles
        self.nodes, self.height = ray(_grid(self.tiles)), solution.height
        allowed = solution.keep | np.roll(solution.keep, 1)
        self.allowed = np.concatenate([[0], np.cumsum(np.concatenate([allowed, allowed]))])

    def cone(self, arc: Arc) -> tuple[Floats, Floats, Floats] | None:
        """(generators, dual basis, values of the linear form at the generators); None if the form is not positive.

        On a short arc h is extended linearly from its middle tile, on a longer one replaced by a linear form above it (below it for lower bounds).
        """
        start, length = arc
        k = (start + np.arange(length + 1)) % self.tiles
        e = self.nodes[k].copy()
        e[1:] *= np.where(np.cumsum((e[1:] * e[:-1]).sum(axis=1) < 0) % 2, -1.0, 1.0)[:, None]  # one side of the line, past u = 3
        generators = np.stack([e[0], e[-1]])
        dual = np.linalg.inv(generators.T)
        if length == SHORTEST:
            form = generators @ np.linalg.solve(e[1:3], self.height[k[1:3]])
        else:
            form = self.height[[k[0], k[-1]]]
            ratio = self.height[k] / (e @ dual.T @ form)
            form = form * (ratio.max() if self.upper else ratio.min())
        return (generators, dual, form) if (form > 0).all() else None

    def over(self, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        """(start, length) of the shortest arc over each interval [low, high] of positions (in tiles); length 0 where there is none."""
        start, length = np.zeros(low.size, np.int64), np.zeros(low.size, np.int64)
        size = SHORTEST
        while size <= 3 * self.tiles // 8:
            stride = max(1, size // 6)
            first, last = np.ceil((high - size) / stride - TINY), np.floor(low / stride + TINY)
            place = np.clip(np.rint((0.5 * (low + high - size)) / stride), first, last).astype(np.int64) * stride % self.tiles
            inside = self.allowed[place + size] - self.allowed[place + 1] == size - 1
            fits = (length == 0) & (first <= last) & inside
            start[fits], length[fits] = place[fits], size
            size *= 2
        return start, length

    def labels(self, e: Floats, f: Floats, last: bool) -> tuple[Ints, Ints, Any]:
        """For every step and piece the arc over its images, and for every piece whether all are good: not a long arc where a shorter piece would do."""
        starts, lengths, good = [], [], np.ones(len(e), bool)
        points = np.stack([e + f, e, f])
        for s in range(len(self.data.p)):
            moved = np.stack([points @ steps[s].T for steps in self.data.steps])  # (step sizes and corners, 3, pieces, 2)
            centre = direction(moved[0, 0])
            offset = (direction(moved) - centre + 2.0) % 4.0 - 2.0
            good &= ((moved * moved[0, 0]).sum(axis=-1) > 0).all(axis=(0, 1))
            home = (centre + 1.0) / self.width
            start, length = self.over(home + offset.min(axis=(0, 1)) / self.width, home + offset.max(axis=(0, 1)) / self.width)
            good &= length > 0
            if not last:
                alone = self.over(home + offset[:, 0].min(axis=0) / self.width, home + offset[:, 0].max(axis=0) / self.width)[1]
                good &= (length <= PATIENCE * alone) | (alone == 0)
            starts.append(start)
            lengths.append(length)
        return np.array(starts), np.array(lengths), good

    def exact(self, arc: Arc, generators: Floats) -> list[tuple[int, int]]:
        """The generators in integers, in the family's own coordinates."""
        start, length = arc
        level = self.tiles.bit_length() - 3  # a tile is 2^-level
        rays = []
        for generator, k in zip(generators, (start, start + length), strict=True):
            u = -1.0 + self.width * (k % self.tiles)
            x, y = dyadic_ray(u, level, u > 1.0, self.data.shift)
            flip = -1 if generator @ ray(np.array([u]))[0] < 0 else 1
            rays.append((flip * x, flip * y))
        return rays


class _Pieces:
    """Residuals of the pieces at a few points of each, at the two ends and the middle of the range."""

    def __init__(self, data: _Range, covectors: Floats, cone: Ints, label: Ints, e: Floats, f: Floats) -> None:
        self.cone, self.label, self.p = cone, label, data.p / data.p.sum()
        t = np.linspace(0.0, 1.0, SAMPLES)[:, None, None]
        v = (1 - t) * e + t * f  # (samples, pieces, 2)
        here = np.log(np.abs((covectors[self.cone] * v).sum(axis=-1)))
        moved = [np.einsum("sij,tnj->stni", steps, v) for steps in data.steps]
        there = [np.log(np.abs((covectors[self.label][:, None] * x).sum(axis=-1)) + 1e-300) for x in moved]
        self.growth = np.concatenate(there, axis=1) - np.concatenate([here] * len(moved))  # log L_s / L_0: (steps, samples and step sizes, pieces)

    def scalars(self, upper: bool) -> Floats | None:
        """One scalar per cone that makes the most of the residuals; None where the bound has the wrong sign even so."""
        residual = np.einsum("s,stn->tn", self.p, self.growth)
        worst = residual.max(axis=0) if upper else residual.min(axis=0)
        zero: Floats = np.zeros(self.cone.size)
        pieces = Pieces(self.cone, zero, zero + 1.0, self.label)
        settled = settle(self.p, pieces, worst, upper, np.zeros(int(self.cone.max()) + 1), 1e-7, 400)
        return settled.delta if (settled.bound < 0 if upper else settled.bound > 0) else None

    def multipliers(self, scalars: Floats) -> Floats:
        """t_s = (L_0 / L_s) e^r where the residual r is largest: then sum p_s t_s L_s <= L_0 with room to spare, and sum p_s log t_s = 0 (S4)."""
        growth = self.growth + (scalars[self.label] - scalars[self.cone])[:, None]
        residual = np.einsum("s,stn->tn", self.p, growth)
        worst = residual.argmax(axis=0)
        pieces = np.arange(worst.size)
        at: Floats = np.exp(residual[worst, pieces] - growth[:, worst, pieces]).T
        return at


def _built(data: _Range, solution: _Solution, upper: bool, degree_one: bool) -> Proof | None:
    """Integer cones, forms and trees; None if a piece has no cone to go to, or a bound has the wrong sign."""
    arcs = _Arcs(data, solution, upper)
    home = (direction(_typical(data)[None]) + 1.0) / arcs.width
    start, length = arcs.over(home, home)
    if not length[0]:
        return None
    number: dict[Arc, int] = {(int(start[0]), int(length[0])): 0}
    cones: list[tuple[Floats, Floats, Floats]] = []
    leaves: list[tuple[Ints, Ints, Floats, Floats, Ints]] = []  # (cone, path, both ends, labels) of many pieces at a time
    while len(cones) < len(number):
        fresh = list(number)[len(cones) :]
        made = [arcs.cone(arc) for arc in fresh]
        if None in made:
            return None
        cone = len(cones) + np.arange(len(fresh))
        cones += [one for one in made if one is not None]
        path, e, f = np.ones(cone.size, np.int64), *(np.array([one[0][i] for one in made if one is not None]) for i in (0, 1))
        for depth in range(DEPTH + 1):
            starts, lengths, good = arcs.labels(e, f, depth == DEPTH)
            for arc in zip(starts[:, good].T.ravel().tolist(), lengths[:, good].T.ravel().tolist(), strict=True):
                number.setdefault(arc, len(number))
            named = [[number[arc] for arc in zip(*pair, strict=True)] for pair in zip(starts[:, good].tolist(), lengths[:, good].tolist(), strict=True)]
            leaves.append((cone[good], path[good], e[good], f[good], np.array(named, np.int64).reshape(len(data.p), -1)))
            cone, path, e, f = (np.repeat(x[~good], 2, axis=0) for x in (cone, path, e, f))
            if sum(one[0].size for one in leaves) + cone.size > MOST:
                return None
            middle = e + f
            path = 2 * path
            path[1::2] += 1
            e[1::2], f[::2] = middle[1::2], middle[::2]  # the first half keeps e, the second f
        if cone.size:
            return None
    cone, path, e, f = (np.concatenate([one[i] for one in leaves]) for i in range(4))
    label = np.concatenate([one[4] for one in leaves], axis=1)
    depth_of = np.floor(np.log2(path)).astype(np.int64)
    order = np.lexsort((path << (DEPTH - depth_of), cone))
    cone, path, e, f, label = cone[order], path[order], e[order], f[order], label[:, order]
    found = _Pieces(data, np.array([form @ dual for _, dual, form in cones]), cone, label, e, f)
    scalars = found.scalars(upper)
    if scalars is None:
        return None
    ends = np.array([form for _, _, form in cones]) * np.exp(scalars - scalars.max())[:, None]
    scale = 2.0**BITS / ends.max() * max(1.0, float(ends.max() / ends.min()) ** 0.5)
    nodes: list[list[object]] = [["=", *row] for row in label.T.tolist()]
    if not degree_one and upper:
        for node, multipliers in zip(nodes, found.multipliers(scalars), strict=True):
            node += [str(Fraction(t).limit_denominator(10**9) + Fraction(1, 10**9)) for t in multipliers]
    return {
        "kind": "planar-forms" if degree_one else "linear-cones",
        **({"degree": 1, "rho": "1"} if degree_one else {}),
        "cones": [[[str(x) for x in ray_] for ray_ in arcs.exact(arc, cones[k][0])] for arc, k in number.items()],
        "forms": [[str(max(1, round(float(x) * scale))) for x in form] for form in ends],
        "trees": _trees(cone.tolist(), path.tolist(), nodes, len(cones)),
    }


def _trees(cone: list[int], path: list[int], leaves: list[list[object]], count: int) -> list[list[list[object]]]:
    """The trees in preorder: leaves come in order, and a cut stands before every leaf that starts with first halves."""
    trees: list[list[list[object]]] = [[] for _ in range(count)]
    for k, place, leaf in zip(cone, path, leaves, strict=True):
        firsts = len(bin(place)) - len(bin(place).rstrip("0"))  # trailing first halves: these cuts have not been written yet
        trees[k] += [["/", 0, 1, "1", "1"] for _ in range(firsts)] + [leaf]
    return trees
