"""The step sizes at which stability changes, of a measured K, in the user's own convention: (theory's step size) / f, f the factor of the loss.

All rest on a floating-point K. Below `nonexpansive` no step expands (E5; with any batches, vector outputs and weight decay too), below `mean_square` the second
moment contracts (E11), hence lambda < 0; above `determinant` the sum rule gives lambda > 0 (E4). `sgd` is a sign change of lambda by simulation with a
stated confidence, `gd` the one of mu.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..exact import InputError
from ..optimiser import SGD, Optimiser, Reshuffled, full_descent, is_full_batch, probabilities
from ..problem import Problem
from ..problem_file import refuse_unknown
from ..result import Estimate, Sign, as_float
from ..threshold.search import NotFound, simulated_threshold
from .arguments import number, seeded
from .kernel import Kernel
from .loss import Loss

GRID = 12
LOOK: dict[str, Any] = {"steps": 400_000, "time_limit": 0.5, "moments": False}
ONE = "gradient descent has one threshold, 2N/kappa_max"
CHAINS = 64  # of a simulation, at most
LONG, FOLDS = 10**7, 20  # steps of all chains of a long run; factors e that a chain must have grown by to be believed in spite of slow modes
SHORT = 4_000_000
RELATIVE = 1e-9  # claimed for floating-point roots and eigenvalues


@dataclass(frozen=True)
class StepSize:
    """lo <= eta <= hi, or None with the reason. `method` says how, `confidence` is that of a simulation (None: floating point)."""

    lo: float | None
    hi: float | None
    method: str
    reason: str = ""
    confidence: float | None = None

    @classmethod
    def near(cls, value: float, method: str, reason: str = "") -> StepSize:
        """A number that floating point knows to `RELATIVE`."""
        return cls(value * (1 - RELATIVE), value * (1 + RELATIVE), method, reason)

    def divided(self, f: float) -> StepSize:
        """In the convention in which step sizes are f times smaller."""
        lo, hi = (None if x is None else x / f for x in (self.lo, self.hi))
        return replace(self, lo=lo, hi=hi)

    def to_json(self) -> dict[str, Any]:
        """Keys: lo, hi, method, reason, confidence."""
        return {"lo": self.lo, "hi": self.hi, "method": self.method, "reason": self.reason, "confidence": self.confidence}

    def __str__(self) -> str:
        if self.lo is None or self.hi is None:
            return f"does not apply: {self.reason}" if self.method == "none" else f"not found: {self.reason}"
        digits = max(3, min(9, 3 - math.floor(math.log10((self.hi - self.lo) / self.hi)))) if self.hi > self.lo else 9
        value = f"{self.lo:.9g}" if digits == 9 else f"[{self.lo:.{digits}g}, {self.hi:.{digits}g}]"
        return f"{value} ({self.method})" + (f"; {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class StepSizes:
    """The thresholds of one minimum and optimiser."""

    nonexpansive: StepSize
    mean_square: StepSize
    sgd: StepSize
    determinant: StepSize
    gd: StepSize

    def divided(self, f: float, f_gd: float) -> StepSizes:
        """In the user's convention, which may treat the full batch differently (sums instead of means)."""
        return StepSizes(**{x.name: getattr(self, x.name).divided(f_gd if x.name == "gd" else f) for x in fields(self)})

    def to_json(self) -> dict[str, Any]:
        """One key for each threshold."""
        return {x.name: getattr(self, x.name).to_json() for x in fields(self)}


def step_sizes(
    kernel: Kernel, optimiser: Optimiser, loss: Loss, *, resolution: float = 1e-3, confidence: float = 0.95, time_limit: float = 5.0, seed: int = 0
) -> StepSizes:
    """All thresholds, in the step size of `optimiser` (whose own is ignored). `resolution` is asked of the simulated one, relative to it."""
    n, q = kernel.size, kernel.outputs
    problem = theory_problem(kernel, optimiser, loss)
    exact = problem.optimiser
    assert exact is not None
    none = StepSize(None, None, "none", ONE)
    full = is_full_batch(exact, n)
    nonexpansive, mean_square, determinant = (none,) * 3 if full else (_nonexpansive(kernel, exact), _mean_square(kernel, problem), _determinant(kernel, exact))
    sgd = none if full else _crossing(kernel, problem, (nonexpansive, mean_square, determinant), resolution, confidence, time_limit, seed)
    gd = theory_problem(kernel, full_descent(optimiser), loss).threshold("1e-12")
    found = StepSizes(nonexpansive, mean_square, sgd, determinant, StepSize(float(gd.lo), float(gd.hi), "floating-point eigenvalues"))
    return found.divided(float(loss.factor_of(optimiser, q, n)), float(loss.factor(q, n)))


