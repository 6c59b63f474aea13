"""What stays undecided between the two ends of E6: the sign of lambda at step sizes on a grid, each proved within a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ..exact import InputError
from ..minimum import Minimum
from ..optimiser import SGD
from ..problem import Problem
from ..result import Sign, as_float
from .bracket import critical_bracket
from .mean_square import short_decimal


@dataclass(frozen=True)
class Probe:
    """The proved sign of lambda at one step size (UNDECIDED where the time was too short), and the method that proved it."""

    step_size: Fraction
    sign: Sign
    method: str


@dataclass(frozen=True)
class UndecidedSteps:
    """Every eta with lambda(eta) = 0 lies in [lo, hi] (E6). `probes` are points of it; nothing is claimed between them (E6'')."""

    lo: Fraction
    hi: Fraction
    probes: tuple[Probe, ...]

    @property
    def share(self) -> float:
        """Part of the probes that is undecided."""
        return sum(probe.sign is Sign.UNDECIDED for probe in self.probes) / max(1, len(self.probes))

    def __str__(self) -> str:
        marks = "".join({Sign.NEGATIVE: "-", Sign.POSITIVE: "+", Sign.ZERO: "0"}.get(probe.sign, "?") for probe in self.probes)
        return f"[{as_float(self.lo):.6g}, {as_float(self.hi):.6g}] {marks} undecided {100 * self.share:.0f} %"


def undecided_steps(
    problem: Problem, *, points: int = 17, time_limit: float = 60.0, seed: int = 0, progress: Callable[[str], None] | None = None
) -> UndecidedSteps:
    """Signs of lambda at `points` step sizes, evenly spaced inside E6's bracket [2/max K_ii, eta_det], in `time_limit` seconds shared equally.

    Plain SGD with batch 1; the problem's own step size is ignored. Raises `InputError` for anything else.
    """
    if not isinstance(problem, Problem):
        raise InputError(f"problem = {problem!r:.40} is not a Problem; write for example Problem.from_gram(gram, SGD(step_size))")
    if points < 1 or not time_limit > 0:
        raise InputError(f"points = {points} and time_limit = {time_limit} must be positive")
    minimum, optimiser = problem.minimum, problem.optimiser
    if not isinstance(minimum, Minimum) or not isinstance(optimiser, SGD) or optimiser.batch != 1 or not optimiser.plain or minimum.outputs != 1:
        raise InputError("E6 is a fact about SGD with batch 1, one output and an exact K; give gram or features, and SGD(step_size)")
    bracket = critical_bracket(minimum, optimiser)
    lo, hi = bracket.lower, bracket.upper[1]
    probes = list[Probe]()
    deadline = time.monotonic() + time_limit
    for k in range(points if hi > lo else 0):
        middle = lo + (hi - lo) * Fraction(k + 1, points + 1)
        eta = short_decimal(middle, (hi - lo) / (100 * points * middle), False)
        seconds = max(0.1, (deadline - time.monotonic()) / (points - k))
        found = problem.at(eta).lyapunov(time_limit=seconds, estimate=False, seed=seed)
        probes.append(Probe(eta, found.sign, found.method))
        if progress:
            progress(f"eta = {as_float(eta):.6g}: {found.sign.value} ({found.method})")
    return UndecidedSteps(lo, hi, tuple(probes))
