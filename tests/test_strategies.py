"""The public strategies keep their promises, shrink to small integers, and refuse constraints that contradict each other."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings

from verify import SGD, GradientDescent, InputError, Problem, Sign
from verify import strategies as s
from verify.minimum import rank

few = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def smallest(strategy: Any, condition: Any = lambda _: True) -> Any:
    return hypothesis.find(strategy, condition, settings=settings(database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)))


@few
@given(s.rationals("1/3", "7/2", max_digits=2))
def test_rationals_stay_inside_and_short(x: Fraction) -> None:
    assert Fraction(1, 3) <= x <= Fraction(7, 2)
    assert max(x.numerator, x.denominator) <= 99


@few
@given(s.rationals(0, 1, exclude_min=True, exclude_max=True, max_digits=1))
def test_ends_can_be_excluded(x: Fraction) -> None:
    assert 0 < x < 1


@few
@given(s.step_sizes(max_digits=1))
def test_step_sizes_are_positive(x: Fraction) -> None:
    assert 0 < x <= 9


@pytest.mark.parametrize(("points", "size"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (5, 3), (6, 6)])
def test_gram_matrices_have_the_rank(points: int, size: int) -> None:
    @few
    @given(s.gram_matrices(points, rank=size))
    def check(gram: Any) -> None:
        assert rank(gram) == size
        assert Problem.from_gram(gram, SGD(1)).exact[0].size == points

    check()


@pytest.mark.parametrize("connected", [True, False])
def test_connectedness(connected: bool) -> None:
    @few
    @given(s.minima(3, connected=connected))
    def check(minimum: Any) -> None:
        assert (len(minimum.components) == 1) is connected

    check()


@few
@given(s.gram_matrices(2, regular=True, step_size="1/2"), s.gram_matrices(2, regular=False, step_size="1/2"))
def test_regularity_at_a_step_size(regular: Any, irregular: Any) -> None:
    assert s.is_regular(Problem.from_gram(regular, SGD("1/2")))
    assert not s.is_regular(Problem.from_gram(irregular, SGD("1/2")))


@few
@given(s.problems((1, 2, 3), regular=True), s.problems((1, 2, 3), regular=False))
def test_regular_and_irregular_problems(regular: Problem, irregular: Problem) -> None:
    minimum, optimiser = regular.exact
    assert all(optimiser.step_size * k not in (1, 2) for k in minimum.diagonal)
    assert len(minimum.components) == 1
    assert not s.is_regular(irregular)


@few
@given(s.problems(3, batches=(1, 2, 3), replacement=(True, False), weighted=True, kinds=("sgd", "gd")))
def test_schemes_fit(problem: Problem) -> None:
    optimiser = problem.exact[1]
    assert isinstance(optimiser, (SGD, GradientDescent))
    assert problem.family.dimension == 3


def test_all_schemes_occur() -> None:
    seen = set()

    @settings(few, max_examples=100)
    @given(s.problems(2, batches=(1, 2), replacement=(True, False), weighted=True, kinds=("sgd", "gd")))
    def collect(problem: Problem) -> None:
        how: Any = problem.optimiser
        seen.add(("gd",) if how.kind == "gd" else (how.batch, how.replacement, how.weights is not None))

    collect()
    assert seen == {("gd",), (1, True, False), (1, False, False), (2, True, False), (2, False, False), (1, True, True), (1, False, True), (2, True, True)}


@few
@given(s.near_threshold(2, regular=True))
def test_near_the_threshold_neither_e4_nor_e5_decides(problem: Problem) -> None:
    minimum, optimiser = problem.exact
    c = [optimiser.step_size * k for k in minimum.diagonal]
    assert max(c) > 2
    assert abs(1 - c[0]) * abs(1 - c[1]) <= 1
    assert s.is_regular(problem)


@settings(few, max_examples=15)
@given(s.away_from_threshold((2, 3), stable=True), s.away_from_threshold((2, 3), stable=False))
def test_away_from_the_threshold_the_sign_is_cheap(stable: Problem, unstable: Problem) -> None:
    assert stable.lyapunov(estimate=False).sign is Sign.NEGATIVE
    assert unstable.lyapunov(estimate=False).sign is Sign.POSITIVE


@few
@given(s.families(2, 3, invertible=True))
def test_families(problem: Problem) -> None:
    assert problem.family.dimension == 2
    assert all(problem.family.determinants)


@few
@given(s.features(3, 2))
def test_features(rows: Any) -> None:
    assert len(rows) == 3
    assert Problem.from_features(rows, SGD(1)).exact[0].rank <= 2


def test_examples_shrink_to_small_integers() -> None:
    problem = smallest(s.problems(2, regular=True))
    minimum, optimiser = problem.exact
    assert minimum.size == 2
    assert all(x.denominator == 1 and abs(x) <= 2 for row in minimum.gram for x in row)
    assert optimiser.step_size.denominator == 1
    assert smallest(s.rationals(), lambda x: x > Fraction(5, 2)) == 3
    assert smallest(s.gram_matrices(3)) == tuple(tuple(Fraction(i == j) for j in range(3)) for i in range(3))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: s.rationals(2, 1), "min_value = 2 and max_value = 1 leave no number"),
        (lambda: s.rationals("0.12", "0.124", max_digits=1), "max_digits = 1"),
        (lambda: s.rationals(0.5, 1), "is a float"),
        (lambda: s.step_sizes(-1), "min_value = -1 is negative"),
        (lambda: s.gram_matrices(0), "points = 0 is not a positive integer"),
        (lambda: s.gram_matrices(99), "points = 99 is above"),
        (lambda: s.gram_matrices(2, rank=3), "rank = 3 is larger than points = 2"),
        (lambda: s.gram_matrices(1, connected=False), "at least two data points"),
        (lambda: s.gram_matrices(3, rank=1, connected=False), "raise rank"),
        (lambda: s.gram_matrices(2, regular=True), "depends on the step size"),
        (lambda: s.gram_matrices(2, regular=True, step_size=1, connected=False), "needs a connected graph"),
        (lambda: s.problems(2, regular=True, connected=False), "needs a connected graph"),
        (lambda: s.problems([]), "points is empty"),
        (lambda: s.problems(2, kinds=("adam",)), "kinds = ['adam']"),
        (lambda: s.problems(2, batches=(3,), replacement=(False,)), "do not fit points = 2"),
        (lambda: s.problems(3, batches=(2,), replacement=(False,), weighted=True), "weighted = True needs"),
        (lambda: s.near_threshold(1), "the bracket is empty"),
        (lambda: s.near_threshold(2, batches=(2,)), "batches cannot be chosen"),
        (lambda: s.away_from_threshold(2, stable=True, regular=False), "regular = False cannot"),
        (lambda: s.families(0), "dimension = 0"),
        (lambda: s.problems(2, max_digits=9), "max_digits = 9 is above"),
    ],
)
def test_contradictory_constraints_are_refused_at_once(make: Any, says: str) -> None:
    with pytest.raises(InputError) as refusal:
        make()
    assert says in str(refusal.value)


@given(s.nonlinear_models(points=2) | s.nonlinear_models())
@settings(max_examples=10, deadline=None)
def test_nonlinear_models_have_an_exact_minimum(model: Any) -> None:
    """Every label is the model's value at the minimum, and K is symmetric with a positive diagonal."""
    gram = model.problem(SGD("1/4")).minimum.gram
    assert all(gram[i][i] > 0 and all(x == gram[j][i] for j, x in enumerate(row)) for i, row in enumerate(gram))


def test_nonlinear_models_refuse_what_they_cannot_make() -> None:
    for options in ({"kind": "relu"}, {"points": 9}, {"hidden": 0}, {"kind": "product", "points": 2}):
        with pytest.raises(InputError):
            s.nonlinear_models(**options)
