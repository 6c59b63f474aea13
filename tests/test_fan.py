"""The residual sandwich in three dimensions: signs and enclosures against simulation, closed forms and planar problems; what must be refused."""

from __future__ import annotations

import copy
import math
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, GradientDescent, InputError, Problem, Rejected, Sign, check
from verify.certificate.format import claim, seal
from verify.exponent.balancing import balanced
from verify.exponent.fan import FanBound, _search, fan_sandwich
from verify.exponent.fan._mesh import Mesh, locate
from verify.exponent.fan._proof import proved_value
from verify.exponent.montecarlo import family_growth
from verify.family import MatrixFamily
from verify.threshold.undecided import undecided_steps

GRAM = [[17, 8, 8], [8, 9, 2], [8, 2, 8]]
BELOW, ABOVE = "137/875", "138/767"  # lambda is about -0.048 and 0.023; neither E4, E5 nor the mean square decides
DIAGONAL = [[["1/2", 0, 0], [0, "1/3", 0], [0, 0, "1/4"]], [["3/2", 0, 0], [0, 1, 0], [0, 0, "5/4"]]]
MIXER = [[1, 1, 0], [0, 1, 1], [1, 0, 1]]


def sealed(problem: Problem, relation: str, bound: FanBound) -> dict[str, Any]:
    return seal([(claim(problem.subject, "lambda", relation, bound.value), bound.proof)])


def accepted(problem: Problem, relation: str, bound: FanBound) -> bool:
    try:
        return bool(check(sealed(problem, relation, bound)))
    except Rejected:
        return False


def conjugated(matrices: list[Any]) -> list[list[list[Fraction]]]:
    """T A T^-1 for a fixed rational T."""
    t = [[Fraction(x) for x in row] for row in MIXER]
    adjugate = [[1, -1, 1], [1, 1, -1], [-1, 1, 1]]  # det T = 2
    inverse = [[Fraction(x, 2) for x in row] for row in adjugate]

    def product(a: Any, b: Any) -> Any:
        return [[sum((Fraction(a[i][k]) * Fraction(b[k][j]) for k in range(3)), start=Fraction(0)) for j in range(3)] for i in range(3)]

    return [product(product(t, a), inverse) for a in matrices]


@pytest.mark.parametrize(("step_size", "side", "relation"), [(BELOW, "upper", "<"), (ABOVE, "lower", ">")])
def test_the_sign_between_the_ends_of_the_bracket(step_size: str, side: str, relation: str) -> None:
    problem = Problem.from_gram(GRAM, SGD(step_size))
    result = fan_sandwich(problem.family, sides=(side,), time_limit=30)
    bound = getattr(result, side)
    assert result.reason == ""
    assert (bound.value > 0) == (side == "lower")
    assert accepted(problem, relation, bound)
    growth = family_growth(*problem.family.as_floats(), time_limit=0.5)
    assert (bound.value > growth.value + growth.half_width) == (side == "upper")


@pytest.fixture(scope="module")
def small() -> tuple[Problem, FanBound, FanBound]:
    """A coarse enclosure, whose proofs are quick to check."""
    problem = Problem.from_gram(GRAM, SGD(ABOVE))
    result = fan_sandwich(problem.family, width=Fraction(1, 2), time_limit=30)
    assert result.lower
    assert result.upper
    assert result.upper.value - result.lower.value <= Fraction(1, 2)
    return problem, result.lower, result.upper


def test_a_wide_enclosure_holds_the_estimate(small: tuple[Problem, FanBound, FanBound]) -> None:
    problem, lower, upper = small
    assert accepted(problem, ">=", lower)
    assert accepted(problem, "<=", upper)
    growth = family_growth(*problem.family.as_floats(), time_limit=0.5)
    assert lower.value < growth.value < upper.value


def test_nothing_beyond_the_bound_is_proved(small: tuple[Problem, FanBound, FanBound]) -> None:
    problem, lower, upper = small
    assert not accepted(problem, ">=", FanBound(lower.value + Fraction(1, 10**4), lower.proof))
    assert not accepted(problem, "<=", FanBound(upper.value - Fraction(1, 10**4), upper.proof))


@pytest.mark.parametrize("damage", ["label", "form", "ray", "cut", "multiplier", "leaf"])
def test_damaged_proofs_are_refused(small: tuple[Problem, FanBound, FanBound], damage: str) -> None:
    problem, _, upper = small
    proof = copy.deepcopy(upper.proof)
    tree = next(tree for tree in proof["trees"] if len(tree) > 1)
    leaf = next(node for node in tree if node[0] == "=")
    if damage == "label":
        leaf[1] = (leaf[1] + len(proof["cones"]) // 2) % len(proof["cones"])
    elif damage == "form":
        proof["forms"][0] = [str(3 * int(x)) for x in proof["forms"][0]]
    elif damage == "ray":
        proof["cones"][0][0] = proof["cones"][0][1]
    elif damage == "cut":
        del tree[0]
    elif damage == "multiplier":
        leaf[-1] = "1000"
    else:
        leaf.pop()
    assert not accepted(problem, "<=", FanBound(upper.value, proof))


def test_a_search_that_overstates_its_bound_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_search, "proved_value", lambda bound, upper: proved_value(bound, upper) + (Fraction(-1, 2) if upper else Fraction(1, 2)))
    names = {"mean square (E11)", "determinant (E4)", "words", "positive cone (S4)", "weighted mean square (S7)", "exterior powers (E20)"}
    found = Problem.from_gram(GRAM, SGD(ABOVE)).lyapunov(without=names, estimate=False)
    assert found.sign is Sign.UNDECIDED
    assert found.certificate is None


