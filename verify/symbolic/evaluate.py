"""Rigorous values of closed forms: balls of python-flint in, outward rounded rationals out.

Every ball contains the value that it stands for. Where a ball cannot decide (a sign, a branch) the precision is raised; whether something is exactly
zero is settled by `algebra.is_zero`; what stays undecided, and what no method here covers, raises `InputError`. Nothing is returned that is not proved.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from ..balls import ends, fmpq_of, outward
from ..exact import InputError
from .algebra import is_zero

MAX_DIGITS, ATTEMPTS = 1000, 8


class Undecided(ArithmeticError):
    """The balls are too wide at this precision."""


class MinusInfinity:
    """The value of log 0."""


MINUS_INFINITY = MinusInfinity()


def enclose(expression: Any, digits: int) -> tuple[Fraction | None, Fraction | None]:
    """Rational bounds of a real closed form without symbols, at most 10^-digits apart; (None, None) for -infinity (log 0 with positive weight).

    Raises `InputError` where the expression has symbols, is not real, uses a function without a rigorous method here, or stays undecided.
    """
    from flint import ctx

    expression = sympy.sympify(expression)
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= MAX_DIGITS:
        raise InputError(f"digits = {digits!r} is not a whole number from 1 to {MAX_DIGITS}")
    if expression.free_symbols:
        names = ", ".join(sorted(map(str, expression.free_symbols)))
        raise InputError(f"{_shown(expression)} still has the symbols {names}; give a value for each")
    if expression.is_Rational:
        return (Fraction(int(expression.p), int(expression.q)),) * 2
    width, precision, reason = Fraction(1, 10**digits), int(3.33 * digits) + 40, ""
    for _ in range(ATTEMPTS):
        with ctx.workprec(precision):
            try:
                value = real(expression)
                if isinstance(value, MinusInfinity):
                    return None, None
                lo, hi = ends(value)
                if hi - lo <= width / 2:
                    return outward(lo, hi, width)
                reason = "the enclosure stays too wide"
            except Undecided as undecided:
                reason = str(undecided)
        precision *= 2
    raise InputError(f"{_shown(expression)} could not be enclosed to {digits} digits with {precision // 2} bits: {reason}")


def real(expression: Any) -> Any:
    """An arb ball of a real value at the current precision, or MINUS_INFINITY."""
    value = ball(expression)
    if isinstance(value, MinusInfinity):
        return value
    if not value.imag.is_zero():
        raise Undecided(f"{_shown(expression)} is not known to be real")
    return value.real


def finite(expression: Any) -> Any:
    """As `real`, for what must not be -infinity."""
    value = real(expression)
    if isinstance(value, MinusInfinity):
        raise InputError(f"{_shown(expression)} is -infinity inside a formula where only a finite number makes sense")
    return value


def ball(expression: Any) -> Any:
    """A finite acb ball of the value at the current precision, or MINUS_INFINITY. Raises `Undecided` or `InputError`."""
    method = next((METHODS[kind] for kind in type(expression).__mro__ if kind in METHODS), None)
    if method is None:
        raise InputError(f"{_shown(expression)} has no rigorous evaluation here ({type(expression).__name__})")
    value = method(expression)
    if not isinstance(value, MinusInfinity) and not value.is_finite():
        raise Undecided(f"{_shown(expression)} is not bounded by its ball")
    return value


def number(expression: Any) -> Any:
    """As `ball`, for what must not be -infinity."""
    value = ball(expression)
    if isinstance(value, MinusInfinity):
        raise InputError(f"{_shown(expression)} is -infinity inside a formula where only a finite number makes sense")
    return value


def argument(expression: Any) -> Any:
    """A ball that is exact where the value is -1, 0 or 1: the points where branches meet."""
    from flint import acb

    value = number(expression)
    for n in (0, 1, -1):
        if value.contains(n) and not value.is_exact() and is_zero(expression - n):
            return acb(n)
    return value


def sign(expression: Any) -> int:
    """The exact sign of a real value. Raises `Undecided`."""
    value = finite(expression)
    if value > 0 or value < 0:
        return 1 if value > 0 else -1
    if value.is_zero() or is_zero(expression):
        return 0
    raise Undecided(f"the sign of {_shown(expression)} is not decided")


def holds(condition: Any) -> bool:
    """The truth of a relation between numbers, or of and/or/not of such. Raises `Undecided` or `InputError`."""
    if condition in (sympy.true, sympy.false):
        return bool(condition)
    if isinstance(condition, (sympy.And, sympy.Or)):
        return (all if isinstance(condition, sympy.And) else any)(holds(c) for c in condition.args)
    if isinstance(condition, sympy.Not):
        return not holds(condition.args[0])
    if type(condition) not in _RELATIONS:
        raise InputError(f"the condition {_shown(condition)} has no rigorous decision here")
    return _RELATIONS[type(condition)](sign(condition.lhs - condition.rhs))


_RELATIONS: dict[Any, Callable[[int], bool]] = {
    sympy.Eq: lambda s: s == 0,
    sympy.Ne: lambda s: s != 0,
    sympy.StrictLessThan: lambda s: s < 0,
    sympy.LessThan: lambda s: s <= 0,
    sympy.StrictGreaterThan: lambda s: s > 0,
    sympy.GreaterThan: lambda s: s >= 0,
}


def flint_rational(number: Any) -> Any:
    """A SymPy rational for flint."""
    return fmpq_of(Fraction(int(number.p), int(number.q)))


def _shown(expression: Any) -> str:
    text = str(expression)
    return text if len(text) <= 80 else text[:77] + "..."


def _rational(expression: Any) -> Any:
    from flint import acb

    return acb(flint_rational(expression))


def _constant(name: str) -> Callable[[Any], Any]:
    def method(_: Any) -> Any:
        from flint import acb, arb

        return acb(getattr(arb, name)())

    return method


def _imaginary_unit(_: Any) -> Any:
    from flint import acb

    return acb(0, 1)


def _infinite(expression: Any) -> Any:
    if expression is sympy.S.NegativeInfinity:
        return MINUS_INFINITY
    raise InputError(f"the formula has the value {expression}, which is not a number")


def _sum(expression: Any) -> Any:
    values = [ball(term) for term in expression.args]
    if any(isinstance(value, MinusInfinity) for value in values):
        return MINUS_INFINITY  # all others are finite balls
    return sum(values[1:], start=values[0])


def _product(expression: Any) -> Any:
    from flint import acb

    values = _factors(expression.args)
    total = acb(1)
    for value in values:
        total *= 1 if isinstance(value, MinusInfinity) else value
    count = sum(isinstance(value, MinusInfinity) for value in values)
    if count == 0:
        return total
    if count == 1 and total.imag.is_zero():
        if total.real > 0:
            return MINUS_INFINITY
        if not total.real < 0 and not total.is_zero():
            raise Undecided(f"the sign of the weight of log 0 in {_shown(expression)} is not decided")
    raise InputError(f"{_shown(expression)} multiplies log 0 by a number that is not positive")


def _factors(factors: tuple[Any, ...]) -> list[Any]:
    """Balls of the factors; a root of a polynomial beside its complex conjugate gives the real ball of the squared modulus."""
    from flint import acb

    roots = [f for f in factors if isinstance(f, sympy.CRootOf) and not f.is_real]
    values = [ball(factor) for factor in factors if factor not in roots]
    while roots:
        root = roots.pop()
        conjugate = root.conjugate()
        if conjugate in roots:
            roots.remove(conjugate)
            values.append(acb(abs(ball(root)) ** 2))
        else:
            values.append(ball(root))
    return values


def _power(expression: Any) -> Any:
    from flint import acb

    base, exponent = expression.args
    if base == sympy.E:
        return _exp(sympy.exp(exponent, evaluate=False))
    if exponent.is_Integer and exponent > 0:
        return number(base) ** int(exponent)
    z = argument(base)
    if z.is_zero():
        if sign(exponent) > 0:
            return acb(0)
        raise InputError(f"{_shown(expression)} divides by zero")
    if exponent.is_Integer:
        return z ** int(exponent)
    if exponent == sympy.Rational(1, 2):
        return z.sqrt()
    return z.pow(acb(flint_rational(exponent)) if exponent.is_Rational else number(exponent))


def _exp(expression: Any) -> Any:
    from flint import acb

    value = ball(expression.args[0])
    return acb(0) if isinstance(value, MinusInfinity) else value.exp()


def _log(expression: Any) -> Any:
    z = argument(expression.args[0])
    if z.is_zero():
        return MINUS_INFINITY
    if z.contains(0):
        raise Undecided(f"whether {_shown(expression.args[0])} is zero is not decided")
    return z.log()


def _absolute(expression: Any) -> Any:
    from flint import acb

    return acb(abs(argument(expression.args[0])))


def _extreme(expression: Any) -> Any:
    from flint import acb

    largest = isinstance(expression, sympy.Max)
    values = [real(x) for x in expression.args]
    known = [value for value in values if not isinstance(value, MinusInfinity)]
    if not known or (not largest and len(known) < len(values)):
        return MINUS_INFINITY
    found = known[0]
    for value in known[1:]:
        found = found.max(value) if largest else found.min(value)
    return acb(found)


def _piecewise(expression: Any) -> Any:
    for value, condition in expression.args:
        if holds(condition):
            return ball(value)
    raise InputError(f"no piece of {_shown(expression)} applies")


def _sign(expression: Any) -> Any:
    from flint import acb

    return acb(sign(expression.args[0]))


def _part(name: str) -> Callable[[Any], Any]:
    def method(expression: Any) -> Any:
        from flint import acb

        return acb(getattr(number(expression.args[0]), name))

    return method


def _function(name: str) -> Callable[[Any], Any]:
    """A function that flint has for balls, entire or with SymPy's branches; real for real arguments inside its domain."""

    def method(expression: Any) -> Any:
        from flint import acb

        z = argument(expression.args[0])
        return acb(getattr(z.real, name)()) if z.imag.is_zero() else getattr(z, name)()

    return method


