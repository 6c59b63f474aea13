"""E9: fresh inputs x = R u, u uniform on the unit sphere of R^d. The growth of a step does not depend on the direction, so lambda is one expectation."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import sympy

from ..case import Case, need
from ..problem import Population
from ..result import Exact, Step
from .registry import Solve, rule

MAX_ELEMENTARY = 20  # even dimensions up to this are written out


@rule("lambda", "isotropic inputs")
def isotropic(case: Case, _: Solve) -> Exact:
    """lambda of c = eta R^2 (E9), with s = |1 - c| and rho = (1 - s)/(1 + s), so |rho| <= 1.

    d = 1: log s.  d = 2: log((1 + s)/2).  d = 3: log s - 1 + artanh(sqrt(sigma))/sqrt(sigma), sigma = 2c - c^2, with arctan where sigma < 0.
    All d: lambda = log((1 + s)/2) + (1 - 2/d) rho 3F2(1, 1, 2 - d/2; 2, 1 + d/2; rho); for even d the series ends: a polynomial in rho.
    """
    population = population_of(case, "isotropic")
    d, c = population.dimension, sympy.factor(case.optimiser.step_size * population.scale**2)
    side = case.assumptions.sign(1 - c)
    if side == 0 and d == 1:
        return Exact("lambda", sympy.S.NegativeInfinity, (), (_growth(c), Step("E9", "d = 1 and c = 1: every step is zero, log 0 = -oo")))
    if d == 3:
        return Exact("lambda", _three(c, case), (), (_growth(c), *_archimedes()))
    value, steps = isotropic_value(d, c, side)
    return Exact("lambda", value, (), (_growth(c), *steps))


def population_of(case: Case, law: str) -> Population:
    """The law of the inputs. Refuses other problems, and optimisers other than plain SGD with batch 1."""
    population, optimiser = case.problem.population, case.problem.optimiser
    need(population is not None and population.law == law, f"the inputs are not random with the {law} law")
    need(optimiser is not None and optimiser.kind == "sgd" and optimiser.plain and optimiser.batch == 1, "is a fact for plain SGD with batch 1")
    assert population is not None
    return population


def isotropic_value(d: Any, c: Any, side: int | None) -> tuple[Any, tuple[Step, ...]]:
    """The formula for any d but its special form in d = 3, and its proof; `side` is the sign of 1 - c where it is known."""
    s = sympy.Abs(1 - c) if side is None else side * (1 - c)
    rho = sympy.factor(sympy.cancel((1 - s) / (1 + s))) if side is not None else (1 - s) / (1 + s)
    lead = sympy.log(sympy.factor((1 + s) / 2)) if side is not None else sympy.log((1 + s) / 2)
    steps = _fourier(d)
    if d == 1:
        return sympy.log(s), steps
    half = d / 2
    if d.is_even and d.is_number and d <= MAX_ELEMENTARY:
        moments = [sympy.rf(1 - half, n) / sympy.rf(half, n) for n in range(int(half) + 1)]
        return lead - sympy.Add(*(m * rho**n / n for n, m in enumerate(moments) if n)), (*steps, _moments(half, tuple(moments)))
    series = _series(half, rho)
    return lead + (1 - 2 / d) * rho * series, (*steps, _coefficients(half, tuple(series.ap), tuple(series.bq)))


def _series(half: Any, rho: Any) -> Any:
    return sympy.hyper((1, 1, 2 - half), (2, 1 + half), rho)


def _growth(c: Any) -> Step:
    sigma, t = 2 * c - c**2, sympy.Dummy("t", real=True)
    square = (1 - c * t**2) ** 2 + c**2 * t**2 * (1 - t**2)
    text = (
        "a unit vector v with <u, v> = t goes to (1 - c t^2) v - c t (u - t v), of squared length 1 - sigma t^2, sigma = 2c - c^2; t has the same law for "
        "every v, so lambda = (1/2) E log(1 - sigma t^2) with the density of t proportional to (1 - t^2)^((d-3)/2)"
    )
    return Step("E9", text, (square - (1 - sigma * t**2),))


@lru_cache(maxsize=64)
def _fourier(d: Any) -> tuple[Step, ...]:
    """log(1 - sigma cos^2) as a Fourier series, and the moments of its cosines."""
    s, theta = sympy.Dummy("s", positive=True), sympy.Dummy("theta", positive=True)
    n = sympy.Dummy("n", integer=True, positive=True)
    rho = (1 - s) / (1 + s)
    factored = (1 + s) ** 2 / 4 * (1 - 2 * rho * sympy.cos(2 * theta) + rho**2) - (1 - (1 - s**2) * sympy.cos(theta) ** 2)
    turn = 2 * n * theta
    primitive = sympy.sin(theta) ** (d - 1) * sympy.cos(turn + theta)
    slope = sympy.powsimp(sympy.expand(sympy.diff(primitive, theta) * sympy.sin(theta) ** (2 - d)))
    phi = sympy.Dummy("phi", real=True)
    recursion = ((d / 2 + n) * sympy.cos(turn + 2 * theta) + (d / 2 - 1 - n) * sympy.cos(turn) - slope).subs(turn, phi)
    return (
        Step(
            "E9",
            "t = cos(theta), sigma = 1 - s^2: 1 - sigma t^2 = ((1 + s)/2)^2 |1 - rho e^(2 i theta)|^2 with rho = (1 - s)/(1 + s) in (-1, 1], so "
            "(1/2) log(1 - sigma t^2) = log((1 + s)/2) - sum_{n>=1} (rho^n/n) cos(2 n theta)",
            (factored,),
        ),
        Step(
            "E9",
            "m_n = E cos(2 n theta), density proportional to sin(theta)^(d-2): m_0 = 1 and (n + d/2) m_{n+1} = (n + 1 - d/2) m_n, as the derivative of "
            "sin(theta)^(d-1) cos((2n+1) theta) integrates to zero (d >= 2; for d = 1, m_n = 1); so m_n = (1 - d/2)_n / (d/2)_n",
            (recursion,),
        ),
    )


@lru_cache(maxsize=64)
def _moments(half: Any, moments: tuple[Any, ...]) -> Step:
    """The moments that the formula uses follow the recursion, start at 1 and end at 0."""
    recursion = ((n + half) * after - (n + 1 - half) * before for n, (before, after) in enumerate(pairwise(moments)))
    return Step("E9", "the moments are " + ", ".join(map(str, moments)) + ", and zero from there on", (moments[0] - 1, *recursion, moments[-1]))


@lru_cache(maxsize=64)
def _coefficients(half: Any, upper: tuple[Any, ...], lower: tuple[Any, ...]) -> Step:
    """-sum m_n rho^n/n term by term against the hypergeometric series."""
    n = sympy.Dummy("n", integer=True, positive=True)
    moment = (n + 1 - half) / (n + half) * n / (n + 1)  # ratio of the terms n + 1 and n of sum m_n/n
    ratio = sympy.prod([p + n - 1 for p in upper]) / (sympy.prod([p + n - 1 for p in lower]) * n)  # of the terms n and n - 1 of the series
    first = -(1 - half) / half - (1 - 1 / half)
    return Step("E9", "-sum m_n rho^n / n is (1 - 2/d) rho 3F2(1, 1, 2 - d/2; 2, 1 + d/2; rho): first terms and ratios agree", (moment - ratio, first))


def _three(c: Any, case: Case) -> Any:
    """d = 3 in elementary functions, only the pieces that can occur."""
    sigma = sympy.factor(2 * c - c**2)
    below = sympy.log(sympy.Abs(1 - c)) - 1 + sympy.atanh(sympy.sqrt(sigma)) / sympy.sqrt(sigma)
    above = sympy.log(sympy.Abs(1 - c)) - 1 + sympy.atan(sympy.sqrt(-sigma)) / sympy.sqrt(-sigma)
    one, two = case.assumptions.sign(c - 1), case.assumptions.sign(c - 2)
    if one == 0:
        return sympy.log(2) - 1
    if two is not None and (two != -1 or one is not None):
        return {0: sympy.Integer(0), 1: above, -1: below}[two]
    pieces = [] if one is not None else [(sympy.log(2) - 1, sympy.Eq(c, 1))]
    if two == -1:
        return sympy.Piecewise(*pieces, (below, True))
    return sympy.Piecewise(*pieces, (below, c < 2), (sympy.Integer(0), sympy.Eq(c, 2)), (above, True))


@lru_cache(maxsize=1)
def _archimedes() -> tuple[Step, ...]:
    x = sympy.Dummy("x", positive=True)
    plus = x * sympy.log(1 - x**2) - 2 * x + 2 * sympy.atanh(x)
    minus = x * sympy.log(1 + x**2) - 2 * x + 2 * sympy.atan(x)
    return (
        Step(
            "E9",
            "d = 3: |t| is uniform on [0, 1], so with x = sqrt(sigma), 0 < x < 1: E log(1 - sigma t^2) = (1/x) integral_0^x log(1 - y^2) dy, whose primitive "
            "vanishing at 0 is x log(1 - x^2) - 2x + 2 artanh(x); sigma -> 1 gives 2 log 2 - 2",
            (sympy.diff(plus, x) - sympy.log(1 - x**2), plus.subs(x, 0)),
        ),
        Step(
            "E9",
            "for sigma < 0 with x = sqrt(-sigma): the primitive of log(1 + x^2) is x log(1 + x^2) - 2x + 2 arctan(x); sigma = 0 gives 0",
            (sympy.diff(minus, x) - sympy.log(1 + x**2), minus.subs(x, 0)),
        ),
    )
