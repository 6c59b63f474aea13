"""A problem: a minimum and an optimiser, or a bare family of matrices; and the questions one can ask of it.

This is the front door of the Python API: build a `Problem`, ask for `.exponent()`, `.threshold()`, `.verdicts()`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .exact import InputError, positive
from .family import MatrixFamily
from .minimum import MeasuredMinimum, Minimum
from .optimiser import SGD, Optimiser, Reshuffled, checked_for, with_step_size
from .result import Attempt, Enclosure, Exponent, Sign, as_float

if TYPE_CHECKING:
    from .exponent.upper_bound import UpperBound
    from .report.analysis import Analysis
    from .threshold.box import BoxSign
    from .threshold.search import Threshold
    from .threshold.stability_set import StabilitySet

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Exponents:
    """mu of gradient descent and lambda of the problem's optimiser (mu is None for bare matrices)."""

    mu: Exponent | None
    lambda_: Exponent

    def __str__(self) -> str:
        return f"mu: {self.mu}\nlambda: {self.lambda_}"

    def _repr_html_(self) -> str:
        rows = [("mu", self.mu), ("lambda", self.lambda_)]
        return "<table>" + "".join(f"<tr><th>{name}</th><td>{x._repr_html_()}</td></tr>" for name, x in rows if x is not None) + "</table>"


