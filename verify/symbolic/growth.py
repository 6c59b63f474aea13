"""Mean logarithms and their maxima as compact expressions, with log 0 = -oo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sympy

from .algebra import is_zero
from .assumptions import Assumptions
from .case import need

MAX_COMPARED, MAX_POWER, MAX_POWER_OF_ANGLES, MAX_OPERATIONS = 6, 16, 4, 200
MINUS_INFINITY = sympy.S.NegativeInfinity
Terms = Iterable[tuple[Any, Any]]


def compact(expression: Any) -> Any:
    """The shortest of a few equal forms."""
    expression = sympy.sympify(expression)
    if expression.is_Atom or sympy.count_ops(expression) > MAX_OPERATIONS:
        return expression
    forms = [expression]
    if expression.has(sympy.sin, sympy.cos, sympy.tan) and expression.free_symbols:
        forms.append(sympy.trigsimp(expression))
    for form in list(forms):
        try:
            forms += [sympy.cancel(form), sympy.factor(form), sympy.expand(form)]
        except (sympy.PolynomialError, NotImplementedError):
            continue
    return min(forms, key=sympy.count_ops)


def mean_log(terms: Terms) -> Any:
    """sum p log|x| over pairs (p, x), equal |x| together; -oo where some x vanishes identically."""
    weights: dict[Any, Any] = {}
    for p, x in terms:
        if is_zero(x):
            return MINUS_INFINITY
        modulus = sympy.Abs(compact(x))
        weights[modulus] = weights.get(modulus, 0) + p
    rational = [x for x in weights if x.is_Rational]
    primes: dict[Any, Any] = {}
    if len(rational) > 1:  # over their primes, so that 2 log(2) - log(4) is zero
        for x in rational:
            p = weights.pop(x)
            for prime, power in factors(x):
                primes[prime] = primes.get(prime, 0) + power * p
    found = grouped((sympy.cancel(p), x) for x, p in primes.items())
    return found + sum((sympy.cancel(p) * sympy.log(modulus) for modulus, p in weights.items()), start=sympy.Integer(0))


def grouped(weights: Iterable[tuple[Any, Any]]) -> Any:
    """sum w log|x| over pairs (w, x), those of equal weight together: (log|x| + log|y|) w is w log|x y|."""
    products: dict[Any, Any] = {}
    for w, x in weights:
        if is_zero(w):
            continue
        if -w in products:
            products[-w] /= x
        else:
            products[w] = products.get(w, 1) * x
    return sum((w * sympy.log(sympy.Abs(compact(x))) for w, x in products.items()), start=sympy.Integer(0))


def factors(x: Any) -> list[tuple[Any, int]]:
    """Irreducible factors with exponents: |x| is the product of their moduli."""
    if x.is_Rational:
        return [(sympy.Integer(q), int(e)) for q, e in sympy.factorrat(abs(x)).items() if q != 1]
    if x.is_number:
        return [(x, 1)]
    found: list[tuple[Any, int]] = []
    for part, sign in zip(sympy.fraction(sympy.together(x)), (1, -1), strict=True):
        try:
            constant, parts = sympy.factor_list(part)
        except (sympy.PolynomialError, NotImplementedError):
            return [(x, 1)]
        found += [(f, sign * e) for f, e in (factors(constant) if constant != 1 else [])]
        found += [(sympy.trigsimp(f) if f.has(sympy.sin, sympy.cos) else f, sign * int(e)) for f, e in parts]
    return found


def half_log(p: Any, square: Any) -> tuple[Any, Any]:
    """The term of p log sqrt(square), without the root where the square is one."""
    root = sympy.sqrt(sympy.factor(square)) if square.free_symbols or square.is_Rational else sympy.sqrt(square)
    rational = not any(power.exp.is_Rational and not power.exp.is_Integer for power in root.atoms(sympy.Pow))
    return (p, root) if rational else (p / 2, square)


def maximum(values: Iterable[Any], assumptions: Assumptions) -> Any:
    """Max without duplicates and without what is known to be at most another value."""
    found = [v for v in dict.fromkeys(map(sympy.sympify, values)) if v != MINUS_INFINITY]
    if not found:
        return MINUS_INFINITY
    if len(found) <= MAX_COMPARED or all(v.is_number for v in found):
        kept: list[Any] = []
        for v in found:
            if not any(at_least(other, v, assumptions) for other in kept):
                kept = [other for other in kept if not at_least(v, other, assumptions)] + [v]
        found = kept
    return sympy.Max(*(_recognised(v, assumptions) for v in found))


def _recognised(v: Any, assumptions: Assumptions) -> Any:
    """The value, zero where it is a number that vanishes and does not look it (SymPy's Max refuses those)."""
    if not v.is_number or v.is_comparable:
        return v
    need(at_least(v, sympy.Integer(0), assumptions) and at_least(sympy.Integer(0), v, assumptions), f"{v} is too close to zero to be told from it")
    return sympy.Integer(0)


def at_least(u: Any, v: Any, assumptions: Assumptions) -> bool:
    """Whether u >= v is known, for sums of logarithms."""
    difference = sympy.expand(u - v, deep=False)
    if difference == 0:
        return True
    if difference.is_number:
        value = difference.evalf(60)
        if value.is_comparable and abs(value) > sympy.Float("1e-40"):
            return bool(value > 0)
    terms = [_logarithm(term) for term in sympy.Add.make_args(difference)]
    if any(term is None for term in terms):
        return False
    return _product_at_least_one([term for term in terms if term is not None], assumptions)


def _product_at_least_one(terms: Sequence[tuple[Any, Any]], assumptions: Assumptions) -> bool:
    """Whether prod |x|^w >= 1, for weights that are rational multiples of one positive weight."""
    if any(x.has(sympy.CRootOf, sympy.Sum) or _symbolic_root(x) for _, x in terms):
        return False
    unit = terms[0][0]
    ratios = [sympy.cancel(w / unit) for w, _ in terms]
    sign = assumptions.sign(unit)
    if sign is None or not all(r.is_Rational for r in ratios):
        return False
    scale = sympy.ilcm(*(r.q for r in ratios)) if len(ratios) > 1 else ratios[0].q
    powers = [int(sign * r * scale) for r in ratios]
    angles = any(x.has(sympy.sin, sympy.cos) and x.free_symbols for _, x in terms)
    if sum(map(abs, powers)) > (MAX_POWER_OF_ANGLES if angles else MAX_POWER):
        return False  # seldom decided, and slow: a maximum then keeps both
    large = sympy.prod([x**e for e, (_, x) in zip(powers, terms, strict=True) if e > 0])
    small = sympy.prod([x**-e for e, (_, x) in zip(powers, terms, strict=True) if e < 0])
    # a^2 - b^2 through its factors: whichever sign a and b have
    minus, plus = (sympy.factor(sympy.together(x)) for x in (large - small, large + small))
    return is_zero(minus) or is_zero(plus) or assumptions.nonnegative(minus * plus)


def _symbolic_root(x: Any) -> bool:
    return any(power.free_symbols and not power.exp.is_Integer and not power.base.is_Symbol for power in x.atoms(sympy.Pow))


def _logarithm(term: Any) -> tuple[Any, Any] | None:
    """(w, x) where the term is w log|x|."""
    logarithms = [f for f in sympy.Mul.make_args(term) if f.func == sympy.log]
    if len(logarithms) != 1 or (rest := sympy.cancel(term / logarithms[0])).has(sympy.log):
        return None
    x = logarithms[0].args[0]
    return rest, x.args[0] if isinstance(x, sympy.Abs) else x


def nonvanishing(expressions: Iterable[Any], assumptions: Assumptions) -> tuple[Any, ...]:
    """The conditions that the expressions do not vanish, factor by factor, as far as that is not known."""
    found = dict[Any, None]()
    for x in expressions:
        for factor, _ in factors(sympy.sympify(x)):
            if factor.free_symbols and not factor.is_nonzero and assumptions.sign(factor) not in (1, -1):
                found[sympy.Ne(factor, 0)] = None
    return tuple(found)


def poles(expression: Any, steps: Iterable[Any], assumptions: Assumptions) -> tuple[Any, ...]:
    """The conditions that no logarithm in the expression has a pole at parameters where the steps themselves have none."""
    given = {factor for a in steps for x in a for factor, e in factors(sympy.sympify(x)) if e < 0}
    arguments = [f.args[0] for f in expression.atoms(sympy.log)]
    inside = [x.args[0] if isinstance(x, sympy.Abs) else x for x in arguments]
    found = nonvanishing([sympy.fraction(sympy.together(x))[1] for x in inside if x.free_symbols], assumptions)
    return tuple(condition for condition in found if condition.lhs not in given)