def _real_function(name: str) -> Callable[[Any], Any]:
    """A function that is only wanted on the real axis; outside its domain flint answers nan, which `ball` refuses."""

    def method(expression: Any) -> Any:
        from flint import acb

        z = argument(expression.args[0])
        if not z.imag.is_zero():
            raise Undecided(f"{_shown(expression.args[0])} is not known to be real")
        return acb(getattr(z.real, name)())

    return method


def _root(expression: Any) -> Any:
    """The root of an integer polynomial in SymPy's isolating interval, among the isolated roots of flint."""
    from flint import acb, arb, fmpz_poly

    coefficients = [sympy.Rational(c) for c in expression.poly.all_coeffs()]
    scale = sympy.ilcm(*[c.q for c in coefficients])
    isolated: Any = fmpz_poly([int(c * scale) for c in reversed(coefficients)]).complex_roots()
    roots = [root for root, _multiplicity in isolated]
    where = expression._get_interval()

    def span(lo: Any, hi: Any) -> Any:
        return arb(flint_rational(sympy.Rational(lo))).union(arb(flint_rational(sympy.Rational(hi))))

    if expression.is_real:
        box = acb(span(where.a, where.b))
        roots = [root for root in roots if root.imag.is_zero()]
    else:
        box = acb(span(where.ax, where.bx), span(where.ay, where.by))
    near = [root for root in roots if root.overlaps(box)]
    if len(near) != 1:
        raise Undecided(f"{_shown(expression)} is not separated from the other roots")
    return near[0]


