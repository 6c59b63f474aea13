"""Arcs of directions that every step maps into their interior, guessed in floating point (a proposal: `_cones.py` proves it).

A direction is an angle modulo pi. The unstable set U is the closure of the attracting directions under the steps, the stable set S that of the repelling
directions (kernels) under the inverses; the family is dominated iff the two are disjoint. Both are first covered by cells of a grid (a graph search), then
shrunk to the hulls of their parts between parts of the other. Cones around U reach almost to S; inside, the arcs are the hulls of U, a little larger. The
Hilbert metric of a cone is contracted by the steps, so that "a little larger" stays invariant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...exact import Matrix

Floats = NDArray[np.float64]
Arc = tuple[float, float]  # start and end, 0 <= end - start < pi

GRIDS = (512, 4096, 32768, 262144)
MAX_ARCS = 64
CLEAR = 12  # cells between U and S that make a finer grid needless
PAD = 1e-12
SLACKS = (0.02, 0.1, 0.005, 0.5, 0.001)  # Hilbert distance by which cones and arcs are moved from S and U
MAX_COORDINATE = 300.0  # |u|; beyond it the arcs are too close to the edge of their cone for doubles


@dataclass(frozen=True)
class Step:
    """A matrix scaled to size about 1, with the determinant of the scaled matrix (rounded once from the exact value: its sign is right)."""

    matrix: Floats
    determinant: float

    def image(self, start: NDArray[Any], width: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(start, width) of the images of arcs, in positive orientation; a singular step maps every arc to a point."""
        if self.determinant == 0:
            x, y = self.matrix[:, np.argmax(np.abs(self.matrix).sum(axis=0))]
            return np.full_like(start, math.atan2(y, x) % math.pi), np.zeros_like(start)
        ends = [self.matrix @ np.array([np.cos(a), np.sin(a)]) for a in (start, start + width)]
        first = ends[0] if self.determinant > 0 else ends[1]
        # |cross product of the images| = |det| sin(width): accurate where a difference of angles would not be
        swept = np.arctan2(abs(self.determinant) * np.sin(width), (ends[0] * ends[1]).sum(axis=0))
        return np.arctan2(first[1], first[0]) % math.pi, swept

    def eigendirections(self) -> Arc | None:
        """(attracting, repelling) directions, or None where the eigenvalues have equal modulus in floating point."""
        (a, b), (c, d) = self.matrix
        half, square = (a + d) / 2, ((a - d) / 2) ** 2 + b * c
        if square <= 0 or half == 0:
            return None
        far = half + math.copysign(math.sqrt(square), half)  # the eigenvalue of larger modulus; the other is det/far
        return tuple(_kernel(a - x, b, c, d - x) for x in (far, self.determinant / far))  # type: ignore[return-value]


def _kernel(a: float, b: float, c: float, d: float) -> float:
    x, y = (b, -a) if abs(a) + abs(b) >= abs(c) + abs(d) else (d, -c)
    return math.atan2(y, x) % math.pi


def scaled(a: Matrix) -> tuple[Floats, int]:
    """(floats, e) with a about 2^e times the floats, which are at most 1; exact scaling, so that huge numbers do not overflow."""
    size = max((abs(x) for row in a for x in row), default=Fraction(0))
    e = size.numerator.bit_length() - size.denominator.bit_length() if size else 0
    return np.array([[float(x / Fraction(2) ** e) for x in row] for row in a]), e


def steps_of(matrices: tuple[Matrix, ...]) -> list[Step]:
    """The steps as floats; determinants are computed exactly first."""
    found = []
    for a in matrices:
        floats, e = scaled(a)
        determinant = (a[0][0] * a[1][1] - a[0][1] * a[1][0]) / Fraction(4) ** e
        found.append(Step(floats, float(determinant) or math.copysign(1e-300, determinant) if determinant else 0.0))
    return found


def inverses(steps: list[Step]) -> list[Step]:
    """The adjugates: inverse maps of directions, and for a singular step the constant map to its kernel."""
    return [Step(np.array([[d, -b], [-c, a]]), s.determinant) for s in steps for (a, b), (c, d) in (s.matrix.tolist(),)]


