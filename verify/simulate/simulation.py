"""`simulate`: SGD or gradient descent, run for real, and what the runs say about convergence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from .course import Course, Floor, course
from .dynamics import Part, Unsuited, parts_of
from .evidence import CONFIDENCE, Evidence, Plan, Replicate, Verdict, decide
from .precise import solution
from .variants import as_matrices, is_variant

if TYPE_CHECKING:
    from ..problem import Problem

Floats = NDArray[np.float64]
Arithmetic = Literal["auto", "exact", "arb", "float"]
MAX_STEPS = 10_000_000
MODEL = {
    "converges": "independent replicas; E log|A^n v|/n + kappa_d/n bounds lambda for every n, and the empirical Bernstein bound holds for every sample size",
    "diverges": "independent replicas after a burn-in of n/2 steps; what is left of the start is assumed to decay at least like n^(-1/2)",
    "float": "; round-off is assumed to do no more than rounding the same runs to single precision did",
    "undecided": "none: nothing is claimed",
}


@dataclass(frozen=True)
class Simulation:
    """What real runs say. "converges": SGD (linearised at the minimum; for features this is SGD itself) converges almost surely, lambda < 0; "diverges": |r_n|
    grows from almost every start, lambda > 0; "undecided": the data do not tell.

    A statistical verdict, never a proof: wrong with probability at most `error_probability` (0.0 where exact arithmetic exhibited a product that is exactly
    zero; None when undecided) under `model`. rate +- rate_half_width (nats per step, `confidence` two-sided, Student) estimates lambda from the runs alone. No
    certificate and no other estimate of lambda is used anywhere; horizon and precision of `course` come from `rate`.

    steps: the horizon of each replica in the deciding look; total_steps over all looks. arithmetic: of the replicas ("exact", "arb", "float"). The properties
    trajectory (k, 2) = (n, log |r_n|), digits and floor belong to `course`, one run that is made when it is first asked for.
    """

    problem: Problem = field(repr=False)
    verdict: Verdict
    reason: str
    error_probability: float | None
    rate: float
    rate_half_width: float
    confidence: float
    steps: int
    replicas: int
    total_steps: int
    arithmetic: str
    seed: int
    wanted: Arithmetic = field(default="auto", repr=False)
    horizon: int | None = field(default=None, repr=False)

    @property
    def model(self) -> str:
        """The statistical model under which the error probability holds."""
        if self.error_probability == 0.0:
            return "exact arithmetic: a word of positive probability with product zero occurs almost surely"
        return MODEL[self.verdict] + (MODEL["float"] if self.verdict != "undecided" and self.arithmetic == "float" else "")

    @cached_property
    def course(self) -> Course:
        """One run in high precision, beside the same run in plain double precision."""
        return course(self.problem, self.rate, self.horizon, self.seed, self.wanted)

    @property
    def trajectory(self) -> Floats:
        """(n, log |r_n|), thinned."""
        return self.course.points

    @property
    def digits(self) -> int | None:
        """Decimal digits of the trajectory, None where it is exact."""
        return self.course.digits

    @property
    def floor(self) -> Floor:
        """The floor of double precision and whether the plain run hit it."""
        return self.course.floor

    def to_json(self) -> dict[str, Any]:
        """Stable keys, see JSON.md."""
        seen = self.course
        return {
            "problem": self.problem.name,
            "verdict": self.verdict,
            "reason": self.reason,
            "error_probability": self.error_probability,
            "model": self.model,
            "rate": _finite(self.rate),
            "rate_half_width": _finite(self.rate_half_width),
            "confidence": self.confidence,
            "steps": self.steps,
            "replicas": self.replicas,
            "total_steps": self.total_steps,
            "arithmetic": self.arithmetic,
            "seed": self.seed,
            "trajectory": {
                "coordinates": seen.coordinates,
                "arithmetic": seen.arithmetic,
                "digits": seen.digits,
                "steps": seen.steps,
                "note": seen.note,
                "points": [[int(n), float(v)] for n, v in seen.points],
            },
            "floor": {"value": seen.floor.value, "hit": seen.floor.hit, "step": seen.floor.step, "reason": seen.floor.reason},
        }

    def __str__(self) -> str:
        if self.error_probability == 0.0:
            return f"{self.verdict} (seen in exact arithmetic): {self.reason}"
        wrong = "" if self.error_probability is None else f" (wrong with probability at most {self.error_probability:g}: statistics, not a proof)"
        return f"{self.verdict}{wrong}: {self.reason}"


def simulate(
    problem: Problem,
    *,
    steps: int | None = None,
    seed: int = 0,
    error_probability: float = 1e-6,
    arithmetic: Arithmetic = "auto",
    time_limit: float = 10.0,
    progress: Callable[[str], None] | None = None,
) -> Simulation:
    """Run SGD (or gradient descent, or products of bare matrices) and test whether it converges.

    Momentum, weight decay, reshuffled epochs and vector outputs run as bare matrices from their definition (`variants`), where there are few enough; a step is
    then an epoch for reshuffled samples, in `steps` and `rate` too. With weight decay this is the linear part: "converges" says lambda < 0.

    `steps`: horizon of every run (default: doubled until the verdict is reached; the trajectory runs to 1000 nats where that is affordable). `arithmetic` of
    the replicas: "float" (compiled, the default of "auto"), "arb" (balls) or "exact" (rational; numbers grow, so runs are short); the trajectory is in balls
    for "auto". `time_limit` in seconds, without compiling; unless it ends the test, the result is a function of the arguments. Rigour: statistical, see
    `evidence`. Raises `InputError` for arguments out of range.
    """
    _check(problem, steps, seed, error_probability, arithmetic, time_limit)
    problem = as_matrices(problem) if is_variant(problem) else problem
    number = "float" if arithmetic == "auto" else arithmetic

    def answer(verdict: Verdict, reason: str, error: float | None, found: Evidence | None, dead: bool = False) -> Simulation:
        rate, half = (-math.inf, 0.0) if dead else (math.nan, math.inf) if found is None else (found.rate, found.half_width)
        sizes = (0, 0, 0) if found is None else (found.horizon, found.replicas, found.total_steps)
        used = "exact" if dead else number
        return Simulation(problem, verdict, reason, error, rate, half, CONFIDENCE, *sizes, used, seed, arithmetic, steps)

    unsolvable = _unsolvable(problem)
    if unsolvable:
        return answer("undecided", unsolvable, None, None)
    try:
        parts = parts_of(problem)
    except Unsuited as reason:
        return answer("undecided", str(reason), None, None)
    from .rigorous import vanishing_word

    words = [vanishing_word(problem, part, seed) for part in parts]
    alive = [part for part, word in zip(parts, words, strict=True) if word is None]
    if not alive:
        longest = max(word or 0 for word in words)
        return answer("converges", f"a product of {longest} steps is exactly zero (exact arithmetic), so the residuals vanish almost surely", 0.0, None, True)
    plan = _plan(alive, steps, number)
    replicate = _replicate(problem, number)
    if number == "float":
        replicate(alive[0], 1, 4, 0)  # compiles, before the clock starts
    from .floats import coarse

    again = coarse if number == "float" else None
    if again is not None:
        again(alive[0], 1, 4, 0)
    found = decide(alive, replicate, plan, error_probability, perf_counter() + time_limit, seed, progress, coarse=again)
    return answer(found.verdict, found.reason, None if found.verdict == "undecided" else error_probability, found)


def replica_courses(simulation: Simulation, count: int, horizon: int) -> tuple[Floats, Floats]:
    """(marks, log growth (count, len(marks))) of independent replicas in double precision with norms taken out, for the figure: of the fastest part."""
    from .floats import courses

    marks = sorted({round(k * horizon / 100) for k in range(1, 101)} - {0})
    try:
        parts = parts_of(simulation.problem)
    except Unsuited:
        return np.zeros(0), np.zeros((count, 0))
    logs = np.max([courses(part, count, marks, simulation.seed) for part in parts], axis=0)
    return np.array(marks, dtype=float), logs


def _plan(parts: list[Part], steps: int | None, number: str) -> Plan:
    size = max(part.dimension for part in parts)
    replicas = 256 if number == "float" else 64
    horizon = steps if steps is not None else 64 * max(1, math.isqrt(size))
    return Plan(replicas, max(8, horizon), steps is not None)


def _replicate(problem: Problem, number: str) -> Replicate:
    if number == "float":
        from .floats import replicate

        return replicate
    from .rigorous import replicator

    return replicator(problem, "exact" if number == "exact" else "arb")


def _unsolvable(problem: Problem) -> str:
    """Why there is no minimum to converge to, or nothing."""
    features, labels = getattr(problem.minimum, "features", None), getattr(problem.minimum, "labels", None)
    if features is None or labels is None:
        return ""
    try:
        solution(features, labels)
    except InputError as error:
        return str(error)
    return ""


def _check(problem: Any, steps: Any, seed: Any, error: Any, arithmetic: Any, time_limit: Any) -> None:
    from ..problem import Problem

    if not isinstance(problem, Problem):
        raise InputError(f"problem = {problem!r} is not a verify.Problem; build one with Problem.from_gram, or call .problem(optimiser) on a SymbolicModel")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or not 8 <= steps <= MAX_STEPS):
        raise InputError(f"steps = {steps!r} is not an integer from 8 to {MAX_STEPS}; leave it out for a horizon of the test's own choice")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 1 << 63:
        raise InputError(f"seed = {seed!r} is not a nonnegative integer below 2^63")
    if not isinstance(error, float) or not 1e-100 <= error < 0.5:
        raise InputError(f"error_probability = {error!r} is not a number from 1e-100 to below 0.5; write for example 1e-6")
    if arithmetic not in ("auto", "exact", "arb", "float"):
        raise InputError(f"arithmetic = {arithmetic!r} is not known; write \"auto\", \"exact\", \"arb\" or \"float\"")
    if not isinstance(time_limit, (int, float)) or not 0 < time_limit < math.inf:
        raise InputError(f"time_limit = {time_limit!r} is not a positive number of seconds")
    if arithmetic in ("exact", "arb") and not problem.is_exact:
        raise InputError(f"arithmetic = \"{arithmetic}\" needs exact numbers, but K is measured; use .rationalised(spacing), or arithmetic = \"float\"")
    if arithmetic == "exact" and steps is not None and steps > 5000:
        raise InputError(f"steps = {steps} is above 5000, the longest exact run (its numbers grow with every step); use arithmetic = \"arb\"")


def _finite(x: float) -> float | str | None:
    return "-inf" if x == -math.inf else x if math.isfinite(x) else None