def theory_problem(kernel: Kernel, optimiser: Optimiser, loss: Loss) -> Problem:
    """The linearised problem in the theory's convention, with the components of K apart."""
    made = loss.in_theory(optimiser, kernel.outputs, kernel.size)
    return Problem.measured(kernel.separated, made, outputs=kernel.outputs, name="network")


def _nonexpansive(kernel: Kernel, optimiser: Optimiser) -> StepSize:
    if optimiser.momentum:
        return StepSize(None, None, "none", "with momentum no such bound is known")
    which = "E5" if kernel.outputs == 1 else "E5, 2/max_i kappa_max of the block of sample i"
    return StepSize.near(2 / (float(kernel.own.max()) + as_float(optimiser.weight_decay)), which, "lambda < 0 below")


def _mean_square(kernel: Kernel, problem: Problem) -> StepSize:
    from ..moments import mean_square_step_size as verified
    from .mean_square import MAX_ROWS, mean_square_step_size

    optimiser = problem.optimiser
    if not isinstance(optimiser, SGD) or optimiser.momentum:
        return StepSize(None, None, "none", "with momentum, or over reshuffled epochs, the steps are not affine in the step size")
    below = "lambda < 0 below"
    if optimiser.batch == kernel.outputs == 1 and optimiser.plain:
        bounds = verified(problem)
        if bounds.lo is not None and bounds.hi is not None:
            return StepSize(as_float(bounds.lo), as_float(bounds.hi), "E11, verified for the floats that K holds", below)
    value = mean_square_step_size(kernel, optimiser)
    if value is None:
        return StepSize(None, None, "E11", f"computed for at most {MAX_ROWS} outputs of all samples")
    return StepSize.near(value, "E11, floating point", below)


def _determinant(kernel: Kernel, optimiser: Optimiser) -> StepSize:
    """The largest root of sum_i p_i log |det(I - eta K_[ii])| (E6): the sum increases beyond 1/min and is positive from 2/min on."""
    from scipy.optimize import brentq

    if not isinstance(optimiser, SGD | Reshuffled) or optimiser.batch > 1 or not optimiser.plain:
        return StepSize(None, None, "none", "the sum rule is used for batch 1 without momentum and weight decay only")
    smallest, largest = float(kernel.own[kernel.own > 0].min()), float(kernel.own.max())
    why = "lambda > 0 above"
    if largest <= smallest * (1 + RELATIVE):
        return StepSize.near(2 / largest, "equal norms (E7)", why)
    total = functools.partial(log_determinant, kernel, optimiser)
    low = (1 + 1e-12) / smallest  # where the sum is positive already, the root is between 1/min and here
    root = brentq(total, low, 2 / smallest, xtol=1e-13 / smallest, rtol=1e-13) if total(low) < 0 else low
    return StepSize.near(max(root, 2 / largest), "E4, E6", why)


def log_determinant(kernel: Kernel, optimiser: Optimiser, eta: float) -> float:
    """sum_i p_i log |det(I - eta K_[ii])|, the sum of all Lyapunov exponents for batch 1 (E4)."""
    p = np.array([as_float(x) for x in probabilities(optimiser, kernel.size)])
    with np.errstate(divide="ignore"):
        return float(p @ np.log(np.abs(1 - eta * kernel.own)).sum(1))


