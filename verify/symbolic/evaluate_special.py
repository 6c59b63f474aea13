"""Rigorous values of special functions: E_1, digamma, hypergeometric functions with their continuation, and integrals over finite ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from ..exact import InputError
from .algebra import is_zero
from .evaluate import Undecided, argument, finite, flint_rational, sign

Integrand = Callable[[Any, bool], Any]

EVALUATIONS = 50_000  # of one integrand
MAX_TERMS = 100_000  # of one hypergeometric series


def special(expression: Any) -> Any:
    """A ball of expint, digamma, hyper or Integral."""
    from flint import acb

    if isinstance(expression, sympy.expint):
        order, x = expression.args
        if not order.is_Rational or sign(x) != 1:
            raise InputError(f"{expression}: expint is evaluated for rational orders and positive arguments")
        return acb(finite(x)).expint(acb(flint_rational(order)))
    if isinstance(expression, (sympy.polygamma, sympy.digamma)):
        order, x = (sympy.Integer(0), *expression.args) if isinstance(expression, sympy.digamma) else expression.args
        if order != 0:
            raise InputError(f"{expression}: only digamma = polygamma(0, x) is evaluated")
        return acb(finite(x)).digamma()
    return _integral(expression) if isinstance(expression, sympy.Integral) else _hyper(expression)


def _hyper(expression: Any) -> Any:
    """pFq(a; b; z) for real z; if p = q + 1, for z < 1, and at z = 1 for 3F2(1, 1, a; 2, b; 1). By flint's own methods, by series, or by

    z * 3F2(1, 1, a; 2, b; z) = integral_0^z 2F1(1, a; b; t) dt, and 2F2(1, 1; 2, b; z) likewise (termwise: the integral of t^n is z^(n+1)/(n+1)),
    sum_{n>=1} (a)_n / ((b)_n n) = digamma(b) - digamma(b - a) for b > a (the derivative at e = 0 of Gauss's formula for 2F1(a, e; b; 1)).
    """
    from flint import acb

    upper, lower, at = list(expression.ap), list(expression.bq), expression.argument
    if any(not p.is_Rational for p in (*upper, *lower)) or any(p.is_Integer and p <= 0 for p in lower):
        raise InputError(f"{expression}: parameters must be rational, the lower ones no whole numbers below 1")
    z, excess = argument(at).real, len(upper) - len(lower)
    if any(p.is_Integer and p <= 0 for p in upper):
        return _polynomial(upper, lower, z)
    if excess > 1 or (excess == 1 and z > 1):
        raise InputError(f"{expression} diverges, or lies on a branch cut")
    if excess == 1 and not z < 1:
        if z == 1:
            return _at_one(expression, upper, lower)
        raise Undecided(f"whether the argument of {expression} is below 1 is not decided")
    a, b = ([flint_rational(p) for p in side] for side in (upper, lower))
    integrable = len(upper) in (2, 3) and len(lower) == 2 and upper.count(1) >= 2 and 2 in lower
    if excess < 1 or len(a) == 2 or not integrable:
        direct = acb(z).hypgeom(a, b)
        if not integrable or (direct.is_finite() and direct.real.rel_accuracy_bits() > 0):
            return direct
    for side, one in ((upper, 1), (lower, 2)):
        side.remove(one)
    inner_a, inner_b = ([flint_rational(p) for p in side] for side in (upper, lower))
    if excess == 1 and abs(z) < 1 and (summed := _summed(z, sympy.Mul(*upper), lower[0])) is not None:
        return summed

    def integrand(t: Any, analytic: bool) -> Any:
        if excess == 1 and analytic and t.imag.contains(0) and not t.real < 1:
            return acb("nan")  # the cut from 1 to infinity
        return t.hypgeom(inner_a, inner_b)

    return acb(_integrated(integrand, acb(0), acb(z), EVALUATIONS // 10).real) / z


def _summed(z: Any, a: Any, b: Any) -> Any:
    """3F2(1, 1, a; 2, b; z) = sum t_n/(n + 1), t_n = (a)_n/(b)_n z^n, b > 0; None where too many terms are needed.

    If b >= a, then |t_{n+1}| <= |z| |t_n| for n >= -(a + b)/2, so that the terms from n on are together at most |t_n|/((n + 1)(1 - |z|)) in modulus.
    """
    from flint import acb, arb, ctx

    if not b >= a or not b > 0:
        return None
    total, term, goal, rest = arb(0), arb(1), arb(2) ** -ctx.prec, 1 - abs(z)
    numerator, denominator, one = flint_rational(a), flint_rational(b), flint_rational(sympy.Integer(1))
    for n in range(MAX_TERMS):
        if n % 16 == 0 and 2 * n >= -(a + b) and (tail := abs(term) / ((n + 1) * rest)) < goal:
            return acb(total + tail.union(-tail))
        total += term / (n + 1)
        term = term * z * (numerator / denominator)
        numerator, denominator = numerator + one, denominator + one
    return None


def _polynomial(upper: list[Any], lower: list[Any], z: Any) -> Any:
    """A hypergeometric series that ends, as p or more of its upper parameters are whole numbers <= 0."""
    from flint import acb

    coefficient, value, power = sympy.Integer(1), acb(1), acb(1)
    for n in range(int(min(-p for p in upper if p.is_Integer and p <= 0))):
        coefficient *= sympy.prod([p + n for p in upper]) / (sympy.prod([p + n for p in lower]) * (n + 1))
        power *= z
        value += power * acb(flint_rational(coefficient))
    return value


def _at_one(expression: Any, upper: list[Any], lower: list[Any]) -> Any:
    """3F2(1, 1, a; 2, b; 1) = (b - 1)/(a - 1) * sum_{n>=1} (a-1)_n / ((b-1)_n n)."""
    from flint import acb

    rest_a, rest_b = list(upper), list(lower)
    if rest_a.count(1) < 2 or 2 not in rest_b or len(rest_a) != 3:
        raise InputError(f"{expression} at the end of its disc is only evaluated for (1, 1, a; 2, b)")
    for side, one in ((rest_a, 1), (rest_a, 1), (rest_b, 2)):
        side.remove(one)
    (a,), (b,) = rest_a, rest_b
    if not b > a or a == 1 or b == 1:
        raise InputError(f"{expression} does not converge, or is a limit that is not evaluated")
    difference = acb(flint_rational(b - 1)).digamma() - acb(flint_rational(b - a)).digamma()
    return difference * acb(flint_rational((b - 1) / (a - 1)))


def _integral(expression: Any) -> Any:
    """integral_lo^hi f dx with f built from rational operations, exp, log, roots, sin, cos, Abs: real on the range, or not finite."""
    from flint import acb

    if len(expression.limits) != 1 or len(expression.limits[0]) != 3:
        raise InputError(f"{expression} is not an integral of one variable between two numbers")
    x, lo, hi = expression.limits[0]
    if lo.is_infinite or hi.is_infinite:
        raise InputError(f"{expression} has an infinite range, for which no rigorous tail is known here")
    return acb(_integrated(_whole(expression.function, x, (lo, hi)), acb(finite(lo)), acb(finite(hi))).real)


def _whole(f: Any, x: Any, ends: tuple[Any, Any]) -> Integrand:
    """The integrand; a factor that vanishes at an end of the range where a denominator has a simple zero is divided by hand, as no ball sees 0/0."""
    for end in ends:
        factors = list(sympy.Mul.make_args(f))
        pole = next((g for g in factors if g.is_Pow and g.exp == -1 and g.base.is_polynomial(x) and is_zero(g.base.subs(x, end))), None)
        zero = next((g for g in factors if not g.is_Pow and is_zero(g.subs(x, end))), None)
        if pole is None or zero is None:
            continue
        factors.remove(pole)
        factors.remove(zero)
        rest = sympy.Mul(*factors) / sympy.quo(pole.base, x - end, x)
        return _folded([_divided(zero, x, end), _whole(rest, x, ends)], add=False)
    return _compiled(f, x)


def _divided(f: Any, x: Any, zero: Any) -> Integrand:
    """f(z)/(z - p) where f(p) = 0. On a ball that contains p it is the mean of f' over the segment from p to z, and balls are convex."""
    from flint import acb

    value, slope, p = _compiled(f, x), _compiled(sympy.diff(f, x), x), acb(finite(zero))
    return lambda z, analytic: slope(z, analytic) if (z - p).contains(0) else value(z, analytic) / (z - p)


def _integrated(integrand: Integrand, lo: Any, hi: Any, evaluations: int = EVALUATIONS) -> Any:
    from flint import acb, arb, ctx

    tolerance = arb(2) ** -ctx.prec
    value = acb.integral(integrand, lo, hi, abs_tol=tolerance, rel_tol=tolerance, eval_limit=evaluations)
    if not value.is_finite() or value.real.rad() > arb(2) ** (-ctx.prec // 2) * (1 + abs(value)):  # more precision would not help
        raise InputError("the integral is not bounded well by its quadrature; its integrand is singular, or too costly at this precision")
    return value


def _compiled(expression: Any, x: Any) -> Integrand:
    """The integrand on complex balls. Real on real balls where it is finite: logarithms and roots of what is not positive there are nan, as are balls on
    which it is not analytic where that is asked for (`analytic`)."""
    from flint import acb

    if not expression.has(x):
        value = acb(finite(expression))
        return lambda _, __: value
    if expression == x:
        return lambda z, _: z
    head, parts = type(expression), [_compiled(part, x) for part in expression.args]
    if head in (sympy.Add, sympy.Mul):
        return _folded(parts, head is sympy.Add)
    if head is sympy.Pow and expression.exp.is_Integer:
        power = int(expression.exp)
        return lambda z, analytic: parts[0](z, analytic) ** power
    if head is sympy.Pow and expression.exp.is_Rational:
        exponent = acb(flint_rational(expression.exp))
        return lambda z, analytic: _inside(z, parts[0](z, analytic), lambda w: w.pow(exponent, analytic=analytic))
    if head is sympy.log:
        return lambda z, analytic: _inside(z, parts[0](z, analytic), lambda w: w.log(analytic=analytic))
    if head is sympy.Abs:
        return lambda z, analytic: parts[0](z, analytic).real_abs(analytic=analytic)
    if head in (sympy.exp, sympy.sin, sympy.cos, sympy.sinh, sympy.cosh):
        return lambda z, analytic: getattr(parts[0](z, analytic), head.__name__)()
    raise InputError(f"{expression} has no rigorous quadrature here ({head.__name__})")


def _folded(parts: list[Integrand], add: bool) -> Integrand:
    def value(z: Any, analytic: bool) -> Any:
        found = parts[0](z, analytic)
        for part in parts[1:]:
            found = found + part(z, analytic) if add else found * part(z, analytic)
        return found

    return value


def _inside(z: Any, w: Any, function: Callable[[Any], Any]) -> Any:
    """function(w), nan where z is real and w is not positive."""
    from flint import acb

    if z.imag.is_zero() and not w.real > 0:
        return acb("nan")
    return function(w)
