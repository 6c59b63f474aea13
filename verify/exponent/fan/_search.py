"""The search as a whole: solve, cut, bound, refine where the adversary of the bound gains, until the goal or a limit is reached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...certificate.check import MAX_BYTES, MAX_WORK
from ...family import MatrixFamily
from ..balancing import balanced
from . import _drift, _pieces, _poisson
from ._drift import Drift
from ._mesh import Floats, Mesh, locate
from ._pieces import Cones, Pieces
from ._proof import proof, proved_value

FAT = 0.3  # how much larger than its cell a cone is
RAY_BITS = 20
BULK = 0.6  # part of the adversary's gain that one refinement attends to
BYTES = 160_000_000  # for the pieces of one level: 12 m + 24 each
PART = 0.7  # of what the checker grants; the estimates leave out the cost of long numbers
MAX_POWERS = 60  # sum of the integer weights up to which the checker compares powers
CHECK_SECONDS = 5e-5  # per piece and step, as measured


@dataclass(frozen=True)
class Level:
    """One refinement level, with a drift for every side that was asked for."""

    cones: Cones
    pieces: Pieces
    lower: Drift | None
    upper: Drift | None
    growth: float


class Search:
    """`run` refines until `goal` is met (a width, or None for the sign); `best` holds the level with the best bound of each side."""

    def __init__(self, family: MatrixFamily, goal: float | None, sides: tuple[str, ...], deadline: float, progress: Callable[[str], None] | None) -> None:
        steps, self.p = family.as_floats()
        if not np.isfinite(steps).all():
            raise ArithmeticError("the entries are too large for the search")
        basis = balanced(steps, self.p)
        self.whitening: Floats = np.asarray(np.linalg.cholesky(basis @ basis.T), np.float64)
        self.steps = np.ascontiguousarray(np.linalg.inv(self.whitening) @ steps @ self.whitening)
        self.goal, self.sides, self.deadline, self.progress = goal, sides, deadline, progress
        self.mesh = Mesh(family.dimension)
        for _ in range(4):
            self.mesh.cut(self.mesh.leaves())
        self.h = np.ones(self.mesh.vertex_count)
        self.delta = {side: np.zeros(self.mesh.cell_count) for side in sides}
        self.allowed = np.ones(self.mesh.cell_count, np.bool_)
        self.most = most_pieces(family, sides)
        self.visited = typical_direction(self.steps, self.p)
        self.best: dict[str, Level] = {}
        self.reason = ""

    def run(self) -> None:
        tolerance = 1e-3
        while True:
            began = time.monotonic()
            level = self.level(tolerance)
            if level is None:
                return
            for side in self.sides:
                if side not in self.best or _better(side, level, self.best[side]):
                    self.best[side] = level
            width = self.gap()
            if self.progress:
                self.progress(f"{len(level.pieces.cells)} cones, {len(level.pieces.low)} pieces, {self.spelled()}")
            if self.reached(width):
                return
            tolerance = min(1e-3, max(1e-8, 0.02 * width))
            now = time.monotonic()
            checking = CHECK_SECONDS * len(level.pieces.low) * len(self.p) * len(self.sides)
            if now + 1.5 * (now - began) + checking > self.deadline:
                self.reason = "the time was up"
                return
            self.refine(level)

    def bound(self, side: str) -> float:
        drift = getattr(self.best[side], side)
        return float(drift.bound)

    def gap(self) -> float:
        """The width, or for one side the distance to the estimate of lambda."""
        if len(self.sides) == 2:
            return self.bound("upper") - self.bound("lower")
        return abs(self.bound(self.sides[0]) - self.best[self.sides[0]].growth)

    def reached(self, width: float) -> bool:
        if self.goal is not None:
            return len(self.sides) == 2 and width <= self.goal
        return any(proved_value(self.bound(side), side == "upper") * (1 if side == "lower" else -1) > 0 for side in self.sides)

    def spelled(self) -> str:
        return ", ".join(f"lambda {'<=' if side == 'upper' else '>='} {self.bound(side):.3g}" for side in self.sides)

    def level(self, tolerance: float) -> Level | None:
        """Solve, cut and bound on the present mesh; None (and a reason) if that fails."""
        mesh = self.mesh
        self.h, growth = _poisson.solved(self.steps, self.p, mesh, self.h, tolerance, 400)
        cones = _pieces.cones(mesh, self.h, self.whitening, FAT, RAY_BITS)
        path = np.zeros(200, np.int64)
        start = path[locate(self.visited, mesh.child, mesh.edge, mesh.scale, np.zeros(mesh.d), path) - 1]
        status, pieces = _pieces.cut(self.steps, self.p, mesh, cones, self.allowed, FAT, start, self.most)
        if status != _pieces.FINISHED:
            many = f"more than {self.most} pieces would be needed"
            self.reason = many if status == _pieces.TOO_MANY else "a step nearly annihilates a direction, and cuts do not isolate it"
            return None
        drifts: dict[str, Drift] = {}
        for side in self.sides:
            drifts[side] = _drift.settled(self.p, pieces, side == "upper", self.delta[side][pieces.cells], tolerance, 500)
            self.delta[side][pieces.cells] = drifts[side].delta
        return Level(cones, pieces, drifts.get("lower"), drifts.get("upper"), growth)

    def refine(self, level: Level) -> None:
        """Cut the leaves, and forbid the larger cells, where the adversary of a bound gains most."""
        mesh, pieces = self.mesh, level.pieces
        inner = mesh.child[pieces.cells] >= 0
        gain = np.zeros(len(inner))
        for drift, sign in ((level.lower, -1.0), (level.upper, 1.0)):
            if drift:
                gain += _drift.gain(self.p, pieces, drift, sign, inner)
        order = np.argsort(-gain)
        total = np.cumsum(gain[order])
        chosen = pieces.cells[order[: int(np.searchsorted(total, BULK * total[-1])) + 1]]
        leaves = chosen[mesh.child[chosen] < 0]
        self.allowed[chosen] = False
        self.allowed[leaves] = True
        before, vertices = mesh.cell_count, mesh.vertex_count
        mesh.cut(leaves)
        ends = np.array(list(mesh.middles)[len(mesh.middles) - (mesh.vertex_count - vertices) :], np.int64).reshape(-1, 2)
        self.h = np.concatenate([self.h[:vertices], self.h[ends].sum(axis=1) / 2])
        self.allowed = np.concatenate([self.allowed, np.ones(mesh.cell_count - before, np.bool_)])
        for side, delta in self.delta.items():
            self.delta[side] = np.concatenate([delta, np.repeat(delta[leaves], 2)])

    def proved(self, side: str) -> tuple[Fraction, dict[str, object]]:
        """(bound, proof) of a side."""
        level, upper = self.best[side], side == "upper"
        drift = getattr(level, side)
        return proved_value(drift.bound, upper), proof(level.cones, level.pieces, drift, upper)


def _better(side: str, new: Level, old: Level) -> bool:
    sign = 1.0 if side == "lower" else -1.0
    return bool(sign * (getattr(new, side).bound - getattr(old, side).bound) > 0)


def typical_direction(steps: Floats, p: Floats, rounds: int = 2000) -> Floats:
    """Where a long product points: in the support of the stationary law, up to the mixing."""
    generator = np.random.default_rng(0)
    v: Floats = np.asarray(generator.normal(size=steps.shape[1]))
    for s in generator.choice(len(p), size=rounds, p=p / p.sum()):
        image = steps[s] @ v
        length = math.sqrt(float(image @ image))
        v = image / length if length > 1e-12 else np.asarray(generator.normal(size=len(v)))
    return np.ascontiguousarray(v)


def most_pieces(family: MatrixFamily, sides: tuple[str, ...]) -> int:
    """How many pieces memory, the checker's work and the size of a certificate allow for each side."""
    m, d = len(family.matrices), family.dimension
    # Weights without a small common denominator cost the checker a logarithm for each step (and generator, for a lower bound).
    logarithms = 600 * m if sum(family.integer_weights) > MAX_POWERS else 0
    work = sum(100 + 4 * m * d**3 + 20 * m * d + logarithms * (d if side == "lower" else 1) for side in sides)
    text = sum(40 + (8 if side == "lower" else 30) * m for side in sides)
    return int(min(BYTES / (12 * m + 24), PART * MAX_WORK / work, PART * MAX_BYTES / text))
