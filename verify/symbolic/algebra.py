"""Exact zero tests: the one place where an identity of a derivation is accepted. True means proved by algebra, False only that it was not proved."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import sympy
from sympy.core.function import AppliedUndef


def is_zero(expression: Any) -> bool:
    """Whether the expression vanishes identically, proved by rational arithmetic after sines, cosines and roots are made algebraic."""
    return _is_zero(sympy.sympify(expression))


def all_zero(matrix: Iterable[Any]) -> bool:
    """Whether every entry vanishes identically."""
    return all(is_zero(entry) for entry in matrix)


@lru_cache(maxsize=4096)
def _is_zero(expression: Any) -> bool:
    if expression.is_zero is not None and (expression.is_zero or expression.is_Rational):
        return bool(expression.is_zero)
    if expression.has(sympy.oo, sympy.zoo, sympy.nan):
        return False
    if sympy.expand(expression) == 0:  # enough for polynomials, and faster than what follows
        return True
    try:
        numerator, _ = rational_parts(expression)
        if numerator.is_zero or _reduced(numerator) == 0:
            return True
    except (sympy.PolynomialError, NotImplementedError, ZeroDivisionError):
        pass
    if expression.is_number:
        return _number_is_zero(expression)
    if _surely_nonzero(expression):
        return False
    return bool(sympy.simplify(expression) == 0)


def rational_parts(expression: Any) -> tuple[Any, Any]:
    """Numerator and denominator after sin, cos, tan of each angle become rational functions of the tangent of its half."""
    numerator, denominator = sympy.fraction(sympy.cancel(sympy.together(_without_angles(sympy.sympify(expression)))))
    return numerator, denominator


def _without_angles(expression: Any) -> Any:
    if not expression.has(sympy.sin, sympy.cos, sympy.tan):
        return expression
    expression = sympy.expand_trig(expression.rewrite(sympy.tan, sympy.sin).rewrite(sympy.cos) if expression.has(sympy.tan) else expression)
    substitution: dict[Any, Any] = {}
    for angle in {f.args[0] for f in expression.atoms(sympy.sin, sympy.cos) if f.args[0].free_symbols}:
        t = _half_tangent(angle)
        substitution |= {sympy.sin(angle): 2 * t / (1 + t**2), sympy.cos(angle): (1 - t**2) / (1 + t**2)}
    return expression.subs(substitution)


@lru_cache(maxsize=256)
def _half_tangent(angle: Any) -> Any:
    return sympy.Dummy(f"tan({angle}/2)", real=True)


def _reduced(numerator: Any) -> Any:
    """The numerator as a polynomial, modulo r^n = base for every n-th root r."""
    roots = {p for p in numerator.atoms(sympy.Pow) if p.exp.is_Rational and not p.exp.is_Integer}
    if not roots:
        return sympy.expand(numerator)
    bases: dict[Any, int] = {}
    for root in roots:
        bases[root.base] = int(sympy.ilcm(bases.get(root.base, 1), root.exp.q))
    symbols = {base: sympy.Dummy() for base in bases}
    algebraic = numerator.subs({root: symbols[root.base] ** int(root.exp * bases[root.base]) for root in sorted(roots, key=lambda r: -r.exp)})
    algebraic = sympy.fraction(sympy.together(algebraic))[0]
    for base, symbol in symbols.items():
        algebraic = sympy.rem(sympy.expand(algebraic), symbol ** bases[base] - base, symbol)
    return sympy.expand(algebraic)


def _number_is_zero(number: Any) -> bool:
    approximate = number.evalf(30)
    if approximate.is_number and approximate.is_comparable and abs(approximate) > sympy.Float("1e-20"):
        return False  # evalf keeps its digits: a number of that size is not zero
    try:
        return bool(sympy.minimal_polynomial(number, sympy.Symbol("x")) == sympy.Symbol("x"))
    except (sympy.polys.polyerrors.NotAlgebraic, NotImplementedError):
        return bool(sympy.simplify(number) == 0)


def _surely_nonzero(expression: Any) -> bool:
    """Whether a value at one point of the parameters shows that the expression does not vanish identically (saves long simplifications)."""
    if expression.has(sympy.Sum, sympy.Integral, sympy.hyper, AppliedUndef):
        return False
    points = {s: sympy.Rational(7 + 2 * i, 11 + 3 * i) * (-1 if s.is_negative else 1) for i, s in enumerate(sorted(expression.free_symbols, key=str))}
    if any(s.is_integer for s in points):
        return False
    try:
        value = expression.subs(points).evalf(30)
    except (TypeError, ValueError, ZeroDivisionError):
        return False
    return bool(value.is_number and value.is_finite and abs(value) > sympy.Float("1e-15"))
