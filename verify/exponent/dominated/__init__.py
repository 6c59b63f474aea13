"""Dominated families of the plane: lambda to any number of digits, with a ball certificate (FORMAT.md; theorems/THEORY.md, "Dominated families").

A family is dominated if all steps map a closed set of directions, a finite union of arcs but not everything, into its interior. Arcs are found in floating
point and proved over the rationals; on them Poisson's equation has an analytic solution, and its Chebyshev series of N terms leaves a residual that is
constant up to about rho^-N. Nothing here is trusted: `verify/certificate/check_balls.py` has the last word.

Components of K (E1) are treated one by one: those of one dimension have an explicit exponent, those of two need domination.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ...certificate.format import Certificate, seal_balls
from ...exact import InputError
from ...family import MatrixFamily
from ..question import Question
from ._words import MANY_WORDS, NonHyperbolic, nonhyperbolic_word

if TYPE_CHECKING:
    from ._poisson import Poisson, Series

__all__ = ["MAX_DIGITS", "Digits", "NonHyperbolic", "Undecided", "check_digits", "lambda_digits", "nonhyperbolic_word"]

MAX_DIGITS = 1800  # the checker reads numbers of up to 2000 digits
MAX_TERMS = 3000
MAX_STEPS = 256
MARGIN = 4  # digits by which the error bound that is aimed at is below the width that is claimed


@dataclass(frozen=True)
class Digits:
    """lo <= lambda <= hi, hi - lo <= 10^-digits, in nats per step, with a ball certificate that `check_balls` has accepted (it needs python-flint)."""

    lo: Fraction
    hi: Fraction
    certificate: Certificate


@dataclass(frozen=True)
class Undecided:
    """Why there is no enclosure; `word` is an exact proof that the family is not dominated, where one was found."""

    reason: str
    word: NonHyperbolic | None = None


@dataclass(frozen=True)
class _Part:
    """What is proposed for one component: bounds on the exponent of its family (None: -infinity) and the witness."""

    lo: Fraction | None
    hi: Fraction | None
    witness: dict[str, Any]


def lambda_digits(question: Question, subject: dict[str, Any], digits: int) -> Digits | Undecided:
    """lambda of the question to `digits` decimals. `subject` is what the certificate is about.

    Raises `InputError` for digits outside 1..1800. Deterministic; memory at most about 3 GiB; stops between its stages after the deadline.
    """
    from ...certificate import Rejected
    from ...certificate.check_balls import check_balls

    check_digits(digits)
    refusal = ""
    for attempt in range(3):
        parts = []
        for samples in _components(question):
            part = _part(replace(question, samples=samples), digits, attempt)
            if isinstance(part, Undecided):
                return part
            component = list(samples) if samples is not None else list(range(_size(question, subject)))
            parts.append(_Part(part.lo, part.hi, {"component": component} | part.witness))
        finite = [(part.lo / question.period, part.hi / question.period) for part in parts if part.lo is not None and part.hi is not None]
        if not finite:
            return Undecided("every component is killed: lambda is -infinity")
        lo, hi = max(lo for lo, _ in finite), max(hi for _, hi in finite)
        certificate = seal_balls(subject, lo, hi, [part.witness for part in parts])
        try:
            check_balls(certificate)
        except Rejected as reason:
            refusal = str(reason)
            continue
        return Digits(lo, hi, certificate)
    return Undecided(f"the ball checker refused the proof: {refusal}")


def check_digits(digits: Any) -> int:
    """`digits`, if it is a number of digits that can be asked for."""
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= MAX_DIGITS:
        raise InputError(f"digits = {digits!r} is not an integer from 1 to {MAX_DIGITS}; write for example 100")
    return digits


def _components(question: Question) -> list[tuple[int, ...] | None]:
    """The components (E1), or None for the whole family."""
    return [None] if question.minimum is None or len(question.minimum.components) < 2 else list(question.minimum.components)


def _size(question: Question, subject: dict[str, Any]) -> int:
    return question.minimum.size if question.minimum is not None else len(subject["matrices"])


def _part(question: Question, digits: int, attempt: int) -> _Part | Undecided:
    if question.why_no_family:
        return Undecided(question.why_no_family)
    family = question.family
    where = "" if question.samples is None else f"component {list(question.samples)}: "
    if family.dimension == 1:
        return _line(family, digits)
    if family.dimension != 2:
        return Undecided(f"{where}the steps act on {family.dimension} dimensions, not 1 or 2")
    if not family.matrices:
        return Undecided(f"{where}every step is the identity: lambda is 0")
    if len(family.matrices) > MAX_STEPS:
        return Undecided(f"{where}{len(family.matrices)} different steps are more than {MAX_STEPS}")
    found = _plane(question, digits, attempt)
    return found if isinstance(found, _Part) else replace(found, reason=where + found.reason)


def _line(family: MatrixFamily, digits: int) -> _Part:
    """d = 1: sum p_s log |a_s|."""
    from ...balls import log_sum_bounds

    bounds = log_sum_bounds([(p, abs(a[0][0])) for p, a in zip(family.probabilities, family.matrices, strict=True)], Fraction(1, 10**digits))
    return _Part(None, None, {}) if bounds is None else _Part(*bounds, {})


def _plane(question: Question, digits: int, attempt: int) -> _Part | Undecided:
    """d = 2: arcs, a series on them, and ellipses for the bound between the nodes."""
    import numpy as np

    from ._arcs import guesses, steps_of
    from ._cones import proved
    from ._poisson import Poisson
    from ._refinement import NotSolved

    family = question.family
    question.say("arcs")
    if word := nonhyperbolic_word(family):
        return Undecided(str(word), word)
    reason = "no invariant arcs were found, and no word that excludes them"
    with np.errstate(all="ignore"):
        try:
            for proposal in guesses(steps_of(family.matrices)):
                if arcs := proved(family, proposal):
                    reason = "invariant arcs are proved, but not a series"
                    return _series(question, Poisson(arcs), digits, attempt)
        except (NotSolved, np.linalg.LinAlgError, ArithmeticError, ValueError) as error:  # numbers that doubles cannot hold, and the like
            return Undecided(f"{reason}: {error}")
    word = nonhyperbolic_word(family, MANY_WORDS)
    return Undecided(str(word) if word else reason, word)


def _series(question: Question, poisson: Poisson, digits: int, attempt: int) -> _Part | Undecided:
    """As many coefficients as the error bound asks for, by the estimates of the search; more of everything where the checker has refused before."""
    from ._ellipses import Ellipses

    ellipses = Ellipses(poisson)
    n = ellipses.terms(digits + MARGIN, *poisson.decay(), MAX_TERMS)
    n += attempt * (8 + n // 6)
    while n <= MAX_TERMS:
        if question.seconds_left < 0:
            return Undecided("out of time")
        question.say(f"{n} coefficients on {len(poisson.lengths)} arcs")
        series = poisson.solve(n, digits + 8 * attempt)
        if series.log_residual > -digits - MARGIN / 2:
            return Undecided(f"invariant arcs are proved, but the series reached only {-series.log_residual:.0f} digits")
        chosen = [ellipses.best(k, n, series.log_sizes) for k in range(len(poisson.lengths))]
        reached = -max(bound for _, bound in chosen)
        if reached >= digits + MARGIN / 2:
            return _witness(poisson, series, [rho for rho, _ in chosen], digits)
        n = math.ceil(n * min(2, max(1.02, (digits + MARGIN) / max(reached, 1)))) + 2
    return Undecided(f"invariant arcs are proved, but more than {MAX_TERMS} Chebyshev coefficients would be needed")


def _witness(poisson: Poisson, series: Series, ellipses: list[Fraction], digits: int) -> _Part:
    arcs, unit = poisson.arcs, 10 ** (digits + 2)
    centre = round(series.value * unit)
    witness = {
        "cones": [[[str(x) for x in ray] for ray in (cone.a, cone.b)] for cone in arcs.cones],
        "reaches": [str(cone.reach) for cone in arcs.cones],
        "targets": [[target for target, _ in row] for row in arcs.moves],
        "coefficients": [[str(c) for c in row] for row in series.coefficients],
        "scale": series.bits,
        "ellipses": [str(rho) for rho in ellipses],
        "value": str(Fraction(round(series.value * unit * 1000), unit * 1000)),
    }
    return _Part(Fraction(centre - 40, unit), Fraction(centre + 40, unit), {"arcs": witness})
