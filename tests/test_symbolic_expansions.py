"""Expansions of lambda and the mean-square threshold in closed form, against certified enclosures and against each other."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import verify
from verify.symbolic import Exact, Refused, SymbolicProblem, large_steps, mean_square_threshold, small_step_bracket, small_steps
from verify.symbolic.algebra import is_zero
from verify.symbolic.case import Case
from verify.symbolic.evaluate import enclose
from verify.symbolic.mean_square import batch_form, single_draw_form

A, B, ETA = sympy.symbols("a b eta", positive=True)
K = sympy.Symbol("k", real=True)


def rational(x: Fraction) -> Any:
    return sympy.Rational(x.numerator, x.denominator)


@st.composite
def kernels(draw: Any, size: int = 2) -> list[list[Fraction]]:
    """K = X X^T, positive definite, with small integers in X and no vanishing entry."""
    entries = st.integers(-3, 3)
    rows = draw(st.lists(st.lists(entries, min_size=size, max_size=size), min_size=size, max_size=size))
    gram = [[Fraction(sum(x * y for x, y in zip(u, v, strict=True))) for v in rows] for u in rows]
    if sympy.Matrix(size, size, lambda i, j: rational(gram[i][j])).det() == 0 or not all(x for row in gram for x in row):
        return [[Fraction(2 + (i == j) * (i + 1)) for j in range(size)] for i in range(size)]
    return gram


weights = st.tuples(st.integers(1, 4), st.integers(1, 4))


def certified(gram: Any, eta: Any, p: Any, width: str) -> tuple[Fraction, Fraction]:
    found = verify.Problem.from_gram(gram, verify.SGD(eta, weights=list(p))).lyapunov(width, estimate=False)
    assert isinstance(found, verify.Enclosure)
    assert found.lo is not None
    assert found.hi is not None
    return found.lo, found.hi


def difference(value: Any, ends: tuple[Fraction, Fraction]) -> Fraction:
    """A lower bound of the distance between a value and the enclosure."""
    lo, hi = enclose(value, 25)
    assert lo is not None
    assert hi is not None
    return max(lo - ends[1], ends[0] - hi, Fraction(0))


@given(kernels(), weights, st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_small_steps_lie_within_their_remainder_and_converge_at_their_order(gram: Any, p: Any, order: int) -> None:
    """Along a ladder of step sizes the certified enclosure is within the stated remainder, and the true error falls like eta^(m+1)."""
    found = small_steps(SymbolicProblem.from_gram(gram, ETA, weights=list(p)), order)
    assert found.proved
    largest, errors = max(gram[0][0], gram[1][1]), []
    for scale in (8, 32):
        eta = Fraction(1, scale) / largest
        error = difference(found.value.subs(ETA, rational(eta)), certified(gram, eta, p, "1e-8"))
        bound = enclose(found.remainder.subs(ETA, rational(eta)), 12)[1]
        assert bound is not None
        assert error <= bound
        errors.append(error)
    # Four times smaller steps: the error falls by about 4^(m+1); the enclosure's width hides it below 1e-7.
    assert all(later <= earlier / 4**order or later < Fraction(1, 10**7) for earlier, later in pairwise(errors))


def test_the_coefficients_in_symbols() -> None:
    """-kappa_min/2 and -(kappa_min^2/4) sum y_i^4; a wrong coefficient would not survive substitution."""
    found = small_steps(SymbolicProblem.from_gram([[A, K], [K, B]], ETA), 3)
    assert found.proved
    assert [str(c) for c in found.conditions] == ["a*b - k**2 > 0", "Ne(k, 0)"]
    kappa = (A + B) / 2 - sympy.sqrt((A - B) ** 2 + 4 * K**2) / 2
    s = (kappa - B) ** 2 / (K**2 + (kappa - B) ** 2)
    assert is_zero(found.coefficients[0] + kappa / 2)
    assert is_zero(found.coefficients[1] + kappa**2 * (s**2 + (1 - s) ** 2) / 4)
    renamed = small_steps(SymbolicProblem.from_gram([[B, K], [K, A]], ETA), 3)
    assert all(is_zero(x - y) for x, y in zip(found.coefficients, renamed.coefficients, strict=True))  # symmetric in the samples
    assert all(len(str(c)) < 1200 for c in found.coefficients)
    orthogonal = [c.subs(K, 0) for c in small_steps(SymbolicProblem.from_gram([[A, K], [K, A + B]], ETA), 3).coefficients]
    assert [sympy.simplify(c + A**m / (2 * m)) for m, c in enumerate(orthogonal, 1)] == [0, 0, 0]  # K_12 -> 0: (1/2) log(1 - eta a)


def test_order_four_agrees_with_an_enclosure_of_eleven_digits() -> None:
    found = small_steps(SymbolicProblem.from_gram([["1", "1/2"], ["1/2", "2"]], ETA), 4)
    lo, hi = certified([["1", "1/2"], ["1/2", "2"]], "1/128", (1, 1), "1e-13")
    value = enclose(found.value.subs(ETA, sympy.Rational(1, 128)), 20)[0]
    assert value is not None
    assert lo - Fraction(1, 10**11) < value < hi + Fraction(1, 10**11)  # |a_5| eta^5 is about 2e-12


@given(kernels(), weights)
@settings(max_examples=10, deadline=None)
def test_large_steps_lie_within_their_remainder(gram: Any, p: Any) -> None:
    found = large_steps(SymbolicProblem.from_gram(gram, ETA, weights=list(p)))
    sizes = [abs(x) for row in gram for x in row]
    start, errors = 6 * max(sizes) / min(sizes) ** 2, []
    for scale in (1, 8):
        eta = start * scale
        error = difference(found.value.subs(ETA, rational(eta)), certified(gram, eta, p, "1e-7"))
        bound = enclose(found.remainder.subs(ETA, rational(eta)), 12)[1]
        assert bound is not None
        assert error <= bound
        errors.append(error)
    assert errors[1] <= errors[0] / 16 or errors[1] < Fraction(1, 10**6)


def test_large_steps_in_symbols() -> None:
    found = large_steps(SymbolicProblem.from_gram([[A, K], [K, B]], ETA))
    assert is_zero(found.coefficients[1] + (A + B) * (A * B + 3 * K**2) / (8 * A * B * K**2))
    assert [str(c) for c in found.conditions] == ["Ne(k, 0)"]
    with pytest.raises(Refused, match="some K_ij vanishes"):
        large_steps(SymbolicProblem.from_gram([[1, 0], [0, 1]], ETA))


@given(kernels(3), st.integers(2, 40))
@settings(max_examples=15, deadline=None)
def test_the_bracket_for_three_samples_holds(gram: Any, scale: int) -> None:
    """Against Monte Carlo, as nothing certified is known here: both ends, where they exist, agree with the confidence interval."""
    bracket = small_step_bracket(SymbolicProblem.from_gram(gram, ETA))
    eta = Fraction(1, scale) / max(gram[i][i] for i in range(3)) * Fraction(99, 100)
    estimate = verify.Problem.from_gram(gram, verify.SGD(eta)).lyapunov(Fraction(1, 1000) / scale, confidence=0.9999, time_limit=0.1)
    lo, hi = estimate.ends
    ends = [None if x is None else enclose(x.subs(ETA, rational(eta)), 15) for x in (bracket.lower, bracket.upper)]
    assert hi is None or ends[0] is None or ends[0][0] <= hi
    assert lo is None or ends[1] is None or ends[1][1] >= lo
    assert (bracket.lower is None) == (gram[0][1] * gram[0][2] * gram[1][2] > 0)


def test_expansions_refuse_what_they_cannot_prove() -> None:
    build = SymbolicProblem.from_gram
    for problem, reason in (
        (build([[1, 1], [1, 1]], ETA), "parallel or orthogonal"),
        (build([[1, 0], [0, 1]], ETA), "parallel or orthogonal"),
        (build([[1, "1/2"], ["1/2", 1]], ETA, batch=2), "batch 1"),
        (build([[1]], ETA), "at least two samples"),
        (build([[3, 1, 1], [1, 3, 1], [1, 1, 3]], ETA), "two samples"),
        (build([[ETA, 0], [0, 1]], ETA), "depends on the step size"),
    ):
        with pytest.raises(Refused, match=reason):
            small_steps(problem)
    with pytest.raises(verify.InputError, match="order = 9"):
        small_steps(build([[1, K], [K, 1]], ETA), 9)


@given(st.integers(2, 3).flatmap(kernels), st.integers(0, 1))
@settings(max_examples=25, deadline=None)
def test_both_forms_of_the_mean_square_threshold_are_one(gram: Any, weighted: int) -> None:
    """The generalised eigenvalue problem on symmetric matrices and the N x N form have the same nonzero eigenvalues, exactly."""
    options = {"weights": [1, 2, 3][: len(gram)]} if weighted else {}
    case = Case(SymbolicProblem.from_gram(gram, 1, **options))
    x = sympy.Symbol("x")
    small, large = (form(case).charpoly(x).as_expr() for form in (single_draw_form, batch_form))
    n = len(gram)
    assert sympy.expand(large - x ** (n * (n + 1) // 2 - n) * small) == 0


@given(kernels(), st.sampled_from([(1, True), (2, True), (3, True), (2, False)]))
@settings(max_examples=15, deadline=None)
def test_the_mean_square_threshold_is_where_the_certified_sign_changes(gram: Any, scheme: tuple[int, bool]) -> None:
    batch, replacement = scheme
    found = mean_square_threshold(SymbolicProblem.from_gram(gram, 1, batch=batch, replacement=replacement))
    assert isinstance(found, Exact)
    assert found.proved
    lo, hi = found.enclosure(digits=12)
    assert lo is not None
    assert hi is not None
    around = (lo * Fraction(999, 1000), hi * Fraction(1001, 1000))
    below, above = (verify.Problem.from_gram(gram, verify.SGD(eta, batch, replacement)).mean_square().sign for eta in around)
    assert (below, above) == (verify.Sign.NEGATIVE, verify.Sign.POSITIVE)


def test_the_mean_square_threshold_in_symbols() -> None:
    found = mean_square_threshold(SymbolicProblem.from_gram([[A, K], [K, B]], ETA))
    assert is_zero(found.expression - 4 * (A + B) / ((A + B) ** 2 - 2 * K**2 + sympy.sqrt((A**2 - B**2) ** 2 + 4 * K**4)))
    assert mean_square_threshold(SymbolicProblem.from_gram([[A, K], [K, A]], ETA)).expression == 2 / A  # E7
    assert mean_square_threshold(SymbolicProblem.from_gram([[A]], ETA)).expression == 2 / A
    size = sympy.Symbol("B", integer=True, positive=True)
    batched = mean_square_threshold(SymbolicProblem.from_gram([[A, 0], [0, A]], ETA, batch=size)).expression
    one = mean_square_threshold(SymbolicProblem.from_gram([[A, 0], [0, A]], ETA, batch=3)).expression
    assert is_zero(batched.subs(size, 3) - one)
    x, y = sympy.symbols("x y", real=True)
    parallel = mean_square_threshold(SymbolicProblem.from_features([[x], [y]], ETA)).expression
    assert is_zero(parallel - 2 * (x**2 + y**2) / (x**4 + y**4))
    with pytest.raises(Refused, match="not compact"):
        mean_square_threshold(SymbolicProblem.from_gram([[A, K, 0], [K, B, 0], [0, 0, 1]], ETA, batch=2))
    with pytest.raises(Refused, match="about SGD"):
        mean_square_threshold(SymbolicProblem.from_gram([[A]], ETA, kind="gd"))
