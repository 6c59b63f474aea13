"""E19: fresh inputs x ~ N(0, s^2 I_d). The growth of a step does not depend on the direction; one formula for all d, in closed form for d = 1 and even d."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy

from ..case import Case
from ..result import Exact, Step
from .bound_variable import bound_variable
from .isotropic import population_of
from .registry import Solve, rule

MAX_CLOSED = 6  # even dimensions up to this are integrated; the formulas grow


@rule("lambda", "Gaussian inputs")
def gaussian(case: Case, _: Solve) -> Exact:
    """With a = eta s^2, b = 1/(2a) and v = 2x/(1 + x^2) (E19), for every d >= 1

        lambda = E1(b) - 2 integral_0^1 (v^(d-1) - x)/(1 - x^2) exp(-b (1 - x^2)) dx.

    d = 1: log(a/2) - gamma + (1/a) 2F2(1, 1; 3/2, 2; -1/(2a)).  d = 2: E1(b) - exp(-2b) (Ei(2b) - Ei(b)).  Even d: rational functions of b beside these.
    """
    population = population_of(case, "gaussian")
    d, a = population.dimension, sympy.factor(case.optimiser.step_size * population.scale**2)
    b = sympy.cancel(1 / (2 * a))
    if d == 1:
        series = _series(b)
        return Exact("lambda", sympy.log(a / 2) - sympy.EulerGamma + series / a, (), (*_transform(), *_kernel(), *_one(tuple(series.ap), tuple(series.bq))))
    if d.is_number and d.is_even and d <= MAX_CLOSED:
        value, steps = _even(int(d), b)
        return Exact("lambda", value, (), (*_transform(), *_kernel(), *steps))
    x = bound_variable(case.problem, "xyzt", real=True)
    integrand = ((2 * x / (1 + x**2)) ** (d - 1) - x) / (1 - x**2) * sympy.exp(-b * (1 - x**2))
    return Exact("lambda", sympy.expint(1, b) - 2 * sympy.Integral(integrand, (x, 0, 1)), (), (*_transform(), *_kernel()))


@lru_cache(maxsize=1)
def _transform() -> tuple[Step, ...]:
    """Growth in one step, and its logarithm by Laplace transforms."""
    a, z, w, tau = (sympy.Dummy(name, positive=True) for name in ("a", "z", "w", "tau"))
    length = 1 - 2 * a * z**2 + a**2 * z**2 * (z**2 + w)
    u = (1 - a * z**2) ** 2 / (2 * a**2 * z**2)
    root = sympy.sqrt(tau * (1 + tau))
    square = (sympy.sqrt(1 + tau) * z - sympy.sqrt(tau) / (a * z)) ** 2 / 2
    return (
        Step(
            "E19",
            "x = s(z v + y), z normal, w = |y|^2 chi-square with d - 1 degrees of freedom, independent: a unit vector v gets the squared length "
            "X = (1 - a z^2)^2 + a^2 z^2 w = 2 a^2 z^2 (u + w/2), with the same law for every v; so lambda = (1/2) E log X",
            (length - ((1 - a * z**2) ** 2 + a**2 * z**2 * w), length - 2 * a**2 * z**2 * (u + w / 2)),
        ),
        Step(
            "E19",
            "log Y = integral_0^oo (e^-t - e^(-t Y)) dt/t with Y = u + w/2; E e^(-t w/2) = (1 + t)^(-(d-1)/2), and "
            "E e^(-t u) = (1 + t)^(-1/2) exp((t - sqrt(t (1 + t)))/a) by completing the square, as integral exp(-(p z - q/z)^2/2) dz = sqrt(2 pi)/p",
            (tau * u + z**2 / 2 - (square + (root - tau) / a),),
        ),
    )


@lru_cache(maxsize=1)
def _kernel() -> tuple[Step, ...]:
    """The substitution t = ((1 - x^2)/(2x))^2, and the subtraction of E1."""
    x = sympy.Dummy("x", positive=True)
    v, t = 2 * x / (1 + x**2), ((1 - x**2) / (2 * x)) ** 2
    density = (1 + x**2) / (x * (1 - x**2))
    return (
        Step(
            "E19",
            "t = ((1 - x^2)/(2x))^2, 0 < x < 1: 1/(1 + t) = v^2, sqrt(t (1 + t)) - t = (1 - x^2)/2, dt/t = -2 (1 + x^2)/(x (1 - x^2)) dx; with E log z^2 = "
            "-gamma - log 2, integral (e^-t - 1/(1+t)) dt/t = -gamma: lambda = log a - gamma + integral_0^1 (v^2 - v^d e^(-b (1-x^2))) (1+x^2)/(x (1-x^2)) dx",
            (1 / (1 + t) - v**2, (1 - x**2) / (2 * x) / v - t - (1 - x**2) / 2, sympy.diff(t, x) / t + 2 * density),
        ),
        Step(
            "E19",
            "v^2 (1+x^2)/(x (1-x^2)) = 2x/(1 - x^2) + 2x/(1 + x^2) and v^d (1+x^2)/(x (1-x^2)) = 2 v^(d-1)/(1 - x^2), with integral 2x/(1+x^2) = log 2 and "
            "E1(b) = -gamma - log b + integral_0^1 (1 - e^(-b (1-x^2))) 2x/(1-x^2) dx: the formula",
            (v**2 * density - 2 * x / (1 - x**2) - 2 * x / (1 + x**2), v * density - 2 / (1 - x**2), sympy.diff(sympy.log(1 + x**2), x) - 2 * x / (1 + x**2)),
        ),
    )


def _series(b: Any) -> Any:
    return sympy.hyper((1, 1), (sympy.Rational(3, 2), 2), -b)


@lru_cache(maxsize=4)
def _one(upper: tuple[Any, ...], lower: tuple[Any, ...]) -> tuple[Step, ...]:
    """d = 1: lambda'(b) = -1/b + 2 D(b), D(b) = integral_0^1 exp(-b (1-x^2)) dx = 1F1(1; 3/2; -b)."""
    b, x, n = sympy.Dummy("b", positive=True), sympy.Dummy("x", positive=True), sympy.Dummy("n", integer=True, positive=True)
    weight = sympy.exp(-b * (1 - x**2))
    slope = -2 / (1 + x) * -(1 - x**2) - (2 - 2 * x)
    primitive = sympy.diff(weight / (2 * b), x) - x * weight
    dawson = sympy.diff(x * weight, x) - (1 + 2 * b * x**2) * weight  # its integral over 0..1: 1 = D + 2 b (D + D')
    kummer = (2 * n + 1) * (1 / (n + sympy.Rational(1, 2))) - 2  # (2n + 1) d_n = 2 d_{n-1} where D = sum d_n (-b)^n
    terms = sympy.prod([p + n - 1 for p in upper]) / (sympy.prod([p + n - 1 for p in lower]) * n)  # ratio of the terms n and n - 1 of 2F2
    ratio = terms * (n + 1) / n - 1 / (n + sympy.Rational(1, 2))  # the primitive of d_n b^n is d_n b^(n+1)/(n+1)
    return (
        Step(
            "E19",
            "d = 1: lambda = E1(b) - 2 integral_0^1 e^(-b (1-x^2))/(1 + x) dx, so lambda'(b) = -e^-b/b + integral_0^1 (2 - 2x) e^(-b (1-x^2)) dx = "
            "-1/b + 2 D(b), D(b) = integral_0^1 e^(-b (1-x^2)) dx, 2 b D' + (1 + 2b) D = 1, D(0) = 1: D = 1F1(1; 3/2; -b)",
            (slope, primitive, dawson, kummer),
        ),
        Step(
            "E19",
            "b 2F2(1, 1; 3/2, 2; -b) is the primitive of 1F1(1; 3/2; -b) vanishing at 0 (ratios of coefficients agree); as b -> 0, "
            "lambda + log b -> -gamma - 2 log 2, so lambda = -log(4b) - gamma + 2b 2F2(1, 1; 3/2, 2; -b)",
            (ratio,),
        ),
    )