def _crossing(
    kernel: Kernel, problem: Problem, facts: tuple[StepSize, StepSize, StepSize], resolution: float, confidence: float, time_limit: float, seed: int
) -> StepSize:
    """A sign change of lambda: a few quick looks at a grid propose a bracket, the careful search of `threshold` decides it.

    Where slow modes hide the sign beside the zero, the lower end rests on E5 or E11.
    """
    optimiser, minimum = problem.optimiser, problem.minimum
    assert isinstance(optimiser, SGD | Reshuffled)
    assert minimum is not None
    nonexpansive, mean_square, determinant = facts
    known = max((x.lo for x in (nonexpansive, mean_square) if x.lo is not None), default=0.0)
    loud = kernel.diagonal[kernel.diagonal > 0]
    top = 1.001 * determinant.hi if determinant.hi else 4.0 * (1 + as_float(optimiser.momentum)) * optimiser.batch / float(loud.min())
    lo, hi = _bracket(problem, known or 0.1 / float(loud.max()), top, seed)
    reason = f"no step size with lambda > 0 was seen below {top:.3g} / f, f the factor of the loss"
    if hi is not None and (not known or forgets(kernel, optimiser, known, SHORT / CHAINS)):
        try:
            low, high, reason = simulated_threshold(minimum, optimiser, (lo, hi), Fraction(max(lo, hi / 4) * resolution), confidence, time_limit, seed)
            if "was not decided in time" not in reason and high > known:
                what = "a sign change of lambda" + ("; more time would narrow it" if reason else "")
                return StepSize(float(low), float(high), _method(confidence), what, confidence)
        except NotFound as error:
            reason = str(error)
    return _beside(problem, known, top, confidence, time_limit, seed) if known else StepSize(None, None, "Monte Carlo", reason)


def forgets(kernel: Kernel, theory: Optimiser, eta: float, steps: float) -> bool:
    """Whether a chain of so many steps sees the slowest mode decay, kappa_min eta / N per step: a shorter one may show its start in a sign close to zero."""
    slowest = float(kernel.eigenvalues[len(kernel.gram) - kernel.rank]) if kernel.rank else 0.0
    return eta * slowest / kernel.size / (1 - as_float(theory.momentum)) * steps >= 1


def _method(confidence: float) -> str:
    return f"Monte Carlo, {100 * confidence:g} % confidence"


def _beside(problem: Problem, known: float, top: float, confidence: float, time_limit: float, seed: int) -> StepSize:
    """The first of known * (1 + 2^k / 500) with a growth that a long run cannot mistake for a start not yet forgotten: many factors e in each chain."""
    level, options = 1 - (1 - confidence) / GRID, {"steps": LONG, "time_limit": 4 * time_limit, "moments": False}
    for eta in (known * (1 + 2**k / 500) for k in range(GRID)):
        found = problem.at(Fraction(min(eta, top))).lyapunov(confidence=level, seed=seed, sampling=options)
        if isinstance(found, Estimate) and found.value - found.half_width > FOLDS * CHAINS / LONG:
            return StepSize(known, min(eta, top), _method(confidence), "at the lower end lambda < 0 by E5 or E11: too close to 0 for a simulation", confidence)
        if eta >= top:
            break
    return StepSize(None, None, "Monte Carlo", f"no step size with lambda > 0 was found below {top:.3g} / f, f the factor of the loss")


def _bracket(problem: Problem, lo: float, hi: float, seed: int) -> tuple[float, float | None]:
    """(the last step size before it at which no growth was seen, the first of a geometric grid with lambda > 0 by a quick look, or None)."""
    for eta in (lo * (hi / lo) ** (k / GRID) for k in range(1, GRID + 1)):
        found = problem.at(Fraction(eta)).lyapunov(seed=seed, sampling=LOOK)
        if getattr(found, "likely", Sign.UNDECIDED) is Sign.POSITIVE:
            return lo, eta
        if getattr(found, "likely", Sign.UNDECIDED) is Sign.NEGATIVE:
            lo = eta
    return lo, None


def checked_options(
    *, resolution: float = 1e-3, confidence: float = 0.99, time_limit: float = 5.0, seed: int = 0, thresholds: bool = True, name: str = "network", **others: Any
) -> None:
    """Raises `InputError` for options of an analysis that are out of range, and for others than these."""
    refuse_unknown(others, ["resolution", "confidence", "time_limit", "seed", "thresholds", "name"], "of an analysis")
    for key, value, most in (("resolution", resolution, 1.0), ("confidence", confidence, 1.0), ("time_limit", time_limit, math.inf)):
        number(key, value, 0, most)
    seeded(seed)
    if not isinstance(thresholds, bool) or not isinstance(name, str):
        raise InputError(f"thresholds = {thresholds!r} is not a truth value, or name = {name!r} is not a text")
