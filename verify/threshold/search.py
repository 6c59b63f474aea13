"""The critical step size: the first sign change of lambda as the step size grows from zero.

The sign of lambda need not change only once (E6''), so a bracket is called `first` only where lambda < 0 below it is proved: below 2/max K_ii by E5, below
any step size with ms < 0 by E11 (the set of mean-square stable step sizes is an interval), for gradient descent and for equal norms (E7) everywhere. For
SGD with momentum no such fact is known, and for reshuffled epochs only E5.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ..certificate import Certificate, Rejected, check, seal
from ..exact import InputError
from ..exponent.elementary import nonexpansive
from ..exponent.estimate import largest_eigenvalue
from ..exponent.gradient_descent import gd_threshold
from ..exponent.question import Question
from ..measured import float_data
from ..minimum import MeasuredMinimum, Minimum
from ..optimiser import SGD, GradientDescent, Optimiser, Reshuffled, is_full_batch
from ..problem import Problem
from ..result import Enclosure, Exponent, Sign, as_float, interval, outward_float
from .bracket import critical_bracket


@dataclass(frozen=True)
class Threshold:
    """lambda < 0 at `lo` and lambda > 0 at `hi` (lo = hi: lambda changes sign exactly there); certified, or estimated with the stated confidence."""

    lo: Fraction
    hi: Fraction
    certified: bool
    first: bool
    method: str
    reason: str = ""
    certificate: Certificate | None = field(default=None, repr=False)

    @property
    def width(self) -> Fraction:
        """hi - lo."""
        return self.hi - self.lo

    def to_json(self) -> dict[str, Any]:
        """Stable keys: lo, hi, decimal, kind, first, method, reason."""
        return {
            "lo": str(self.lo),
            "hi": str(self.hi),
            "decimal": [outward_float(self.lo, False), outward_float(self.hi, True)],
            "kind": "certified" if self.certified else "estimate",
            "first": self.first,
            "method": self.method,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        which = "first sign change" if self.first else "a sign change"
        return f"{which} of lambda in {interval(self.lo, self.hi)} ({'certified' if self.certified else 'estimate'}: {self.method})"

    def _repr_latex_(self) -> str:
        return rf"$\eta^* \in {interval(self.lo, self.hi)}$"


class NotFound(Exception):
    """No sign change of lambda was found; the message says between which step sizes."""


def threshold(
    problem: Problem, width: Fraction, *, time_limit: float = 60.0, confidence: float = 0.95, seed: int = 0, progress: Callable[[str], None] | None = None
) -> Threshold:
    """Bracket the first sign change of lambda(eta) to the given width; the problem's own step size is ignored.

    Every step of the bisection is an exact certificate where the engine decides signs (N = 2 and all elementary cases); elsewhere the certified bracket is
    narrowed by Monte Carlo with common random numbers and the result is an estimate.
    Raises `InputError` for bare matrices and `NotFound` where simulation sees no sign change.
    """
    if problem.optimiser is None or problem.minimum is None:
        raise InputError("a threshold needs an optimiser with a step size; a family of bare matrices has none")
    if isinstance(problem.minimum, MeasuredMinimum):
        return _estimated_measured(problem.minimum, problem.optimiser, width, confidence, time_limit, seed)
    minimum, optimiser = problem.exact
    if is_full_batch(optimiser, minimum.size):
        lo, hi, _ = gd_threshold(minimum, width, optimiser)
        at_ends = [problem.at(eta).lyapunov(estimate=False) for eta in (lo, hi)]
        certificate = _ends(*at_ends) if lo < hi else _certificate(at_ends[0])
        proved = certificate is not None and (lo < hi or at_ends[0].sign is Sign.ZERO)
        reason = "" if proved else "enclosed in ball arithmetic; the signs at the ends are beyond the trusted checker"
        formula = "2N/kappa_max" if optimiser.plain else "2N(1 + beta)/(kappa_max + N omega)"
        return Threshold(lo, hi, proved, True, f"gradient descent: {formula}", reason, certificate if proved else None)
    assert not isinstance(optimiser, GradientDescent)
    search = _Bisection(problem, width, time.monotonic() + time_limit, progress)
    planar = minimum.rank * (2 if optimiser.momentum else 1) <= 2
    if isinstance(optimiser, SGD) and optimiser.batch == minimum.outputs == 1 and optimiser.plain:
        edge = 2 / max(minimum.diagonal)  # E5: lambda < 0 below
        at_edge = search.sign(edge)
        if at_edge is Sign.ZERO:  # a component of equal norms: positive just above (E7)
            return Threshold(edge, edge, True, True, "equal norms (E7)", certificate=_certificate(search.result(edge)))
        search.lo = edge if at_edge is Sign.NEGATIVE else edge * Fraction(999, 1000)
        bracketed = search.positive(critical_bracket(minimum, optimiser).upper[1])
    else:  # trace K bounds its largest eigenvalue, so every batch contracts below 2/(trace K + omega); with momentum that is a guess
        bracketed = search.expand(Fraction(999, 1000) * 2 / (sum(minimum.diagonal, start=Fraction(0)) + optimiser.weight_decay))
    if bracketed:
        if planar:
            search.probe()
        search.run()
    else:  # simulate up to where every sample's own steps expand
        search.hi = max(search.hi, 4 * (1 + optimiser.momentum) * optimiser.batch / min(k for k in minimum.diagonal if k))
    lo, hi = search.lo, search.hi
    if bracketed and (hi - lo <= width or planar):
        first = lo <= _stable_below(problem, lo)
        reason = "" if hi - lo <= width else f"not narrower within the time limit: {search.reason or 'more time is needed'}"
        return Threshold(lo, hi, True, first, "bisection with exact certificates", reason, _ends(search.result(lo), search.result(hi)))
    signs = ([f"lambda < 0 at {lo}"] if search.sign(lo) is Sign.NEGATIVE else []) + ([f"lambda > 0 at {hi}"] if bracketed else [])
    certain = "certified: " + ", ".join(signs) if signs else ""
    return _estimated(problem, minimum, optimiser, (lo, hi), width, confidence, max(5.0, time_limit / 2), seed, certain)


class _Bisection:
    """A bracket with a certified sign at both ends, narrowed by secant steps and halving."""

    def __init__(self, problem: Problem, width: Fraction, deadline: float, progress: Callable[[str], None] | None) -> None:
        self.problem, self.width, self.deadline, self.progress = problem, width, deadline, progress
        self.lo, self.hi = Fraction(0), Fraction(0)
        self.results: dict[Fraction, Exponent] = {}
        self.reason = ""

    def sign(self, eta: Fraction) -> Sign:
        """The certified sign of lambda at eta, or UNDECIDED."""
        result = self.result(eta)
        if result.sign is Sign.UNDECIDED:
            last = next((attempt for attempt in reversed(result.tried) if "planar" in attempt.method), None)
            self.reason = f"lambda is undecided at {as_float(eta):.12g}" + (f" ({last.method}: {last.outcome})" if last else "")
        return result.sign

    def result(self, eta: Fraction) -> Exponent:
        """lambda at eta, as far as the sign needs it; a hard case gets a third of the time that is left."""
        if eta not in self.results:
            limit = min(20.0, max(0.5, (self.deadline - time.monotonic()) / 3))
            self.results[eta] = self.problem.at(eta).lyapunov(time_limit=limit, estimate=False)
        return self.results[eta]

    def positive(self, eta: Fraction) -> bool:
        """End the bracket at or above eta, where lambda > 0 is certified; False if no such step size was found."""
        for k in range(12):
            self.hi = eta * (1 + Fraction(4**k, 64) if k else 1)
            if self.sign(self.hi) is Sign.POSITIVE:
                return True
            if time.monotonic() > self.deadline:
                break
        return False

    def probe(self) -> None:
        """Move the upper end to the first positive sign among 15 step sizes from the left, so that a first sign change is not jumped over."""
        lo, hi = self.lo, self.hi
        for k in range(1, 16):
            eta = lo + (hi - lo) * Fraction(k, 16)
            if time.monotonic() > self.deadline or (self._test(eta) and self.hi < hi):
                return

    def expand(self, start: Fraction) -> bool:
        """From a step size at which lambda < 0 (halved until that is certified), double to a certified positive sign; False if one of them is not found."""
        self.lo = self.hi = next((eta for k in range(6) if self.sign(eta := start / 4**k) is Sign.NEGATIVE), start)
        if self.sign(self.lo) is not Sign.NEGATIVE:
            return False
        for _ in range(24):
            self.hi *= 2
            sign = self.sign(self.hi)
            if sign is Sign.POSITIVE:
                return True
            self.lo = self.hi if sign is Sign.NEGATIVE else self.lo
            if time.monotonic() > self.deadline:
                break
        return False

    def run(self) -> None:
        """Narrow the bracket to the width, the deadline, or until no test point is decided."""
        while self.hi - self.lo > self.width and time.monotonic() < self.deadline:
            before = self.hi - self.lo
            if self.progress:
                self.progress(f"bracket [{as_float(self.lo):.12g}, {as_float(self.hi):.12g}]")
            root = self._secant()
            if root is not None:
                margin = max(self.width / 3, before / 200)
                self._test(root - margin)
                self._test(root + margin)
            if self.hi - self.lo > before / 4 and not self._test((self.lo + self.hi) / 2) and not any(
                self._test(self.lo + before * Fraction(k, 16)) for k in (6, 10, 4, 12, 2, 14)
            ):
                return

    def _secant(self) -> Fraction | None:
        (a, b), (c, d) = self.result(self.lo).ends, self.result(self.hi).ends
        if a is None or b is None or c is None or d is None:
            return None
        f_lo, f_hi = as_float((a + b) / 2), as_float((c + d) / 2)
        if not f_lo < 0 < f_hi:
            return None
        return self.lo + (self.hi - self.lo) * Fraction(f_lo / (f_lo - f_hi))

    def _test(self, eta: Fraction) -> bool:
        """Move an end of the bracket to a short decimal near eta; False if eta is outside or the sign there is undecided."""
        scale = 10 ** max(3, 4 + len(str((1 / (self.hi - self.lo)).__ceil__())))
        eta = Fraction(round(eta * scale), scale)
        if not self.lo < eta < self.hi:
            return False
        sign = self.sign(eta)
        if sign is Sign.NEGATIVE:
            self.lo = eta
        elif sign is Sign.POSITIVE:
            self.hi = eta
        return sign in (Sign.NEGATIVE, Sign.POSITIVE)


def _stable_below(problem: Problem, eta: Fraction) -> Fraction:
    """eta if lambda < 0 on (0, eta] is proved, else 0: no step expands (E5, E5'), or ms < 0 at eta (E11, for independent batches without momentum)."""
    minimum, optimiser = problem.exact
    if optimiser.momentum:
        return Fraction(0)
    if isinstance(optimiser, SGD) and optimiser.batch == minimum.outputs == 1 and optimiser.plain and eta <= 2 / max(minimum.diagonal):
        return eta
    here = problem.at(eta)
    if nonexpansive(Question(minimum, here.optimiser)).upper:
        return eta
    return eta if not isinstance(optimiser, Reshuffled) and here.mean_square().sign is Sign.NEGATIVE else Fraction(0)


def _certificate(result: Exponent) -> Certificate | None:
    return result.certificate if isinstance(result, Enclosure) else None


def _ends(at_lo: Exponent, at_hi: Exponent) -> Certificate | None:
    """One certificate of both signs: lambda < 0 at the lower end and lambda > 0 at the upper."""
    statements = []
    for result, sign in zip((at_lo, at_hi), (Sign.NEGATIVE, Sign.POSITIVE), strict=True):
        if not isinstance(result, Enclosure) or result.certificate is None or result.sign is not sign:
            return None
        claims, proofs = result.certificate["claim"], result.certificate["proof"]
        several = zip(claims["all"], proofs["parts"], strict=True) if "all" in claims else [(claims, proofs)]
        subject = (claims["all"][0] if "all" in claims else claims)["subject"]
        wanted = ("<", "<=") if sign is Sign.NEGATIVE else (">", ">=")
        statements += [({**claim, "subject": subject}, proof) for claim, proof in several if claim["relation"] in wanted]
    certificate = seal(statements)
    try:
        check(certificate)
    except (Rejected, RecursionError):
        return None
    return certificate


def _estimated(
    problem: Problem,
    minimum: Minimum,
    optimiser: SGD | Reshuffled,
    bracket: tuple[Fraction, Fraction],
    width: Fraction,
    confidence: float,
    limit: float,
    seed: int,
    certain: str,
) -> Threshold:
    low, high, reason = simulated_threshold(minimum, optimiser, (as_float(bracket[0]), as_float(bracket[1])), width, confidence, limit, seed)
    first = low <= bracket[0] and low <= _stable_below(problem, low)
    return Threshold(low, high, False, first, f"Monte Carlo, {100 * confidence:g} % confidence", "; ".join(filter(None, (certain, reason))))


def _estimated_measured(minimum: MeasuredMinimum, optimiser: Optimiser, width: Fraction, confidence: float, limit: float, seed: int) -> Threshold:
    import numpy as np

    if is_full_batch(optimiser, minimum.size):
        beta, omega = as_float(optimiser.momentum), as_float(optimiser.weight_decay)
        largest, error = largest_eigenvalue(minimum)
        eta = 2 * (1 + beta) / (largest / minimum.size + omega)
        slack = (1e-9 + error / largest) * eta
        return Threshold(Fraction(repr(eta - slack)), Fraction(repr(eta + slack)), False, True, "floating-point eigenvalues: 2N/kappa_max")
    assert not isinstance(optimiser, GradientDescent)
    diagonal = np.array(minimum.diagonal)
    bracket = (1.0 / float(diagonal.sum()), 4.0 * (1 + as_float(optimiser.momentum)) * optimiser.batch / float(diagonal[diagonal > 0].min()))
    lo, hi, reason = simulated_threshold(minimum, optimiser, bracket, width, confidence, limit, seed)
    return Threshold(lo, hi, False, False, f"Monte Carlo, {100 * confidence:g} % confidence", reason)


def simulated_threshold(
    minimum: Minimum | MeasuredMinimum,
    optimiser: SGD | Reshuffled,
    bracket: tuple[float, float],
    width: Fraction,
    confidence: float,
    limit: float,
    seed: int,
) -> tuple[Fraction, Fraction, str]:
    """A sign change of lambda inside the bracket by Monte Carlo, to the width, and "" or why it is wider. Raises `NotFound` for equal signs at the ends."""
    from ..exponent.montecarlo import DescentProblem, descent_threshold, sgd_threshold

    goal: dict[str, Any] = {"lo": bracket[0], "hi": bracket[1], "width": as_float(width), "confidence": confidence, "time_limit": limit, "seed": seed}
    try:
        if isinstance(optimiser, Reshuffled) or minimum.outputs > 1 or not optimiser.plain:
            lo, hi, reason = descent_threshold(DescentProblem.build(minimum, optimiser), **goal)
        else:
            weights = None if optimiser.weights is None else [as_float(w) for w in optimiser.weights]
            scheme: dict[str, Any] = {"batch": optimiser.batch, "replacement": optimiser.replacement, "weights": weights}
            data, features = float_data(minimum)
            lo, hi, reason = sgd_threshold(data, features=features, **scheme, **goal)
    except InputError as error:  # the data were checked before, so what is left is a bracket without a sign change
        raise NotFound(f"no sign change of lambda was found: {error}") from None
    return Fraction(repr(lo)), Fraction(repr(hi)), reason
