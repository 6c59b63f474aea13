"""What an exponent method answers: `Exact`, `Enclosure` or `Estimate`. Types tell them apart; nothing turns one into its midpoint.

Units are nats per step, exponents lie in [-infinity, infinity), and an end point that is None is infinite. A sign other than UNDECIDED comes from the
trusted checker's statements about the certificate that the result carries.
"""

from __future__ import annotations

import abc
import decimal as decimals
import enum
import html
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .certificate import Certificate, Statement


class Sign(enum.Enum):
    """Three-valued sign of an exponent, and the honest fourth answer."""

    NEGATIVE = "negative"
    ZERO = "zero"
    POSITIVE = "positive"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Attempt:
    """One method that was tried: what it is called and what came of it, in words."""

    method: str
    outcome: str


@dataclass(frozen=True)
class _Result(abc.ABC):
    method: str
    reason: str
    tried: tuple[Attempt, ...] = field(default=(), kw_only=True, compare=False)
    kind = "none"

    @property
    @abc.abstractmethod
    def ends(self) -> tuple[Fraction | None, Fraction | None]:
        """Lower and upper end, None where infinite."""

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        """Stable keys: kind, lo, hi, decimal, sign, method, reason, certificate (and expression, or likely and confidence)."""
        lo, hi = self.ends
        return {
            "kind": self.kind,
            "lo": None if lo is None else str(lo),
            "hi": None if hi is None else str(hi),
            "decimal": [outward_float(lo, False), outward_float(hi, True)],
            "sign": self.sign.value,
            "method": self.method,
            "reason": self.reason,
            "certificate": certificate_path,
        }

    @property
    def sign(self) -> Sign:
        return Sign.UNDECIDED

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(str(self))}</code>"


@dataclass(frozen=True)
class Enclosure(_Result):
    """lo <= value <= hi, proved by the certificate (None: infinite end)."""

    lo: Fraction | None
    hi: Fraction | None
    statements: tuple[Statement, ...] = ()
    certificate: Certificate | None = field(default=None, repr=False)
    ball_certificate: Certificate | None = field(default=None, repr=False, kw_only=True)  # of lo and hi, for the checker that needs python-flint
    kind = "enclosure"

    @property
    def ends(self) -> tuple[Fraction | None, Fraction | None]:
        return self.lo, self.hi

    @property
    def sign(self) -> Sign:
        signs = {s.sign for s in self.statements if s.sign}
        if {(">=", Fraction(0)), ("<=", Fraction(0))} <= {(s.relation, s.value) for s in self.statements}:
            signs.add("zero")
        return Sign(signs.pop()) if len(signs) == 1 else Sign.UNDECIDED

    @property
    def width(self) -> Fraction | None:
        """hi - lo, or None where an end is infinite."""
        return None if self.lo is None or self.hi is None else self.hi - self.lo

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        """As for all results; `requires` where the ends need more than the standard-library checker."""
        return super().to_json(certificate_path) | ({} if self.ball_certificate is None else {"requires": self.ball_certificate["requires"]})

    def __str__(self) -> str:
        if self.certificate is None and self.ball_certificate is None:
            return f"undecided, nothing is proved: {self.reason}"
        return f"{self.sign.value}, {interval(self.lo, self.hi)} (proved: {self.method})"

    def _repr_latex_(self) -> str:
        return f"${interval(self.lo, self.hi)}$".replace("inf", r"\infty")


@dataclass(frozen=True)
class Exact(Enclosure):
    """An exact value: a SymPy-parsable expression, with a proved enclosure of its value."""

    expression: str = "0"
    kind = "exact"

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        return super().to_json(certificate_path) | {"expression": self.expression}

    def __str__(self) -> str:
        if self.expression == "-oo":
            return f"{self.sign.value}, exactly -infinity ({self.method}; the certificate states the sign)"
        return f"{self.sign.value}, exactly {self.expression}, {interval(self.lo, self.hi)} (proved: {self.method})"

    def _repr_latex_(self) -> str:
        import sympy

        return f"${sympy.latex(sympy.sympify(self.expression, evaluate=False))}$"


@dataclass(frozen=True)
class Estimate(_Result):
    """A statistical estimate with a two-sided confidence interval. Never a proof: its sign is undecided, `likely` says what the data favour."""

    value: float
    half_width: float
    confidence: float
    kind = "estimate"

    @property
    def ends(self) -> tuple[Fraction | None, Fraction | None]:
        if abs(self.value) == float("inf") or self.half_width == float("inf"):
            return None, None
        return Fraction(repr(self.value - self.half_width)), Fraction(repr(self.value + self.half_width))

    @property
    def likely(self) -> Sign:
        """The sign of the whole confidence interval, if it has one."""
        if self.value + self.half_width < 0:
            return Sign.NEGATIVE
        return Sign.POSITIVE if self.value - self.half_width > 0 else Sign.UNDECIDED

    @property
    def trust(self) -> str:
        """The confidence in words; no sampling is involved where it is 1."""
        return f"{100 * self.confidence:g} % confidence" if self.confidence < 1 else "round-off is not verified"

    def to_json(self, certificate_path: str | None = None) -> dict[str, Any]:
        return super().to_json(certificate_path) | {"likely": self.likely.value, "confidence": self.confidence}

    def __str__(self) -> str:
        return f"undecided, likely {self.likely.value}: {self.value:.6g} +- {self.half_width:.1g} ({self.trust}, {self.method})"

    def _repr_latex_(self) -> str:
        return rf"${self.value:.6g} \pm {self.half_width:.1g}\;({100 * self.confidence:g}\,\%)$"


Exponent = Exact | Enclosure | Estimate


def as_float(number: Fraction) -> float:
    """The nearest double, infinite where the range ends (for display and searches only)."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def outward_float(end: Fraction | None, up: bool) -> float | None:
    """A double on the outer side of the end point; None where it is infinite."""
    if end is None or math.isinf(nearest := as_float(end)):
        return None
    inside = Fraction(nearest) < end if up else Fraction(nearest) > end
    return math.nextafter(nearest, math.inf if up else -math.inf) if inside else nearest


def decimal(end: Fraction | None, up: bool, digits: int = 12) -> str:
    """A decimal rounded outwards, never inside the enclosure that it stands for."""
    if end is None:
        return "inf" if up else "-inf"
    context = decimals.Context(prec=digits, rounding=decimals.ROUND_CEILING if up else decimals.ROUND_FLOOR)
    return str(context.divide(decimals.Decimal(end.numerator), decimals.Decimal(end.denominator)))


def interval(lo: Fraction | None, hi: Fraction | None) -> str:
    """"[lo, hi]" with as many decimals as the width deserves, rounded outwards."""
    digits = 12
    if lo is not None and hi is not None and hi > lo:
        digits = max(3, min(1000, _magnitude(max(abs(lo), abs(hi))) - _magnitude(hi - lo) + 3))
    return f"[{decimal(lo, False, digits)}, {decimal(hi, True, digits)}]"


def _magnitude(number: Fraction) -> int:
    """Decimal exponent of a positive number, up to one."""
    return len(str(number.numerator)) - len(str(number.denominator))
