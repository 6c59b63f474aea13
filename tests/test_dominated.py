"""Digits of dominated families: published values, ladders, other methods, the exact criterion for two samples, and families made to go wrong."""

from __future__ import annotations

import functools
import itertools
import math
import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, InputError, Problem, Sign
from verify.certificate.check import check
from verify.certificate.check_balls import check_balls
from verify.exponent.dominated import Digits, NonHyperbolic, Undecided, lambda_digits, nonhyperbolic_word
from verify.exponent.dominated._words import kind_of
from verify.exponent.planar import planar_sandwich
from verify.exponent.question import Question
from verify.optimiser import Reshuffled
from verify.result import Enclosure, Exact

POLLICOTT = [[[2, 1], [1, 1]], [[3, 1], [2, 1]]]
PUBLISHED = Fraction("1.1433110351029492458432518536555882994025")
K2 = [["1", "1/2"], ["1/2", "2"]]
FIBONACCI = [[[0, 1], [1, 1]], [[0, 1], [1, -1]]]


def digits_of(problem: Problem, digits: int, seconds: float = 30) -> Digits | Undecided:
    family = problem.family if problem.matrices is not None else None
    minimum, optimiser = (None, None) if problem.matrices is not None else problem.exact
    return lambda_digits(Question(minimum, optimiser, family, deadline=time.monotonic() + seconds), problem.subject, digits)


def enclosed(problem: Problem, digits: int) -> Digits:
    """The enclosure, accepted once more, as narrow as asked."""
    found = digits_of(problem, digits)
    assert isinstance(found, Digits), found
    assert check_balls(found.certificate).lo == found.lo <= found.hi <= found.lo + Fraction(1, 10**digits)
    return found


def hyperbolic(unstable: tuple[int, int], stable: tuple[int, int], large: Any, small: Any) -> list[list[Fraction]]:
    """The matrix with the given eigenvectors and eigenvalues."""
    (a, c), (b, d) = unstable, stable
    x, y, det = Fraction(large), Fraction(small), a * d - b * c
    return [[(a * d * x - b * c * y) / det, a * b * (y - x) / det], [c * d * (x - y) / det, (a * d * y - b * c * x) / det]]


def equal_norms(c: Any, k: Any) -> Problem:
    return Problem.from_gram([["1", str(k)], [str(k), "1"]], SGD(str(c)))


def test_the_published_value_of_pollicott() -> None:
    found = enclosed(Problem.from_matrices(POLLICOTT), 100)
    assert abs(found.lo - PUBLISHED) < Fraction(1, 10**39)


REFERENCES = {  # enclosures by earlier, separately checked computations
    "1/1000000": "-3.964467272842063521011041440179986093505375310954803914859050679686154565585657739785208683985284e-7",
    "1/100": "-0.0039762990448419963367215592417537844264774241987687394836374303131136486110242394704998192264519379113",
    "1/4": "-0.1075076571235513461915043299889301021270365936963268716148118190751498127110645244369264502795444233",
}


@pytest.mark.parametrize("eta", REFERENCES)
def test_reference_values(eta: str) -> None:
    found = enclosed(Problem.from_gram(K2, SGD(eta)), 95)
    assert abs(found.lo - Fraction(REFERENCES[eta])) < Fraction(1, 10**94)


@pytest.mark.parametrize("problem", [Problem.from_matrices(POLLICOTT), Problem.from_gram(K2, SGD("2/5"))], ids=["Pollicott", "K2"])
def test_precision_ladders_nest(problem: Problem) -> None:
    outer = enclosed(problem, 30)
    for digits in (50, 100, 300) if problem.matrices else (50, 100, 150):
        inner = enclosed(problem, digits)
        assert outer.lo <= inner.lo <= inner.hi <= outer.hi
        outer = inner


