"""The main job: everything that is known about one problem, and what it means by T1, T2 and T3.

This is the thin top layer: it asks the engine for exponents and thresholds and the theorems for their conclusions, and holds no mathematics of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from theorems import Conclusion, Fact, facts_of, get

from ..exact import Vector, positive
from ..minimum import Minimum
from ..optimiser import SGD, GradientDescent, Optimiser, full_descent, is_full_batch
from ..problem import Problem, Progress
from ..result import Exponent, Sign
from ..threshold.bracket import CriticalBracket, critical_bracket
from ..threshold.mean_square import mean_square_threshold
from ..threshold.search import NotFound, Threshold
from .point import VALUE_WIDTH, Point, evaluate, reaches

THRESHOLD_SECONDS = 4.0
MAX_DIMENSIONS = 64  # beyond it the roots of the characteristic polynomial take long


@dataclass(frozen=True)
class Verdict:
    """The conclusion of a theorem for one optimiser: gradient descent, or the SGD of the problem."""

    optimiser: Literal["GD", "SGD"]  # with the momentum, weight decay and epochs of the problem
    title: str
    conclusion: Conclusion


@dataclass(frozen=True)
class Thresholds:
    """Critical step sizes; None where one is not defined or not computed, and `notes` says why. `gd_expression` is 2N/kappa_max in radicals."""

    gd: tuple[Fraction, Fraction] | None = None
    gd_expression: str | None = None
    mean_square: Threshold | None = None
    sgd: Threshold | None = None
    bracket: CriticalBracket | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """What `analyse` found. `print(analysis)` shows it in words; `to_json()` has stable keys (verify/JSON.md)."""

    problem: Problem
    point: Point
    c: Vector
    regularity: tuple[tuple[str, Fact], ...]
    components: tuple[tuple[int, ...], ...]
    rank: int | None
    thresholds: Thresholds
    verdicts: tuple[Verdict, ...]
    width: Fraction | None = None

    @property
    def mu(self) -> Exponent | None:
        """mu of gradient descent, None for bare matrices."""
        return self.point.mu

    @property
    def lambda_(self) -> Exponent:
        """lambda of the problem's optimiser."""
        return self.point.lambda_

    @property
    def mean_square(self) -> Exponent | None:
        """ms >= lambda (E11)."""
        return self.point.mean_square

    @property
    def decided(self) -> bool:
        """Whether the signs of mu and lambda are proved, and lambda is as narrow as was asked."""
        return self.point.decided and reaches(self.lambda_, self.width)

    def to_json(self) -> dict[str, Any]:
        """Stable keys, documented in verify/JSON.md."""
        from .text import analysis_json

        return analysis_json(self)

    def __str__(self) -> str:
        from .text import plain_text

        return plain_text(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def analyse(
    problem: Problem,
    width: Any = None,
    *,
    thresholds: bool = True,
    value_width: Fraction = VALUE_WIDTH,
    time_limit: float = 20.0,
    seed: int = 0,
    confidence: float = 0.99,
    progress: Progress | None = None,
) -> Analysis:
    """Exponents, regularity, thresholds and verdicts of a problem. `width` is asked of lambda; `time_limit` (seconds) holds for each search.

    `value_width` is how narrow an enclosure of lambda is tried beside a proof of its sign.
    """
    wanted = None if width is None else positive(width, "width")
    point = evaluate(problem, wanted, value_width=value_width, time_limit=time_limit, seed=seed, confidence=confidence, progress=progress)
    minimum = problem.minimum
    exact = minimum if isinstance(minimum, Minimum) else None
    optimiser = problem.optimiser
    return Analysis(
        problem=problem,
        point=point,
        c=tuple(optimiser.step_size * k for k in exact.diagonal) if exact is not None and exact.outputs == 1 and optimiser is not None else (),
        regularity=_regularity(problem),
        components=exact.components if exact is not None else (),
        rank=exact.rank if exact is not None else problem.family.dimension if problem.matrices is not None else None,
        thresholds=find_thresholds(problem, time_limit=time_limit, seed=seed, progress=progress) if thresholds else Thresholds(notes=("not asked for",)),
        verdicts=_verdicts(problem, point),
        width=wanted,
    )


def _regularity(problem: Problem) -> tuple[tuple[str, Fact], ...]:
    """H2, R1 and R2 at this minimum, each with what fails."""
    minimum, optimiser = problem.minimum, problem.optimiser
    if not isinstance(minimum, Minimum) or optimiser is None:
        return ()
    facts = facts_of(minimum, optimiser)
    return (("H2", facts.gradients_independent), ("R1", facts.regular_steps), ("R2", facts.connected))


def _verdicts(problem: Problem, point: Point) -> tuple[Verdict, ...]:
    minimum, optimiser = problem.minimum, problem.optimiser
    if not isinstance(minimum, Minimum) or optimiser is None:
        return ()
    mu, lambda_ = (Sign.UNDECIDED if x is None else x.sign for x in (point.mu, point.lambda_))
    gd = facts_of(minimum, full_descent(optimiser), mu_sign=mu.value)
    found = [Verdict("GD", get("T1").title, get("T1").conclude(gd)), Verdict("GD", get("T3").title, get("T3").conclude(gd))]
    if not isinstance(optimiser, GradientDescent):
        # A full batch counts as gradient descent, whose exponent is lambda as well (E2).
        sgd = facts_of(minimum, optimiser, mu_sign=lambda_.value, lambda_sign=lambda_.value)
        found += [Verdict("SGD", get(id).title, get(id).conclude(sgd)) for id in ("T2", "T3")]
    return tuple(found)


def find_thresholds(problem: Problem, *, time_limit: float = 20.0, seed: int = 0, progress: Progress | None = None) -> Thresholds:
    """The critical step sizes of gradient descent, of the mean square and of SGD."""
    minimum, optimiser = problem.minimum, problem.optimiser
    if minimum is None or optimiser is None:
        return Thresholds(notes=("bare matrices have no step size",))
    notes: list[str] = []
    gd, expression = None, None
    if isinstance(minimum, Minimum):
        if progress:
            progress("threshold of gradient descent")
        gd, expression = _gradient_descent_threshold(minimum, optimiser, notes)
    if isinstance(optimiser, GradientDescent):
        return Thresholds(gd, expression, notes=tuple(notes))
    single = isinstance(optimiser, SGD) and optimiser.batch == minimum.outputs == 1 and optimiser.plain
    bracket = critical_bracket(minimum, optimiser) if isinstance(minimum, Minimum) and isinstance(optimiser, SGD) and single else None
    if progress:
        progress("mean-square threshold")
    full = is_full_batch(optimiser, minimum.size)
    exact = None if gd is None else Threshold(*gd, True, True, "full batch (E2)", "ms = mu, so this is the threshold of gradient descent")
    ms = exact if full else mean_square_threshold(problem)
    if ms is None and not full:
        affine = isinstance(optimiser, SGD) and not optimiser.momentum
        notes.append(f"the mean-square threshold is not computed for {'so many samples or batches' if affine else 'momentum or reshuffled epochs'}")
    if progress:
        progress("threshold of SGD")
    sgd = None
    try:
        sgd = problem.threshold(threshold_width(problem), time_limit=min(time_limit, THRESHOLD_SECONDS), seed=seed, progress=progress)
    except NotFound as error:
        notes.append(str(error))
    return Thresholds(gd, expression, ms, sgd, bracket, tuple(notes))


def _gradient_descent_threshold(minimum: Minimum, optimiser: Optimiser, notes: list[str]) -> tuple[tuple[Fraction, Fraction] | None, str | None]:
    from ..exponent.gradient_descent import gd_threshold

    size = min(len(minimum.gram), len(minimum.features[0])) if minimum.features is not None else len(minimum.gram)
    if size > MAX_DIMENSIONS:
        notes.append(f"2N/kappa_max is not enclosed for more than {MAX_DIMENSIONS} dimensions")
        return None, None
    scale = 2 / max(minimum.diagonal)
    lo, hi, expression = gd_threshold(minimum, scale / 10**12, optimiser)
    return (lo, hi), expression


def threshold_width(problem: Problem) -> Fraction:
    """1e-6, or less where the step sizes are small: a power of ten at most 1e-6 of 2/max K_ii."""
    minimum = problem.minimum
    largest = max(minimum.diagonal) if isinstance(minimum, Minimum) else Fraction(float(minimum.gram.diagonal().max())) if minimum is not None else Fraction(1)
    width = Fraction(1, 10**6)
    while width > 2 / largest / 10**6 * 10:
        width /= 10
    return width