@dataclass(frozen=True)
class Problem:
    """A stability question. Build it with `from_features`, `from_gram`, `from_matrices`, `measured`, `measured_features`, or `verify.load_problem`."""

    minimum: Minimum | MeasuredMinimum | None
    optimiser: Optimiser | None
    matrices: tuple[Any, Any] | None = None
    name: str = "problem"
    notes: tuple[str, ...] = field(default=(), compare=False)
    radius: Fraction | None = None  # of the box around K, entry by entry, that `sign_in_box` is about

    def __post_init__(self) -> None:
        if self.minimum is not None and self.optimiser is not None:
            object.__setattr__(self, "optimiser", checked_for(self.optimiser, self.minimum))

    @classmethod
    def from_features(
        cls, features: Any, optimiser: Optimiser, labels: Any = None, *, outputs: int = 1, name: str = "problem", notes: tuple[str, ...] = ()
    ) -> Problem:
        """A linear model F(w, y_i) = <x_i, w> with rows x_i, exact. With q `outputs` sample i owns the rows iq..iq+q-1."""
        return cls(Minimum.from_features(features, labels, outputs), optimiser, name=name, notes=notes)

    @classmethod
    def from_gram(cls, gram: Any, optimiser: Optimiser, *, outputs: int = 1, name: str = "problem", notes: tuple[str, ...] = ()) -> Problem:
        """Any model whose exact Gram matrix at the minimum is known: N x N, or Nq x Nq for q `outputs`, sample i owning the rows iq..iq+q-1."""
        return cls(Minimum.from_gram(gram, outputs), optimiser, name=name, notes=notes)

    @classmethod
    def from_matrices(cls, matrices: Sequence[Any], weights: Sequence[Any] | None = None, *, name: str = "problem") -> Problem:
        """A family of square rational matrices with weights (default uniform), no optimiser."""
        if not isinstance(matrices, Sequence) or isinstance(matrices, str) or not matrices:
            raise InputError("matrices is not a nonempty list of square matrices")
        given = list(weights) if weights is not None else [1] * len(matrices)
        MatrixFamily.from_matrices(matrices, given)
        return cls(None, None, (matrices, given), name)

    @classmethod
    def measured(cls, gram: Any, optimiser: Optimiser, *, outputs: int = 1, name: str = "problem") -> Problem:
        """A floating-point Gram matrix, say from a network: estimates only."""
        return cls(MeasuredMinimum.from_gram(gram, outputs), optimiser, name=name)

    @classmethod
    def measured_features(cls, features: Any, optimiser: Optimiser, *, outputs: int = 1, name: str = "problem") -> Problem:
        """Floating-point gradients as the rows of X (N x D), K = X X^T: estimates only. K is not formed where D < N; a simulated step then costs O(D)."""
        from .measured import MeasuredFeatures

        return cls(MeasuredFeatures(features, outputs), optimiser, name=name)

    @cached_property
    def family(self) -> MatrixFamily:
        """The exact family of steps."""
        from .optimiser import matrix_family

        if self.matrices is not None:
            return MatrixFamily.from_matrices(*self.matrices)
        minimum, optimiser = self.exact
        return matrix_family(minimum, optimiser)

    @property
    def exact(self) -> tuple[Minimum, Optimiser]:
        """The exact minimum and the optimiser; raises where the problem has none."""
        if not isinstance(self.minimum, Minimum) or self.optimiser is None:
            if self.matrices is not None:
                raise InputError("this needs a Gram matrix or features and an optimiser, not bare matrices")
            raise InputError("this needs an exact Gram matrix or features; a measured K yields estimates only; use .rationalised(spacing)")
        return self.minimum, self.optimiser

    @property
    def is_exact(self) -> bool:
        """Whether certificates are possible."""
        return not isinstance(self.minimum, MeasuredMinimum)

    def at(self, step_size: Any) -> Problem:
        """The same problem at another step size."""
        if self.optimiser is None:
            raise InputError("a family of bare matrices has no step size; give features or gram and an optimiser")
        return replace(self, optimiser=with_step_size(self.optimiser, positive(step_size, "step_size")))

    def rationalised(self, spacing: Any = "1e-9") -> Problem:
        """A measured K replaced by the nearest one on a rational grid; the change is reported in the notes."""
        if not isinstance(self.minimum, MeasuredMinimum):
            return self
        minimum, change = self.minimum.rationalised(spacing)
        return replace(self, minimum=minimum, notes=(*self.notes, rationalisation_note(self.minimum, change, spacing)))

    @property
    def subject(self) -> dict[str, Any]:
        """What certificates about this problem say they are about (FORMAT.md)."""
        if self.matrices is not None:
            matrices, weights = self.matrices
            from .exact import rational, rational_matrix

            exact = [rational_matrix(m, "matrices") for m in matrices]
            return {"matrices": [spelled(m) for m in exact], "weights": [str(rational(w, "weights")) for w in weights]}
        minimum, optimiser = self.exact
        about: dict[str, Any] = {"optimiser": optimiser.kind, "step_size": str(optimiser.step_size)}
        about |= {"features": spelled(minimum.features)} if minimum.features is not None else {"gram": spelled(minimum.gram)}
        if isinstance(optimiser, Reshuffled):
            about |= {"batch": optimiser.batch}
        if isinstance(optimiser, SGD):
            about |= {"batch": optimiser.batch, "replacement": optimiser.replacement}
            about |= {} if optimiser.weights is None else {"weights": [str(w) for w in optimiser.weights]}
        about |= {key: str(value) for key in ("momentum", "weight_decay") if (value := getattr(optimiser, key))}
        return about | ({"outputs": minimum.outputs} if minimum.outputs > 1 else {})

    def mu(self, width: Any = None) -> Exponent | None:
        """mu = max log |1 - eta kappa_j / N| of gradient descent: exact sign and an enclosure (default width 1e-12); None for bare matrices.

        With momentum beta and weight decay omega it is the log of the largest modulus of a root of t^2 - (1 + beta - eta (omega + kappa_j / N)) t + beta.
        """
        from .exponent.engine import certified
        from .exponent.estimate import estimated_mu
        from .exponent.gradient_descent import gd_finding
        from .exponent.question import Bound, Finding

        if self.minimum is None or self.optimiser is None:
            return None
        if isinstance(self.minimum, MeasuredMinimum):
            return estimated_mu(self.minimum, self.optimiser)
        finding = gd_finding(self.minimum, self.optimiser, _width(width))
        result = _checked(lambda: certified(self.subject, "mu", finding, "eigenvalues of K", []))
        if result.certificate is None:  # the enclosure is beyond the checker, the sign may not be
            one: dict[str, Any] = {"kind": "gd", "radius": "1"}
            for sign in (Finding("", upper=Bound(Fraction(0), one, True)), Finding("", lower=Bound(Fraction(0), one, True))):
                proved = _checked(functools.partial(certified, self.subject, "mu", sign, "eigenvalues of K", []))
                result = proved if proved.certificate is not None else result
        return result

    def lyapunov(
        self,
        width: Any = None,
        *,
        time_limit: float = 20.0,
        seed: int = 0,
        confidence: float = 0.99,
        estimate: bool = True,
        without: Iterable[str] = (),
        digits: int | None = None,
        progress: Progress | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> Exponent:
        """lambda, the top Lyapunov exponent of the optimiser, in nats per step (for reshuffled epochs: per step too, not per epoch).

        `width` None asks for the sign; otherwise for a proved enclosure of at most that width. Where neither can be proved the answer is a Monte Carlo
        `Estimate` (unless `estimate` is False), with the reasons of every method in `tried`. `without` names methods (`METHODS` of the engine, such as
        "determinant (E4)") that are left out: a second proof by other means. `digits` asks for an enclosure of width 10^-digits; where only ball
        arithmetic reaches it (dominated families, components of rank at most 2) the result also has a `ball_certificate`, whose checker needs python-flint.
        `sampling` are options of the Monte Carlo estimate (`precision`, and the fields of `exponent.sampling.Sampling`: `steps`, `threads`, `resume`, ...);
        its default is all cores for 5 seconds.
        """
        from .exponent.engine import METHODS, answered
        from .exponent.estimate import estimated
        from .exponent.question import Question

        wanted, left_out = _width(width), frozenset(without)
        if unknown := sorted(left_out - set(METHODS)):
            raise InputError(f"without = {unknown[0]!r} is not a method; there are {', '.join(METHODS)}")
        result: Enclosure | None = None
        tried: list[Attempt] = []
        if isinstance(self.minimum, MeasuredMinimum):
            reason = "K is measured, not exact: no proof is possible"
        else:
            family = self.family if self.matrices is not None else None
            deadline = time.monotonic() + time_limit
            question = Question(self.minimum, self.optimiser, family, width=wanted, deadline=deadline, seed=seed, progress=progress, without=left_out)
            if digits is not None:
                from .exponent.dominated.answer import with_digits

                ask = functools.partial(self.lyapunov, time_limit=time_limit, seed=seed, confidence=confidence, progress=progress)
                return with_digits(question, self.subject, digits, ask)
            result, reason, tried = answered(self.subject, "lambda", question)
        if result is not None and (result.sign is not Sign.UNDECIDED or not estimate or (wanted and result.width is not None and result.width <= wanted)):
            return result
        if not estimate:
            return Enclosure("none", reason, None, None, tried=tuple(tried))
        family = self.family if self.matrices is not None else None
        half_width = as_float(wanted) / 2 if wanted else None
        options: dict[str, Any] = {"half_width": half_width, "time_limit": min(5.0, time_limit), "confidence": confidence, "seed": seed, "progress": progress}
        options |= {"moments": True} | dict(sampling or {})
        try:
            return estimated(self.minimum, self.optimiser, family, reason=reason, tried=tried, **options)
        except (InputError, OverflowError) as error:  # the numbers are legal but do not fit into floating point
            if {"precision", "resume"} & set(sampling or ()):
                raise
            return result or Enclosure("none", f"{reason}; no estimate: {error}", None, None, tried=tuple(tried))

    def exponent(self, width: Any = None, **options: Any) -> Exponents:
        """Both exponents; options as for `lyapunov`."""
        return Exponents(self.mu(width), self.lyapunov(width, **options))

    def upper_bound(self, **options: Any) -> UpperBound:
        """An upper confidence bound for lambda of plain SGD from a finite-sample inequality: statistical. Options as for `exponent.upper_bound`."""
        from .exponent.upper_bound import upper_bound

        return upper_bound(self.minimum, self.optimiser, **options)

    def mean_square(self) -> Exponent:
        """ms = (1/2) log rho(E[A (x) A]) >= lambda (E11): a proved enclosure about 1e-6 wide where the dimension is at most 12, else undecided."""
        from .exponent.engine import certified
        from .exponent.mean_square import mean_square_finding
        from .exponent.question import Question

        family = self.family if self.matrices is not None else None
        if isinstance(self.minimum, MeasuredMinimum):
            return Enclosure("mean square (E11)", "K is measured, not exact: no proof is possible", None, None)
        question = Question(self.minimum, self.optimiser, family)
        finding = mean_square_finding(question).per_step(question.period)
        return _checked(lambda: certified(self.subject, "ms", finding, "mean square (E11)", [])) or Enclosure("mean square (E11)", finding.reason, None, None)

    def threshold(self, width: Any = "1e-9", **options: Any) -> Threshold:
        """The first sign change of lambda in the step size (the problem's own step size is ignored)."""
        from .threshold.search import threshold

        return threshold(self, positive(width, "width"), **options)

    def stability_set(self, width: Any = "1e-3", **options: Any) -> StabilitySet:
        """The set {eta > 0 : lambda(eta) < 0} as certified ranges of step sizes with undecided gaps of at most `width`, as far as `time_limit` (s) allows."""
        from .threshold.stability_set import stability_set

        return stability_set(self, positive(width, "width"), **options)

    def sign_in_box(self, radius: Any = None, **options: Any) -> BoxSign:
        """One sign of lambda for every positive definite K within +-radius (default: the problem's own), entry by entry: a theorem from a measured kernel (S6).

        A measured K is rounded to a grid of a thousandth of the radius, and the box around the rounded K is made so much larger.
        """
        from .threshold.box import sign_in_box

        size = self.radius if radius is None else positive(radius, "radius")
        if size is None:
            raise InputError("radius is not given; write for example sign_in_box(\"1e-6\")")
        if not isinstance(self.minimum, MeasuredMinimum):
            return sign_in_box(self, size, **options)
        rounded, change = self.minimum.rationalised(finer_grid(size))
        return sign_in_box(replace(self, minimum=rounded), size + change, **options)

    def verdicts(self, **options: Any) -> Analysis:
        """What the exponents mean by the theorems T1, T2, T3, with every hypothesis and whether it holds; options as for `lyapunov`."""
        from .report.analysis import analyse

        return analyse(self, **options)


def spelled(rows: Any) -> list[list[str]]:
    """Exact strings of a matrix."""
    return [[str(x) for x in row] for row in rows]


def finer_grid(radius: Fraction) -> Fraction:
    """A power of ten of at most a thousandth of the radius."""
    spacing = Fraction(1, 1000)
    while spacing > radius / 1000:
        spacing /= 10
    return spacing


def rationalisation_note(measured: MeasuredMinimum, change: Fraction, spacing: Any) -> str:
    """What rationalising changed, in words."""
    return f"K was rounded to multiples of {spacing}: entries changed by at most {float(change):.3g} after symmetrising (asymmetry {measured.asymmetry:.3g})"


def _width(width: Any) -> Fraction | None:
    return None if width is None else positive(width, "width")


def _checked(prove: Callable[[], Enclosure | None]) -> Enclosure:
    from .certificate import Rejected

    try:
        return prove() or Enclosure("none", "no bound was found", None, None)
    except (Rejected, RecursionError) as refusal:
        return Enclosure("none", f"the trusted checker refused the proof: {refusal}", None, None)