CROSSED = {
    "Pollicott": Problem.from_matrices(POLLICOTT),
    "four positive matrices": Problem.from_matrices([[[2, 1], [1, 1]], [[3, 1], [2, 1]], [[1, 1], [1, 5]], [[4, 1], [7, 2]]], [1, 2, 3, 4]),
    "weights 1/1000": Problem.from_matrices(POLLICOTT, [1, 999]),
    "with the identity": Problem.from_matrices([*POLLICOTT, [[1, 0], [0, 1]]]),
    "above the nonexpansive range": Problem.from_gram(K2, SGD("101/100")),
    "batch 2": Problem.from_gram(K2, SGD("1/2", batch=2, replacement=True)),
    "c_1 within 1e-9 of 1": Problem.from_gram(K2, SGD("1.000000001")),
    "c_2 within 1e-9 of 1": Problem.from_gram(K2, SGD("0.499999999")),
    "c_2 within 1e-9 of 2": Problem.from_gram([["1", "6/5"], ["6/5", "2"]], SGD("0.9999999995")),
    "nearly parallel gradients": Problem.from_gram([["1", "999999/1000000"], ["999999/1000000", "1"]], SGD("1/2")),
    "entries with 200 digits": Problem.from_matrices([[[Fraction(10**200 + 7, 3**400), 1], [1, Fraction(7**230, 10**200)]], [[3, 1], [2, 1]]]),
    "ten matrices": Problem.from_matrices([[[3, Fraction(k, 7)], [Fraction(3 - k, 5), Fraction(k, 20)]] for k in range(10)]),
    "two arcs": Problem.from_matrices([hyperbolic((1, 0), (1, 2), 20, "1/20"), hyperbolic((0, 1), (-2, 1), -20, "1/20")]),
    "three arcs": Problem.from_matrices([hyperbolic(u, s, 200, "1/200") for u, s in (((1, 0), (3, 1)), ((1, 2), (1, 3)), ((-1, 2), (-2, 1)))]),
    "two arcs, one step singular": Problem.from_matrices([hyperbolic((1, 0), (1, 2), 20, 0), hyperbolic((0, 1), (-2, 1), 20, "1/20")]),
}


@pytest.mark.parametrize("name", CROSSED)
def test_against_the_planar_method(name: str) -> None:
    problem = CROSSED[name]
    found = enclosed(problem, 40)
    planar = planar_sandwich(problem.family, width=Fraction(1, 10**9), time_limit=5)
    assert planar.lower is not None or planar.upper is not None
    assert planar.lower is None or planar.lower.value <= found.hi
    assert planar.upper is None or found.lo <= planar.upper.value


def test_arcs_are_as_many_as_the_family_has() -> None:
    for name, arcs in (("Pollicott", 1), ("two arcs", 2), ("three arcs", 3)):
        assert len(enclosed(CROSSED[name], 20).certificate["proof"]["parts"][0]["arcs"]["cones"]) == arcs


def test_closed_forms() -> None:
    kaczmarz = enclosed(equal_norms(1, "1/2"), 30)  # E8: 2 p q log|cos|
    assert abs(float(kaczmarz.lo) + math.log(2) / 2) < 1e-15
    half = Problem.from_gram(K2, SGD("1/2"))  # E8 with one singular step
    renewal = half.lyapunov("1e-25")
    assert renewal.method == "renewal (E8)"
    assert isinstance(renewal, Enclosure)
    assert renewal.lo is not None
    assert renewal.hi is not None
    found = enclosed(half, 40)
    assert renewal.lo <= found.lo <= found.hi <= renewal.hi
    rank_one = enclosed(Problem.from_matrices([[[2, 1], [4, 2]]]), 30)
    assert abs(float(rank_one.lo) - math.log(4)) < 1e-15
    power = enclosed(Problem.from_matrices([[[2, 1], [1, 1]]]), 60)
    assert abs(float(power.lo) - math.log((3 + math.sqrt(5)) / 2)) < 1e-15
    scaled = enclosed(Problem.from_matrices([[[3 * x for x in row] for row in a] for a in POLLICOTT]), 60)
    assert abs(scaled.lo - enclosed(Problem.from_matrices(POLLICOTT), 60).lo - enclosed(Problem.from_matrices([[[3]]]), 60).lo) < Fraction(3, 10**60)


def test_components_and_lines() -> None:
    """E1: a pair and a single sample; the certificate has a part for each."""
    gram = [["1", "1/2", "0"], ["1/2", "2", "0"], ["0", "0", "3"]]
    found = enclosed(Problem.from_gram(gram, SGD("1/4")), 50)
    assert len(found.certificate["proof"]["parts"]) == 2
    pair = enclosed(Problem.from_gram(K2, SGD("1/4")), 50)
    assert abs(found.lo - pair.lo * 2 / 3) < Fraction(2, 10**50)
    killed = enclosed(Problem.from_gram([["4", "0", "0"], ["0", "1", "1/2"], ["0", "1/2", "2"]], SGD("1/4")), 50)  # one component dies at once
    assert abs(killed.lo - found.lo) < Fraction(2, 10**50)


