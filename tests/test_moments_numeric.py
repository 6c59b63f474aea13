"""Moments of products against each other and against closed forms: exact, planar, N x N, sampled."""

from __future__ import annotations

import math
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import verify
from verify import SGD, InputError, Problem, Sign, moment
from verify.moments import Bounds, Rigour, cloned_moment
from verify.moments.blocks import exact_blocks
from verify.moments.convexity import ORIGIN, Known, bounds_at, zero_bracket
from verify.moments.even import EvenMoment, forms_dimension, power_family, symmetric_power
from verify.moments.planar import Fan, Quotients, planar_moment

PAIR = [["1", "1/2"], ["1/2", "2"]]
THREE = [["1", "1/2", "0"], ["1/2", "2", "1/3"], ["0", "1/3", "3/2"]]
FIBONACCI = Problem.from_matrices([[[0, 1], [1, 1]], [[0, 1], [1, -1]]])
CONE = Problem.from_gram(PAIR, SGD("101/100"))
FAMILIES = {
    "one cone": CONE,
    "rough": Problem.from_gram([["1", "9/10"], ["9/10", "2"]], SGD("128044/100000")),
    "Fibonacci": FIBONACCI,
    "singular": Problem.from_gram(PAIR, SGD("1")),
    "batch 2": Problem.from_gram(PAIR, SGD("6/5", 2)),
    "rare": Problem.from_gram(PAIR, SGD("11/10", weights=["1", "999"])),
    "nearly reflections": Problem.from_gram([["2000000001/1000000000", "1"], ["1", "2"]], SGD("1")),
    "long entries": Problem.from_gram([[f"1.{'3' * 200}", "1/2"], ["1/2", "2"]], SGD("1")),
    "ten": Problem.from_matrices([[[k, 1], [1, 3]] for k in range(-5, 5)]),
}


def overlap(a: Bounds, b: Bounds) -> bool:
    assert None not in (a.lo, a.hi, b.lo, b.hi)
    return a.lo <= b.hi and b.lo <= a.hi  # type: ignore[operator]


def ends(problem: Problem, p: Any, width: str = "1e-3") -> tuple[F, F]:
    found = moment(problem, p, width=width, time_limit=1, estimate=False)
    assert found.lo is not None
    assert found.hi is not None
    return found.lo, found.hi


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("p", [2, 4])
def test_planar_encloses_the_exact_even_moments(name: str, p: int) -> None:
    family = exact_blocks(FAMILIES[name])[0]
    exact = EvenMoment(family, p).bounds(F(1, 10**14))
    assert exact is not None
    lo, hi, reason = planar_moment(family, F(p), F(1, 1000), 5)
    assert lo is not None
    assert hi is not None
    assert lo <= exact[1]
    assert exact[0] <= hi
    assert reason or hi - lo <= F(1, 1000)
    assert EvenMoment(family, p).sign == (1 if exact[0] > 0 else -1 if exact[1] < 0 else 0)


@pytest.mark.parametrize("name", ["one cone", "Fibonacci"])
def test_convexity_and_the_slope_at_zero(name: str) -> None:
    problem = FAMILIES[name]
    found = {F(p): ends(problem, p) for p in ("-1/4", "1/16", "1", "2", "7/2", "4")}
    found[F(0)] = (F(0), F(0))
    order = sorted(found)
    for a, b, c in zip(order, order[1:], order[2:], strict=False):
        share = (b - a) / (c - a)
        assert found[b][0] <= (1 - share) * found[a][1] + share * found[c][1]
    exponent = problem.lyapunov("1e-3")
    low, high = exponent.ends
    assert low is not None
    assert high is not None
    for p, (_, hi) in found.items():
        if p > 0:
            assert hi / p >= low  # L(p)/p >= lambda
        if p < 0:
            assert hi >= p * high  # L(p) >= p lambda
    assert found[F(1, 16)][0] * 16 <= high + F(1, 10)  # and L(p)/p decreases to lambda


def test_second_moment_is_twice_the_mean_square_exponent() -> None:
    for problem in (CONE, FIBONACCI, Problem.from_gram(THREE, SGD("11/10")), Problem.from_gram(THREE, SGD("1", 2))):
        ms, found = problem.mean_square().ends, moment(problem, 2)
        assert ms[0] is not None
        assert ms[1] is not None
        assert found.lo is not None
        assert found.hi is not None
        assert 2 * ms[0] <= found.hi
        assert found.lo <= 2 * ms[1]
        certified = moment(problem, 2, certificate=True)
        assert certified.rigour is Rigour.CERTIFICATE
        assert overlap(certified, found)
        fourth = moment(problem, 4, certificate=True)
        assert overlap(fourth, moment(problem, 4))
        assert fourth.certificate is not None
        assert verify.check(fourth.certificate)


