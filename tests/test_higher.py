"""Signs in any dimension: the mean square with multipliers (S7), positive cones after sign flips (S4), exterior powers (E20)."""

from __future__ import annotations

import copy
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, Problem, Rejected, Sign, check
from verify.certificate.format import claim, seal
from verify.exponent.elementary import determinant
from verify.exponent.mean_square import mean_square_finding
from verify.exponent.montecarlo import family_growth
from verify.exponent.positive import compounds, exterior_powers, flips, positive_cone
from verify.exponent.question import Bound, Question
from verify.exponent.weighted import weighted_mean_square

GRAM = [[17, 8, 8], [8, 9, 2], [8, 2, 8]]
FOUR = [[20, 6, -10, -8], [6, 12, 6, -2], [-10, 6, 14, 4], [-8, -2, 4, 14]]
POSITIVE = [[[1, 2, 1], [1, 1, 3], [2, 1, 1]], [[2, 1, 1], [1, 1, 1], [1, 3, 2]]]
HANKEL = [[[2, 1, 0], [1, 2, 1], [0, 1, 2]], [[3, 1, 0], [1, 1, "1/2"], [0, "1/2", 1]]]  # totally nonnegative


def question(problem: Problem, width: str | None = None) -> Question:
    bare = problem.family if problem.matrices is not None else None
    return Question(problem.minimum, problem.optimiser, bare, width=None if width is None else Fraction(width))  # type: ignore[arg-type]


def accepted(problem: Problem, relation: str, value: Fraction, proof: dict[str, Any]) -> bool:
    try:
        return bool(check(seal([(claim(problem.subject, "lambda", relation, value), proof)])))
    except Rejected:
        return False


def bound(found: Bound | None) -> Bound:
    assert found is not None
    return found


def estimate(problem: Problem) -> tuple[float, float]:
    growth = family_growth(*problem.family.as_floats(), time_limit=0.3)
    return growth.value - growth.half_width, growth.value + growth.half_width


def inverse(rows: list[list[Any]]) -> list[list[Fraction]]:
    from flint import fmpq_mat

    from verify.balls import fmpq_of

    inverted = fmpq_mat(3, 3, [fmpq_of(Fraction(x)) for row in rows for x in row]).inv()
    return [[Fraction(int(inverted[i, j].p), int(inverted[i, j].q)) for j in range(3)] for i in range(3)]


# --- multipliers -------------------------------------------------------------------------------------------------------------------------------


def test_multipliers_decide_where_the_mean_square_grows() -> None:
    problem = Problem.from_gram(GRAM, SGD("137/875"))
    ms = mean_square_finding(question(problem))
    assert bound(ms.lower).value > Fraction(1, 20)
    found = bound(weighted_mean_square(question(problem)).upper)
    assert found.proof["length"] == 2
    assert found.value < 0
    assert accepted(problem, "<", Fraction(0), found.proof)
    assert not accepted(problem, "<=", found.value - Fraction(1, 10**5), found.proof)


@pytest.mark.parametrize("scheme", [SGD("100/841"), SGD("1/8", 2), SGD("1/8", 2, False), SGD("100/841", weights=[1, 1, 499, 499])])
def test_longer_words_are_better_and_never_below_the_truth(scheme: SGD) -> None:
    problem = Problem.from_gram(FOUR, scheme)
    found = bound(weighted_mean_square(question(problem, "1/1000")).upper)
    assert accepted(problem, "<=", found.value, found.proof)
    assert found.value > estimate(problem)[0]
    assert found.value < bound(mean_square_finding(question(problem)).upper).value


def test_the_identity_is_a_letter() -> None:
    problem = Problem.from_gram([[4, 2, 0], [2, 9, 0], [0, 0, 1]], SGD("1/4"))
    asked = replace(question(problem, "1/1000"), samples=(0, 1))
    found = bound(weighted_mean_square(asked).upper)
    proof = {"kind": "components", "parts": [{"component": [0, 1], "proof": found.proof}, {"component": [2], "proof": {"kind": "determinant"}}]}
    assert accepted(problem, "<=", max(found.value, Fraction(-1, 20)), proof)
    assert len(found.proof["multipliers"]) == 3 ** found.proof["length"]


@pytest.mark.parametrize("damage", ["multiplier", "missing", "norm", "length", "sign"])
def test_damaged_multipliers_are_refused(damage: str) -> None:
    problem = Problem.from_gram(GRAM, SGD("137/875"))
    found = bound(weighted_mean_square(question(problem)).upper)
    proof = copy.deepcopy(found.proof)
    if damage == "multiplier":
        proof["multipliers"][0] = "1000"
    elif damage == "missing":
        proof["multipliers"].pop()
    elif damage == "norm":
        proof["norm"][0][0] = "1"
    elif damage == "length":
        proof["length"] = 1
    else:
        proof["multipliers"][0] = "-1"
    assert not accepted(problem, "<", Fraction(0), proof)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=3, max_size=5), st.integers(1, 12))
