"""Rigorous evaluation of closed forms, and the rules that need it: the renewal series, Kaczmarz, isotropic and Gaussian inputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import oracle
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy import integrate
from sympy import Rational as Q

from verify.exact import InputError
from verify.symbolic import Exact, SymbolicProblem, Unsolved, closed_form
from verify.symbolic.case import Case, Refused
from verify.symbolic.evaluate import enclose
from verify.symbolic.rules import LAMBDA, gaussian, isotropic, kaczmarz, renewal

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=50)
ETA, S, A, B = sympy.symbols("eta s a b", positive=True)
K, T = sympy.symbols("k theta", real=True)
D = sympy.Symbol("d", positive=True, integer=True)
N, X = sympy.Symbol("n", integer=True, nonnegative=True), sympy.Symbol("x", real=True)
ONE = 8 * sympy.cos(sympy.pi / 7) * sympy.cos(2 * sympy.pi / 7) * sympy.cos(3 * sympy.pi / 7)  # 1, but SymPy does not see it


def solved(problem: SymbolicProblem, rule: str) -> Exact:
    found = closed_form(problem, enclose=False).lambda_
    assert isinstance(found, Exact), found
    assert found.rule == rule
    assert found.proved
    return found


def middle(found: Exact, values: Any = None, digits: int = 15) -> float:
    lo, hi = found.enclosure(values, digits)
    return -math.inf if lo is None or hi is None else float((lo + hi) / 2)


def series(weight: Any, ratio: Any, alpha: Any, beta: Any, x: Any) -> Any:
    return weight * sympy.Sum(ratio**N * sympy.log(sympy.Abs(alpha + beta * x**N)), (N, 0, sympy.oo))


# Evaluation


def mp_series(ratio: Any, alpha: Any, beta: Any, x: Any) -> Callable[[], Any]:
    return lambda: mp.fsum(mp.mpf(ratio) ** n * mp.log(abs(alpha + beta * mp.mpf(x) ** n)) for n in range(6 * mp.dps))


def gauss(d: int, b: int) -> tuple[Any, Callable[[], Any]]:
    f = sympy.Integral(((2 * X / (1 + X**2)) ** (d - 1) - X) / (1 - X**2) * sympy.exp(-b * (1 - X**2)), (X, 0, 1))
    g = sympy.lambdify(X, sympy.cancel(f.function), "mpmath")
    return f, lambda: mp.quad(g, [0, mp.mpf(1) / 2, 1])


LADDER: list[tuple[Any, Callable[[], Any]]] = [
    (3 * sympy.log(2) + sympy.pi - sympy.EulerGamma, lambda: 3 * mp.log(2) + mp.pi - mp.euler),
    (sympy.Max(sympy.log(sympy.sqrt(2)), Q(1, 3)) * sympy.Min(2, sympy.exp(1)), lambda: mp.log(2)),
    ((1 + 2 ** Q(1, 3)) ** Q(-3, 5) / 7, lambda: (1 + mp.cbrt(2)) ** (-mp.mpf(3) / 5) / 7),
    (sympy.CRootOf(X**5 - X - 1, 0), lambda: mp.findroot(lambda z: z**5 - z - 1, 1.1673)),
    (sympy.log(sympy.Abs(1 - sympy.CRootOf(X**3 + X + 1, 0))), lambda: mp.log(1 - mp.findroot(lambda z: z**3 + z + 1, -0.68))),
    (sympy.Abs(sympy.CRootOf(X**5 - X - 1, 1)), lambda: abs(mp.findroot(lambda z: z**5 - z - 1, mp.mpc(-0.7648, -0.3525)))),
    (sympy.sin(1) + sympy.cos(2) * sympy.tan(Q(1, 3)), lambda: mp.sin(1) + mp.cos(2) * mp.tan(mp.mpf(1) / 3)),
    (sympy.acos(Q(1, 3)) - sympy.asin(Q(1, 5)) + sympy.atan(3), lambda: mp.acos(mp.mpf(1) / 3) - mp.asin(mp.mpf(1) / 5) + mp.atan(3)),
    (sympy.atanh(Q(1, 3)) + sympy.acosh(3), lambda: mp.atanh(mp.mpf(1) / 3) + mp.acosh(3)),
    (sympy.expint(1, Q(1, 3)) - sympy.exp(-2) * sympy.Ei(2), lambda: mp.expint(1, mp.mpf(1) / 3) - mp.exp(-2) * mp.ei(2)),
    (sympy.erf(Q(1, 2)) + sympy.erfc(3) + sympy.gamma(Q(1, 3)), lambda: mp.erf(0.5) + mp.erfc(3) + mp.gamma(mp.mpf(1) / 3)),
    (sympy.loggamma(Q(7, 3)) + sympy.digamma(Q(8, 7)), lambda: mp.loggamma(mp.mpf(7) / 3) + mp.digamma(mp.mpf(8) / 7)),
    (sympy.Piecewise((sympy.log(2), sympy.Eq(ONE, 1)), (1, True)), lambda: mp.log(2)),
    (sympy.Piecewise((1, sympy.And(sympy.log(2) > Q(7, 10), True)), (sympy.log(3), sympy.sqrt(2) <= Q(3, 2)), (2, True)), lambda: mp.log(3)),
    (sympy.hyper((1, 1), (Q(3, 2), 2), -3), lambda: mp.hyp2f2(1, 1, 1.5, 2, -3)),
    (sympy.hyper((1, 1, Q(-1, 2)), (2, Q(7, 2)), Q(-19, 20)), lambda: mp.hyp3f2(1, 1, -0.5, 2, 3.5, mp.mpf(-19) / 20)),
    (sympy.hyper((1, 1, -3), (2, Q(7, 2)), Q(2, 3)), lambda: mp.hyp3f2(1, 1, -3, 2, 3.5, mp.mpf(2) / 3)),
    (sympy.hyper((1, 1, Q(1, 2)), (2, Q(5, 2)), 1), lambda: -3 * (mp.digamma(1.5) - mp.digamma(2))),
    (sympy.hyper((Q(1, 2), 1), (Q(5, 2),), -4), lambda: mp.hyp2f1(0.5, 1, 2.5, -4)),
    (series(Q(1, 4), Q(1, 2), Q(1, 4), Q(1, 2), Q(-1, 3)), lambda: mp_series(0.5, mp.mpf(1) / 4, 0.5, mp.mpf(-1) / 3)() / 4),
    (series(1, Q(1, 3), Q(1, 5), Q(1, 2), Q(-3, 2)), lambda: mp_series(mp.mpf(1) / 3, mp.mpf(1) / 5, 0.5, -1.5)()),
    (series(1, Q(2, 3), Q(1, 5), Q(1, 2), 3), lambda: mp_series(mp.mpf(2) / 3, mp.mpf(1) / 5, 0.5, 3)()),
    (series(1, Q(1, 2), sympy.sqrt(2), Q(-1, 2), 1 / sympy.sqrt(3)), lambda: mp_series(0.5, mp.sqrt(2), -0.5, 1 / mp.sqrt(3))()),
    (sympy.Sum(1 / (N + 1), (N, 0, 9)), lambda: mp.mpf(7381) / 2520),
    (sympy.Integral(sympy.log(1 + X**2) * sympy.cos(X), (X, 0, 2)), lambda: mp.quad(lambda t: mp.log(1 + t * t) * mp.cos(t), [0, 1, 2])),
    (sympy.Integral(sympy.Abs(X - sympy.Rational(1, 2)) * sympy.sqrt(1 + X), (X, 0, 1)), lambda: mp.quad(lambda t: abs(t - 0.5) * mp.sqrt(1 + t), [0, 0.5, 1])),
    gauss(3, 2),
    gauss(7, 5),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "reference"), LADDER, ids=[str(i) for i in range(len(LADDER))])
def test_the_true_value_lies_inside_on_a_ladder_of_digits(expression: Any, reference: Callable[[], Any]) -> None:
    with mp.workdps(130):
        value = reference()
    truth, slack = Fraction(*map(int, mpmath.libmp.to_rational(value._mpf_))), Fraction(1, 10**115)
    for digits in (10, 30, 100):
        lo, hi = enclose(expression, digits)
        assert lo is not None
        assert hi is not None
        assert 0 <= hi - lo <= Fraction(1, 10**digits)
        assert lo - slack <= truth <= hi + slack


rationals = st.fractions(min_value=-4, max_value=4, max_denominator=12)


@QUICK
@given(rationals, rationals, rationals, st.integers(5, 40))
def test_random_elementary_values(u: Fraction, v: Fraction, w: Fraction, digits: int) -> None:
    assume(u != 0 and v != w)
    x, y, z = (Q(t.numerator, t.denominator) for t in (u, v, w))
    expression = x * sympy.log(sympy.Abs(y - z)) + sympy.sqrt(x**2 + 2) * sympy.cos(y) / (1 + sympy.exp(z)) + sympy.atan(y) * sympy.Max(x, sympy.sin(z))
    lo, hi = enclose(expression, digits)
    with mp.workdps(60):
        a, b, c = (mp.mpf(t.numerator) / t.denominator for t in (u, v, w))
        value = a * mp.log(abs(b - c)) + mp.sqrt(a * a + 2) * mp.cos(b) / (1 + mp.exp(c)) + mp.atan(b) * max(a, mp.sin(c))
    truth, slack = Fraction(*map(int, mpmath.libmp.to_rational(value._mpf_))), Fraction(1, 10**50)
    assert lo is not None
    assert hi is not None
    assert hi - lo <= Fraction(1, 10**digits)
    assert lo - slack <= truth <= hi + slack


@pytest.mark.parametrize(
    "expression",
    [
        -sympy.oo, sympy.log(ONE - 1) / 3 + 5, sympy.Min(1, sympy.log(ONE - 1), evaluate=False), sympy.Max(sympy.log(ONE - 1), -sympy.oo, evaluate=False),
        series(1, Q(1, 2), Q(1, 4), Q(3, 4), Q(-1, 3)), series(1, Q(1, 2), -4, 9, Q(2, 3)), series(1, Q(1, 2), -1, 1, 0), series(1, Q(1, 2), 1, 1, -1),
        series(1, Q(1, 2), -2, sympy.sqrt(2), sympy.sqrt(2)),
    ],
)  # fmt: skip
def test_log_zero_is_minus_infinity(expression: Any) -> None:
    assert enclose(expression, 12) == (None, None)


def test_log_zero_beside_a_maximum_and_an_exponential() -> None:
    lo, hi = enclose(sympy.Max(sympy.log(ONE - 1), -3, evaluate=False) + sympy.exp(sympy.log(ONE - 1)), 12)
    assert lo is not None
    assert hi is not None
    assert lo <= -3 <= hi


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (ETA + 1, "still has the symbols eta"),
        (sympy.airyai(2), "airyai"),
        (sympy.log(-2), "not known to be real"),
        (sympy.zoo, "not a number"),
        (sympy.sqrt(-2) * sympy.pi, "not known to be real"),
        (-sympy.log(ONE - 1), "not positive"),
        (1 / (ONE - 1), "divides by zero"),
        (sympy.log(ONE - 1) ** 2, "finite"),
        (sympy.Sum(1 / (N + 1) ** 2, (N, 0, sympy.oo)), "no rigorous tail"),
        (sympy.Sum(2**N * sympy.log(sympy.Abs(3 + 3**N)), (N, 0, sympy.oo)), "not between 0 and 1"),
        (sympy.Sum(sympy.log(sympy.Abs(3 + 3**N + 5**N)) / 2**N, (N, 0, sympy.oo)), "two different powers"),
        (sympy.Sum(sympy.log(3 - 2**N) / 2**N, (N, 0, sympy.oo)), "not known to be positive"),
        (series(-1, Q(1, 2), -1, 1, 0), "not positive"),
        (series(1, 1 - Q(1, 10**9), 1, Q(1, 2), 1 - Q(1, 10**9)), "too slowly"),
        (sympy.Integral(sympy.exp(-X), (X, 0, sympy.oo)), "infinite range"),
        (sympy.Integral(sympy.log(X - 2), (X, 0, 1)), "not bounded"),
        (sympy.Integral(sympy.floor(X) * sympy.exp(X), (X, 0, 3)), "no rigorous quadrature"),
        (sympy.hyper((1, 1, 1), (2, 3), 2), "branch cut"),
        (sympy.hyper((1, 1, 3), (2, 2), 1), "converge"),
        (sympy.polygamma(1, Q(1, 3)), "digamma"),
        (sympy.expint(1, -2), "positive arguments"),
    ],
)  # fmt: skip
def test_what_is_not_proved_is_refused(expression: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        enclose(expression, 10)


@pytest.mark.parametrize("digits", [0, 1001, True, 2.5])
def test_digits_are_a_whole_number(digits: Any) -> None:
    with pytest.raises(InputError, match="digits"):
        enclose(sympy.pi, digits)


def test_rational_values_are_exact_and_precision_is_restored() -> None:
    from flint import ctx

    before = ctx.prec
    assert enclose(Q(2, 3), 5) == (Fraction(2, 3), Fraction(2, 3))
    enclose(sympy.log(2), 200)
    assert ctx.prec == before


# Renewal (E8)


small = st.fractions(min_value=-2, max_value=2, max_denominator=6)
positive = st.fractions(min_value=Fraction(1, 6), max_value=6, max_denominator=6)


@QUICK
@given(positive, small, positive, st.integers(1, 4), st.integers(1, 4))
def test_renewal_against_the_certified_enclosure(k11: Fraction, k12: Fraction, k22: Fraction, w1: int, w2: int) -> None:
    assume(k12 != 0 and k12**2 < k11 * k22 and k11 != k22)
    found = solved(SymbolicProblem.from_gram([[k11, k12], [k12, k22]], 1 / k11, weights=[w1, w2]), "renewal")
    problem = found.problem.rational()  # type: ignore[union-attr]
    assert problem is not None
    engine = problem.lyapunov("1e-6", estimate=False)
    lo, hi = found.enclosure({}, 12)
    if lo is None or hi is None:
        assert engine.ends[0] is None
    else:
        assert engine.ends[0] is not None
        assert engine.ends[1] is not None
        assert engine.ends[0] <= hi
        assert lo <= engine.ends[1]


@st.composite
def pairs(draw: Any) -> tuple[Any, list[Any], list[int]]:
    """A = a b^T and B = I + (x - 1) P with a projection P of rank one, in two or three dimensions, and a weight for the identity."""
    d = draw(st.sampled_from((2, 2, 3)))
    vector = st.lists(st.integers(-3, 3), min_size=d, max_size=d)
    a, b, u, w = (sympy.Matrix(draw(vector)) for _ in range(4))
    scale = (w.T * u)[0]
    assume(any(a) and any(b) and scale != 0)
    t = draw(st.sampled_from([Fraction(-2), Fraction(-1), Fraction(-1, 2), Fraction(0), Fraction(1, 3), Fraction(3, 2), Fraction(5, 2)]))
    x = Q(t.numerator, t.denominator)
    steps = [a * b.T, sympy.eye(d) + (x - 1) * u * w.T / scale, sympy.eye(d)]
    return x, [step.tolist() for step in steps], draw(st.lists(st.integers(1, 3), min_size=3, max_size=3))


@settings(QUICK, max_examples=50)
@given(pairs())
def test_renewal_of_bare_matrices_with_idle_steps(drawn: tuple[Any, list[Any], list[int]]) -> None:
    x, steps, weights = drawn
    problem = SymbolicProblem.from_matrices(steps, weights)
    p, q = (Q(w, sum(weights)) for w in weights[:2])
    start = sympy.Matrix(steps[0]).trace()
    beta = (start - (sympy.Matrix(steps[1]) * sympy.Matrix(steps[0])).trace()) / (1 - x)
    found = next(rule for rule in LAMBDA if rule.name == "renewal").derive(Case(problem), lambda _: pytest.fail("renewal reduces to nothing"))
    assert found.proved
    value = middle(found)
    total = p**2 / (p + q) * sympy.Sum((q / (p + q)) ** N * sympy.log(sympy.Abs(start - beta + beta * x**N)), (N, 0, sympy.oo))
    assert start == 0 or value == pytest.approx(middle(Exact("lambda", total, (), ())), abs=1e-12)
    estimate, slack = oracle.lyapunov({"matrices": [[[str(y) for y in row] for row in a] for a in steps], "weights": [str(w) for w in weights]}, 100, 300)
    assert value == estimate if -math.inf in (value, estimate) else value == pytest.approx(estimate, abs=slack)


def test_renewal_reads_as_in_the_theory() -> None:
    found = solved(SymbolicProblem.from_gram([[A, K], [K, B]], 1 / A), "renewal")
    index = found.expression.atoms(sympy.Sum).pop().limits[0][0]
    assert index.name == "m"  # k is a symbol of the problem
    s2 = 1 - K**2 / (A * B)
    expected = sympy.Sum(sympy.log(sympy.Abs(1 - s2 * (1 - (1 - B / A) ** N))) / 2**N, (N, 0, sympy.oo)) / 4
    values = {A: 2, B: Q(7, 3), K: Q(3, 5)}
    assert middle(found, values) == pytest.approx(middle(Exact("lambda", expected, (), ()), values), abs=1e-14)
    assert [str(c) for c in found.conditions] == ["a*b - k**2 > 0"]
    assert any("2 r^n |rho z^n|/(1 - r|z|)" in step.text for step in found.derivation)
    assert found.enclosure({A: 1, B: 10, K: 3}) == (None, None)  # A_1 A_2 A_1 = 0
    again = sympy.sympify(str(found.expression)).subs({"a": 2, "b": Q(7, 3), "k": Q(3, 5)})
    assert enclose(again, 20) == found.enclosure(values, 20)


def test_renewal_is_stable_under_renaming() -> None:
    m, n = sympy.Symbol("m", positive=True), sympy.Symbol("n", real=True)
    found = solved(SymbolicProblem.from_gram([[A, K], [K, B]], 1 / A), "renewal").expression
    other = solved(SymbolicProblem.from_gram([[A, n], [n, m]], 1 / A), "renewal").expression
    sums = [next(iter(e.atoms(sympy.Sum))) for e in (found, other)]
    assert sums[1].limits[0][0].name not in ("a", "m", "n")
    assert (sums[0].function.subs(sums[0].limits[0][0], 3) - sums[1].function.subs(sums[1].limits[0][0], 3).subs({m: B, n: K})).equals(0)


@pytest.mark.parametrize(("k22", "at"), [(1, "x = 0"), (2, "x = -1"), (Q(1, 2), "series"), (3, "series")])
def test_finite_forms_are_boundaries_of_the_series(k22: Any, at: str) -> None:
    """The symbolic series at x = 0 and x = -1 agrees with the finite formulas found there."""
    general = solved(SymbolicProblem.from_gram([[1, K], [K, B]], 1), "renewal")
    special = closed_form(SymbolicProblem.from_gram([[1, K], [K, k22]], 1), enclose=False).lambda_
    assert isinstance(special, Exact)
    assert special.expression.has(sympy.Sum) == (at == "series")
    for k in (Q(1, 3), Q(-2, 5), Q(1, 7)):
        assert middle(general, {K: k, B: k22}) == pytest.approx(middle(special, {K: k}), abs=1e-13)


def test_alpha_or_beta_zero_and_words_that_vanish() -> None:
    upper = SymbolicProblem.from_matrices([[[A, B], [0, 0]], [[1, 0], [0, K]]])
    assert solved(upper, "renewal").expression == sympy.log(A) / 2  # trace B^k A = a
    lower = SymbolicProblem.from_matrices([[[0, 0], [B, A]], [[1, 0], [0, Q(1, 3)]]])
    assert (solved(lower, "renewal").expression - (sympy.log(A) / 2 - sympy.log(3) / 2)).equals(0)  # trace B^k A = a x^k
    nilpotent = SymbolicProblem.from_matrices([[[0, 1], [0, 0]], [[1, 0], [A, 2]]])
    assert solved(nilpotent, "renewal").expression == -sympy.oo
    thirteen = SymbolicProblem.from_gram([[1, 3], [3, 10]], 1)
    assert solved(thirteen, "renewal").expression == -sympy.oo


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (SymbolicProblem.from_gram([[1, K], [K, 2]], ETA, assume=[K < 1, K > -1]), "rank one"),
        (SymbolicProblem.from_gram([[1, K, 0], [K, 2, K], [0, K, 3]], 1), "3 distinct steps"),
        (SymbolicProblem.from_matrices([[[1, 1], [1, 1]], [[1, 2], [3, 4]]]), "does not satisfy"),
        (SymbolicProblem.from_matrices([[[1, 1], [1, 1]], [[1, 1], [0, 1]]]), "only the eigenvalue 1"),
    ],
)
def test_renewal_refuses(problem: SymbolicProblem, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        renewal.renewal(Case(problem), lambda _: pytest.fail("renewal reduces to nothing"))


# Kaczmarz


@QUICK
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=4), st.data())
def test_kaczmarz_against_norms_of_products(rows: list[tuple[int, int]], data: Any) -> None:
    """After one projection every step multiplies the norm: lambda = E log|A_i A_j A_k| - E log|A_i A_j|."""
    assume(all(any(row) for row in rows) and sympy.Matrix(rows).rank() == 2)
    weights = data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows)))
    units = [(sympy.Matrix([row]) / sympy.sqrt(row[0] ** 2 + row[1] ** 2)).tolist()[0] for row in rows]
    found = kaczmarz.kaczmarz(Case(SymbolicProblem.from_features(units, 1, weights=weights)), lambda _: pytest.fail("Kaczmarz reduces to nothing"))
    assert found.proved
    u, p = np.array([[float(x) for x in row] for row in units]), np.array(weights) / sum(weights)
    steps = [np.eye(2) - np.outer(x, x) for x in u]

    def mean(length: int) -> float:
        total = 0.0
        for word in itertools.product(range(len(p)), repeat=length):
            norm = np.linalg.norm(np.linalg.multi_dot([np.eye(2), *(steps[i] for i in word), np.eye(2)]), 2)
            total += float(np.prod(p[list(word)])) * (math.log(norm) if norm > 1e-12 else -math.inf)
        return total

    two, three, value = mean(2), mean(3), middle(found)
    assert value == -math.inf if three == -math.inf else value == pytest.approx(three - two, abs=1e-9)


def test_kaczmarz_with_symbols() -> None:
    found = solved(SymbolicProblem.from_features([[1, 0], [sympy.cos(T), sympy.sin(T)]], 1), "Kaczmarz")
    assert found.expression == sympy.log(sympy.cos(T) ** 2) / 4
    assert found.enclosure({T: sympy.pi / 2}) == (None, None)
    assert middle(found, {T: sympy.pi / 5}) == pytest.approx(math.log(math.cos(math.pi / 5)) / 2, abs=1e-14)
    weighted = solved(SymbolicProblem.from_gram([[A, K], [K, A]], 1 / A, weights=[S, 1]), "Kaczmarz")
    assert (weighted.expression - S / (1 + S) ** 2 * sympy.log(K**2 / A**2)).equals(0)
    orthogonal = solved(SymbolicProblem.from_features([[1, 0], [0, 1], [sympy.cos(T), sympy.sin(T)]], 1), "Kaczmarz")
    assert orthogonal.expression == -sympy.oo
    beside = solved(SymbolicProblem.from_features([[1, 0, 0], [Q(3, 5), Q(4, 5), 0], [0, 0, 1]], 1), "components")  # a third of the steps is idle
    plane = [["1", "0"], ["3/5", "4/5"], ["0", "0"]]
    estimate, slack = oracle.lyapunov({"optimiser": "sgd", "features": plane, "step_size": "1", "replacement": True, "batch": 1})
    assert beside.expression == sympy.log(Q(9, 25)) / 6
    assert middle(beside) == pytest.approx(estimate, abs=slack)
    numbers = SymbolicProblem.from_gram([[2, 1], [1, 2]], Q(1, 2))
    engine = numbers.rational().lyapunov("1e-6", estimate=False)  # type: ignore[union-attr]
    assert engine.ends[0] <= math.log(1 / 2) / 2 <= engine.ends[1]  # type: ignore[operator]
    assert solved(numbers, "Kaczmarz").expression == sympy.log(Q(1, 4)) / 4


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (SymbolicProblem.from_gram([[1, K], [K, 2]], 1), "not every c_i"),
        (SymbolicProblem.from_gram([[1, K, K], [K, 1, K], [K, K, 1]], 1), "span 3 dimensions"),
        (SymbolicProblem.from_gram([[1, K], [K, 1]], 1, batch=2), "batch 1"),
    ],
)
def test_kaczmarz_refuses(problem: SymbolicProblem, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        kaczmarz.kaczmarz(Case(problem), lambda _: pytest.fail("Kaczmarz reduces to nothing"))


# Random inputs (E9, E19)


def population(law: str, d: Any, c: Any) -> SymbolicProblem:
    return SymbolicProblem.from_population(law, d, 1, c)


def isotropic_number(d: int, c: float) -> float:
    """(1/2) E log(1 - sigma cos^2), by quadrature over the angle."""
    sigma = 2 * c - c * c
    if d == 1:
        return math.log(abs(1 - c))

    def part(f: Callable[[float], float]) -> float:
        ends = [0.0, 0.01, 0.1, 0.5, math.pi / 2]
        return sum(integrate.quad(f, *piece, epsabs=1e-12, epsrel=1e-12)[0] for piece in itertools.pairwise(ends))

    return part(lambda t: math.log(1 - sigma * math.cos(t) ** 2) * math.sin(t) ** (d - 2)) / part(lambda t: math.sin(t) ** (d - 2)) / 2


@settings(QUICK, max_examples=50)
@given(st.integers(1, 9), st.fractions(min_value=Fraction(1, 20), max_value=6, max_denominator=20))
def test_isotropic_inputs_against_quadrature(d: int, c: Fraction) -> None:
    assume(c != 1)
    found = solved(population("isotropic", d, c), "isotropic inputs")
    value = middle(found)
    assert value == pytest.approx(isotropic_number(d, float(c)), abs=1e-9)
    assert np.sign(value) == np.sign(c - 2) or (c == 2 and found.enclosure() == (0, 0))


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 7, 8, 22, 25])
def test_edges_of_isotropic_inputs(d: int) -> None:
    """One formula in eta: at c = 1 lambda = (psi((d-1)/2) - psi(d/2))/2, and -infinity for d = 1; at c = 2 zero; c -> 0 gives -c/d."""
    found = solved(SymbolicProblem.from_population("isotropic", d, S, ETA), "isotropic inputs")
    assert abs(middle(found, {ETA: Q(1, 2), S: 2})) < 1e-14
    at_one = -math.inf if d == 1 else float(mpmath.digamma((d - 1) / 2) - mpmath.digamma(d / 2)) / 2
    assert middle(found, {ETA: Q(1, 4), S: 2}) == pytest.approx(at_one, abs=1e-14)
    assert middle(solved(population("isotropic", d, 1), "isotropic inputs")) == pytest.approx(at_one, abs=1e-14)
    assert solved(population("isotropic", d, 2), "isotropic inputs").enclosure() in [(0, 0), found.enclosure({ETA: 2, S: 1})]
    assert middle(found, {ETA: Q(1, 10**6), S: 1}, 20) == pytest.approx(-1e-6 / d, rel=1e-5)
    for c in (Q(999, 1000), Q(1001, 1000), Q(1999, 1000), Q(2001, 1000)):
        assert d == 1 or middle(found, {ETA: c, S: 1}) == pytest.approx(at_one if c < Q(3, 2) else 0, abs=1e-2)


def test_symbolic_dimension_and_known_sides() -> None:
    general = solved(SymbolicProblem.from_population("isotropic", D, S, ETA), "isotropic inputs")
    assert general.expression.has(sympy.hyper)
    for d, c in itertools.product((2, 3, 5), (Q(1, 3), 5, 1, 2)):
        special = solved(population("isotropic", d, c), "isotropic inputs")
        assert middle(general, {D: d, S: 1, ETA: c}) == pytest.approx(middle(special), abs=1e-14)
    below = solved(SymbolicProblem.from_population("isotropic", 4, 1, ETA, assume=[ETA < 1]), "isotropic inputs")
    assert not below.expression.has(sympy.Abs)
    three = solved(SymbolicProblem.from_population("isotropic", 3, 1, ETA, assume=[ETA < 2, ETA > 1]), "isotropic inputs")
    assert not three.expression.has(sympy.Piecewise)
    read = sympy.sympify(str(general.expression)).subs({"d": 5, "s": 1, "eta": Q(1, 3)})
    assert enclose(read, 15) == general.enclosure({D: 5, S: 1, ETA: Q(1, 3)}, 15)
    twice = sympy.Symbol("q", positive=True)
    renamed = solved(SymbolicProblem.from_population("isotropic", 3, twice, ETA), "isotropic inputs").expression
    assert renamed.subs(twice, S) == solved(SymbolicProblem.from_population("isotropic", 3, S, ETA), "isotropic inputs").expression


def gaussian_number(d: int, a: float) -> float:
    """E of the isotropic exponent at c = a r^2, r the length of a normal vector."""

    def density(r: float) -> float:
        return 2 ** (1 - d / 2) / math.gamma(d / 2) * r ** (d - 1) * math.exp(-r * r / 2)

    def growth(c: float) -> float:
        s = abs(1 - c)
        rho = (1 - s) / (1 + s)
        if d == 1 or s == 0:
            return math.log(max(s, 1e-300)) if d == 1 else (math.log(2) - 1 if d == 3 else math.log(0.5) + (d == 4) / 2)
        if d == 3:
            root = math.sqrt(abs(2 * c - c * c))
            return math.log(s) - 1 + (1 if root < 1e-9 else (math.atanh(root) if c < 2 else math.atan(root)) / root)
        return math.log((1 + s) / 2) + {2: 0.0, 4: rho / 2, 6: rho * 2 / 3 - rho**2 / 12}[d]

    ends = sorted({0.0, 3.0, 12.0, *(math.sqrt(c / a) for c in (1, 2) if c / a < 144)})
    return sum(integrate.quad(lambda r: density(r) * growth(a * r * r), *piece, epsabs=1e-11, limit=200)[0] for piece in itertools.pairwise(ends))


@QUICK
@given(st.sampled_from((1, 2, 3, 4, 6)), st.fractions(min_value=Fraction(1, 20), max_value=5, max_denominator=20))
def test_gaussian_inputs_against_quadrature(d: int, a: Fraction) -> None:
    assert middle(solved(population("gaussian", d, a), "Gaussian inputs")) == pytest.approx(gaussian_number(d, float(a)), abs=1e-7)


@pytest.mark.parametrize("law", ["isotropic", "gaussian"])
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6, 7, 8, 25])
def test_random_inputs_against_simulation(law: str, d: int) -> None:
    """The growth of the first basis vector in one step has the law of every step."""
    rng, n = np.random.default_rng(d), 60_000
    found = solved(SymbolicProblem.from_population(law, d, S, ETA), f"{law if law == 'isotropic' else 'Gaussian'} inputs")
    for eta in (Q(1, 3), Q(5, 2)):
        x = rng.standard_normal((n, d))
        x /= np.linalg.norm(x, axis=1)[:, None] if law == "isotropic" else 1
        image = -float(eta) * x[:, :1] * x
        image[:, 0] += 1
        logs = np.log(np.linalg.norm(image, axis=1))
        assert middle(found, {ETA: eta, S: 1}) == pytest.approx(logs.mean(), abs=5 * logs.std() / math.sqrt(n) + 1e-9)


def test_gaussian_inputs_in_all_dimensions_by_one_formula() -> None:
    general = solved(SymbolicProblem.from_population("gaussian", D, S, ETA), "Gaussian inputs")
    for d, a in itertools.product((1, 2, 3, 4, 6), (Q(1, 20), 1, 30)):
        special = solved(population("gaussian", d, a), "Gaussian inputs")
        assert general.enclosure({D: d, S: 1, ETA: a}, 25)[0] == pytest.approx(special.enclosure({}, 25)[0], abs=1e-14)
        assert special.expression.has(sympy.Integral) == (d == 3)
    assert middle(general, {D: 12, S: 1, ETA: Q(1, 10**5)}) == pytest.approx(-1e-5, rel=1e-3)  # lambda = -a + O(a^2)
    two = SymbolicProblem.from_population("gaussian", 2, S, ETA)
    for d in (1, 3, 4, D):
        found = solved(SymbolicProblem.from_population("gaussian", d, S, ETA), "Gaussian inputs")
        read = sympy.sympify(str(found.expression)).subs({"d": 5, "s": 1, "eta": Q(1, 3)})
        assert enclose(read, 15) == found.enclosure({ETA: Q(1, 3), S: 1, **({D: 5} if d == D else {})}, 15)
    b = 1 / (2 * ETA * S**2)
    expected = sympy.expint(1, b) - sympy.exp(-2 * b) * (sympy.Ei(2 * b) - sympy.Ei(b))
    assert (solved(two, "Gaussian inputs").expression - expected).equals(0)


@pytest.mark.parametrize("a", [Q(1, 10**5), Q(1, 1000), 1, 10**4])
def test_one_dimensional_gaussian_inputs_at_extremes(a: Any) -> None:
    """2F2 at large arguments loses all digits in a naive sum; the integral of 1F1 takes over."""
    found = solved(population("gaussian", 1, a), "Gaussian inputs")
    lo, hi = found.enclosure({}, 20)
    with mp.workdps(30):
        size = mp.mpf(int(sympy.Rational(a).p)) / int(sympy.Rational(a).q)
        if size < 0.01:
            value = -size - mp.mpf(3) / 2 * size**2 - 5 * size**3  # sum of -a^n E Z^(2n)/n, asymptotic
            slack = 200 * size**4
        else:
            b = 1 / (2 * size)
            value, slack = mp.expint(1, b) - 2 * mp.quad(lambda x: mp.exp(-b * (1 - x * x)) / (1 + x), [0, 0.5, 1]), mp.mpf(10) ** -20
        assert lo is not None
        assert hi is not None
        assert mp.mpf(lo.numerator) / lo.denominator - slack <= value <= mp.mpf(hi.numerator) / hi.denominator + slack


def test_random_inputs_refuse() -> None:
    fixed = Case(SymbolicProblem.from_gram([[1]], 1))
    for rule in (isotropic.isotropic, gaussian.gaussian):
        with pytest.raises(Refused, match="not random"):
            rule(fixed, lambda _: pytest.fail("reduces to nothing"))
    from dataclasses import replace

    plain = population("isotropic", 3, 1)
    assert plain.optimiser is not None
    heavy = replace(plain, optimiser=replace(plain.optimiser, momentum=Q(1, 2)))
    with pytest.raises(Refused, match="plain SGD"):
        isotropic.isotropic(Case(heavy), lambda _: pytest.fail("reduces to nothing"))


# Tampering: a rule that is wrong is refused by the engine, because its own identities do not vanish


def _refused(problem: SymbolicProblem, rule: str) -> bool:
    found = closed_form(problem, enclose=False).lambda_
    tried = found.tried if isinstance(found, Unsolved) else ()
    return any(attempt.method == rule and "does not simplify to zero" in attempt.outcome for attempt in tried)


def test_a_renewal_rule_that_does_not_look_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "all_zero", lambda _: True)
    assert _refused(SymbolicProblem.from_matrices([[[1, 1], [1, 2]], [[3, 1], [1, 2]]]), "renewal")
    assert _refused(SymbolicProblem.from_matrices([[[1, 1], [1, 1]], [[1, 2], [3, 4]]]), "renewal")


def test_a_kaczmarz_rule_that_does_not_look_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaczmarz, "is_zero", lambda x: x == 0 or x.has(ETA))
    assert _refused(SymbolicProblem.from_gram([[2, 1], [1, 3]], ETA), "Kaczmarz")


@pytest.mark.parametrize(
    ("module", "name", "wrong", "problem", "rule"),
    [
        (isotropic, "_series", lambda half, rho: sympy.hyper((1, 1, 3 - half), (2, 1 + half), rho), population("isotropic", 5, ETA), "isotropic inputs"),
        (gaussian, "_series", lambda b: sympy.hyper((1, 1), (Q(5, 2), 2), -b), population("gaussian", 1, ETA), "Gaussian inputs"),
    ],
)  # fmt: skip
def test_a_wrong_special_function_is_refused(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, wrong: Any, problem: SymbolicProblem, rule: str) -> None:
    monkeypatch.setattr(module, name, wrong)
    assert _refused(problem, rule)


def test_wrong_moments_and_primitives_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sympy.rf
    for cached in (isotropic._moments, gaussian._integrated):
        cached.cache_clear()
    monkeypatch.setattr(sympy, "rf", lambda x, n: right(x, n) + (n == 2))
    assert _refused(population("isotropic", 8, ETA), "isotropic inputs")
    monkeypatch.undo()
    monkeypatch.setattr(sympy, "Ei", lambda x: sympy.erf(x))
    assert _refused(population("gaussian", 4, ETA), "Gaussian inputs")
    gaussian._integrated.cache_clear()
