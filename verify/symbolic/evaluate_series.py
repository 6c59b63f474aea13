"""Rigorous sums: finite ones term by term, and the renewal series of E8 with its geometric tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from ..exact import InputError
from .algebra import is_zero
from .evaluate import MINUS_INFINITY, MinusInfinity, Undecided, argument, ball, finite, sign
from .result import substituted

MAX_FINITE, MAX_TERMS, MAX_EXACT = 10_000, 100_000, 1000


def series(expression: Any) -> Any:
    """A ball of a SymPy `Sum` over one index: finite, or sum_{k>=m} w r^k log|alpha + beta x^k| with w, r > 0, r < 1 (E8)."""
    if len(expression.limits) != 1:
        raise InputError(f"{expression} has several indices; only sums over one index are evaluated")
    index, first, last = expression.limits[0]
    if not first.is_Integer:
        raise InputError(f"{expression} does not start at a whole number")
    if last.is_Integer:
        if last - first >= MAX_FINITE:
            raise InputError(f"{expression} has more than {MAX_FINITE} terms")
        return ball(sympy.Add(*(substituted(expression.function, {index: k}) for k in range(int(first), int(last) + 1))))
    if last is not sympy.oo or first < 0:
        raise InputError(f"{expression} is not a sum over k = m, m + 1, ... with m >= 0")
    return _renewal(_renewal_parts(expression.function, index), int(first))


@dataclass(frozen=True)
class _Renewal:
    """w r^k log|alpha + beta x^k|, exact numbers; `moduli` False where the formula has no Abs and the argument of log must be positive by itself."""

    w: Any
    r: Any
    alpha: Any
    beta: Any
    x: Any
    moduli: bool

    def inner(self, k: int) -> Any:
        return self.alpha + self.beta * self.x**k


def _renewal_parts(term: Any, index: Any) -> _Renewal:
    """The term of the series, recognised exactly."""
    if term.is_zero:
        return _Renewal(sympy.Integer(1), sympy.Rational(1, 2), sympy.Integer(1), sympy.Integer(0), sympy.Integer(1), True)
    logs = [factor for factor in sympy.Mul.make_args(term) if isinstance(factor, sympy.log)]
    if len(logs) != 1:
        raise InputError(f"the infinite sum of {term} is not of the form w r^k log|alpha + beta x^k|; no rigorous tail is known for it")
    w, r = _geometric(term / logs[0], index)
    inside = logs[0].args[0]
    bare = sympy.Mul(*(f.args[0] if isinstance(f, sympy.Abs) else f for f in sympy.Mul.make_args(inside)))
    # What stands beside an Abs must be positive, as |f| g = |f g| only then; without Abs the whole argument must be.
    others = [f for f in sympy.Mul.make_args(inside) if not isinstance(f, sympy.Abs)]
    if len(others) < len(sympy.Mul.make_args(inside)) and not all(f.is_positive for f in others):
        raise InputError(f"log({inside}) is not the logarithm of a modulus; no rigorous tail is known for it")
    alpha, beta, x = sympy.Integer(0), sympy.Integer(0), None
    for part in sympy.Add.make_args(sympy.expand(bare)):
        if not part.has(index):
            alpha += part
            continue
        coefficient, ratio = _geometric(part, index)
        if x is not None and not is_zero(ratio - x):
            raise InputError(f"log of {bare} has two different powers of the index; no rigorous tail is known for it")
        x, beta = ratio if x is None else x, beta + coefficient
    return _Renewal(w, r, alpha, beta, sympy.Integer(1) if x is None else x, all(f.is_positive for f in others))


def _geometric(term: Any, index: Any) -> tuple[Any, Any]:
    """(C, x) with term = C x^index, by reading off powers whose exponent is affine in the index."""
    constant, ratio = sympy.Integer(1), sympy.Integer(1)
    for factor in sympy.Mul.make_args(sympy.powsimp(term)):
        base, exponent = factor.as_base_exp()
        if not factor.has(index):
            constant *= factor
            continue
        slope = sympy.expand(exponent).coeff(index, 1)
        rest = sympy.expand(exponent - slope * index)
        whole = bool(slope.is_Integer and rest.is_Integer)  # else b^(s k + t) = (b^s)^k b^t needs b > 0
        if base.has(index) or rest.has(index) or not slope.is_Rational or not (whole or base.is_positive):
            raise InputError(f"{term} is not a constant times a power of the index; no rigorous tail is known for it")
        constant, ratio = constant * base**rest, ratio * base**slope
    return constant, ratio


def _renewal(s: _Renewal, first: int) -> Any:
    """The sum from k = first, by the special cases in which it is finite, else by terms and the tail of E8."""
    if sign(s.r) != 1 or sign(1 - s.r) != 1:
        raise InputError(f"the ratio {s.r} of the series is not between 0 and 1")
    r, y = finite(s.r), argument(s.x).real
    geometric = r**first / (1 - r)
    if s.x == 1 or is_zero(s.beta) or is_zero(s.x - 1):
        total = _log(s, s.alpha + s.beta, geometric)
    elif is_zero(s.x + 1):
        signs = [s.inner(first), s.inner(first + 1)]
        total = _added(_log(s, signs[0], r**first / (1 - r * r)), _log(s, signs[1], r ** (first + 1) / (1 - r * r)))
    elif is_zero(s.x):
        head = _log(s, s.alpha + s.beta, r**0) if first == 0 else r * 0
        total = _added(head, _log(s, s.alpha, r ** max(first, 1) / (1 - r)))
    elif is_zero(s.alpha):
        drift = geometric * (first + r / (1 - r))  # sum of k r^k over k >= first
        if not s.moduli and (y < 0 or finite(s.beta) < 0):
            raise InputError("the series takes the logarithm of negative numbers")
        total = _log(s, s.beta, geometric) + abs(y).log() * drift
    else:
        total = _with_tail(s, first, r, y)
    return _weighted(s, total)


def _weighted(s: _Renewal, total: Any) -> Any:
    from flint import acb

    if isinstance(total, MinusInfinity):
        if sign(s.w) != 1:
            raise InputError("the series gives log 0 a weight that is not positive")
        return MINUS_INFINITY
    return acb(total) * ball(s.w)


def _added(a: Any, b: Any) -> Any:
    return MINUS_INFINITY if isinstance(a, MinusInfinity) or isinstance(b, MinusInfinity) else a + b


def _log(s: _Renewal, exact: Any, weight: Any) -> Any:
    """weight * log|exact|."""
    z = argument(exact).real
    if z.is_zero():
        return MINUS_INFINITY
    if not (z > 0 or z < 0):
        raise Undecided(f"whether {exact} is zero is not decided")
    if z < 0 and not s.moduli:
        raise InputError("the series takes the logarithm of negative numbers")
    return weight * abs(z).log()


def _with_tail(s: _Renewal, first: int, r: Any, y: Any) -> Any:
    """sum r^k log|alpha + beta x^k|, alpha, beta, x != 0, |x| != 1.

    With (L, rho, z) = (alpha, beta/alpha, x) if |x| < 1, else (beta, alpha/beta, 1/x): log|alpha + beta x^k| = log|L| + k log max(|x|, 1) + log|1 + rho z^k|,
    and where |rho z^n| <= 1/2 the terms k >= n of the last part are together at most 2 r^n |rho z^n| / (1 - r |z|) in modulus.
    """
    from flint import arb, ctx

    alpha, beta, far = finite(s.alpha), finite(s.beta), abs(y)
    if not (far < 1 or far > 1):
        raise Undecided(f"whether |{s.x}| is 1 is not decided")
    lead, rho, z = (alpha, beta / alpha, y) if far < 1 else (beta, alpha / beta, 1 / y)
    geometric = r**first / (1 - r)
    total = geometric * abs(lead).log()
    if far > 1:
        total += far.log() * geometric * (first + r / (1 - r))
    if not s.moduli:
        _require_positive(s, lead, y, far)
    goal, weight, u = arb(2) ** -ctx.prec, r**first, rho * z**first
    for k in range(first, first + MAX_TERMS):
        if abs(u) < arb(0.5):
            tail = 2 * weight * abs(u) / (1 - r * abs(z))
            if tail < goal:
                return total + tail.union(-tail)
        inner = 1 + u
        if inner.contains(0):
            if k <= MAX_EXACT and is_zero(s.inner(k)):
                return MINUS_INFINITY
            raise Undecided(f"whether term {k} of the series is log 0 is not decided")
        if not s.moduli and inner < 0:
            raise InputError("the series takes the logarithm of negative numbers")
        total += weight * abs(inner).log()
        weight, u = weight * r, u * z
    raise InputError(f"the series converges too slowly: {MAX_TERMS} terms are not enough")


def _require_positive(s: _Renewal, lead: Any, y: Any, far: Any) -> None:
    """Beyond the terms looked at, the argument has the sign of alpha, or of beta x^k where |x| > 1."""
    if not lead > 0 or (far > 1 and not y > 0):
        raise InputError(f"the series takes the logarithm of numbers that are not known to be positive: {s.alpha} + ({s.beta})*({s.x})^k")