def test_closed_forms() -> None:
    # One sample direction: L(p) = log sum p_i |1 - c_i|^p.
    line = Problem.from_features([["1"], ["2"]], SGD("1/3", weights=["1", "2"]))
    for p in ("1/2", 1, 3, 7, "-1/2"):
        lo, hi = ends(line, p, "1e-14")
        value = math.log((2 / 3) ** float(F(p)) / 3 + (1 / 3) ** float(F(p)) * 2 / 3)
        assert hi - lo <= F(1, 10**14)
        assert float(lo) == pytest.approx(value, rel=1e-12)
    # Orthogonal gradients: the larger of the two sides, each with the identity half of the time.
    square = Problem.from_gram([["1", "0"], ["0", "3"]], SGD("1/2"))
    assert float(ends(square, 5, "1e-12")[0]) == pytest.approx(math.log(0.5 + 0.5 * 0.5**5), rel=1e-9)
    # Reflections: every moment is constant. Full batch: p mu.
    assert moment(Problem.from_gram([["2", "1"], ["1", "2"]], SGD("1")), 4).sign is Sign.ZERO
    descent = Problem.from_gram(PAIR, verify.GradientDescent("1/3"))
    mu = descent.mu()
    assert mu is not None
    assert moment(descent, 3).lo == 3 * mu.ends[0]  # type: ignore[operator]
    # Nonnegative entries: L(1) is the logarithm of the spectral radius of the mean, here 0.
    lo, hi = ends(Problem.from_matrices([[["1/2", 1], [0, "1/2"]], [["1/2", 0], [1, "1/2"]]]), 1)
    assert lo <= 0 <= hi


def test_random_fibonacci_second_moment() -> None:
    """E x_n^2 = E x_(n-1)^2 + E x_(n-2)^2 (the cross term has mean zero): Fibonacci numbers, so L(2) is the logarithm of the golden ratio."""
    family = exact_blocks(FIBONACCI)[0]
    lo, hi = EvenMoment(family, 2).radius(F(1, 10**40))
    golden = (1 + F(5) ** F(1, 2)) / 2
    assert float(lo) == pytest.approx(float(golden), rel=1e-15)
    assert lo * lo - lo - 1 <= 0 <= hi * hi - hi - 1  # exactly


@pytest.mark.parametrize("digits", [30, 50, 100, 300])
def test_ladder_of_precisions_nests(digits: int) -> None:
    coarse, fine = (moment(CONE, 4, width=f"1e-{k}") for k in (digits // 2, digits))
    assert fine.width is not None
    assert fine.width <= F(1, 10**digits)
    assert overlap(coarse, fine)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=8, max_size=8), st.sampled_from(["1/2", "1", "3", "5/2"]))
def test_planar_on_random_families(entries: list[int], p: str) -> None:
    """The rigorous interval holds the moment of words of length 7 within the constants: (1/n) log E||A^n||^p >= L(p), Frobenius norm."""
    matrices = [[entries[0:2], entries[2:4]], [entries[4:6], entries[6:8]]]
    family = Problem.from_matrices(matrices).family
    if not family.matrices or family.dimension != 2:
        return
    lo, _, _ = planar_moment(family, F(p), F(1, 100), 0.5)
    a, chances = family.as_floats()
    steps, weights = np.concatenate([a, np.eye(2)[None]]), np.append(chances, 1 - chances.sum())
    products, mass = steps, weights
    for _ in range(6):
        products, mass = np.einsum("wij,sjk->wsik", products, steps).reshape(-1, 2, 2), np.outer(mass, weights).ravel()
    expected = float((mass * np.linalg.norm(products, axis=(1, 2)) ** float(F(p))).sum())
    if lo is not None:
        assert expected > 0
        assert float(lo) <= math.log(expected) / 7 + 1e-9


def test_a_wrong_eigenfunction_only_widens() -> None:
    """The search is untrusted: heights that solve nothing give valid, wide bounds; rays out of order are refused."""
    from flint import ctx

    family = exact_blocks(CONE)[0]
    rng = np.random.default_rng(0)
    angles = np.sort(rng.random(40)) * math.pi
    rays = [(1 << 20, 0)] + [(round(math.cos(t) * 2**20), round(math.sin(t) * 2**20)) for t in angles]
    exact = EvenMoment(family, 4).radius(F(1, 10**9))
    with ctx.workprec(96):
        for _ in range(10):
            lo, hi, _ = Quotients(family, Fan(rays, [int(x) for x in rng.integers(100, 300, len(rays))]), F(4)).bounds()
            assert lo <= exact[1]
            assert exact[0] <= hi
    with pytest.raises(ArithmeticError):
        Fan(rays[::-1], [1] * len(rays))
    with pytest.raises(ArithmeticError):
        Fan(rays, [1] * (len(rays) - 1) + [0])


