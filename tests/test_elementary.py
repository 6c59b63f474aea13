"""The elementary facts of the engine, gd exponents, mean squares and the renewal series against numeric references."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify import Problem
from verify.exponent import elementary
from verify.exponent.components import components
from verify.exponent.engine import search
from verify.exponent.montecarlo import sgd_growth
from verify.exponent.question import Question
from verify.exponent.renewal import renewal
from verify.optimiser import SGD, GradientDescent
from verify.result import Sign

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=40, suppress_health_check=list(HealthCheck))
THIRTEEN = [["1", "3"], ["3", "10"]]
ENTRIES = st.sampled_from(["-2", "-1", "-1/2", "0", "0", "1/3", "1", "3/2"])


def gram_of(rows: Any) -> list[list[str]]:
    exact = [[Fraction(x) for x in row] for row in rows]
    return [[str(sum((x * y for x, y in zip(u, v, strict=True)), start=Fraction(0))) for v in exact] for u in exact]


@st.composite
def grams(draw: st.DrawFn, largest: int = 4) -> list[list[str]]:
    """Gram matrices with zero rows, parallel rows, orthogonal rows and any rank."""
    n, d = draw(st.integers(1, largest)), draw(st.integers(1, 3))
    rows = [[draw(ENTRIES) for _ in range(d)] for _ in range(n)]
    if n > 1 and draw(st.booleans()):
        rows[-1] = [str(2 * Fraction(x)) for x in rows[0]]
    if not any(Fraction(x) for row in rows for x in row):
        rows[0][0] = "1"
    return gram_of(rows)


ETAS = st.sampled_from(["1/10", "1/3", "1/2", "9/10", "1", "3/2", "2", "5/2", "4"])


def ends(result: Any) -> tuple[float, float]:
    return (-math.inf if result.lo is None else float(result.lo), math.inf if result.hi is None else float(result.hi))


def signs_allowed(value: float, slack: float) -> set[Sign]:
    possible = {Sign.NEGATIVE: value < slack, Sign.POSITIVE: value > -slack, Sign.ZERO: abs(value) <= slack, Sign.UNDECIDED: True}
    return {sign for sign, right in possible.items() if right}


def within(value: float, slack: float, result: Any) -> bool:
    """Whether the reference is in the proved enclosure, up to its noise; -infinity must be below every bound."""
    low, high = ends(result)
    return low == -math.inf if value == -math.inf else low - slack <= value <= high + slack


# --- mu -------------------------------------------------------------------------------------------------------------------------------------


@given(grams(5), ETAS)
@QUICK
def test_mu_agrees_with_the_eigenvalues(gram: Any, eta: str) -> None:
    problem = Problem.from_gram(gram, GradientDescent(eta))
    value, found = oracle.mu(problem.subject), problem.mu()
    low, high = ends(found)
    if math.isfinite(value):
        assert low - 1e-7 <= value <= high + 1e-7
        assert high - low <= 1e-11
        assert found is not None
        assert found.sign in signs_allowed(value, 1e-9) - {Sign.UNDECIDED}
    else:
        assert low == -math.inf
        assert found is not None
        assert found.sign is Sign.NEGATIVE


@given(grams(5), ETAS)
@QUICK
def test_a_full_batch_is_gradient_descent(gram: Any, eta: str) -> None:
    one, two = Problem.from_gram(gram, SGD(eta, len(gram), False)).lyapunov(), Problem.from_gram(gram, GradientDescent(eta)).mu()
    assert two is not None
    assert (ends(one), one.sign) == (ends(two), two.sign)


def test_finer_enclosures_of_mu_nest() -> None:
    found = [Problem.from_gram(THIRTEEN, GradientDescent("1/3")).mu(f"1e-{digits}") for digits in (10, 30, 100)]
    bounds: list[tuple[Fraction, Fraction]] = [(x.lo, x.hi) for x in found if x is not None and x.lo is not None and x.hi is not None]  # type: ignore[union-attr]
    assert [hi - lo <= Fraction(1, 10**digits) for (lo, hi), digits in zip(bounds, (10, 30, 100), strict=True)] == [True] * 3
    assert max(lo for lo, _ in bounds) <= min(hi for _, hi in bounds)


@pytest.mark.parametrize("n", [10, 25, 50])
def test_mu_of_larger_data_sets(n: int) -> None:
    rng = np.random.default_rng(n)
    rows = [[str(Fraction(int(x), 10)) for x in row] for row in rng.integers(-20, 21, size=(n, n + 2))]
    gram = gram_of(rows)
    largest = np.linalg.eigvalsh(oracle.floats(gram)).max()
    for factor in (0.999, 1.001):
        eta = Fraction(2 * n * factor / largest).limit_denominator(10**9)
        problem = Problem.from_gram(gram, GradientDescent(eta))
        found = problem.mu()
        assert found is not None
        assert found.sign is (Sign.NEGATIVE if factor < 1 else Sign.POSITIVE)
        low, high = ends(found)
        assert low - 1e-8 <= oracle.mu(problem.subject) <= high + 1e-8


def test_mu_is_zero_exactly_at_the_threshold() -> None:
    for gram, eta in (([[4, 0], [0, 1]], "1"), ([[2, 2], [2, 2]], "1"), ([[1]], "2"), ([[5, 3], [3, 5]], "1/2")):
        found = Problem.from_gram(gram, GradientDescent(eta)).mu()
        assert found is not None
        assert found.sign is Sign.ZERO
        assert ends(found) == (0, 0)


@pytest.mark.parametrize(("features", "eta"), [([["1", "2"], ["2", "4"]], "1/5"), ([["1", "0"], ["0", "1"], ["0", "0"]], "3"), ([["1"], ["1"], ["1"]], "1")])
def test_mu_is_minus_infinity_where_one_step_ends_it(features: Any, eta: str) -> None:
    value = oracle.mu(Problem.from_features(features, GradientDescent(eta)).subject)
    found = Problem.from_features(features, GradientDescent(eta)).mu()
    assert found is not None
    assert (ends(found)[0] == -math.inf) is not math.isfinite(value)
    assert found.sign is (Sign.NEGATIVE if value < 0 else Sign.POSITIVE)


# --- lambda ---------------------------------------------------------------------------------------------------------------------------------


@given(grams(), ETAS, st.integers(1, 2), st.booleans())
@QUICK
def test_proved_bounds_of_lambda_agree_with_long_products(gram: Any, eta: str, batch: int, replacement: bool) -> None:
    problem = Problem.from_gram(gram, SGD(eta, batch if replacement else min(batch, len(gram)), replacement))
    found: Any = problem.lyapunov(estimate=False, time_limit=1)
    value, slack = oracle.value(problem.subject, "lambda")
    assert within(value, slack, found)
    assert found.sign in signs_allowed(value, slack)


@given(grams(3), ETAS, st.lists(st.sampled_from(["1", "2", "1/3"]), min_size=3, max_size=3))
@QUICK
def test_weighted_draws_agree_with_long_products(gram: Any, eta: str, weights: list[str]) -> None:
    problem = Problem.from_gram(gram, SGD(eta, weights=weights[: len(gram)]))
    found: Any = problem.lyapunov(estimate=False, time_limit=1)
    value, slack = oracle.value(problem.subject, "lambda")
    assert within(value, slack, found)


@given(grams(), ETAS)
@QUICK
def test_the_facts_do_not_contradict_each_other(gram: Any, eta: str) -> None:
    problem = Problem.from_gram(gram, SGD(eta))
    names = ("one_dimension", "orthogonal", "equal_norms", "nonexpansive", "boundary", "determinant")
    facts = [*(getattr(elementary, name) for name in names), renewal]
    question = Question(problem.minimum if problem.is_exact else None, problem.optimiser)  # type: ignore[arg-type]
    found = [fact(question) for fact in facts] + [components(question, lambda part: search(part)[0])]
    lower = max((f.lower.value for f in found if f.lower), default=None)
    upper = min((f.upper.value for f in found if f.upper), default=None)
    assert all(f.reason or f.lower or f.upper for f in found)
    assert lower is None or upper is None or lower <= upper
    assert not (any(f.expression == "-oo" for f in found) and lower is not None)


@pytest.mark.parametrize("angle", [Fraction(-9, 10), Fraction(-1, 2), Fraction(1, 1000), Fraction(1, 3), Fraction(999, 1000), Fraction(1)])
@pytest.mark.parametrize("norm", [Fraction(1), Fraction(7, 3)])
def test_for_equal_norms_the_sign_flips_exactly_at_two(angle: Fraction, norm: Fraction) -> None:
    gram, tiny = [[norm, angle * norm], [angle * norm, norm]], Fraction(1, 10**30)
    found = [Problem.from_gram(gram, SGD(c / norm)).lyapunov() for c in (2 - tiny, Fraction(2), 2 + tiny)]
    assert [x.sign for x in found] == [Sign.NEGATIVE, Sign.ZERO, Sign.POSITIVE]


@pytest.mark.parametrize(("eta", "lambda_sign"), [("1/5", -1), ("1/4", 1), ("4/5", 1), ("1", -1), ("10001/10000", -1), ("6/5", 1)])
def test_the_stable_step_sizes_need_not_be_an_interval(eta: str, lambda_sign: int) -> None:
    found = Problem.from_gram(THIRTEEN, SGD(eta)).lyapunov(time_limit=20)
    assert found.sign is (Sign.NEGATIVE if lambda_sign < 0 else Sign.POSITIVE)


@pytest.mark.parametrize(("eta", "sign"), [("1/4", Sign.NEGATIVE), ("10001/10000", Sign.POSITIVE)])
def test_mu_has_the_opposite_sign_of_lambda_there(eta: str, sign: Sign) -> None:
    found = Problem.from_gram(THIRTEEN, GradientDescent(eta)).mu()
    assert found is not None
    assert found.sign is sign


def test_a_vanishing_product_is_minus_infinity() -> None:
    found = Problem.from_gram(THIRTEEN, SGD("1")).lyapunov()
    assert ends(found)[0] == -math.inf
    assert found.sign is Sign.NEGATIVE
    assert getattr(found, "expression", None) == "-oo"


def test_the_critical_bracket_holds_both_signs() -> None:
    for eta, sign in (("99/1000", Sign.NEGATIVE), ("199/1000", Sign.NEGATIVE), ("1/4", Sign.POSITIVE)):
        assert Problem.from_gram(THIRTEEN, SGD(eta)).lyapunov().sign is sign


SERIES = [("1/2", "2", None), ("1/2", "3", None), ("1/3", "5/2", ["1", "4"]), ("-9/10", "3/2", ["3", "1"]), ("1/2", "1", None)]


@pytest.mark.parametrize(("k", "c", "weights"), SERIES)
def test_renewal_agrees_with_the_series_by_hand(k: str, c: str, weights: list[str] | None) -> None:
    """E8: lambda = p^2 sum q^k log |1 - s2 (1 - (1 - c_2)^k)|."""
    found: Any = Problem.from_gram([["1", k], [k, c]], SGD("1", weights=weights)).lyapunov("1e-9")
    w = [float(x) for x in weights or ["1", "1"]]
    p, s2, x = w[0] / sum(w), 1 - float(Fraction(k) ** 2 / Fraction(c)), 1 - float(Fraction(c))
    q = 1 - p
    series = p**2 * sum(q**n * math.log(abs(1 - s2 * (1 - x**n))) for n in range(600))
    low, high = ends(found)
    assert low - 1e-10 <= series <= high + 1e-10
    assert high - low <= 1e-9


@pytest.mark.parametrize(("gram", "eta"), [([["1", "1/2"], ["1/2", "2"]], "101/100"), ([["1", "1/2"], ["1/2", "2"]], "6/5"), (THIRTEEN, "1/3")])
def test_monte_carlo_and_the_proof_overlap(gram: Any, eta: str) -> None:
    found: Any = Problem.from_gram(gram, SGD(eta)).lyapunov("1/100")
    guess = sgd_growth(oracle.floats(gram), float(Fraction(eta)), steps=2_000_000, confidence=0.9999, seed=3)
    low, high = ends(found)
    assert low - guess.half_width <= guess.value <= high + guess.half_width


# --- degenerate data ---------------------------------------------------------------------------------------------------------------------------


@given(grams(3), ETAS)
@QUICK
def test_a_sample_without_gradient_only_dilutes_lambda(gram: Any, eta: str) -> None:
    n = len(gram)
    padded = [[*row, "0"] for row in gram] + [["0"] * (n + 1)]
    alone: Any = Problem.from_gram(gram, SGD(eta)).lyapunov(estimate=False, time_limit=1)
    diluted: Any = Problem.from_gram(padded, SGD(eta)).lyapunov(estimate=False, time_limit=1)
    low, high = ends(alone)
    other_low, other_high = ends(diluted)
    scale = n / (n + 1)
    assert other_low <= high * scale + 1e-9
    assert low * scale <= other_high + 1e-9
    assert {alone.sign, diluted.sign} not in ({Sign.NEGATIVE, Sign.POSITIVE}, {Sign.NEGATIVE, Sign.ZERO}, {Sign.POSITIVE, Sign.ZERO})


@given(st.lists(ENTRIES.filter(lambda x: x != "0"), min_size=1, max_size=4), ETAS)
@QUICK
def test_parallel_gradients_have_the_mean_of_the_logarithms(norms: list[str], eta: str) -> None:
    found: Any = Problem.from_features([[x, str(2 * Fraction(x))] for x in norms], SGD(eta)).lyapunov("1e-12")
    factors = [abs(1 - Fraction(eta) * 5 * Fraction(x) ** 2) for x in norms]
    low, high = ends(found)
    if 0 in factors:
        assert low == -math.inf
        assert found.sign is Sign.NEGATIVE
    else:
        value = sum(math.log(x) for x in factors) / len(factors)
        assert low - 1e-9 <= value <= high + 1e-9
        assert high - low <= 1e-12


@given(st.lists(st.sampled_from(["1/2", "1", "3/2", "2", "3"]), min_size=2, max_size=4), ETAS, st.integers(1, 3), st.booleans())
@QUICK
def test_orthogonal_gradients_have_the_largest_coordinate(norms: list[str], eta: str, batch: int, replacement: bool) -> None:
    n = len(norms)
    batch = batch if replacement else min(batch, n)
    problem = Problem.from_gram([[x if i == j else "0" for j in range(n)] for i, x in enumerate(norms)], SGD(eta, batch, replacement))
    found: Any = problem.lyapunov("1e-12")
    values = []
    for i, x in enumerate(norms):
        chances: dict[int, float] = {}
        for draw, p in oracle.draws(problem.subject, n):
            chances[draw.count(i)] = chances.get(draw.count(i), 0.0) + p
        factors = {m: abs(1 - Fraction(eta) * m * Fraction(x) / batch) for m in chances}
        values.append(-math.inf if 0 in factors.values() else sum(p * math.log(factors[m]) for m, p in chances.items()))
    assert within(max(values), 1e-9, found)


# --- mean square ---------------------------------------------------------------------------------------------------------------------------------


@given(grams(3), ETAS, st.integers(1, 2))
@QUICK
def test_the_mean_square_exponent_agrees_with_the_kronecker_eigenvalue(gram: Any, eta: str, batch: int) -> None:
    problem = Problem.from_gram(gram, SGD(eta, batch))
    found: Any = problem.mean_square()
    value = oracle.mean_square(problem.subject)
    assert within(value, 1e-6, found)
    assert found.sign in signs_allowed(value, 1e-6)


@given(grams(3), ETAS)
@QUICK
def test_lambda_is_at_most_the_mean_square_exponent(gram: Any, eta: str) -> None:
    problem = Problem.from_gram(gram, SGD(eta))
    found, square = problem.lyapunov(estimate=False, time_limit=1), problem.mean_square()
    assert ends(found)[0] <= ends(square)[1] + 1e-12
    assert not (square.sign is Sign.NEGATIVE and found.sign in (Sign.ZERO, Sign.POSITIVE))


ISOMETRIES = {
    "rotations": [[[0, -1], [1, 0]], [["3/5", "-4/5"], ["4/5", "3/5"]]],
    "the identity": [[[1, 0], [0, 1]]],
    "signed permutations": [[[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[0, 1, 0], [1, 0, 0], [0, 0, -1]]],
    "isometries of an ellipse": [[[0, -2], ["1/2", 0]], [[0, 2], ["1/2", 0]]],
    "reflections of SGD in residual coordinates": [[[-1, 0], [-1, 1]], [[1, -1], [0, -1]]],
}


@pytest.mark.parametrize("name", ISOMETRIES)
def test_a_family_of_isometries_has_exponent_zero(name: str) -> None:
    result = Problem.from_matrices(ISOMETRIES[name]).lyapunov()
    assert (result.kind, result.sign.value, result.ends) == ("exact", "zero", (0, 0))


def test_a_shear_is_no_isometry() -> None:
    result = Problem.from_matrices([[[1, 1], [0, 1]]]).lyapunov(time_limit=2, estimate=False)
    assert result.sign.value == "undecided"


@pytest.mark.parametrize(
    ("gram", "eta", "width"),
    [
        ([["1", "999999999/1000000000"], ["999999999/1000000000", "1"]], "3/2", "1e-3"),
        ([["19/20", "19/2000"], ["19/2000", "5/4"]], "8/5", "1e-2"),
        ([["1/4", "1/500"], ["1/500", "1/5"]], "1999999/250000", "1e-2"),
    ],
)
def test_a_width_does_not_lose_a_proved_sign(gram: list[list[str]], eta: str, width: str) -> None:
    problem = Problem.from_gram(gram, SGD(eta))
    assert problem.lyapunov().sign.value == problem.lyapunov(width, time_limit=5).sign.value == "negative"


def test_radicals_are_not_claimed_for_a_neighbouring_eigenvalue() -> None:
    """The rational 4.481194304092015 is within 1e-15 of the largest root of an irreducible cubic, which is the larger one."""
    near = [["4.481194304092015", "0", "0", "0"], ["0", "4", "1", "0"], ["0", "1", "2", "1"], ["0", "0", "1", "2"]]
    found = Problem.from_gram(near, GradientDescent("1")).threshold("1e-40")
    assert found.lo < found.hi
    assert found.certificate is not None
    assert Problem.from_gram(near, GradientDescent(found.hi)).mu().sign.value == "positive"  # type: ignore[union-attr]


def test_near_ties_of_orthogonal_coordinates_name_the_larger_one() -> None:
    result = Problem.from_gram([["1", "0"], ["0", "1.00000000000000000001"]], SGD("3")).lyapunov()
    assert "200000000000000000003" in result.expression  # type: ignore[union-attr]