@dataclass(frozen=True)
class Guess:
    """A cone between the directions `lo` and `hi` (angles), and in its coordinate u = (1/2) log(t/s), v = s e(lo) + t e(hi), the arc from `u_lo` to `u_hi`."""

    lo: float
    hi: float
    u_lo: float
    u_hi: float


def guesses(steps: list[Step]) -> Iterator[list[Guess]]:
    """Proposals of cones and arcs, which move both sets from their hulls by more or less; none where the grids show no gap between U and S."""
    found = _grid(steps)
    if found is None:
        return
    for slack in SLACKS:
        proposal = _guess(steps, *found, slack)
        if all(abs(u) < MAX_COORDINATE for guess in proposal for u in (guess.u_lo, guess.u_hi)):
            yield proposal


def _guess(steps: list[Step], unstable: list[Arc], stable: list[Arc], slack: float) -> list[Guess]:
    coarse = _between(stable)
    unstable = _shrunk(steps, unstable, coarse)
    wide = [_fattened(arc, cone, slack) for arc, cone in zip(unstable, coarse, strict=True)]
    zones = [(lo, hi + (math.pi if hi < lo else 0)) for lo, hi in ((wide[k - 1][1], wide[k][0]) for k in range(len(wide)))]  # zone k precedes arc k
    stable = _shrunk(inverses(steps), [_into(arc, zone) for arc, zone in zip(stable, zones, strict=True)], zones)
    stable = [_fattened(arc, zone, slack) for arc, zone in zip(stable, zones, strict=True)]
    proposal = []
    for arc, cone in zip(unstable, _between(stable), strict=True):
        lo, hi = (_coordinate(angle, cone) for angle in _into(arc, cone))
        room = max(0.01 * (hi - lo), 0.02 * slack)
        proposal.append(Guess(cone[0], cone[1], lo - room, hi + room))
    return proposal


def _grid(steps: list[Step]) -> tuple[list[Arc], list[Arc]] | None:
    """Hulls of U and S, of the coarsest grid that shows a clear gap (or of the finest that shows any); S_k precedes U_k."""
    directions = [d for step in steps if (d := step.eigendirections())]
    if len(directions) < len(steps):
        return None
    best = None
    for cells in GRIDS:
        if len(steps) * cells > 2**21 and best is not None:
            break
        unstable = _closure(steps, [d[0] for d in directions], cells)
        stable = _closure(inverses(steps), [d[1] for d in directions], cells)
        if (unstable & stable).any():
            continue
        runs = _alternating(unstable, stable)
        if len(runs) > 2 * MAX_ARCS:
            continue
        h = math.pi / cells
        best = [(a * h, b * h) for a, b, kind in runs if kind], [(a * h, b * h) for a, b, kind in runs if not kind]
        if min((second[0] - first[1]) % cells for first, second in zip(runs, [*runs[1:], runs[0]], strict=True)) >= CLEAR:
            break
    return best


