"""mu of gradient descent, its threshold and sign conditions, momentum and weight decay: closed forms against numpy and the certified engine."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verify.exact import InputError
from verify.result import Enclosure
from verify.symbolic import Exact, Step, SymbolicProblem, Unsolved, closed_form, gd_threshold, mu_sign_conditions
from verify.symbolic.case import Case, Refused
from verify.symbolic.engine import derived
from verify.symbolic.result import substituted
from verify.symbolic.rules import LAMBDA, MU, Rule, heavy_ball, weight_decay
from verify.symbolic.rules.mu import mu
from verify.symbolic.rules.spectra import spectrum

ETA, A, B, C = sympy.symbols("eta a b c", positive=True)
R, D, E, F = sympy.symbols("r d e f", real=True)
BETA, OMEGA = sympy.symbols("beta omega", nonnegative=True)
SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)
FEWER = settings(max_examples=20, deadline=None, derandomize=True)
fractions = st.fractions(min_value="1/10", max_value=3, max_denominator=12)
integers = st.integers(-3, 3)


def gram_of(rows: list[list[int]]) -> Any:
    x = sympy.Matrix(rows)
    return x * x.T


def matrices(n: int, d: int) -> Any:
    """Integer rows x_i, none of them zero."""
    return st.lists(st.lists(integers, min_size=d, max_size=d).filter(any), min_size=n, max_size=n)


def radius(k: Any, eta: Any, beta: Any = 0, omega: Any = 0) -> float:
    """The spectral radius of the step on range(K), from floating-point eigenvalues."""
    k = np.array(sympy.Matrix(k).tolist(), dtype=float)
    kappas = np.linalg.eigvalsh(k)
    kappas = kappas[kappas > 1e-9 * max(kappas)]
    s = 1 + float(beta) - float(eta) * (float(omega) + kappas / len(k))
    return max(float(max(abs(np.roots([1.0, -x, float(beta)])))) for x in s)


def close(value: Any, expected: float) -> bool:
    """Whether exp(value) is the expected radius (near zero the logarithm is badly conditioned in floating point)."""
    return abs(float(sympy.exp(value).evalf(20)) - expected) < 1e-7


def numerically(found: Exact, values: dict[Any, Any]) -> float:
    """exp of the formula, in floating point: many times faster than exact substitution."""
    try:
        return float(abs(mpmath.exp(formula(found)(*(float(sympy.Rational(values[s])) for s in found.problem.symbols)))))  # type: ignore[union-attr]
    except ValueError:  # log 0
        return 0.0


@cache
def formula(found: Exact) -> Any:
    return sympy.lambdify(found.problem.symbols, found.expression, "mpmath")  # type: ignore[union-attr]


def solved(found: Exact | Unsolved | None) -> Exact:
    assert isinstance(found, Exact), found
    assert found.proved
    return found


def mu_of(problem: SymbolicProblem) -> Exact:
    return solved(closed_form_mu(problem))


def closed_form_mu(problem: SymbolicProblem) -> Exact:
    return derived("mu", Case(problem), MU).with_problem(problem)


def circulant(entries: list[Any], n: int) -> list[list[Any]]:
    return [[entries[min((i - j) % n, (j - i) % n)] if min((i - j) % n, (j - i) % n) < len(entries) else 0 for j in range(n)] for i in range(n)]


@cache
def two() -> Exact:
    return mu_of(SymbolicProblem.from_gram([[A, R], [R, B]], ETA))


@cache
def three() -> Exact:
    return mu_of(SymbolicProblem.from_gram([[A, D, E], [D, B, F], [E, F, C]], ETA))


# numbers, against the certified engine and numpy


@SETTINGS
@given(st.integers(1, 4).flatmap(lambda n: st.integers(1, 4).flatmap(lambda d: matrices(n, d))), fractions)
def test_numbers_against_the_certified_enclosure(rows: list[list[int]], eta: Any) -> None:
    problem = SymbolicProblem.from_gram(gram_of(rows).tolist(), eta)
    found, certified = mu_of(problem), problem.rational().mu("1e-12")  # type: ignore[union-attr]
    assert isinstance(certified, Enclosure)
    assert close(found.at({}), radius(gram_of(rows), eta))
    if certified.lo is None or certified.hi is None:
        assert found.at({}) == -sympy.oo
    else:
        value = found.expression.evalf(30)
        assert certified.lo - sympy.Rational(1, 10**20) <= value <= certified.hi + sympy.Rational(1, 10**20)


@FEWER
@given(matrices(5, 2), fractions)
def test_features_of_low_rank(rows: list[list[int]], eta: Any) -> None:
    found = mu_of(SymbolicProblem.from_features(rows, eta))
    assert close(found.at({}), radius(gram_of(rows), eta))


@pytest.mark.parametrize("n", [5, 6])
def test_irreducible_characteristic_polynomials(n: int) -> None:
    k = sympy.Matrix(n, n, lambda i, j: 3 + i if i == j else sympy.Rational(1, 1 + i + j))
    found = mu_of(SymbolicProblem.from_gram(k.tolist(), sympy.Rational(3, 2)))
    assert found.expression.has(sympy.CRootOf)
    assert close(found.expression, radius(k, 1.5))
    assert abs(float(found.enclosure({}, 15)[0]) - float(found.expression.evalf(20))) < 1e-14  # type: ignore[arg-type]


def test_algebraic_entries() -> None:
    root, angle = sympy.sqrt(2), sympy.cos(sympy.pi / 5)
    k = [[2, root, 0], [root, 3, angle], [0, angle, 4]]
    assert close(mu_of(SymbolicProblem.from_gram(k, 1)).expression, radius(k, 1))
    k = [[3, root], [root, 1 + angle]]
    assert close(mu_of(SymbolicProblem.from_gram(k, 2)).expression, radius(k, 2))
    fifth = circulant([3, angle, root / 2], 5)
    assert close(mu_of(SymbolicProblem.from_gram(fifth, 2)).expression, radius(fifth, 2))


# symbols


@SETTINGS
@given(matrices(2, 2), fractions)
def test_two_samples_by_radicals(rows: list[list[int]], eta: Any) -> None:
    k = gram_of(rows)
    assume(k.det() > 0)
    assert abs(numerically(two(), {A: k[0, 0], R: k[0, 1], B: k[1, 1], ETA: eta}) - radius(k, eta)) < 1e-7


@SETTINGS
@given(matrices(3, 3), fractions)
def test_three_samples_by_cosines(rows: list[list[int]], eta: Any) -> None:
    k = gram_of(rows)
    assume(k.det() > 0 and k != k[0, 0] * sympy.eye(3))  # the two conditions of the formula
    values = {A: k[0, 0], B: k[1, 1], C: k[2, 2], D: k[0, 1], E: k[0, 2], F: k[1, 2], ETA: eta}
    assert abs(numerically(three(), values) - radius(k, eta)) < 1e-7


def test_three_samples_exactly() -> None:
    values = {A: 1, B: 2, C: 3, D: sympy.Rational(1, 2), E: sympy.Rational(1, 3), F: sympy.Rational(1, 4)}
    k = [[values[x] for x in row] for row in ((A, D, E), (D, B, F), (E, F, C))]
    for eta in (1, 3):
        lo, hi = three().enclosure({**values, ETA: eta}, 15)
        certified = SymbolicProblem.from_gram(k, eta).rational().mu("1e-15")  # type: ignore[union-attr]
        assert isinstance(certified, Enclosure)
        assert lo is not None
        assert hi is not None
        assert certified.lo is not None
        assert certified.hi is not None
        assert max(lo, certified.lo) <= min(hi, certified.hi)


def test_compact_and_parsable() -> None:
    locals_ = {str(s): s for s in (ETA, A, B, C, R, D, E, F)}
    assert len(str(two().expression)) < 200
    assert len(str(three().expression)) < 1000
    assert sympy.sympify(str(two().expression), locals=locals_) == two().expression
    assert sympy.sympify(str(three().expression), locals=locals_) == three().expression


def test_pieces_meet_and_turn() -> None:
    """At eta (kappa_min + kappa_max) = 2 N both pieces agree; the slope jumps from negative to positive, as the maximum of two functions does."""
    (below, condition), (above, _) = two().expression.args
    boundary = sympy.solve(sympy.Eq(condition.lhs, condition.rhs), ETA)
    assert boundary == [4 / (A + B)]
    values = {A: 1, B: 3, R: 1}
    at = boundary[0].subs(values)
    left, right = ((piece.subs(values).subs(ETA, at), sympy.diff(piece.subs(values), ETA).subs(ETA, at)) for piece in (below, above))
    assert sympy.simplify(sympy.exp(left[0]) - sympy.exp(right[0])) == 0
    low, high = 2 - sympy.sqrt(2), 2 + sympy.sqrt(2)
    assert sympy.simplify(left[1] + low / 2 / (1 - low / 2)) == 0
    assert sympy.simplify(right[1] - high / 2 / (high / 2 - 1)) == 0


def test_small_steps() -> None:
    """mu = -eta kappa_min/N + O(eta^2)."""
    first = two().expression.args[0][0]
    low = (A + B - sympy.sqrt((A - B) ** 2 + 4 * R**2)) / 2
    assert sympy.simplify(sympy.diff(first, ETA).subs(ETA, 0) + low / 2) == 0
    assert first.subs(ETA, 0) == 0


def test_edges() -> None:
    one = mu_of(SymbolicProblem.from_gram([[A]], ETA))
    assert one.at({A: 1, ETA: 1}) == -sympy.oo
    assert one.at({A: 1, ETA: 2}) == 0
    assert two().at({A: 1, B: 1, R: 0, ETA: 2}) == -sympy.oo  # both eigenvalues are N/eta
    assert two().at({A: 1, B: 1, R: 0, ETA: 4}) == 0
    assert mu_of(SymbolicProblem.from_gram([[1, 1], [1, 1]], ETA)).expression == sympy.log(sympy.Abs(ETA - 1))  # singular: one nonzero eigenvalue
    assert mu_of(SymbolicProblem.from_gram([[0, 0], [0, 1]], ETA)).expression == sympy.log(sympy.Abs(ETA / 2 - 1))
    assert mu_of(SymbolicProblem.from_gram([[1, 1], [1, 1]], 1)).expression == -sympy.oo
    theta = sympy.Symbol("theta", real=True)
    angle = mu_of(SymbolicProblem.from_features([[1, 0], [sympy.cos(theta), sympy.sin(theta)]], ETA))
    assert angle.at({theta: sympy.pi / 2, ETA: 1}) == sympy.log(sympy.Rational(1, 2))
    assert [bool(condition.subs(theta, 0)) for condition in angle.conditions] == [False]  # parallel gradients: the rank drops, and the formula says so


def test_conditions_and_known_signs() -> None:
    assert two().conditions == (sympy.StrictGreaterThan(A * B - R**2, 0),)
    known = mu_of(SymbolicProblem.from_gram([[A, B], [B, A]], ETA, assume=[B < A]))
    assert known.conditions == ()
    assert known.expression == sympy.Piecewise((sympy.log(1 - ETA * (A - B) / 2), ETA * A <= 2), (sympy.log(ETA * (A + B) / 2 - 1), True))


def test_sampling_does_not_matter() -> None:
    options: list[dict[str, Any]] = [{"kind": "gd"}, {"batch": 2}, {"weights": [1, 2]}, {"batch": 2, "replacement": False}]
    for option in options:
        assert mu_of(SymbolicProblem.from_gram([[A, R], [R, B]], ETA, **option)).expression == two().expression
    gd = closed_form(SymbolicProblem.from_gram([[A, R], [R, B]], ETA, kind="gd"))
    assert solved(gd.lambda_).expression == two().expression


@pytest.mark.parametrize("names", [("eta", "x", "y", "z"), ("zeta", "t", "_a", "K")])
def test_renaming(names: tuple[str, ...]) -> None:
    step, a, b, _ = sympy.symbols(" ".join(names), positive=True)
    r = sympy.Symbol(names[3] + "_", real=True)
    renamed = {ETA: step, A: a, B: b, R: r}
    for build in (
        lambda s: [[s[A], s[R]], [s[R], s[B]]],
        lambda s: [[s[A] + s[B], s[B], s[B]], [s[B], s[A] + s[B], s[B]], [s[B], s[B], s[A] + s[B]]],
        lambda s: circulant([s[A], s[R]], 8),
    ):
        old = mu_of(SymbolicProblem.from_gram(build({s: s for s in renamed}), ETA))
        new = mu_of(SymbolicProblem.from_gram(build(renamed), step))
        assert sympy.simplify(old.expression.xreplace(renamed) - new.expression) == 0


# structured K of any size


def structures(n: int) -> dict[str, tuple[Any, dict[Any, Any]]]:
    v = [1 + (3 * i) % 7 for i in range(n)]
    two_by_two = sympy.Matrix([[A, R], [R, A]])
    return {
        "diagonal": ([[A * (i + 1) if i == j else 0 for j in range(n)] for i in range(n)], {A: 2}),
        "equicorrelated": ([[A if i == j else B for j in range(n)] for i in range(n)], {A: 3, B: 1}),
        "negatively correlated": ([[A if i == j else R for j in range(n)] for i in range(n)], {A: 3, R: -sympy.Rational(1, n)}),
        "rank one plus identity": ([[(A if i == j else 0) + v[i] * v[j] * B for j in range(n)] for i in range(n)], {A: 2, B: 1}),
        "ring": (circulant([A, R], n), {A: 3, R: 1}),
        "ring and background": ([[A if i == j else R if (i - j) % n in (1, n - 1) else E for j in range(n)] for i in range(n)], {A: 9, R: 2, E: 1}),
        "blocks": (sympy.diag(*[two_by_two] * (n // 2), *([3] * (n % 2))).tolist(), {A: 2, R: 1}),
    }


@pytest.mark.parametrize(("name", "n"), [(name, 5 + k % 2) for k, name in enumerate(structures(8))] + [("ring", 7), ("ring", 8)])
def test_structures(name: str, n: int) -> None:
    k, values = structures(n)[name]
    found = mu_of(SymbolicProblem.from_gram(k, ETA))
    exact = sympy.Matrix(k).subs(values)
    for eta in (sympy.Rational(1, 3), 2, sympy.Rational(9, 2)):
        assert close(found.at({**values, ETA: eta}), radius(exact, eta))
    assert all(condition.subs(values) for condition in found.conditions)


@pytest.mark.parametrize("name", ["equicorrelated", "ring", "blocks"])
def test_fifty_samples_in_seconds(name: str) -> None:
    k, values = structures(50)[name]
    start = time.perf_counter()
    found = mu_of(SymbolicProblem.from_gram(k, ETA))
    assert time.perf_counter() - start < 20  # about two seconds on an idle machine
    assert close(found.at({**values, ETA: 5}), radius(sympy.Matrix(k).subs(values), 5))


@FEWER
@given(st.integers(3, 7), st.lists(st.integers(-2, 2), min_size=4, max_size=4), fractions)
def test_circulant_numbers(n: int, entries: list[int], eta: Any) -> None:
    """Singular circulant matrices included: which eigenvalues vanish is decided exactly."""
    c = [0, *entries][: n // 2 + 1]
    shifted = np.linalg.eigvalsh(np.array(circulant(c, n), dtype=float))
    c[0] = -round(min(shifted)) if abs(min(shifted) - round(min(shifted))) < 1e-9 else 9
    assume(any(c))
    found = mu_of(SymbolicProblem.from_gram(circulant(c, n), eta))
    assert close(found.at({}), radius(circulant(c, n), eta))


# thresholds and sign conditions


@FEWER
@given(matrices(3, 2), st.integers(0, 1), st.integers(0, 2))
def test_threshold(rows: list[list[int]], momentum: int, decay: int) -> None:
    beta, omega = sympy.Rational(momentum, 4), sympy.Rational(decay, 3)
    found = solved(gd_threshold(SymbolicProblem.from_gram(gram_of(rows).tolist(), 1, momentum=beta, weight_decay=omega)))
    assert found.quantity == "eta_gd"
    edge = float(found.expression)
    assert radius(gram_of(rows), edge * 0.999, beta, omega) < 1 < radius(gram_of(rows), edge * 1.001, beta, omega)


def test_threshold_in_symbols() -> None:
    assert solved(gd_threshold(SymbolicProblem.from_gram([[A]], ETA))).expression == 2 / A
    pair = solved(gd_threshold(SymbolicProblem.from_gram([[A, R], [R, A]], ETA)))
    assert pair.expression == 4 / (A + sympy.Abs(R))
    assert pair.conditions == ()  # also where K is singular
    at = two().expression.subs(ETA, solved(gd_threshold(SymbolicProblem.from_gram([[A, R], [R, B]], ETA))).expression)
    assert sympy.simplify(sympy.exp(at.args[1][0])) == 1
    assert solved(gd_threshold(SymbolicProblem.from_gram([[A]], ETA, momentum=BETA))).conditions == (BETA < 1,)
    for k in (structures(6)["equicorrelated"], structures(6)["ring"], structures(6)["blocks"]):
        value = solved(gd_threshold(SymbolicProblem.from_gram(k[0], ETA))).at(k[1])
        assert abs(float(value) - 12 / max(np.linalg.eigvalsh(np.array(sympy.Matrix(k[0]).subs(k[1]).tolist(), dtype=float)))) < 1e-9


@cache
def four() -> tuple[list[Any], Any, SymbolicProblem]:
    names = {(i, j): sympy.Symbol(f"k{i}{j}", **{"real" if i != j else "positive": True}) for i in range(4) for j in range(i + 1)}
    problem = SymbolicProblem.from_gram([[names[max(i, j), min(i, j)] for j in range(4)] for i in range(4)], ETA)
    relations = mu_sign_conditions(problem)
    assert len(relations) == 4
    return list(names), sympy.lambdify([ETA, *names.values()], [relation.lhs for relation in relations], "math"), problem


def test_four_symbolic_samples_are_refused_with_the_way_out() -> None:
    with pytest.raises(Refused, match="mu_sign_conditions"):
        mu(Case(four()[2]), derived)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="mu_sign_conditions"):
        gd_threshold(four()[2])


@SETTINGS
@given(matrices(4, 4), fractions)
def test_sign_conditions_against_the_certified_sign(rows: list[list[int]], eta: Any) -> None:
    """Rank-deficient K included: the conditions are valid where the rank drops."""
    k, (places, polynomials, _) = gram_of(rows), four()
    certified = SymbolicProblem.from_gram(k.tolist(), eta).rational().mu()  # type: ignore[union-attr]
    assert certified is not None
    values = polynomials(eta, *(int(k[i, j]) for i, j in places))  # fractions: exact
    assert all(value > 0 for value in values) == (certified.sign.value == "negative")


def test_sign_conditions_in_small_cases() -> None:
    assert mu_sign_conditions(SymbolicProblem.from_gram([[1]], ETA)) == (2 - ETA > 0,)
    assert mu_sign_conditions(SymbolicProblem.from_gram([[1]], 1)) == ()
    assert mu_sign_conditions(SymbolicProblem.from_gram([[1]], 2)) == (sympy.false,)
    assert mu_sign_conditions(SymbolicProblem.from_gram([[1, 1], [1, 1]], ETA)) == (2 - ETA > 0,)
    assert mu_sign_conditions(SymbolicProblem.from_gram([[1]], 3, momentum=sympy.Rational(3, 4))) == ()
    assert mu_sign_conditions(SymbolicProblem.from_gram([[1]], 3, momentum=sympy.Rational(1, 4))) == (sympy.false,)
    with pytest.raises(InputError, match="at most 4"):
        mu_sign_conditions(SymbolicProblem.from_gram([[A if i == j else B for j in range(5)] for i in range(5)], ETA, assume=[B < A]))
    with pytest.raises(InputError, match="bare matrices"):
        mu_sign_conditions(SymbolicProblem.from_matrices([[[1, 0], [0, 1]]]))
    with pytest.raises(InputError, match="random inputs"):
        gd_threshold(SymbolicProblem.from_population("gaussian", 2, 1, ETA))


# momentum and weight decay


@cache
def ball(n: int) -> Exact:
    k = [[A]] if n == 1 else [[A, R], [R, B]]
    return mu_of(SymbolicProblem.from_gram(k, ETA, momentum=BETA, weight_decay=OMEGA))


@SETTINGS
@given(matrices(2, 2), fractions, st.integers(0, 9), st.integers(0, 3))
def test_heavy_ball_against_roots(rows: list[list[int]], eta: Any, momentum: int, decay: int) -> None:
    beta, omega, k = sympy.Rational(momentum, 10), sympy.Rational(decay, 4), gram_of(rows)
    assume(k.det() > 0)
    values = {A: k[0, 0], R: k[0, 1], B: k[1, 1], ETA: eta, BETA: beta, OMEGA: omega}
    assert abs(numerically(ball(2), values) - radius(k, eta, beta, omega)) < 1e-6  # double roots cost half of the digits
    assert abs(numerically(ball(1), values) - radius(k[:1, :1], eta, beta, omega)) < 1e-6


@FEWER
@given(matrices(3, 2), fractions, st.integers(0, 9), st.integers(0, 3))
def test_heavy_ball_numbers(rows: list[list[int]], eta: Any, momentum: int, decay: int) -> None:
    beta, omega = sympy.Rational(momentum, 10), sympy.Rational(decay, 4)
    found = mu_of(SymbolicProblem.from_gram(gram_of(rows).tolist(), eta, momentum=beta, weight_decay=omega))
    assert abs(float(sympy.exp(found.expression).evalf(20)) - radius(gram_of(rows), eta, beta, omega)) < 1e-6


def test_heavy_ball_pieces_meet() -> None:
    """At |s| = 2 sqrt(beta) both pieces are log(beta)/2; beyond it the slope is unbounded, since roots split like a square root."""
    found = mu_of(SymbolicProblem.from_gram([[1]], ETA, momentum=sympy.Rational(1, 4)))
    (inside, condition), (outside, _) = found.expression.args
    for edge in (sympy.Rational(1, 4), sympy.Rational(9, 4)):  # (1 -+ sqrt(beta))^2 / kappa
        assert condition.subs(ETA, edge)
        assert sympy.simplify(sympy.exp(outside.subs(ETA, edge)) - sympy.exp(inside)) == 0
        assert sympy.limit(sympy.diff(outside.subs(sympy.Abs(ETA - sympy.Rational(5, 4)), ETA - sympy.Rational(5, 4)), ETA), ETA, edge, "+") != 0
    assert not condition.subs(ETA, sympy.Rational(23, 10))
    assert not condition.subs(ETA, sympy.Rational(2, 10))


def test_no_momentum_and_no_decay_are_the_plain_formulas() -> None:
    plain = {BETA: 0, OMEGA: 0}
    for n, values in ((1, {A: 3, ETA: sympy.Rational(1, 2)}), (2, {A: 3, R: 1, B: 2, ETA: sympy.Rational(1, 2)}), (2, {A: 3, R: 1, B: 2, ETA: 2})):
        k = [[A]] if n == 1 else [[A, R], [R, B]]
        expected = mu_of(SymbolicProblem.from_gram(k, ETA)).at(values)
        assert sympy.simplify(sympy.exp(ball(n).at({**values, **plain})) - sympy.exp(expected)) == 0
    decay = mu_of(SymbolicProblem.from_gram([[A, R], [R, B]], ETA, weight_decay=OMEGA)).expression
    assert decay.subs(OMEGA, 0).equals(two().expression)
    assert mu_of(SymbolicProblem.from_gram([[A]], ETA, weight_decay=OMEGA)).expression == sympy.log(sympy.Abs(1 - ETA * OMEGA - ETA * A))
    assert ball(1).at({A: 1, ETA: 1, BETA: 0, OMEGA: 0}) == -sympy.oo


def test_one_sample_and_full_batches() -> None:
    one = SymbolicProblem.from_gram([[A]], ETA, momentum=BETA, weight_decay=OMEGA)
    found = heavy_ball.one_step(Case(one), derived)  # type: ignore[arg-type]
    assert found.proved
    assert (found.quantity, found.expression) == ("lambda", ball(1).expression)
    values = {A: 2, ETA: 1, BETA: sympy.Rational(1, 9), OMEGA: sympy.Rational(1, 5)}
    assert abs(float(solved(closed_form(one).lambda_).at(values)) - np.log(radius([[2]], 1, sympy.Rational(1, 9), sympy.Rational(1, 5)))) < 1e-9
    gd = SymbolicProblem.from_gram([[2, 1], [1, 3]], 1, kind="gd", momentum=sympy.Rational(1, 4))
    assert close(solved(closed_form(gd).lambda_).at({}), radius([[2, 1], [1, 3]], 1, 0.25))
    with pytest.raises(Refused, match="random"):
        heavy_ball.one_step(Case(SymbolicProblem.from_gram([[2, 1], [1, 3]], 1, momentum=BETA)), derived)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="neither momentum nor weight decay"):
        heavy_ball.heavy_ball(Case(SymbolicProblem.from_gram([[2]], 1)), derived)  # type: ignore[arg-type]


def lambda_by(rule: Any, problem: SymbolicProblem) -> Exact:
    return solved(rule(Case(problem), lambda case: derived("lambda", case, LAMBDA)))


@SETTINGS
@given(st.lists(st.integers(1, 3), min_size=2, max_size=3), fractions, st.integers(1, 9), st.integers(1, 3))
def test_weight_decay_of_parallel_gradients(x: list[int], eta: Any, share: int, batch: int) -> None:
    """On a line the steps are the numbers 1 - eta omega - eta (mean of x_i^2 over the batch), with replacement."""
    omega = sympy.Rational(share, 10) / sympy.Rational(eta.numerator, eta.denominator)
    problem = SymbolicProblem.from_features([[v] for v in x], eta, weight_decay=omega, batch=batch)
    grid = np.stack(np.meshgrid(*[[v * v for v in x]] * batch), -1).reshape(-1, batch).mean(axis=1)
    with np.errstate(divide="ignore"):
        expected = np.mean(np.log(np.abs(1 - share / 10 - float(eta) * grid).round(12)))
    value = lambda_by(weight_decay.weight_decay, problem).at({})
    assert (value == -sympy.oo and expected == -np.inf) or abs(float(value) - expected) < 1e-9


def test_weight_decay_in_symbols() -> None:
    problem = SymbolicProblem.from_gram([[A, 0], [0, A]], ETA, weight_decay=OMEGA)
    found = lambda_by(weight_decay.weight_decay, problem)
    assert found.conditions == (sympy.StrictGreaterThan(1 - ETA * OMEGA, 0),)
    rest = 1 - ETA * OMEGA
    difference = found.expression - sympy.log(rest) - sympy.log(sympy.Abs(1 - ETA * A / rest)) / 2
    assert abs(difference.subs({ETA: sympy.Rational(1, 3), OMEGA: sympy.Rational(3, 4), A: 5}).evalf()) < 1e-12
    assert any("no common fixed point" in step.text for step in found.derivation)
    assert lambda_by(weight_decay.weight_decay, SymbolicProblem.from_gram([[A, R], [R, B]], ETA, weight_decay=OMEGA, kind="gd")).proved


def test_weight_decay_refusals() -> None:
    for options, eta, reason in (
        ({"weight_decay": 3}, sympy.Rational(1, 2), "negative step size"),
        ({"weight_decay": 2}, sympy.Rational(1, 2), "eta omega = 1"),
        ({"weight_decay": 1, "momentum": BETA + 1 / sympy.Integer(2)}, sympy.Rational(1, 2), "momentum"),
        ({}, sympy.Rational(1, 2), "no weight decay"),
    ):
        with pytest.raises(Refused, match=reason):
            lambda_by(weight_decay.weight_decay, SymbolicProblem.from_gram([[A, R], [R, B]], eta, **options))


def test_weight_decay_against_simulation() -> None:
    """K_ii = 1 and eta/(1 - eta omega) = 2: without weight decay all steps are reflections (E7), so lambda = log(1 - eta omega)."""
    asked: list[Case] = []

    def solve(case: Case) -> Exact:
        asked.append(case)
        return Exact("lambda", sympy.Integer(0), (), (Step("E7", "all steps are reflections"),))

    problem = SymbolicProblem.from_gram([[1, "3/5"], ["3/5", 1]], 1, weight_decay="1/2")
    found = weight_decay.weight_decay(Case(problem), solve)
    assert found.proved
    assert (asked[0].optimiser.step_size, asked[0].optimiser.weight_decay) == (2, 0)
    k, rng, v, total, n = np.array([[1.0, 0.6], [0.6, 1.0]]), np.random.default_rng(5), np.array([1.0, 0.3]), 0.0, 4000
    for i in rng.integers(0, 2, n):
        v = v / 2 - k[:, i] * v[i]
        total += np.log(np.linalg.norm(v))
        v /= np.linalg.norm(v)
    assert abs(total / n - float(found.expression)) < 2e-3  # the log of a norm is exact up to a bounded change of norm


def test_only_pulls() -> None:
    found = lambda_by(weight_decay.only_pulls, SymbolicProblem.from_gram([[A, R], [R, B]], ETA, weight_decay=1 / ETA, weights=[1, 2]))
    k, p, n = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1 / 3, 2 / 3]), 60000
    draws = np.random.default_rng(7).choice(2, n, p=p)
    logs = np.log(0.5 * np.abs(k[draws[1:], draws[:-1]]))
    value = float(found.at({A: 2, R: 1, B: 3, ETA: sympy.Rational(1, 2)}))
    assert abs(value - float(logs.mean())) < 6 * logs.std() / np.sqrt(n)
    assert abs(value - float(p @ np.log(0.5 * k) @ p)) < 1e-12
    assert lambda_by(weight_decay.only_pulls, SymbolicProblem.from_gram([[1, 0], [0, 1]], 1, weight_decay=1)).expression == -sympy.oo
    with pytest.raises(Refused, match="batch 1"):
        lambda_by(weight_decay.only_pulls, SymbolicProblem.from_gram([[A, R], [R, B]], 1, weight_decay=1, batch=2))


# what must fail


def test_a_tampered_derivation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = SymbolicProblem.from_gram([[A, R], [R, B]], ETA)

    def wrong(_case: Case, _: Any) -> Exact:
        kappa = A + B  # not an eigenvalue
        return Exact("mu", sympy.log(sympy.Abs(1 - ETA * kappa / 2)), (), (Step("E2", "wrong", (kappa**2 - (A + B) * kappa + A * B - R**2,)),))

    with pytest.raises(Refused, match="does not simplify to zero"):
        derived("mu", Case(problem), [Rule("wrong", wrong)])
    honest = mu(Case(problem), derived)  # type: ignore[arg-type]
    from verify.symbolic.rules import spectral_parts

    roots = spectral_parts.quadratic_roots
    monkeypatch.setattr(spectral_parts, "quadratic_roots", lambda *given_: tuple(root + 1 for root in roots(*given_)))
    assert honest.proved
    assert not mu(Case(problem), derived).proved  # type: ignore[arg-type]


def test_structures_that_only_look_like_it_are_not_taken() -> None:
    nearly = [[A if i == j else B for j in range(5)] for i in range(5)]
    nearly[0][1] = nearly[1][0] = B + sympy.Rational(1, 1000)
    with pytest.raises(Refused, match="without a known structure"):
        spectrum(Case(SymbolicProblem.from_gram(nearly, ETA)))
    ring = circulant([A, R], 5)
    ring[0][4] = ring[4][0] = R / 2
    with pytest.raises(Refused, match="without a known structure"):
        spectrum(Case(SymbolicProblem.from_gram(ring, ETA)))
    many = sympy.diag(*sympy.symbols("a1:18", positive=True)).tolist()
    with pytest.raises(Refused, match="too many for one formula"):
        spectrum(Case(SymbolicProblem.from_gram(many, ETA)))


def test_substitution_keeps_minus_infinity() -> None:
    assert substituted(two().expression, {A: 2, B: 2, R: 0, ETA: 1}) == -sympy.oo