def test_symmetric_powers_multiply() -> None:
    def times(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
        return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in zip(*b, strict=True)] for row in a]

    rng = np.random.default_rng(1)
    a, b = (tuple(tuple(F(int(x)) for x in row) for row in rng.integers(-4, 5, (3, 3))) for _ in range(2))
    product = tuple(tuple(sum((x * y for x, y in zip(row, column, strict=True)), start=F(0)) for column in zip(*b, strict=True)) for row in a)
    assert times(symmetric_power(a, 4)[0], symmetric_power(b, 4)[0]) == symmetric_power(product, 4)[0]
    assert len(symmetric_power(a, 4)[0]) == forms_dimension(3, 4) == 15
    matrices, weights = power_family(exact_blocks(Problem.from_gram([["1", "0"], ["0", "3"]], SGD("1/2")))[0], 3)
    assert sum(weights) == 1
    assert matrices[1] == [[1]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fractions(-2, 2, max_denominator=50), min_size=4, max_size=4), st.fractions("1/10", 12, max_denominator=20))
def test_convexity_rules_on_convex_functions(slopes: list[F], p: F) -> None:
    """Piecewise linear convex functions with L(0) = 0, known at 0, 2, 4, 6, 8: the rules enclose the value, and the zero."""
    slopes = sorted(slopes)

    def value(x: F) -> F:
        return sum((min(max(x - 2 * k, F(0)), F(2) if k < 3 else x) * s for k, s in enumerate(slopes)), start=F(0))

    known = [ORIGIN, *(Known(F(q), value(F(q)) - F(1, 1000), value(F(q)) + F(1, 1000)) for q in (2, 4, 6, 8))]
    lo, hi = bounds_at(known, p)
    assert lo is None or lo <= value(p)
    assert hi is None or value(p) <= hi
    bracket = zero_bracket(known)
    if bracket is not None:
        assert value(bracket[0]) <= 0
        assert bracket[1] is None or value(bracket[1]) >= 0


def test_convexity_in_three_dimensions_and_cloning_agree() -> None:
    problem = Problem.from_gram(THREE, SGD("11/10"))
    found = moment(problem, 3, time_limit=2)
    assert found.rigour is Rigour.BALLS
    assert found.estimate is not None
    assert found.estimate.rigour is Rigour.STATISTICAL
    assert overlap(found, found.estimate)
    assert found.estimate.sign is Sign.UNDECIDED


@pytest.mark.parametrize(("problem", "p"), [(CONE, 2), (Problem.from_gram(THREE, SGD("1", 2)), 4), (FIBONACCI, 2), (CONE, 8)])
def test_cloning_covers_exact_values(problem: Problem, p: int) -> None:
    sampled = cloned_moment(problem, p, confidence=0.999, time_limit=60, steps=120, seed=3)
    assert overlap(sampled, moment(problem, p))


def test_cloning_is_a_function_of_its_arguments() -> None:
    first, second, other = (cloned_moment(CONE, "1/2", time_limit=60, steps=40, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_measured_kernels_get_estimates_only() -> None:
    measured = Problem.measured(np.array([[1.0, 0.5], [0.5, 2.0]]), SGD("101/100"))
    found = moment(measured, 4, time_limit=1)
    assert found.rigour is Rigour.NONE
    assert found.estimate is not None
    assert overlap(found.estimate, moment(CONE, 4))


@pytest.mark.parametrize(
    ("p", "message"),
    [(0.5, "floats are not exact"), ("x", "not a number"), ("-1", "not between -1"), (201, "not between"), (True, "truth value")],
)
def test_bad_orders(p: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        moment(CONE, p)


def test_bad_requests() -> None:
    with pytest.raises(InputError, match="even"):
        moment(CONE, 3, certificate=True)
    with pytest.raises(InputError, match="width"):
        moment(CONE, 2, width=1e-3)
    with pytest.raises(InputError, match="confidence"):
        cloned_moment(CONE, 2, confidence=1.5)
    singular = moment(FAMILIES["singular"], "-1/2")
    assert singular.lo is singular.hi is None
    assert "singular" in singular.reason
    two_parts = moment(Problem.from_gram([["1", "0"], ["0", "3"]], SGD("1/2")), "-1/2")
    assert "components" in two_parts.reason
