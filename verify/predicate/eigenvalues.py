"""Comparisons with the extreme eigenvalues of K, exactly: inertia for one eigenvalue against a rational number, intervals otherwise.

On range(K): `kappa_min` is the smallest nonzero eigenvalue (the smallest one where the gradients are independent).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Any

from ..balls import fmpq_of
from ..exponent.gradient_descent import Spectrum
from ..minimum import Minimum
from .interval import Interval
from .syntax import Arithmetic, Name, Number, Power, Term

PRECISIONS = (64, 256, 1024)


class Eigenvalues:
    """kappa_min and kappa_max of an exact Gram matrix."""

    def __init__(self, minimum: Minimum) -> None:
        self.minimum = minimum

    @cached_property
    def spectrum(self) -> Spectrum:
        return Spectrum.of(self.minimum)

    def interval(self, kind: str, precision: int) -> Interval:
        """A rational enclosure."""
        smallest, largest = self.spectrum.extremes(precision)
        return Interval(*(smallest if kind == "kappa_min" else largest))

    def difference(self, term: Term, linear: dict[Name | None, Fraction] | None, exact_name: Callable[[Name], Fraction]) -> Interval | None:
        """An interval of one sign (or zero) that holds the value of the term, or None if the two sides cannot be told apart."""
        from .judge import _interval, _linear_interval

        if linear is not None and len(linear) == 2 and (sign := self._sign(linear)) == 0:
            return Interval.point(Fraction(0))
        for precision in PRECISIONS:

            def look(name: Name, precision: int = precision) -> Interval:
                return self.interval(name.kind, precision) if name.kind.startswith("kappa") else Interval.point(exact_name(name))

            interval = _linear_interval(linear, look) if linear is not None else _interval(term, look)
            if interval.compared("!="):
                return interval
        if linear is not None and len(linear) == 2:
            return Interval(Fraction(0), None, lo_open=True) if sign > 0 else Interval(None, Fraction(0), hi_open=True)
        return Interval.point(Fraction(0)) if self._vanishes(term, exact_name) else None

    def _sign(self, linear: dict[Name | None, Fraction]) -> int:
        """The sign of a kappa + b: the number of eigenvalues above and at -b/a decides (Descartes' rule, exact for real-rooted polynomials)."""
        from flint import fmpq_poly

        (name, a), = [(key, x) for key, x in linear.items() if key is not None]
        edge = -linear[None] / a
        shifted = fmpq_poly(list(self.spectrum.coefficients))(fmpq_poly([fmpq_of(edge * self.spectrum.scale), 1])).coeffs()
        at = next(i for i, x in enumerate(shifted) if x != 0)
        signs = [x > 0 for x in shifted if x != 0]
        above = sum(x != y for x, y in itertools.pairwise(signs))
        below = len(self.spectrum.coefficients) - 1 - above - at
        assert name is not None
        beyond, side = (above, 1) if name.kind == "kappa_max" else (below, -1)
        sign = side if beyond else 0 if at else -side
        return sign if a > 0 else -sign

    def _vanishes(self, term: Term, exact_name: Callable[[Name], Fraction]) -> bool:
        """Whether the term is exactly zero, where at most two eigenvalues are nonzero (radicals); False if that cannot be shown."""
        if len(self.spectrum.coefficients) > 3:
            return False
        import sympy

        x = sympy.Symbol("x")
        roots = sorted(sympy.Poly(list(reversed(self.spectrum.coefficients)), x).all_roots(), key=lambda root: float(root))
        values = {"kappa_min": roots[0] / self.spectrum.scale, "kappa_max": roots[-1] / self.spectrum.scale}
        try:
            return bool(sympy.minimal_polynomial(_radical(term, values, exact_name), x) == x)
        except (NotImplementedError, ZeroDivisionError, sympy.polys.polyerrors.NotAlgebraic):
            return False


def _radical(term: Term, values: dict[str, Any], exact_name: Callable[[Name], Fraction]) -> Any:
    import sympy

    if isinstance(term, Number):
        return sympy.Rational(term.value.numerator, term.value.denominator)
    if isinstance(term, Name):
        if term.kind in values:
            return values[term.kind]
        exact = exact_name(term)
        return sympy.Rational(exact.numerator, exact.denominator)
    if isinstance(term, Power):
        return _radical(term.base, values, exact_name) ** term.exponent
    assert isinstance(term, Arithmetic)
    parts = [_radical(x, values, exact_name) for x in term.operands]
    if term.operator == "abs":
        return abs(parts[0])
    if term.operator == "neg":
        return -parts[0]
    left, right = parts
    if term.operator == "/":
        return left / right
    return left + right if term.operator == "+" else left - right if term.operator == "-" else left * right