def _special(expression: Any) -> Any:
    from .evaluate_special import special

    return special(expression)


def _series(expression: Any) -> Any:
    from .evaluate_series import series

    return series(expression)


METHODS: dict[Any, Callable[[Any], Any]] = {
    sympy.Rational: _rational,
    type(sympy.pi): _constant("pi"),
    type(sympy.E): _constant("const_e"),
    type(sympy.EulerGamma): _constant("const_euler"),
    type(sympy.I): _imaginary_unit,
    type(sympy.oo): _infinite, type(-sympy.oo): _infinite, type(sympy.zoo): _infinite, type(sympy.nan): _infinite,
    type(sympy.GoldenRatio): lambda _: ball((1 + sympy.sqrt(5)) / 2),
    sympy.Add: _sum, sympy.Mul: _product, sympy.Pow: _power, sympy.exp: _exp, sympy.log: _log,
    sympy.Abs: _absolute, sympy.Max: _extreme, sympy.Min: _extreme, sympy.Piecewise: _piecewise, sympy.sign: _sign,
    sympy.re: _part("real"), sympy.im: _part("imag"), sympy.conjugate: lambda e: number(e.args[0]).conjugate(),
    sympy.sin: _function("sin"), sympy.cos: _function("cos"), sympy.tan: _function("tan"), sympy.cot: _function("cot"),
    sympy.sinh: _function("sinh"), sympy.cosh: _function("cosh"), sympy.tanh: _function("tanh"),
    sympy.atan: _function("atan"), sympy.asinh: _function("asinh"),
    sympy.acos: _real_function("acos"), sympy.asin: _real_function("asin"),
    sympy.acosh: _real_function("acosh"), sympy.atanh: _real_function("atanh"),
    sympy.erf: _function("erf"), sympy.erfc: _function("erfc"), sympy.gamma: _real_function("gamma"), sympy.loggamma: _real_function("lgamma"),
    sympy.Ei: _real_function("ei"),
    sympy.polygamma: _special, sympy.digamma: _special, sympy.expint: _special, sympy.hyper: _special, sympy.Integral: _special,
    sympy.CRootOf: _root,
    sympy.Sum: _series,
}  # fmt: skip