def test_conjugate_diagonal_steps_keep_their_exact_exponent() -> None:
    problem = Problem.from_matrices(conjugated(DIAGONAL), [1, 1])
    exact = max(math.log(3 / 4), math.log(1 / 3), math.log(5 / 16)) / 2
    result = fan_sandwich(problem.family, width=Fraction(1, 50), time_limit=4)
    assert result.lower
    assert result.upper
    assert result.lower.value <= exact <= result.upper.value
    assert accepted(problem, ">=", result.lower)


def test_similarities_have_the_mean_of_their_factors() -> None:
    turns = [[[0, 0, 2], [2, 0, 0], [0, 2, 0]], [[0, "1/3", 0], ["-1/3", 0, 0], [0, 0, "1/3"]]]
    problem = Problem.from_matrices(conjugated(turns), ["1/1000", "999/1000"])
    exact = (math.log(2) + 999 * math.log(1 / 3)) / 1000
    result = fan_sandwich(problem.family, time_limit=4)
    assert result.upper
    assert result.upper.value < 0
    assert result.upper.value >= exact
    assert result.lower is None or result.lower.value <= exact
    assert accepted(problem, "<=", result.upper)


def test_a_planar_problem_beside_an_orthogonal_sample() -> None:
    problem = Problem.from_gram([[1, "1/2", 0], ["1/2", 2, 0], [0, 0, "1/10"]], SGD("13/10"))
    exact = problem.lyapunov("1/1000")  # by components and the planar sandwich
    assert exact.lo is not None
    assert exact.hi is not None
    result = fan_sandwich(problem.family, time_limit=4, width=Fraction(1, 20))
    assert result.lower is None or result.lower.value <= exact.hi
    assert result.upper is None or result.upper.value >= exact.lo
    assert result.lower or result.upper or result.reason


def test_a_step_that_kills_a_direction_is_never_mistaken() -> None:
    problem = Problem.from_gram([[4, 1, 1], [1, 6, 2], [1, 2, 9]], SGD("1/4"))  # c = (1, 3/2, 9/4)
    result = fan_sandwich(problem.family, time_limit=2)
    assert result.reason
    growth = family_growth(*problem.family.as_floats(), time_limit=0.3)
    assert result.lower is None or result.lower.value <= growth.value + growth.half_width
    assert result.upper is None or result.upper.value >= growth.value - growth.half_width


def test_the_time_limit_is_kept_and_said() -> None:
    family = Problem.from_gram([[1, "1/2", "1/5"], ["1/2", 2, "-3/10"], ["1/5", "-3/10", 3]], SGD("67/100")).family
    fan_sandwich(family, time_limit=0.01)  # compiles
    lines: list[str] = []
    began = time.monotonic()
    result = fan_sandwich(family, width=Fraction(1, 10**6), time_limit=1.0, progress=lines.append)
    assert time.monotonic() - began < 4
    assert result.reason == "the time was up"
    assert any("cones" in line for line in lines)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=4).filter(lambda v: np.linalg.norm(v) > 1e-3), st.integers(0, 5))
def test_the_mesh_finds_every_direction(v: list[float], depth: int) -> None:
    mesh = Mesh(len(v))
    for k in range(depth):
        mesh.cut(mesh.leaves()[:: 1 + k % 2])
    coordinates, path, target = np.zeros(mesh.d), np.zeros(200, np.int64), np.array(v)
    length = locate(target, mesh.child, mesh.edge, mesh.scale, coordinates, path)
    leaf = path[length - 1]
    rebuilt = coordinates @ mesh.vertices[mesh.corners[leaf]]
    assert mesh.child[leaf] < 0
    assert coordinates.min() >= -1e-12
    assert min(np.abs(rebuilt - target).max(), np.abs(rebuilt + target).max()) < 1e-12


def test_the_optimised_norm_of_sgd_is_the_gram_matrix() -> None:
    steps, p = Problem.from_gram(GRAM, SGD(BELOW)).family.as_floats()
    basis = balanced(steps, p)
    norm = basis @ basis.T
    assert np.abs(norm / norm[0, 0] - np.array(GRAM) / GRAM[0][0]).max() < 1e-3


@given(st.floats(-10, 10), st.booleans())
def test_bounds_are_rounded_outwards(bound: float, upper: bool) -> None:
    value = proved_value(bound, upper)
    assert (value > bound) == upper
    assert abs(float(value) - bound) < 1e-6


def test_the_share_of_the_bracket_that_stays_undecided() -> None:
    found = undecided_steps(Problem.from_gram(GRAM, SGD(1)), points=1, time_limit=10)
    assert found.lo == Fraction(2, 17)
    assert found.share == 0
    assert [probe.sign for probe in found.probes] == [Sign.NEGATIVE]
    assert str(found).endswith("- undecided 0 %")
    with pytest.raises(InputError, match="batch 1"):
        undecided_steps(Problem.from_gram(GRAM, GradientDescent(1)))
    with pytest.raises(InputError, match="points = 0"):
        undecided_steps(Problem.from_gram(GRAM, SGD(1)), points=0)
    with pytest.raises(InputError, match="not a Problem"):
        undecided_steps(GRAM)  # type: ignore[arg-type]


def test_a_family_without_steps_is_refused() -> None:
    assert "needs matrices" in fan_sandwich(MatrixFamily((), (), 3)).reason