def test_other_optimisers() -> None:
    """Heavy ball on one sample has one matrix; an epoch of reshuffled samples is one step of the family, and lambda is per step."""
    heavy = enclosed(Problem.from_gram([["1"]], SGD("1/10", momentum="1/4")), 40)  # t^2 - (23/20) t + 1/4
    assert abs(float(heavy.lo) - math.log((1.15 + math.sqrt(1.15**2 - 1)) / 2)) < 1e-15
    problem = Problem.from_gram(K2, Reshuffled("1/4"))
    epochs, standard = enclosed(problem, 40), problem.lyapunov("1e-9")
    assert isinstance(standard, Enclosure)
    assert standard.lo is not None
    assert standard.hi is not None
    assert standard.lo <= epochs.hi
    assert epochs.lo <= standard.hi
    decayed = enclosed(Problem.from_gram(K2, SGD("1/4", weight_decay="1/5")), 40)  # log(1 - eta omega) + lambda(eta/(1 - eta omega))
    plain = enclosed(Problem.from_gram(K2, SGD(Fraction(1, 4) / Fraction(19, 20))), 40)
    factor = enclosed(Problem.from_matrices([[["19/20"]]]), 40)
    assert abs(decayed.lo - plain.lo - factor.lo) < Fraction(3, 10**40)
    outputs = enclosed(Problem.from_gram(K2, SGD("1/4"), outputs=2), 40)  # one sample with two outputs: one symmetric matrix
    assert abs(float(outputs.lo) - math.log(1 - (3 - math.sqrt(2)) / 8)) < 1e-15


def test_criterion_for_two_samples() -> None:
    """Equal c: dominated iff c <= 1, or K_12 > 2 sqrt(c - 1)/c (c > 1, c != 2); 0 < K_12 < 1."""
    sizes, products = ("1/2", "1", "5/4", "3/2", "9/4", "4"), ("1/10", "1/2", "79/100", "81/100", "9/10", "97/100", "999/1000")
    for c, k in itertools.product(map(Fraction, sizes), map(Fraction, products)):
        dominated = c <= 1 or (k * c) ** 2 > 4 * (c - 1)
        found = digits_of(equal_norms(c, k), 12)
        assert isinstance(found, Digits) is dominated, (c, k, found)
        assert dominated or (isinstance(found, Undecided) and found.word is not None)


def test_boundary_of_the_criterion_is_parabolic() -> None:
    found = digits_of(equal_norms("5/4", "4/5"), 12)
    assert isinstance(found, Undecided)
    assert found.word == NonHyperbolic((1, 0), "parabolic (tr^2 = 4 det)") or found.word == NonHyperbolic((0, 1), "parabolic (tr^2 = 4 det)")


