"""E8: a step of rank one and one other. Every visit of the first resets the direction, so lambda is a series, finite in some cases."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import sympy

from ..algebra import all_zero, is_zero
from ..case import Case, Refused, need
from ..growth import mean_log
from ..problem import Matrix
from ..result import Exact, Step
from .bound_variable import bound_variable
from .registry import Solve, rule

MAX_WORD = 64  # numbers k of steps B between two steps A for which A B^k A = 0 is looked for; beyond, the evaluation of the series finds it


@dataclass(frozen=True)
class _Pair:
    """A = a b^T with probability p, B with probability q, (B - I)(B - xI) = 0; trace(B^k A) = alpha + beta x^k = start - drop (1 - x^k)."""

    p: Any
    q: Any
    x: Any
    start: Any
    drop: Any
    conditions: tuple[Any, ...]
    steps: tuple[Step, ...]

    @property
    def alpha(self) -> Any:
        return sympy.factor(self.start - self.drop)


@rule("lambda", "renewal")
def renewal(case: Case, _: Solve) -> Exact:
    """lambda = (p^2/(p+q)) sum_{k>=0} (q/(p+q))^k log|alpha + beta x^k| (E8), a finite formula where x = 0, x = -1, alpha = 0 or beta = 0.

    SGD with N = 2 and c_1 = 1: lambda = p^2 sum_k q^k log|1 - s2 (1 - (1 - c_2)^k)|, s2 = 1 - K_12^2/(K_11 K_22). Refuses families that are not of this kind
    for all values of the symbols.
    """
    family = case.family
    need(len(family.steps) == 2, f"there are {len(family.steps)} distinct steps other than the identity, not 2")
    pair = _found(case)
    value, tail = _value(case, pair)
    conditions = (*family.conditions, *pair.conditions)
    return Exact("lambda", value, conditions, (*pair.steps, tail))


def _found(case: Case) -> _Pair:
    """The pair in one of its two orders."""
    family, reason = case.family, "neither step has rank one identically"
    for s in (0, 1):
        a, b = family.steps[s], family.steps[1 - s]
        minors = _minors(a)
        if not all_zero(minors):
            continue
        try:
            return _pair(case, a, b, family.probabilities[s], family.probabilities[1 - s], minors)
        except Refused as refusal:
            reason = str(refusal)
    raise Refused(reason)


def _pair(case: Case, a: Matrix, b: Matrix, p: Any, q: Any, minors: tuple[Any, ...]) -> _Pair:
    """The numbers of E8. Raises `Refused` where B is not of its kind."""
    shift = b - sympy.eye(b.rows)
    entry = next(i for i, y in enumerate(shift) if not is_zero(y))  # B is not the identity
    x = sympy.factor(sympy.cancel((b * shift)[entry] / shift[entry]))
    quadratic = tuple(b * shift - x * shift)
    need(all_zero(quadratic), "the other step B does not satisfy (B - I)(B - xI) = 0 for any x")
    need(not is_zero(x - 1), "the other step B has only the eigenvalue 1")
    conditions = () if case.assumptions.sign(x - 1) else (sympy.Ne(x, 1),)
    start, after = a.trace(), (b * a).trace()
    drop = sympy.factor(sympy.cancel((start - after) / (1 - x)))
    start = sympy.factor(sympy.cancel(start))
    twice = ((b**k * a).trace() - (start - drop * (1 - x**k)) for k in (1, 2, 3))
    steps = (
        Step("E8", "the step A with probability p has rank one, A = a b^T: its minors of order two vanish", minors),
        Step("E8", f"the other step B satisfies (B - I)(B - xI) = 0 with x = {x}", quadratic),
        Step("E8", f"hence b.B^k a = trace(B^k A) = alpha + beta x^k with beta = {drop}, alpha + beta = {start}", tuple(twice)),
    )
    return _Pair(p, q, x, start, drop, conditions, steps)


def _minors(a: Matrix) -> tuple[Any, ...]:
    """Minors of order two; for a plane just the determinant."""
    rows = range(a.rows)
    return tuple(a[i, k] * a[j, m] - a[i, m] * a[j, k] for i, j in combinations(rows, 2) for k, m in combinations(rows, 2))


def _value(case: Case, pair: _Pair) -> tuple[Any, Step]:
    """The formula, finite where it can be, and what its convergence rests on."""
    p, q, x = pair.p, pair.q, pair.x
    mass = sympy.cancel(p + q)
    words = range(MAX_WORD if x.is_number and pair.drop.is_number else 4)
    if (dead := next((k for k in words if is_zero(pair.start - pair.drop * (1 - x**k))), None)) is not None:
        return sympy.S.NegativeInfinity, Step("E8", f"the word A B^{dead} A is zero and almost surely occurs: lambda = -oo")
    if is_zero(pair.drop):
        return mean_log([(p, pair.start)]), Step("E8", "beta = 0: all terms are equal, and the geometric series sums to p log|alpha|")
    if is_zero(pair.alpha):
        return mean_log([(p, pair.drop), (q, x)]), Step("E8", "alpha = 0: sum of (q/(p+q))^k (log|beta| + k log|x|) in closed form")
    if is_zero(x):
        terms = [(p**2 / mass, pair.start), (p * q / mass, pair.alpha)]
        return mean_log(terms), Step("E8", "x = 0: the terms k >= 1 are equal, b.B^k a = alpha")
    if is_zero(x + 1):
        terms = [(p * mass / (mass + q), pair.start), (p * q / (mass + q), pair.start - 2 * pair.drop)]
        return mean_log(terms), Step("E8", "x = -1: the terms alternate between alpha + beta and alpha - beta, two geometric series")
    k = bound_variable(case.problem, "kmnj", integer=True, nonnegative=True)
    ratio = sympy.cancel(q / mass)
    series = sympy.Sum(ratio**k * sympy.log(sympy.Abs(pair.start - pair.drop * (1 - x**k))), (k, 0, sympy.oo))
    return sympy.cancel(p**2 / mass) * series, Step("E8", _TAIL)


_TAIL = (
    "with r = q/(p+q): log|alpha + beta x^k| = log|L| + k log max(|x|, 1) + log|1 + rho z^k|, (L, rho, z) = (alpha, beta/alpha, x) where |x| < 1 and "
    "(beta, alpha/beta, 1/x) where |x| > 1; the first two parts sum in closed form, and once |rho z^n| <= 1/2 the terms k >= n of the third are together "
    "at most 2 r^n |rho z^n|/(1 - r|z|) in modulus, as |log|1 + u|| <= 2|u| for |u| <= 1/2: any number of digits with proof"
)