def _even(d: int, b: Any) -> tuple[Any, tuple[Step, ...]]:
    value, t, steps = _integrated(d)
    return sympy.expint(1, b) + value.subs(t, b), steps


@lru_cache(maxsize=8)
def _integrated(d: int) -> tuple[Any, Any, tuple[Step, ...]]:
    """Even d, u = 1 + x^2 from 1 to 2: lambda = E1(b) - integral S exp(-b (2-u)) du, S = (2^(d-1) (u-1)^(d/2-1)/u^(d-1) - 1)/(2-u) = sum_j s_j/u^j."""
    u, t, x = (sympy.Dummy(name, positive=True) for name in "ubx")
    kernel = sympy.Poly(sympy.cancel((2 ** (d - 1) * (u - 1) ** (d // 2 - 1) - u ** (d - 1)) / (2 - u)), u)  # S u^(d-1)
    left = {d - 1 - power: coefficient for (power,), coefficient in kernel.terms()}  # s_j
    rational = sympy.Integer(0)
    for j in range(d - 1, 1, -1):  # integrals of e^(b u)/u^j by parts
        s = left.pop(j, sympy.Integer(0))
        rational -= sympy.expand(s / (j - 1)) / u ** (j - 1)
        left[j - 1] = left.get(j - 1, sympy.Integer(0)) + s * t / (j - 1)
    factor = sympy.expand(left[1])
    weight = sympy.exp(t * u - 2 * t)
    primitive = rational * weight + factor * sympy.exp(-2 * t) * sympy.Ei(t * u)
    derivative = sympy.expand(sympy.diff(primitive, u) / weight) - (2 ** (d - 1) * (u - 1) ** (d // 2 - 1) / u ** (d - 1) - 1) / (2 - u)
    at_two, at_one = (sympy.expand(rational.subs(u, end)) for end in (2, 1))
    value = -factor * sympy.exp(-2 * t) * (sympy.Ei(2 * t) - sympy.Ei(t)) - at_two + at_one * sympy.exp(-t)
    w = 1 + x**2
    folded = 2 * ((2 * x / w) ** (d - 1) - x) / (1 - x**2) - 2 * x * (2 ** (d - 1) * (w - 1) ** (d // 2 - 1) / w ** (d - 1) - 1) / (2 - w)
    steps = (
        Step("E19", f"d = {d}, u = 1 + x^2: the integral of ((2^{d - 1} (u-1)^{d // 2 - 1}/u^{d - 1} - 1)/(2 - u)) e^(-b (2-u)) over 1..2", (folded,)),
        Step("E19", "by a primitive, rational in u times e^(-b (2-u)) plus a polynomial in b times e^(-2b) Ei(b u)", (derivative,)),
    )
    return value, t, steps