def test_every_bound_found_is_accepted(features: list[list[int]], size: int) -> None:
    if not any(map(any, features)):
        return
    problem = Problem.from_features(features, SGD(Fraction(size, 4 * max(sum(x * x for x in row) for row in features))))
    for method in (weighted_mean_square, positive_cone, exterior_powers):
        found = method(question(problem))
        assert found.upper is None or accepted(problem, "<=", found.upper.value, found.upper.proof)
        assert found.lower is None or accepted(problem, ">=", found.lower.value, found.lower.proof)


# --- positive cones and exterior powers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [2, 3, 5])
def test_a_positive_family_in_disguise(d: int) -> None:
    generator = np.random.default_rng(d)
    signs = generator.choice([-1, 1], size=d)
    matrices = []
    for s in range(3):
        steps = (generator.integers(0, 4, size=(d, d)) + np.eye(d, dtype=int)) * np.outer(signs, signs) * (-1) ** s
        matrices.append([[Fraction(int(x), 2 * d) for x in row] for row in steps])
    problem = Problem.from_matrices(matrices, [1, 500, 499])
    found = positive_cone(question(problem))
    lower, upper = bound(found.lower), bound(found.upper)
    low, high = estimate(problem)
    assert lower.value <= high
    assert upper.value >= low
    assert upper.value - lower.value < Fraction(1, 4)
    assert accepted(problem, ">=", lower.value, lower.proof)
    assert accepted(problem, "<=", upper.value, upper.proof)
    assert not accepted(problem, "<=", upper.value - Fraction(1, 1000), upper.proof)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 5), st.integers(1, 4), st.randoms())
def test_flips_are_found_exactly_where_there_are_some(d: int, m: int, random: Any) -> None:
    signs = [random.choice([-1, 1]) for _ in range(d)]
    matrices = [[[random.choice([0, 1, 2]) * signs[i] * signs[j] for j in range(d)] for i in range(d)] for _ in range(m)]
    family = Problem.from_matrices(matrices).family
    found = flips(family)
    assert found is not None
    for a in family.matrices:
        flipped = [found[i] * found[j] * a[i][j] for i in range(d) for j in range(d)]
        assert min(flipped) >= 0 or max(flipped) <= 0
    assert flips(Problem.from_matrices([[[1, 1], [1, -1]]]).family) is None


def test_small_steps_with_negative_correlations() -> None:
    problem = Problem.from_gram([[1, "1/2", "1/5"], ["1/2", 2, "-3/10"], ["1/5", "-3/10", 3]], SGD("1/4"))  # K12 K13 K23 < 0
    found = positive_cone(question(problem))
    assert bound(found.upper).value < 0
    assert bound(found.upper).value - bound(found.lower).value < Fraction(1, 100)
    assert accepted(problem, ">=", bound(found.lower).value, bound(found.lower).proof)


def test_compounds_multiply() -> None:
    square_of_first = (np.array(HANKEL[0]) @ np.array(HANKEL[0])).tolist()
    family = Problem.from_matrices([*HANKEL, square_of_first]).family
    a, _, square = (np.array([[float(x) for x in row] for row in step]) for step in compounds(family, 2).matrices)
    assert np.allclose(a @ a, square)


def test_an_exterior_power_beats_the_determinant() -> None:
    """Inverses of positive matrices: no signs make them nonnegative, but their second compounds."""
    problem = Problem.from_matrices([inverse(rows) for rows in POSITIVE])
    assert positive_cone(question(problem)).lower is None
    found = bound(exterior_powers(question(problem)).lower)
    assert found.proof["kind"] == "exterior"
    assert found.value > bound(determinant(question(problem)).lower).value + Fraction(1, 20)
    assert found.value <= estimate(problem)[1]
    assert accepted(problem, ">=", found.value, found.proof)
    assert not accepted(problem, ">=", found.value + Fraction(1, 1000), found.proof)
    assert not accepted(problem, ">=", found.value, found.proof | {"power": 3})
    assert not accepted(problem, "<=", found.value, found.proof)


def test_the_engine_decides_in_four_dimensions() -> None:
    found = Problem.from_gram(FOUR, SGD("100/841")).lyapunov(without=["mean square (E11)"], estimate=False)
    assert found.sign is Sign.NEGATIVE
    assert "weighted" in found.method


def test_a_width_does_not_lose_the_sign_of_a_heavy_ball() -> None:
    """Words that are too many for the checker must not displace a bound that it accepts."""
    problem = Problem.from_gram([["2", "2121/5000"], ["2121/5000", "1"]], SGD("3/5", momentum="1/10"))
    assert problem.lyapunov("1/2", time_limit=5, estimate=False).sign is Sign.NEGATIVE
