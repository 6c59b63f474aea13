"""Everything about the exponents at one step size: what is proved, and a number beside a proof that leaves one side open.

Analysis, sweeps and figures are made of these points. Units: nats per step.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..exact import InputError
from ..minimum import Minimum, rank
from ..problem import Problem, Progress
from ..result import Enclosure, Estimate, Exact, Exponent, Sign

# Beyond this size the checker's exact inertia takes too long, and mu is an estimate unless a width is asked for.
MAX_EXACT_SPECTRUM = 100
VALUE_WIDTH = Fraction(1, 10**4)
ESTIMATE_SECONDS = 1.0


@dataclass(frozen=True)
class Point:
    """The exponents at one step size (None for bare matrices).

    `lambda_` is what is known about lambda; its sign may be proved by a bound on one side only. `number` has two finite ends (or is exactly -infinity): it is
    `lambda_` itself, or a separate enclosure or estimate, or None where none could be made. It never adds to what is proved about the sign.
    """

    step_size: Fraction | None
    mu: Exponent | None
    lambda_: Exponent
    number: Exponent | None
    mean_square: Exponent | None

    @property
    def decided(self) -> bool:
        """Whether the signs that were asked for are proved."""
        return all(x.sign is not Sign.UNDECIDED for x in (self.mu, self.lambda_) if x is not None)


def evaluate(
    problem: Problem,
    width: Any = None,
    *,
    value_width: Fraction = VALUE_WIDTH,
    time_limit: float = 20.0,
    estimate_seconds: float = ESTIMATE_SECONDS,
    seed: int = 0,
    confidence: float = 0.99,
    spectrum_limit: int = MAX_EXACT_SPECTRUM,
    second_moment: bool = True,
    progress: Progress | None = None,
    sampling: Mapping[str, Any] | None = None,
) -> Point:
    """mu, lambda and ms of a problem: signs with proofs where possible, and a number for lambda.

    `width` is the width asked of lambda (None: the sign). Where all components of K are planar, a proof of the sign is followed by the search for an enclosure
    of `value_width`; where the proof leaves one side open otherwise, by Monte Carlo for `estimate_seconds`. Beyond `spectrum_limit` dimensions mu is estimated,
    and `second_moment` False leaves ms out. `sampling` are options of the Monte Carlo estimates, as for `Problem.lyapunov`.
    """
    options: dict[str, Any] = {"seed": seed, "confidence": confidence, "progress": progress, "sampling": sampling}
    _say(progress, "mu")
    mu = gradient_descent_exponent(problem, width, spectrum_limit)
    _say(progress, "lambda")
    lambda_ = problem.lyapunov(width, time_limit=time_limit, **options)
    number: Exponent | None = lambda_ if is_two_sided(lambda_) else None
    if width is None and isinstance(lambda_, Enclosure) and not (number and reaches(number, value_width)) and is_planar(problem):
        _say(progress, "lambda, both sides")
        with suppress(OverflowError):
            finer = problem.lyapunov(value_width, time_limit=time_limit, estimate=False, **options)
            number = finer if is_two_sided(finer) else number
    if number is None:
        _say(progress, "lambda, Monte Carlo")
        number = monte_carlo(problem, estimate_seconds, seed, confidence, sampling)
    moment = None
    if second_moment:
        _say(progress, "mean square")
        moment = mean_square(problem)
    return Point(problem.optimiser.step_size if problem.optimiser else None, mu, lambda_, number, moment)


def is_two_sided(exponent: Exponent) -> bool:
    """Whether both ends are finite, or the value is exactly -infinity."""
    if isinstance(exponent, Estimate):
        return True
    return None not in exponent.ends or (isinstance(exponent, Exact) and exponent.expression == "-oo")


def reaches(exponent: Exponent, width: Fraction | None) -> bool:
    """Whether a proved answer is as narrow as asked (None: whether its sign is proved)."""
    if width is None:
        return exponent.sign is not Sign.UNDECIDED
    if not isinstance(exponent, Enclosure):
        return False
    return exponent.width <= width if exponent.width is not None else is_two_sided(exponent)


def is_planar(problem: Problem) -> bool:
    """Whether after splitting into components (E1) everything has at most two dimensions, so that enclosures are within reach."""
    if problem.matrices is not None:
        return problem.family.dimension <= 2
    minimum = problem.minimum
    if not isinstance(minimum, Minimum):
        return False
    limit = 1 if problem.optimiser is not None and problem.optimiser.momentum else 2
    return all(len(c) * minimum.outputs <= limit or (len(c) <= 200 and rank(minimum.block(c)) <= limit) for c in minimum.components)


def gradient_descent_exponent(problem: Problem, width: Any = None, limit: int = MAX_EXACT_SPECTRUM) -> Exponent | None:
    """mu exactly, or from floating-point eigenvalues where the characteristic polynomial is too large and no width is asked for."""
    minimum = problem.minimum
    if isinstance(minimum, Minimum) and problem.optimiser is not None and width is None:
        size = min(len(minimum.gram), len(minimum.features[0])) if minimum.features is not None else len(minimum.gram)
        if size > limit:
            from ..exponent.estimate import estimated_mu

            return estimated_mu(minimum, problem.optimiser)
    return problem.mu(width)


def monte_carlo(
    problem: Problem, seconds: float, seed: int = 0, confidence: float = 0.99, sampling: Mapping[str, Any] | None = None
) -> Estimate | None:
    """A Monte Carlo estimate of lambda, or None where the numbers do not fit into floating point."""
    from ..exponent.estimate import estimated

    family = problem.family if problem.matrices is not None else None
    options = {"time_limit": seconds, "confidence": confidence, "seed": seed} | dict(sampling or {})
    try:
        return estimated(problem.minimum, problem.optimiser, family, reason="", tried=[], **options)
    except (InputError, OverflowError):
        return None


def mean_square(problem: Problem) -> Exponent | None:
    """ms with its proof, or None where the numbers do not fit into floating point."""
    try:
        return problem.mean_square()
    except OverflowError:
        return None


def _say(progress: Progress | None, text: str) -> None:
    if progress:
        progress(text)
