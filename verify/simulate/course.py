"""One run of SGD as the definition says, shown as log |r_n|: real weights where features are given, residuals otherwise.

The run is exact or in balls, with enough digits that a residual of e^-1000 is seen as such; beside it goes the same run in plain double precision, which
stops at its floor: near 2^-53 times the size of the numbers that are subtracted for weights, near 1e-308 (underflow) for residuals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from ..minimum import Minimum
from ..optimiser import GradientDescent
from ..result import as_float
from .dynamics import chances, exact_matrices
from .precise import MAX_DIGITS, Draws, Number, System, balls, digits_for, drawn, log_norm, parameters, residuals, solution

if TYPE_CHECKING:
    from ..problem import Problem

Floats = NDArray[np.float64]
POINTS = 400
TARGET = 1000.0  # nats of decay or growth that a run of a length of its own choice shows
# Multiplications that a run may take, and steps that an exact run may take (its numbers grow with every step).
WORK = 400_000
MAX_WORK = 10_000_000
EXACT_STEPS = 5_000


@dataclass(frozen=True)
class Floor:
    """Where plain double precision ends: log |r| below which it cannot tell a residual from zero, whether the plain run came there, and at which step."""

    value: float
    hit: bool
    step: int | None
    reason: str


@dataclass(frozen=True)
class Course:
    """log |r_n|, r the residuals of all samples (Euclidean norm), at some of the steps 0..steps; `points` and `plain` have shape (k, 2).

    `points` end where the precision did, or where r became exactly zero (log 0 is left out; `plain` keeps it as -inf). digits: decimal digits carried,
    None where exact.
    """

    points: Floats
    plain: Floats
    steps: int
    arithmetic: Number
    digits: int | None
    floor: Floor
    coordinates: str
    note: str = ""


def course(problem: Problem, rate: float, steps: int | None, seed: int, wanted: str) -> Course:
    """The run of a problem; the horizon is `steps`, or |rate| n = 1000 where that is affordable; `wanted` is "auto", "exact", "arb" or "float".

    Raises `InputError` where an exact run would be too long.
    """
    if not problem.is_exact:
        if wanted in ("exact", "arb"):
            raise InputError(f"arithmetic = \"{wanted}\" needs exact numbers, but K is measured; use .rationalised(spacing), or arithmetic = \"float\"")
        return _measured(problem, rate, steps, seed)
    rng = np.random.default_rng([seed, 11])
    system, start, coordinates, floor = _setting(problem, rng)
    batch = _batch(problem)
    horizon = steps if steps is not None else _horizon(rate, system.cost * batch)
    if wanted == "exact":
        horizon = _exact_horizon(horizon, steps)
    size = problem.minimum.size if problem.minimum is not None else 0
    draws = drawn(problem.optimiser, size, horizon, rng, _weights(problem, size))
    marks = _marks(horizon, max(10, min(POINTS, WORK // system.size_of_residuals)))
    plain = _plain(system, start, draws, marks)
    seen = _floor(floor, plain, size)
    kept = plain[plain[:, 1] < math.inf]
    finite = kept[np.isfinite(kept[:, 1])]
    number: Number = "exact" if wanted == "exact" else "float" if wanted == "float" else "arb"
    if number == "exact":
        logs = _logs(system, _exact(start), draws, "exact", marks)
        return Course(_points(marks, logs), kept, horizon, "exact", None, seen, coordinates)
    work = horizon * system.cost * batch
    if number == "arb" and work <= (MAX_WORK if steps is not None else 4 * WORK):
        digits = digits_for(lambda n, d: _accuracy(system, start, draws, n, d), horizon)
        if steps is None and work * (1 + digits / 2000) > WORK:  # digits grow with the horizon: solve n cost (1 + n digits / (2000 horizon)) = WORK
            slope, cost = digits / 2000 / horizon, work / horizon
            shorter = int((math.sqrt(1 + 4 * slope * WORK / cost) - 1) / (2 * slope))
            return course(problem, rate, max(50, min(shorter, horizon - 1)), seed, wanted)
        if digits <= MAX_DIGITS:
            logs, digits = _in_balls(system, start, draws, marks, digits)
            lost = "" if len(logs) == len(marks) else f"after step {marks[len(logs)]} the balls contain zero: the residual may be exactly zero"
            return Course(_points(marks, logs), kept, horizon, "arb", digits, seen, coordinates, lost)
        note = f"balls would need {digits} digits, more than {MAX_DIGITS}"
    else:
        note = f"{horizon} steps of this size are too long for balls" if number == "arb" else ""
    return Course(finite, kept, horizon, "float", 15, seen, coordinates, note)


def _setting(problem: Problem, rng: np.random.Generator) -> tuple[System, list[Fraction], str, tuple[float, str]]:
    """(system, start, what its coordinates are, floor of double precision and why)."""
    underflow = (math.log(2.0**-1022), "the smallest normal double: below it residuals underflow")
    if problem.matrices is not None:
        steps, _ = exact_matrices(problem)
        return System.linear(steps), _random(len(steps[0]), rng), "vector of the matrix products", underflow
    minimum, optimiser = problem.exact
    if minimum.features is None:
        # A start in the range of K, which is where residuals of gradients live.
        mixed = _random(minimum.size, rng)
        start = [sum((k * c for k, c in zip(row, mixed, strict=True)), Fraction(0)) for row in minimum.gram]
        return residuals(minimum.gram, optimiser), start, "residuals r of the linearised model", underflow
    target = solution(minimum.features, minimum.labels)
    labels = tuple(sum((x * w for x, w in zip(row, target, strict=True)), Fraction(0)) for row in minimum.features)
    start = [w + s for w, s in zip(target, _random(len(target), rng), strict=True)]
    sizes = [sum((abs(x * w) for x, w in zip(row, target, strict=True)), abs(z)) for row, z in zip(minimum.features, labels, strict=True)]
    scale = as_float(max(sizes))
    reason = "2^-53 times the numbers whose difference is the residual <x_i, w> - z_i"
    floor = math.log(scale) - 53 * math.log(2) if scale > 0 else underflow[0]
    return parameters(minimum.features, labels, optimiser), start, "weights w of the linear model", (floor, reason if scale > 0 else underflow[1])


def _random(size: int, rng: np.random.Generator) -> list[Fraction]:
    """Normal numbers in multiples of 2^-10, none of them zero."""
    return [Fraction(round(x * 1024) or 1, 1024) for x in rng.standard_normal(size).tolist()]


def _weights(problem: Problem, size: int) -> list[Fraction] | None:
    if problem.matrices is not None:
        return exact_matrices(problem)[1]
    return None if problem.optimiser is None or problem.optimiser.kind == "gd" else chances(problem.optimiser, size)


def _horizon(rate: float, cost: int) -> int:
    """Steps to `TARGET` nats, but no more than are quick, and at least 200 (unless even that is too much work)."""
    quick = max(50, min(50_000, WORK // cost))
    needed = TARGET * 1.1 / abs(rate) if math.isfinite(rate) and rate != 0 else (200.0 if math.isinf(rate) else math.inf)
    return int(min(quick, max(200.0, needed)))


def _exact_horizon(horizon: int, steps: int | None) -> int:
    if steps is not None and steps > EXACT_STEPS:
        raise InputError(f"steps = {steps} is above {EXACT_STEPS}, the longest exact run (its numbers grow with every step); use arithmetic = \"arb\"")
    return min(horizon, EXACT_STEPS)


def _marks(horizon: int, points: int) -> list[int]:
    """At most `points` + 1 steps at which the residual is looked at."""
    count = min(horizon, points)
    return sorted({round(k * horizon / count) for k in range(count + 1)})


def _observed(system: System, start: list[Any], draws: Draws, number: Number, marks: list[int]) -> Iterator[Any]:
    yield log_norm(system.residuals(start, number), system.scale, number)
    wanted = set(marks[1:])
    for n, x in enumerate(system.run(start, draws, number), 1):
        if n in wanted:
            yield log_norm(system.residuals(x, number), system.scale, number)
            if n == marks[-1]:
                return


def _logs(system: System, start: list[Any], draws: Draws, number: Number, marks: list[int]) -> list[Any]:
    """One look for each mark, until a ball has lost its digits."""
    found: list[Any] = []
    for value in _observed(system, start, draws, number, marks):
        if value is None:
            break
        found.append(value)
    return found


def _in_balls(system: System, start: list[Fraction], draws: Draws, marks: list[int], digits: int) -> tuple[list[Any], int]:
    from flint import ctx

    for attempt in range(3):
        with ctx.workprec(int(digits * 3.33) + 10):
            logs = _logs(system, balls(start), draws, "arb", marks)
        if len(logs) == len(marks) or 2 * digits > MAX_DIGITS or attempt == 2:
            break
        digits *= 2
    return logs, digits


def _accuracy(system: System, start: list[Fraction], draws: Draws, steps: int, digits: int) -> float:
    """Decimals of relative accuracy of the residual after some steps in balls of so many digits."""
    from flint import ctx

    with ctx.workprec(int(digits * 3.33)):
        x = balls(start)
        for state in system.run(x, draws[:steps], "arb"):
            x = state
        seen = system.residuals(x, "arb")
        return max(float(value.rel_accuracy_bits()) for value in seen) * math.log10(2)


def _plain(system: System, start: list[Fraction], draws: Draws, marks: list[int]) -> Floats:
    logs = list(_observed(system, [as_float(x) for x in start], draws, "float", marks))
    return np.array([(n, v) for n, v in zip(marks, logs, strict=True)], dtype=float)


def _exact(start: list[Fraction]) -> list[Any]:
    from ..balls import fmpq_of

    return [fmpq_of(x) for x in start]


def _points(marks: list[int], logs: list[Any]) -> Floats:
    return np.array([(n, v) for n, v in zip(marks, logs, strict=False) if v > -math.inf], dtype=float).reshape(-1, 2)


def _floor(floor: tuple[float, str], plain: Floats, size: int) -> Floor:
    """Whether the plain run came within a factor of 8 N of the floor, or to zero."""
    value, reason = floor
    below = np.flatnonzero(plain[:, 1] <= value + math.log(8 * max(1, size)))
    return Floor(value, below.size > 0, int(plain[below[0], 0]) if below.size else None, reason)


def _measured(problem: Problem, rate: float, steps: int | None, seed: int) -> Course:
    """A measured K: the plain run on residuals."""
    assert problem.minimum is not None
    gram = [[Fraction(float(x)) for x in row] for row in problem.minimum.gram]
    exact = Minimum(tuple(tuple(row) for row in gram))
    found = course(replace(problem, minimum=exact), rate, steps, seed, "float")
    return Course(found.points, found.plain, found.steps, "float", 15, found.floor, found.coordinates, "K is measured, so there are no exact steps")




def _batch(problem: Problem) -> int:
    """Samples of one step."""
    if problem.minimum is None or problem.optimiser is None:
        return 1
    return problem.minimum.size if isinstance(problem.optimiser, GradientDescent) else problem.optimiser.batch
