"""Critical step sizes: every bracket has a certified sign at both ends; `first` is claimed only where it is proved."""

from __future__ import annotations

from fractions import Fraction

import pytest

from verify import SGD, GradientDescent, InputError, Problem, check
from verify.optimiser import Optimiser
from verify.result import Sign
from verify.threshold.search import Threshold

K2 = [["1", "1/2"], ["1/2", "2"]]
K3 = [["1", "1/2", "1/5"], ["1/2", "2", "-3/10"], ["1/5", "-3/10", "3"]]


def bracket(gram: list[list[str]], optimiser: Optimiser, width: str = "1e-9", **options: float) -> Threshold:
    return Problem.from_gram(gram, optimiser).threshold(width, **options)


@pytest.mark.parametrize(
    ("gram", "optimiser", "value"),
    [
        ([["1", "9/10"], ["9/10", "1"]], SGD(1), Fraction(2)),  # E7: whatever the angle
        ([["4", "1"], ["1", "4"]], SGD(1, weights=[1, 5]), Fraction(1, 2)),
        ([["1", "0"], ["0", "3"]], SGD(1), Fraction(2, 3)),  # E3
        ([["1", "1/2", "0"], ["1/2", "2", "0"], ["0", "0", "2"]], SGD(1), Fraction(1)),  # the single sample comes first
        ([["2"]], SGD(1), Fraction(1)),
        ([["3", "0"], ["0", "4"]], GradientDescent(1), Fraction(1)),
        ([["3", "0"], ["0", "4"]], SGD(1, 2, False), Fraction(1)),  # E2
    ],
)
def test_exact_thresholds(gram: list[list[str]], optimiser: Optimiser, value: Fraction) -> None:
    found = bracket(gram, optimiser)
    assert (found.lo, found.hi, found.certified, found.first) == (value, value, True, True)


def test_planar_threshold_brackets_the_reference_value() -> None:
    found = bracket(K2, SGD(1))
    assert found.certified
    assert found.width <= Fraction(1, 10**9)
    assert found.lo < Fraction("1.0508256808263") < found.hi
    assert not found.first  # lambda < 0 on (0, lo] is not proved between eta_ms and lo
    assert found.certificate is not None
    assert [(s.quantity, s.sign) for s in check(found.certificate)] == [("lambda", "negative"), ("lambda", "positive")]


def test_a_component_of_two_is_as_good_as_two_samples() -> None:
    found = bracket([["1", "1/2", "0"], ["1/2", "2", "0"], ["0", "0", "1"]], SGD(1))
    assert found.certified
    assert found.lo < Fraction("1.0508256808263") < found.hi


def test_batches_expand_a_certified_bracket() -> None:
    found = bracket([["1", "1/10"], ["1/10", "4"]], SGD(1, 2, True), "1e-3")
    problem = Problem.from_gram([["1", "1/10"], ["1/10", "4"]], SGD(1, 2, True))
    assert found.certified
    assert [problem.at(eta).lyapunov().sign for eta in (found.lo, found.hi)] == [Sign.NEGATIVE, Sign.POSITIVE]


def test_gradient_descent_with_an_irrational_threshold() -> None:
    found = bracket(K2, GradientDescent(1), "1e-30")
    assert found.width <= Fraction(1, 10**30)
    assert [found.certified, found.first] == [True, True]
    assert found.lo < Fraction(4) / (Fraction(3, 2) + Fraction("0.70710678118654752440084436210485")) < found.hi


def test_three_samples_are_an_estimate_within_certified_ends() -> None:
    found = bracket(K3, SGD(1), "1e-3", time_limit=20)
    assert not found.certified
    assert found.lo <= Fraction("0.6739297") <= found.hi
    assert "confidence" in found.method
    assert "certified: lambda < 0 at" in found.reason


def test_many_batches_have_a_certified_lower_end() -> None:
    n = 12
    gram = [[str(int(i == j) * 2 + 1) for j in range(n)] for i in range(n)]
    found = bracket(gram, SGD(1, 5, False), "1e-1", time_limit=5)
    assert "certified: lambda < 0 at" in found.reason or found.certified


def test_matrices_have_no_threshold() -> None:
    with pytest.raises(InputError, match="bare matrices"):
        Problem.from_matrices([[[1]]]).threshold("1e-3")
