"""The search as a whole: how fine, which degree, which kind of proof, when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ...family import MatrixFamily
from ._forms import Candidate, prove
from ._geometry import build
from ._linear import prove_linear
from ._model import Model, SearchFailed
from ._refine import Level, refine
from ._screen import Screen

LARGEST_DEGREE = 40  # of the binary forms that a checker has to handle: q sum P_s
ROUGH = 1500  # cones: beyond that many, linear forms are cheaper to search and to check
NUMERICAL = (SearchFailed, ArithmeticError, np.linalg.LinAlgError, ValueError, IndexError)


@dataclass(frozen=True)
class Side:
    value: Fraction
    proof: dict[str, Any]


@dataclass
class Outcome:
    """The best bounds so far."""

    lower: Side | None = None
    upper: Side | None = None
    estimate: float = math.nan
    reason: str = ""
    cones: int = 0
    pieces: int = 0

    def width(self) -> Fraction | None:
        return self.upper.value - self.lower.value if self.upper and self.lower else None

    def sign_proved(self) -> bool:
        return bool((self.upper and self.upper.value < 0) or (self.lower and self.lower.value > 0))


@dataclass
class Search:
    """One call: `run` fills the outcome."""

    family: MatrixFamily
    goal: float | None  # width in units of the family, or None for the sign
    sides: tuple[str, ...]
    deadline: float
    progress: Callable[[str], None] | None
    outcome: Outcome
    linear: bool = False  # S4 only
    finer: int | None = None
    close_enough: bool = False  # the latest proofs come from a level that was fine enough

    def run(self) -> None:
        self.model = Model.of(self.family)
        weight = sum(self.family.integer_weights)
        self.largest = LARGEST_DEGREE // weight
        # rho would have too many digits, or linear forms are asked for
        if self.linear or abs(self.model.total * self.model.offset) * self.family.common_weight > 1000:
            self.largest = 0
        q = 7
        if self.goal is None or self.goal >= 1e-11:
            q = 3 if self.goal is None or self.goal >= 1e-7 else 5
        floor = 2e-15 * (1.0 + abs(self.model.offset))
        rough = self.attempt(min(q, max(self.largest, 1)), 0.5, ROUGH + 500, floor)
        if not rough and self.finer is not None:
            rough = self.attempt(min(self.finer, max(self.largest, 1)), 0.5, ROUGH + 500, floor)
        if rough and time.monotonic() < self.deadline and not self.reached():
            self.attempt(1, 0.8, 1_000_000, floor)

    def reached(self) -> bool:
        if len(self.sides) == 1:
            return self.close_enough
        if self.goal is None:
            return self.outcome.sign_proved()
        width = self.outcome.width()
        return width is not None and width <= self.goal

    def attempt(self, q: int, bulk: float, most: int, floor: float) -> bool:
        """Refine with forms of degree q until the goal is proved; True if the family is so rough that linear forms should go on."""
        before, best, stale, share = time.monotonic(), math.inf, 0, 1.0
        history: list[tuple[int, float]] = []
        kept: list[Level] = []  # the best so far, latest last
        levels = refine(self.model, q, bulk=bulk, most=most, deadline=self.deadline)
        limit: int | None = None
        while True:
            try:
                level = levels.send(limit)
            except NUMERICAL as error:
                if not any(self.attempt_proofs(one) for one in reversed(kept)):
                    raise
                self.outcome.reason = self.outcome.reason or str(error)
                return False
            now = time.monotonic()
            size = level.cones.size
            self.outcome.estimate = self.model.total * (level.value + self.model.offset)
            width = self.model.total * level.width
            if width < best:
                best, stale = width, 0
                kept = [*kept[-2:], level]
            else:
                stale += 1
            history.append((size, width))
            limit = math.ceil(1.04 * self.needed(history, self.target())) if bulk > 0.5 else None
            if self.progress:
                self.progress(f"degree {q}: {size} cones, width {width:.1e}")
            wanted = self.target()
            cost = 2 * (now - before) + 1.7 * level.pieces.cone.size * 3.2e-5 * (1 + 0.5 * q)  # of one more level and its proofs, as measured
            before = now
            last = level.exhausted or stale >= (30 if best > 1e-10 else 8) or (now + cost > self.deadline and best < 1.0)
            if width <= share * wanted or last or width <= floor:
                for one in reversed(kept):
                    if self.attempt_proofs(one) or not last or time.monotonic() > self.deadline:
                        break
                if self.reached() or last or width <= floor:
                    return (self.rough(history, wanted) or size >= most) and not self.reached()
                share *= 0.4
            if self.goal is None and q == 3 and width < 1e-2 and wanted < min(1e-7, 0.3 * width):
                self.finer = 5 if wanted > 1e-9 else 7
                return False
            if q > 1 and size >= 250 and self.rough(history, wanted):
                if self.outcome.upper is None and self.outcome.lower is None and self.goal is None:
                    self.attempt_proofs(level)
                return True

    def target(self) -> float:
        """The width that a level should have, in units of the family."""
        if self.goal is not None:
            return 0.92 * self.goal
        return 0.8 * abs(self.outcome.estimate)

    @staticmethod
    def rate(history: list[tuple[int, float]]) -> float:
        """r in width ~ cones^-r, from the last levels; 0 where they do not tell."""
        if len(history) < 6 or history[-1][0] <= history[-6][0]:
            return 0.0
        return math.log(history[-6][1] / history[-1][1]) / math.log(history[-1][0] / history[-6][0])

    def needed(self, history: list[tuple[int, float]], wanted: float) -> float:
        """How many cones the wanted width will take at this rate."""
        rate = self.rate(history)
        return min(1e9, history[-1][0] * (history[-1][1] / max(wanted, 1e-300)) ** (1.0 / rate)) if rate > 0.3 else 1e9

    def rough(self, history: list[tuple[int, float]], wanted: float) -> bool:
        """Does the width fall so slowly that thousands of cones will be needed?"""
        return 0.3 < self.rate(history) < 2.0 and self.needed(history, wanted) > ROUGH

    def attempt_proofs(self, level: Level) -> bool:
        """Prove the sides at this level, and keep what is better than before; False if nothing could be proved."""
        reasons = []
        try:
            geometry = build(self.family, self.model, level.cones)
        except NUMERICAL as error:
            self.outcome.reason = str(error)
            return False
        candidate = Candidate(self.family, self.model, level.cones, level.forms, geometry, max(level.width, 1e-15))
        screen = Screen(geometry, self.family.integer_weights, level.forms.q) if self.largest else None
        for side in self.sides:
            upper = side == "upper"
            try:
                found = self.prove_side(candidate, screen, upper)
            except NUMERICAL as error:
                reasons.append(f"{side} bound: {error}")
                continue
            old = self.outcome.upper if upper else self.outcome.lower
            if old is None or (found.value < old.value if upper else found.value > old.value):
                setattr(self.outcome, side, found)
                self.outcome.cones, self.outcome.pieces = level.cones.size, geometry.size
        self.outcome.reason = "; ".join(reasons)
        self.close_enough = not reasons and self.model.total * level.width <= self.target()
        return len(reasons) < len(self.sides)

    def prove_side(self, candidate: Candidate, screen: Screen | None, upper: bool) -> Side:
        if screen is not None:
            try:
                return Side(*prove(candidate, screen, upper, self.deadline))
            except SearchFailed:
                if candidate.forms.q > 1:
                    raise
        return Side(*prove_linear(candidate, upper))