@pytest.mark.parametrize(
    ("matrices", "kind"),
    [
        (FIBONACCI, "elliptic"),
        ([[[1, 1], [0, 1]], [[2, 0], [0, 1]]], "parabolic"),
        ([[[2, 0], [0, 2]], [[2, 1], [1, 1]]], "a multiple of the identity"),
        ([[[0, 1], [0, 0]], [[2, 1], [1, 1]]], "nilpotent"),
        ([[[1, 0], [0, -1]], [[2, 1], [1, 1]]], "a reflection"),
        ([[[1, 1], [1, 1]], [[1, -1], [-1, 1]]], "nilpotent"),
        ([[[2, 0], [0, Fraction(1, 2)]], [[Fraction(1, 2), 0], [0, 2]]], "a multiple of the identity"),
    ],
)
def test_words_that_exclude_domination(matrices: Any, kind: str) -> None:
    problem = Problem.from_matrices(matrices)
    word = nonhyperbolic_word(problem.family)
    assert word is not None
    assert word.kind.startswith(kind)
    product = [[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
    for s in word.word:
        a = problem.family.matrices[s]
        product = [[a[i][0] * product[0][j] + a[i][1] * product[1][j] for j in (0, 1)] for i in (0, 1)]
    trace, det = product[0][0] + product[1][1], product[0][0] * product[1][1] - product[0][1] * product[1][0]
    assert trace == 0 or trace**2 <= 4 * det
    found = digits_of(problem, 20)
    assert isinstance(found, Undecided)
    assert found.word == word


def test_hyperbolic_matrices_have_no_kind() -> None:
    for a in ([[2, 1], [1, 1]], [[1, 1], [1, 1]], [[2, 0], [0, 1]], [[1, 3], [1, -2]]):
        assert kind_of(tuple(tuple(Fraction(x) for x in row) for row in a)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "problem",
    [
        Problem.from_gram(K2, SGD("0.999999999")),
        equal_norms("2.000000001", "9/10"),
        equal_norms("1.999999999", "999999/1000000"),
        Problem.from_gram([["1", "9/10"], ["9/10", "2"]], SGD("1.28044")),
        Problem.from_matrices([[[1, 0], [0, 1]]]),
        Problem.from_matrices([[[Fraction(10**100), 1], [Fraction(1, 10**100), 1]], [[1, 1], [10**50, 1]]]),
        Problem.from_gram([["1", "1/2", "1/5"], ["1/2", "2", "1/3"], ["1/5", "1/3", "3"]], SGD("1/4")),
    ],
    ids=["c_1 near 1 and c_2 near 2", "near reflections", "near reflections, nearly parallel", "rough", "identity", "wild sizes", "three samples"],
)
def test_undecided_has_a_reason_and_an_enclosure_a_proof(problem: Problem) -> None:
    found = digits_of(problem, 20, seconds=10)
    if isinstance(found, Digits):
        assert check_balls(found.certificate).hi == found.hi
    else:
        assert len(found.reason) > 10


entry = st.fractions(min_value=-3, max_value=3, max_denominator=6)
matrix = st.lists(st.lists(entry, min_size=2, max_size=2), min_size=2, max_size=2)


@settings(max_examples=25, deadline=None)
@given(st.lists(matrix, min_size=1, max_size=3))
def test_random_families_agree_with_the_planar_method(matrices: Any) -> None:
    problem = Problem.from_matrices(matrices)
    if not problem.family.matrices:
        return
    found = digits_of(problem, 20)
    assert isinstance(found, Digits) or found.reason
    if isinstance(found, Digits):
        planar = planar_sandwich(problem.family, width=Fraction(1, 10**5), time_limit=0.5)
        assert planar.lower is None or planar.lower.value <= found.hi
        assert planar.upper is None or found.lo <= planar.upper.value


# --- the Python API ----------------------------------------------------------------------------------------------------------------------------


def test_lyapunov_with_digits_keeps_the_standard_certificate() -> None:
    problem = Problem.from_gram(K2, SGD("101/100"))
    result = problem.lyapunov(digits=60)
    assert isinstance(result, Enclosure)
    assert result.sign is Sign.NEGATIVE
    assert result.width is not None
    assert result.width <= Fraction(1, 10**60)
    assert result.ball_certificate is not None
    assert result.ball_certificate["requires"] == "python-flint"
    assert "requires python-flint" in result.method
    assert {s.sign for s in check(result.certificate)} >= {"negative"}
    assert result.to_json()["requires"] == "python-flint"
    planar = problem.lyapunov("1e-12")
    assert isinstance(planar, Enclosure)
    assert planar.lo is not None
    assert planar.hi is not None
    assert result.lo is not None
    assert planar.lo <= result.lo <= planar.hi


def test_few_digits_have_both_certificates() -> None:
    result = Problem.from_matrices(POLLICOTT).lyapunov(digits=9)
    assert isinstance(result, Enclosure)
    assert result.ball_certificate is not None
    values = {s.relation: s.value for s in check(result.certificate)}
    assert values["<="] - values[">="] <= Fraction(1, 10**9)


def test_explicit_methods_come_first() -> None:
    result = Problem.from_gram([["1", "0"], ["0", "2"]], SGD("1/4")).lyapunov(digits=80)
    assert isinstance(result, Exact)
    assert result.ball_certificate is None
    assert result.width is not None
    assert result.width <= Fraction(1, 10**80)


def test_families_that_are_not_dominated_say_so_and_keep_their_answer() -> None:
    result = Problem.from_matrices(FIBONACCI).lyapunov(digits=30, time_limit=5)
    assert result.sign is Sign.POSITIVE
    assert "elliptic" in result.reason
    assert "elliptic" in result.tried[-1].outcome
    assert getattr(result, "ball_certificate", None) is None


def test_a_broken_search_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong value from the series is refused by the checker, never returned."""
    from verify.exponent.dominated import _poisson

    solve = _poisson.Poisson.solve

    def off(self: Any, n: int, digits: int) -> Any:
        import dataclasses

        series = solve(self, n, digits)
        return dataclasses.replace(series, value=series.value + Fraction(1, 10**15))

    monkeypatch.setattr(_poisson.Poisson, "solve", off)
    found = digits_of(Problem.from_matrices(POLLICOTT), 30)
    assert isinstance(found, Undecided)
    assert "refused" in found.reason


@pytest.mark.parametrize("digits", [0, -3, 10**9, 2.5, True, "30"])
def test_bad_digits(digits: Any) -> None:
    with pytest.raises(InputError, match="digits = "):
        Problem.from_matrices(POLLICOTT).lyapunov(digits=digits)


def test_no_time_means_undecided() -> None:
    found = digits_of(Problem.from_matrices(POLLICOTT), 30, seconds=-1)
    assert found == Undecided("out of time")


@pytest.mark.slow
def test_a_thousand_digits() -> None:
    found = functools.partial(enclosed, Problem.from_matrices(POLLICOTT))
    outer, inner = found(300), found(1000)
    assert outer.lo <= inner.lo <= inner.hi <= outer.hi