def _closure(steps: list[Step], seeds: list[float], cells: int) -> NDArray[np.bool_]:
    """Cells that the seeds reach, where a cell reaches every cell that an image of it meets."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import breadth_first_order

    h = math.pi / cells
    rows, columns = [np.full(len(seeds), cells)], [np.array([int(seed / h) % cells for seed in seeds])]
    start = np.arange(cells) * h
    for step in steps:
        first, width = step.image(start, np.full(cells, h))
        low = np.floor((first - PAD) / h).astype(np.int64)
        count = np.minimum(np.floor((first + width + PAD) / h).astype(np.int64) - low + 1, cells)
        rows.append(np.repeat(np.arange(cells), count))
        offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        columns.append((np.repeat(low, count) + offset) % cells)
    i, j = np.concatenate(rows), np.concatenate(columns)
    graph = csr_matrix((np.ones(len(i), dtype=np.int8), (i, j)), shape=(cells + 1, cells + 1))
    reached = np.zeros(cells + 1, dtype=bool)
    reached[breadth_first_order(graph, cells, return_predecessors=False)] = True
    return reached[:cells]


def _alternating(unstable: NDArray[np.bool_], stable: NDArray[np.bool_]) -> list[tuple[int, int, bool]]:
    """Maximal stretches (first cell, end, whether of U) of the circle that meet only one of the sets, alternating, beginning with S."""
    kind = unstable.astype(np.int8) - stable
    marked = np.flatnonzero(kind)
    kinds = kind[marked]
    cuts = np.flatnonzero(kinds != np.roll(kinds, 1))  # where a stretch begins
    runs = []
    for a, b in zip(cuts, [*cuts[1:], cuts[0] + len(marked)], strict=True):
        turns, last = divmod(b - 1, len(marked))
        runs.append((int(marked[a]), int(marked[last]) + 1 + int(turns) * len(kind), bool(kinds[a] > 0)))
    return [*runs[1:], (runs[0][0] + len(kind), runs[0][1] + len(kind), True)] if runs[0][2] else runs


def _between(arcs: list[Arc]) -> list[Arc]:
    """The gaps after each arc of a circle."""
    return [(arc[1], after[0] + (math.pi if after[0] < arc[1] else 0)) for arc, after in zip(arcs, [*arcs[1:], arcs[0]], strict=True)]


def _into(arc: Arc, zone: Arc) -> Arc:
    """The arc moved by a multiple of pi to where the zone is."""
    shift = math.pi * round((sum(zone) - sum(arc)) / 2 / math.pi)
    return arc[0] + shift, arc[1] + shift


def _shrunk(steps: list[Step], arcs: list[Arc], zones: list[Arc], rounds: int = 400) -> list[Arc]:
    """Replace every arc by the hull of the images in its zone, which are inside it, until that changes nothing."""
    middle, half = np.array([sum(zone) / 2 for zone in zones]), np.array([(zone[1] - zone[0]) / 2 for zone in zones])
    placed = [_into(arc, zone) for arc, zone in zip(arcs, zones, strict=True)]
    lo, hi = np.array([arc[0] for arc in placed]), np.array([arc[1] for arc in placed])
    for _ in range(rounds):
        images = [step.image(lo, hi - lo) for step in steps]
        start, width = (np.concatenate(part) for part in zip(*images, strict=True))
        centre = start + width / 2
        away = centre[:, None] - middle[None, :]
        away -= math.pi * np.round(away / math.pi)
        owner = np.argmin(np.abs(away) - half[None, :], axis=1)
        first = middle[owner] + away[np.arange(len(owner)), owner] - width / 2
        new_lo, new_hi = np.full_like(lo, math.inf), np.full_like(hi, -math.inf)
        np.minimum.at(new_lo, owner, first)
        np.maximum.at(new_hi, owner, first + width)
        new_lo, new_hi = np.where(np.isfinite(new_lo), np.maximum(new_lo, lo), lo), np.where(np.isfinite(new_hi), np.minimum(new_hi, hi), hi)
        moved = float(np.max(new_lo - lo + hi - new_hi))
        lo, hi = new_lo, np.maximum(new_hi, new_lo)
        if moved < 1e-15:
            break
    return list(zip(lo.tolist(), hi.tolist(), strict=True))


def _coordinate(angle: float, cone: Arc) -> float:
    """u = (1/2) log(t/s) of a direction in the cone."""
    s, t = math.sin(cone[1] - angle), math.sin(angle - cone[0])
    return 0.5 * math.log(t / s) if s > 0 and t > 0 else math.inf


def _fattened(arc: Arc, zone: Arc, slack: float) -> Arc:
    """The arc with both ends moved outwards by `slack` in the Hilbert metric of the zone."""
    def moved(angle: float, by: float) -> float:
        w, u = zone[1] - zone[0], _coordinate(angle, zone) + by
        if u > 0:  # the same formula from the other end, so that nothing overflows
            return zone[1] - math.atan2(math.exp(-2 * u) * math.sin(w), 1 + math.exp(-2 * u) * math.cos(w))
        return zone[0] + math.atan2(math.exp(2 * u) * math.sin(w), 1 + math.exp(2 * u) * math.cos(w))

    return moved(arc[0], -slack), moved(arc[1], slack)
