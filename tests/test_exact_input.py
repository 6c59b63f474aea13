"""Exact input, Gram matrices and optimisers: what is accepted is exact, what is refused says what to write instead."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, GradientDescent, InputError, MeasuredMinimum, Minimum, Problem
from verify.certificate.check import Subject
from verify.exact import rational
from verify.optimiser import matrix_family


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1/3", Fraction(1, 3)), ("0.1", Fraction(1, 10)), (" -2e-3 ", Fraction(-1, 500)), ("1.5/2", Fraction(3, 4)), (7, Fraction(7)),
        (Fraction(2, 6), Fraction(1, 3)), (sympy.Rational(5, 7), Fraction(5, 7)), (np.int64(4), Fraction(4)), ("1e400", Fraction(10) ** 400),
    ],
)  # fmt: skip
def test_exact_spellings(value: Any, expected: Fraction) -> None:
    assert rational(value, "x") == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.1, ["x = 0.1", "float", '"0.1"']), (np.float32(0.5), ["float", '"0.5"']), (float("nan"), ["not a finite number"]), (True, ["truth value"]),
        ("abc", ["'abc'", "not a number"]), ("1/0", ["divides by zero"]), ("1e999999999", ["1000 digits"]), (None, ["None"]),
        ("\u0661", ["not a number"]), (sympy.sqrt(2), ["not a rational"]), (1j, ["not a rational"]), ("", ["not a number"]),
        pytest.param("9" * 5000, ["1000 digits"], id="long text"), pytest.param(10**2000, ["1900 digits"], id="long integer"),
    ],
)  # fmt: skip
def test_refusals_teach(value: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        rational(value, "x")
    assert all(word in str(error.value) for word in words)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("gram", "words"),
    [
        ([[1, 2], [3, 4]], ["gram[1][0] = 3", "gram[0][1] = 2"]), ([[0, 0], [0, 0]], ["zero"]), ([[1, 2]], ["1 x 2", "square"]), ([], ["nonempty"]),
        ([[1, 2], [2]], ["ragged", "gram[1] has 1"]), ([[1, 0.5], [0.5, 1]], ["gram[0][1] = 0.5", "float"]), ("1", ["list of rows"]),
    ],
)  # fmt: skip
def test_bad_gram(gram: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        Minimum.from_gram(gram)
    assert all(word in str(error.value) for word in words)


@given(st.integers(1, 5), st.data())
@settings(max_examples=80, deadline=None)
def test_indefinite_gram_comes_with_a_negative_direction(n: int, data: st.DataObject) -> None:
    a = [[0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            a[i][j] = a[j][i] = data.draw(st.integers(-2, 3))
    indefinite = np.linalg.eigvalsh(np.array(a, float))[0] < -1e-9
    try:
        Minimum.from_gram(a)
    except InputError as error:
        if "v^T" in str(error):
            v = [Fraction(x) for x in str(error).split("v = [")[1].split("]")[0].split(",")]
            assert sum(v[i] * a[i][j] * v[j] for i in range(n) for j in range(n)) < 0
        else:
            assert not any(map(any, a))
    else:
        assert not indefinite


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.data())
@settings(max_examples=80, deadline=None)
def test_search_and_checker_build_the_same_family(n: int, d: int, batch: int, replacement: bool, data: st.DataObject) -> None:
    """Two independent constructions, rank-deficient K, weights, batches and components included."""
    rows = [[data.draw(st.integers(-2, 2)) for _ in range(d)] for _ in range(n)]
    if not any(map(any, rows)):
        rows[0][0] = 1
    batch = batch if replacement else min(batch, n)
    weights = [str(data.draw(st.integers(1, 4))) for _ in range(n)] if (replacement or batch == 1) and data.draw(st.booleans()) else None
    problem = Problem.from_features(rows, SGD("1/3", batch, replacement, weights))
    minimum, optimiser = problem.exact
    for samples in (tuple(range(n)), *minimum.components):
        ours, theirs = matrix_family(minimum, optimiser, samples), Subject(problem.subject).family(list(samples))
        assert list(ours.matrices) == [tuple(map(tuple, a)) for a in theirs.steps]
        assert list(ours.probabilities) == theirs.p
        assert ours.dimension == theirs.d
        assert 0 < sum(ours.probabilities) <= 1


def test_rank_deficient_data_is_not_bad_input() -> None:
    minimum = Minimum.from_features([[1, 0], [1, 0], [0, 0], ["1/2", 1]], labels=[1, 1, 0, 2])
    assert (minimum.rank, minimum.independent, minimum.components, minimum.solvable) == (2, False, ((0, 1, 3),), True)
    assert Minimum.from_features([[1, 0], [1, 0]], labels=[1, 2]).solvable is False
    assert Minimum.from_features([[1, 0]]).solvable is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(0), ["step_size = 0", "positive"]), (lambda: SGD("-1/2"), ["-1/2"]), (lambda: SGD(0.1), ["float"]), (lambda: SGD(1, 0), ["batch = 0"]),
        (lambda: SGD(1, True), ["batch = True"]), (lambda: SGD(1, 2, False, [1, 2]), ["weights"]),
        (lambda: SGD(1, 1, "yes"), ["replacement = 'yes'"]),  # type: ignore[arg-type]
        (lambda: Problem.from_gram([[1]], SGD(1, 2, False)), ["batch = 2", "N = 1"]),
        (lambda: Problem.from_gram([[1]], SGD(1, weights=[1, 2])), ["2 entries"]),
        (lambda: Problem.from_gram([[1]], SGD(1, weights=[0])), ["weights[0]", "positive"]),
        (lambda: Problem.from_features([[0]], GradientDescent(1)), ["zero"]),
        (lambda: Problem.from_matrices([]), ["matrices"]), (lambda: Problem.from_matrices([[[1, 2]]]), ["1 x 2"]),
        (lambda: Problem.from_matrices([[[1]]], [1, 2]), ["weights has 2"]),
        (lambda: Problem.from_features([[1]], SGD(1), labels=[1, 2]), ["labels has 2"]),
    ],
)  # fmt: skip
def test_bad_problems(make: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert all(word in str(error.value) for word in words)


def test_a_measured_kernel_yields_estimates_until_it_is_rationalised() -> None:
    k = np.array([[1.0, 0.5], [0.5, 1.0]]) + 1e-11
    problem = Problem.measured(k, SGD("1/2"))
    assert [problem.mu().kind, problem.lyapunov().kind] == ["estimate", "estimate"]  # type: ignore[union-attr]
    exact = problem.rationalised("1e-9")
    assert exact.lyapunov().sign.value == "negative"
    assert "at most 1e-11" in exact.notes[0]
    with pytest.raises(InputError, match="measured"):
        problem.exact  # noqa: B018
    with pytest.raises(InputError, match="not finite"):
        MeasuredMinimum.from_gram([[float("nan")]])
    with pytest.raises(InputError, match="not symmetric"):
        MeasuredMinimum.from_gram([[1.0, 2.0], [0.0, 1.0]])
