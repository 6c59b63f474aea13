"""Closed forms of lambda for finite families: orthogonal gradients, components, one step, commuting, triangular and conformal families, finite orbits.

Every rule is crossed with a value that is computed in another way: eigenvalues in floating point, sums over all batches, the certified enclosures of the
numeric engine, or simulation with its standard error.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verify.symbolic import Exact, Step, SymbolicProblem, Unsolved, closed_form
from verify.symbolic.assumptions import NOTHING, from_relations
from verify.symbolic.case import Case, Refused
from verify.symbolic.directions import Directions
from verify.symbolic.engine import derived
from verify.symbolic.field import Field
from verify.symbolic.growth import at_least, maximum, mean_log
from verify.symbolic.invariant import invariant_subspace
from verify.symbolic.joint_spectrum import joint_spectrum
from verify.symbolic.moduli import largest_mean_log
from verify.symbolic.rules import LAMBDA, commuting, components, conformal, deterministic, orthogonal, projective_orbit, triangular

A, B, C, D, E, F = sympy.symbols("a b c d e f", real=True)
THETA, PHI = sympy.symbols("theta phi", real=True)
ETA, K, K1, K2, P, Q = sympy.symbols("eta k k1 k2 p q", positive=True)
MANY = settings(max_examples=50, deadline=None, derandomize=True)

small = st.integers(-4, 4)
fractions = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 4))
positive = st.builds(Fraction, st.integers(1, 9), st.integers(1, 4))
nonzero = fractions.filter(bool)


def solve(case: Case) -> Exact:
    return derived("lambda", case, LAMBDA)


def by(rule: Any, problem: SymbolicProblem) -> Exact:
    """What one rule says, with its identities checked."""
    found = rule(Case(problem), solve)
    assert isinstance(found, Exact)
    assert found.proved
    return found.with_problem(problem)


def number(found: Exact, **values: Any) -> float:
    low, high = found.enclosure(values, digits=15)
    if low is None or high is None:
        return -math.inf
    assert high - low <= Fraction(1, 10**14)
    return float(low)


def refusal(rule: Any, problem: SymbolicProblem) -> str:
    with pytest.raises(Refused) as error:
        rule(Case(problem), solve)
    return str(error.value)


def lambda_(problem: SymbolicProblem) -> Exact:
    found = closed_form(problem, enclose=False).lambda_
    assert isinstance(found, Exact), str(found)
    return found


def log(x: float) -> float:
    return math.log(abs(x)) if x else -math.inf


def floats(matrices: Any) -> list[np.ndarray]:
    return [np.array([[float(x) for x in row] for row in a]) for a in matrices]


def hidden(matrices: Any, basis: Any) -> list[list[list[Any]]]:
    """The family in another basis, exactly."""
    t = sympy.Matrix(basis)
    inverse = t.inv()
    return [(t * sympy.Matrix(a) * inverse).applyfunc(sympy.expand).tolist() for a in matrices]


def simulated(matrices: Any, weights: Any, axis: int | None = None, chains: int = 200, steps: int = 1500) -> tuple[float, float]:
    """Mean and standard error of (1/n) log|A^n v|, n counted after a start-up, from a random v or an axis."""
    family = np.array(floats(matrices))
    p = np.array([float(w) for w in weights])
    rng = np.random.default_rng(1)
    v = rng.normal(size=(chains, family.shape[1])) if axis is None else np.tile(np.eye(family.shape[1])[axis], (chains, 1))
    total = np.zeros(chains)
    for n in range(steps + 100):
        v = np.einsum("cij,cj->ci", family[rng.choice(len(p), size=chains, p=p / p.sum())], v)
        lengths = np.linalg.norm(v, axis=1)
        v /= lengths[:, None]
        if n >= 100:
            total += np.log(lengths)
    return float(total.mean() / steps), float(total.std() / steps / math.sqrt(chains))


def bases(d: int) -> st.SearchStrategy[list[list[int]]]:
    rows = st.lists(st.lists(small, min_size=d, max_size=d), min_size=d, max_size=d)
    return rows.filter(lambda m: abs(np.linalg.det(np.array(m, dtype=float))) > 0.5)


def weights(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 4), min_size=count, max_size=count)


# --- orthogonal gradients -------------------------------------------------------------------------------------------------------------------------------


@MANY
@given(k=st.lists(positive, min_size=1, max_size=3), eta=positive, b=st.integers(1, 3), replacement=st.booleans())
def test_orthogonal_gradients_are_a_sum_over_batches(k: list[Fraction], eta: Fraction, b: int, replacement: bool) -> None:
    n = len(k)
    b = b if replacement else min(b, n)
    problem = SymbolicProblem.from_gram([[x if i == j else 0 for j, x in enumerate(k)] for i in range(n)], eta, batch=b, replacement=replacement)
    batches = [m for m in product(range(n), repeat=b) if replacement or len(set(m)) == b]
    expected = max(sum(log(float(1 - eta * m.count(i) * k[i] / b)) for m in batches) / len(batches) for i in range(n))
    assert number(by(orthogonal.orthogonal, problem)) == pytest.approx(expected, abs=1e-12)


def test_orthogonal_gradients_in_symbols() -> None:
    batch = sympy.Symbol("m", positive=True, integer=True)
    gram = [[K1, 0], [0, K2]]
    one = by(orthogonal.orthogonal, SymbolicProblem.from_gram(gram, ETA))
    assert one.expression == sympy.Max(sympy.log(sympy.Abs(ETA * K1 - 1)) / 2, sympy.log(sympy.Abs(ETA * K2 - 1)) / 2)
    without = by(orthogonal.orthogonal, SymbolicProblem.from_gram(gram, ETA, batch=batch, replacement=False))
    assert number(without, eta=1, k1=3, k2="1/2", m=2) == pytest.approx(math.log(3 / 4), abs=1e-12)
    assert any("m <= 2" in str(condition) for condition in without.conditions)
    with_ = by(orthogonal.orthogonal, SymbolicProblem.from_gram(gram, ETA, batch=batch))
    assert with_.expression.has(sympy.Sum)
    assert with_.expression.free_symbols == {ETA, K1, K2, batch}
    numbers = by(orthogonal.orthogonal, SymbolicProblem.from_gram([[3, 0], [0, "1/2"]], 1, batch=7))
    assert number(with_, eta=1, k1=3, k2="1/2", m=7) == pytest.approx(number(numbers), abs=1e-12)
    weighted = by(orthogonal.orthogonal, SymbolicProblem.from_gram(gram, ETA, weights=[P, Q]))
    assert number(weighted, eta=1, k1=3, k2=5, p=1, q=2) == pytest.approx(2 * math.log(4) / 3, abs=1e-12)


def test_orthogonal_gradients_at_the_edges() -> None:
    found = by(orthogonal.orthogonal, SymbolicProblem.from_gram([[1, 0], [0, 2]], ETA))
    assert number(found, eta="1/2") == pytest.approx(-math.log(2) / 2)  # c_2 = 1: log 0 drops out of the maximum
    assert number(found, eta=1) == 0  # c_1 = 1, c_2 = 2
    assert by(orthogonal.orthogonal, SymbolicProblem.from_gram([[1, 0], [0, 1]], 1)).expression == -sympy.oo
    equal = by(orthogonal.orthogonal, SymbolicProblem.from_gram([[K, 0], [0, K]], ETA))
    assert equal.expression == sympy.log(sympy.Abs(ETA * K - 1)) / 2
    idle = by(orthogonal.orthogonal, SymbolicProblem.from_gram([[K, 0], [0, 0]], ETA))
    assert idle.expression == sympy.log(sympy.Abs(ETA * K - 1)) / 2
    known = from_relations([K1 < 1, K2 > 2, sympy.Rational(1, 4) > ETA])
    assert by(orthogonal.orthogonal, SymbolicProblem.from_gram([[K1, 0], [0, 1]], ETA, assume=known)).expression == sympy.log(sympy.Abs(ETA * K1 - 1)) / 2
    square = by(orthogonal.orthogonal, SymbolicProblem.from_gram([[A**2, 0], [0, 1]], ETA))
    assert square.conditions  # a = 0 would leave one sample only
    killing = by(orthogonal.orthogonal, SymbolicProblem.from_gram([[2, 0], [0, 2]], "10/3", batch=20))
    assert killing.expression == -sympy.oo  # three of the twenty draws make 1 - eta m k/B vanish


# --- components -----------------------------------------------------------------------------------------------------------------------------------------


@MANY
@given(x=nonzero, y=nonzero, k=positive, eta=positive, w=weights(3))
def test_components_of_parallel_gradients(x: Fraction, y: Fraction, k: Fraction, eta: Fraction, w: list[int]) -> None:
    gram = [[x * x, 0, x * y], [0, k, 0], [x * y, 0, y * y]]
    problem = SymbolicProblem.from_gram(gram, eta, weights=w)
    p = [v / sum(w) for v in w]
    expected = max(p[0] * log(float(1 - eta * x * x)) + p[2] * log(float(1 - eta * y * y)), p[1] * log(float(1 - eta * k)))
    assert number(by(components.components, problem)) == pytest.approx(expected, abs=1e-12)


def test_components_collect_conditions_and_derivations() -> None:
    gram = [[K, A, 0, 0], [A, K, 0, 0], [0, 0, K1, 0], [0, 0, 0, K2]]
    found = by(components.components, SymbolicProblem.from_gram(gram, 2 / K))
    assert {step.fact for step in found.derivation} >= {"E1", "E17", "E4"}
    assert found.conditions
    for k1, k2 in (("1/2", 1), (3, 5), (1, 2)):
        expected = max(0, log(1 - 2 * float(Fraction(k1)) / 3) / 4, log(1 - 2 * float(Fraction(k2)) / 3) / 4)
        assert number(found, k=3, a=1, k1=k1, k2=k2) == pytest.approx(expected, abs=1e-12)
    assert "one component" in refusal(components.components, SymbolicProblem.from_gram([[1, A], [A, 1]], ETA))
    assert "needs a data set" in refusal(components.components, SymbolicProblem.from_matrices([[[1]]]))
    assert "gradients are not orthogonal" in refusal(orthogonal.orthogonal, SymbolicProblem.from_gram([[1, A], [A, 1]], ETA))


# --- one step -------------------------------------------------------------------------------------------------------------------------------------------


@MANY
@given(rows=st.integers(1, 3).flatmap(lambda d: st.lists(st.lists(fractions, min_size=d, max_size=d), min_size=d, max_size=d)))
def test_one_matrix_has_its_spectral_radius(rows: list[list[Fraction]]) -> None:
    a = floats([rows])[0]
    assume(not np.allclose(a, np.eye(len(a))))
    radius = max(abs(np.linalg.eigvals(a)))
    assume(radius > 1e-2)  # a nilpotent matrix has eigenvalues of size epsilon^(1/d) in floating point
    found = by(deterministic.one_matrix, SymbolicProblem.from_matrices([rows]))
    assert number(found) == pytest.approx(math.log(radius), abs=1e-6)


@lru_cache
def symbolic_matrix() -> Exact:
    return by(deterministic.one_matrix, SymbolicProblem.from_matrices([[[A, B], [C, D]]]))


@MANY
@given(a=fractions, b=fractions, c=fractions, d=fractions)
def test_one_symbolic_matrix_on_both_sides_of_the_discriminant(a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> None:
    radius = max(abs(np.linalg.eigvals(np.array([[float(a), float(b)], [float(c), float(d)]]))))
    assume(radius > 1e-2)
    assert number(symbolic_matrix(), a=a, b=b, c=c, d=d) == pytest.approx(math.log(radius), abs=1e-6)


def test_one_matrix_at_the_edges() -> None:
    found = symbolic_matrix()
    (split, condition), (pair, _) = found.expression.args
    boundary = {A: 1, D: 3, B: 1, C: -1}  # a double eigenvalue: the two pieces agree
    assert condition.subs(boundary) == True  # noqa: E712
    assert sympy.simplify(split.subs(boundary) - pair.subs(boundary)) == 0
    assert found.at({A: 0, B: 1, C: 0, D: 0}) == -sympy.oo
    assert by(deterministic.one_matrix, SymbolicProblem.from_matrices([[[0, 1, 0], [0, 0, 1], [0, 0, 0]]])).expression == -sympy.oo
    cubic = by(deterministic.one_matrix, SymbolicProblem.from_matrices([[[0, 1, 0], [0, 0, 1], [2, 0, 0]]]))
    assert number(cubic) == pytest.approx(math.log(2) / 3)  # three eigenvalues of one modulus
    assert "more than one step" in refusal(deterministic.one_matrix, SymbolicProblem.from_matrices([[[1, 1], [0, 1]], [[2, 0], [0, 1]]]))
    quartic = by(deterministic.one_matrix, SymbolicProblem.from_matrices([[[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]]]))
    assert number(quartic) == pytest.approx(math.log(max(abs(np.roots([1, 0, 0, -1, -1])))), abs=1e-12)
    cyclic = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [A, B, C, 1]]
    assert "whose roots are compact" in refusal(deterministic.one_matrix, SymbolicProblem.from_matrices([cyclic]))
    assert "not full batches" in refusal(deterministic.full_batch, SymbolicProblem.from_gram([[1, A], [A, 1]], ETA))


@MANY
@given(x=st.lists(st.lists(small, min_size=2, max_size=2), min_size=2, max_size=4), eta=positive)
def test_full_batches_have_mu(x: list[list[int]], eta: Fraction) -> None:
    assume(any(v for row in x for v in row))
    gram = np.array(x, dtype=float) @ np.array(x, dtype=float).T
    values = [v for v in np.linalg.eigvalsh(gram) if v > 1e-9]
    factor = max(abs(1 - float(eta) * v / len(x)) for v in values)
    assume(factor > 1e-6)
    problem = SymbolicProblem.from_features(x, eta, batch=len(x), replacement=False)
    found = by(deterministic.full_batch, problem)
    assert found.derivation[0].fact == "E2"
    assert number(found) == pytest.approx(math.log(factor), abs=1e-8)


# --- commuting steps ------------------------------------------------------------------------------------------------------------------------------------


def companion(coefficients: list[int]) -> sympy.Matrix:
    d = len(coefficients)
    return sympy.Matrix(d, d, lambda i, j: int(i == j + 1) if j < d - 1 else coefficients[i])


@MANY
@given(data=st.data())
def test_commuting_families(data: st.DataObject) -> None:
    d, count = data.draw(st.integers(2, 3)), data.draw(st.integers(2, 3))
    c = companion(data.draw(st.lists(small, min_size=d, max_size=d)))
    polynomials = data.draw(st.lists(st.lists(small, min_size=d, max_size=d), min_size=count, max_size=count))
    p = data.draw(weights(count))
    powers = [c**k for k in range(d)]
    family = hidden([sum((q[k] * powers[k] for k in range(d)), start=sympy.zeros(d, d)) for q in polynomials], data.draw(bases(d)))
    assume(any(a != sympy.eye(d).tolist() for a in family))
    roots = np.linalg.eigvals(np.array(c, dtype=float))
    moduli = [[abs(sum(q[k] * root**k for k in range(d))) for q in polynomials] for root in roots]
    assume(all(x > 1e-3 for row in moduli for x in row) and min(abs(r - s) for i, r in enumerate(roots) for s in roots[:i]) > 1e-2)
    expected = max(sum(w * math.log(x) for w, x in zip(p, row, strict=True)) / sum(p) for row in moduli)
    found = by(commuting.commuting, SymbolicProblem.from_matrices(family, p))
    assert number(found) == pytest.approx(expected, abs=1e-6)


def test_commuting_families_in_symbols() -> None:
    scaled = by(commuting.commuting, SymbolicProblem.from_matrices([[[A, -B], [B, A]], [[C, -D], [D, C]]]))
    assert sympy.simplify(scaled.expression - sympy.log(A**2 + B**2) / 4 - sympy.log(C**2 + D**2) / 4) == 0
    split = by(commuting.commuting, SymbolicProblem.from_matrices([[[A, 2 * B], [B, A]], [[C, 2 * D], [D, C]]], [P, Q]))
    values = {"a": 1, "b": 2, "c": -1, "d": "1/3", "p": 1, "q": 2}
    ends = [log(1 + 2 * r) / 3 + 2 * log(-1 + r / 3) / 3 for r in (math.sqrt(2), -math.sqrt(2))]
    assert number(split, **values) == pytest.approx(max(ends), abs=1e-12)
    jordan = by(commuting.commuting, SymbolicProblem.from_matrices([[[A, 1], [0, A]], [[B, 3], [0, B]]]))
    assert jordan.expression == sympy.log(sympy.Abs(A)) / 2 + sympy.log(sympy.Abs(B)) / 2
    cubic = by(commuting.commuting, SymbolicProblem.from_matrices([[[0, 1, 0], [0, 0, 1], [1, 1, 0]], [[1, 1, 0], [0, 1, 1], [1, 1, 1]]], [P, Q]))
    root = max(np.roots([1, 0, -1, -1]).real)
    assert number(cubic, p=1, q=3) == pytest.approx(math.log(root) / 4 + 3 * math.log(1 + root) / 4, abs=1e-12)
    classes = [[1, 2, 0], [2, 4, 0], [0, 0, K]]  # two parallel gradients and an orthogonal one
    assert number(by(commuting.commuting, SymbolicProblem.from_gram(classes, "1/2")), k=1) == pytest.approx(max(log(1 / 2) / 3 + 0, log(1 / 2) / 3))
    assert "do not commute" in refusal(commuting.commuting, SymbolicProblem.from_matrices([[[1, 1], [0, 1]], [[1, 0], [1, 1]]]))


def test_pieces_of_a_commuting_family_agree_where_they_meet() -> None:
    found = by(commuting.commuting, SymbolicProblem.from_matrices([[[A, B], [1, A]], [[C, 2 * B], [2, C]]]))
    pieces = found.expression.args
    assert len(pieces) == 2
    at_zero = [float(piece.subs({A: 3, C: 5, B: 0})) for piece, _ in pieces]
    assert at_zero[0] == pytest.approx(at_zero[1])
    assert number(found, a=3, c=5, b=-2) == pytest.approx(math.log(3**2 + 2) / 4 + math.log(5**2 + 8) / 4)
    assert number(found, a=3, c=5, b=4) == pytest.approx(math.log(5) / 2 + math.log(9) / 2)


# --- triangular steps -----------------------------------------------------------------------------------------------------------------------------------


@MANY
@given(data=st.data())
def test_triangular_families(data: st.DataObject) -> None:
    d, count = data.draw(st.integers(2, 4)), data.draw(st.integers(2, 3))
    upper = [[[data.draw(small) if j >= i else 0 for j in range(d)] for i in range(d)] for _ in range(count)]
    p = data.draw(weights(count))
    assume(any(a != sympy.eye(d).tolist() for a in upper))
    expected = max(sum(w * log(a[i][i]) for w, a in zip(p, upper, strict=True)) / sum(p) for i in range(d))
    found = by(triangular.triangular, SymbolicProblem.from_matrices(hidden(upper, data.draw(bases(d))), p))
    assert number(found) == pytest.approx(expected, abs=1e-12)


def test_triangular_families_in_symbols() -> None:
    two = by(triangular.triangular, SymbolicProblem.from_matrices(hidden([[[A, 1], [0, B]], [[C, 2], [0, D]]], [[1, 1], [1, 2]]), [P, Q]))
    assert number(two, a=2, b=3, c=5, d=1, p=1, q=2) == pytest.approx(math.log(2) / 3 + 2 * math.log(5) / 3, abs=1e-12)
    assert not two.conditions
    three = hidden([[[A, 1, 2], [0, B, 1], [0, 0, C]], [[D, 2, 0], [0, E, 1], [0, 0, F]]], [[1, 1, 0], [1, 2, 1], [0, 1, 3]])
    found = by(triangular.triangular, SymbolicProblem.from_matrices(three))
    assert number(found, a=1, b=2, c=3, d=4, e=5, f=6) == pytest.approx(math.log(18) / 2, abs=1e-12)
    assert number(found, a=1, b=1, c=1, d=1, e=1, f=1) == 0  # where the basis degenerates
    assert number(found, a=0, b=2, c=0, d=4, e=0, f=6) == -math.inf
    lower = by(triangular.triangular, SymbolicProblem.from_matrices([[[A, 0], [1, B]], [[C, 0], [D, 2]]]))
    assert lower.expression == sympy.Max(sympy.log(sympy.Abs(A)) / 2 + sympy.log(sympy.Abs(C)) / 2, sympy.log(sympy.Abs(B)) / 2 + sympy.log(2) / 2)


def test_blocks_are_closed_by_other_rules() -> None:
    family = hidden([[[3, -4, 2], [4, 3, 1], [0, 0, 1]], [[0, -1, 1], [1, 0, 1], [0, 0, 2]]], [[1, 1, 0], [1, 2, 1], [0, 1, 3]])
    found = by(triangular.triangular, SymbolicProblem.from_matrices([*family, sympy.eye(3).tolist()]))
    assert [step.fact for step in found.derivation] == ["E16", "E17"]
    assert found.expression == sympy.log(5) / 3
    mean, error = simulated([*family, np.eye(3).tolist()], [1, 1, 1])
    assert abs(mean - math.log(5) / 3) < 5 * error + 5e-3
    hopeless = [[[1, 1, 5], [0, 1, 1], [0, 0, 2]], [[1, 0, 0], [1, 1, 3], [0, 0, 3]]]
    assert "no invariant" not in refusal(triangular.triangular, SymbolicProblem.from_matrices(hopeless))
    assert "no common invariant subspace" in refusal(triangular.triangular, SymbolicProblem.from_matrices([[[1, 1], [0, 1]], [[1, 0], [1, 1]]]))


def test_invariant_subspaces_of_repeated_blocks() -> None:
    """u (x) w, w in R^2, are planes with isomorphic blocks: kernels have more than one dimension."""
    a, b = sympy.Matrix([[1, 1], [0, 1]]), sympy.Matrix([[1, 0], [1, 1]])
    steps = [sympy.ImmutableDenseMatrix(sympy.kronecker_product(m, sympy.eye(2))) for m in (a, b)]
    field = Field(x for m in steps for x in m)
    subspace = invariant_subspace(field, [field.matrix(m) for m in steps])
    assert subspace is not None
    assert len(subspace) == 2
    assert invariant_subspace(field, [field.matrix(m) for m in (a, b)]) is None


# --- similarities ---------------------------------------------------------------------------------------------------------------------------------------

TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (0, 1, 1))


@MANY
@given(data=st.data())
def test_similarities_of_a_hidden_inner_product(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 3))
    steps, expected, p = [], 0.0, data.draw(weights(count))
    for w in p:
        x, y, r = data.draw(st.sampled_from(TRIPLES))
        s, sign = data.draw(nonzero), data.draw(st.sampled_from((1, -1)))
        steps.append([[s * x, -s * y * sign], [s * y, s * x * sign]])
        expected += w * math.log(abs(float(s)) * r) / sum(p)
    assume(any(m != [[1, 0], [0, 1]] for m in steps))
    found = by(conformal.conformal, SymbolicProblem.from_matrices(hidden(steps, data.draw(bases(2))), p))
    assert number(found) == pytest.approx(expected, abs=1e-12)


@MANY
@given(basis=bases(3), s=nonzero)
def test_similarities_in_three_dimensions(basis: list[list[int]], s: Fraction) -> None:
    steps = [[[0, -s, 0], [s, 0, 0], [0, 0, s]], [[0, 0, 2], [2, 0, 0], [0, 2, 0]]]
    found = by(conformal.conformal, SymbolicProblem.from_matrices(hidden(steps, basis)))
    assert number(found) == pytest.approx(math.log(2 * abs(float(s))) / 2, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3])
def test_equal_norms_at_two(n: int) -> None:
    r = sympy.symbols("r0:3", real=True)
    gram = [[K if i == j else r[i + j - 1] for j in range(n)] for i in range(n)]
    found = lambda_(SymbolicProblem.from_gram(gram, 2 / K))
    assert found.expression == 0
    assert [step.fact for step in found.derivation] == ["E17"]
    assert found.conditions  # K is regular
    tilted = SymbolicProblem.from_features([[1, 0], [sympy.cos(THETA), sympy.sin(THETA)]], 2)
    assert by(conformal.conformal, tilted).expression == 0


def test_rotations_and_reflections() -> None:
    turn = [[2 * sympy.cos(THETA), -2 * sympy.sin(THETA)], [2 * sympy.sin(THETA), 2 * sympy.cos(THETA)]]
    mirror = [[A * sympy.cos(PHI), A * sympy.sin(PHI)], [A * sympy.sin(PHI), -A * sympy.cos(PHI)]]
    for family in ([turn, mirror], hidden([turn, mirror], [[1, 2], [0, 1]])):
        found = by(conformal.conformal, SymbolicProblem.from_matrices(family))
        assert sympy.expand_log(found.expression - sympy.log(2 * sympy.Abs(A)) / 2, force=True) == 0
        assert number(found, a=0, theta=1, phi=2) == -math.inf
    swap = by(conformal.conformal, SymbolicProblem.from_matrices([[[0, -K], [1, 0]], [[0, K], [1, 0]]]))
    assert swap.expression == sympy.log(K) / 2
    no_form = r"no (quadratic|positive definite) form"
    for steps in ([[[1, 1], [0, 1]]], [[[2, 0], [0, "1/2"]]]):
        with pytest.raises(Refused, match=no_form):
            conformal.conformal(Case(SymbolicProblem.from_matrices(steps)), solve)


# --- finite orbits --------------------------------------------------------------------------------------------------------------------------------------


@MANY
@given(data=st.data())
def test_monomial_families_average_over_cycles(data: st.DataObject) -> None:
    d, count = 2, data.draw(st.integers(2, 3))
    permutations = [list(range(d)), *(data.draw(st.permutations(range(d))) for _ in range(count - 1))]
    scales = [[2, 3, 5][:d], *([data.draw(nonzero) for _ in range(d)] for _ in range(count - 1))]
    p = data.draw(weights(count))
    family = [[[scale[j] if perm[j] == i else 0 for j in range(d)] for i in range(d)] for perm, scale in zip(permutations, scales, strict=True)]
    reached = [{j} for j in range(d)]
    for _ in range(d):
        for r in reached:
            r |= {perm[k] for k in r for perm in permutations}
    means = [sum(w * log(float(scale[j])) for w, scale in zip(p, scales, strict=True)) / sum(p) for j in range(d)]
    expected = max(sum(means[k] for k in r) / len(r) for r in reached)  # permutations: the stationary law of a class is uniform
    found = by(projective_orbit.projective_orbit, SymbolicProblem.from_matrices(hidden(family, data.draw(bases(d))), p))
    assert number(found) == pytest.approx(expected, abs=1e-12)


@MANY
@given(tilt=st.integers(-8, 8), p=st.integers(1, 5), q=st.integers(1, 5))
def test_a_projection_and_a_reflection(tilt: int, p: int, q: int) -> None:
    """c_1 = 1, c_2 = 2: two directions. From g_1's complement A_2 leads to its mirror image, and back, or A_1 projects it with the factor |cos|."""
    x = sympy.Rational(tilt, 9)
    inner = x * sympy.sqrt(2 / (1 + x**2))  # g_1 = (1, 0), and g_2 is parallel to (x, 1)
    cosine = float((1 - x**2) / (1 + x**2))
    problem = SymbolicProblem.from_gram([[1, inner], [inner, 2]], 1, weights=[p, q])
    found = by(projective_orbit.projective_orbit, problem)
    w, v = p / (p + q), q / (p + q)
    # in e_1 a share 1/(1 + v) of the time: e_1 -> e_2 with v, e_2 -> e_1 always, through A_1 with the factor |cos| of twice the angle
    expected = -math.inf if cosine == 0 else v / (1 + v) * w * math.log(abs(cosine))
    assert number(found) == pytest.approx(expected, abs=1e-10)


@MANY
@given(rows=st.lists(st.tuples(small, small).filter(any), min_size=2, max_size=4, unique=True), data=st.data())
def test_kaczmarz_in_the_plane(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    """All c_i = 1: lambda = sum_ij p_i p_j log|cos(g_i, g_j)|."""
    steps = [(sympy.eye(2) - sympy.Matrix(r) * sympy.Matrix(r).T / (r[0] ** 2 + r[1] ** 2)).tolist() for r in rows]
    p = data.draw(weights(len(rows)))
    cosines = [[log((a * c + b * d) / math.sqrt((a * a + b * b) * (c * c + d * d))) for c, d in rows] for a, b in rows]
    assume(any(abs(a * d - b * c) > 0 for a, b in rows for c, d in rows))
    expected = sum(v * w * cosines[i][j] for i, v in enumerate(p) for j, w in enumerate(p)) / sum(p) ** 2
    found = by(projective_orbit.projective_orbit, SymbolicProblem.from_matrices(steps, p))
    assert number(found) == pytest.approx(expected, abs=1e-10)


@MANY
@given(triple=st.sampled_from(TRIPLES[:3]), s=nonzero, basis=bases(2), p=st.integers(1, 3), q=st.integers(1, 3))
def test_orbits_agree_with_certified_enclosures(triple: tuple[int, int, int], s: Fraction, basis: list[list[int]], p: int, q: int) -> None:
    x, y, r = triple
    family = hidden([[[s, 0], [0, 0]], [[Fraction(x, r), Fraction(y, r)], [Fraction(y, r), -Fraction(x, r)]]], basis)
    problem = SymbolicProblem.from_matrices(family, [p, q])
    value = Fraction(number(by(projective_orbit.projective_orbit, problem)))
    rational = problem.rational()
    assert rational is not None
    enclosed = rational.lyapunov("1e-6", estimate=False)
    assert enclosed.width <= Fraction(1, 10**6)
    assert enclosed.lo - Fraction(1, 10**9) <= value <= enclosed.hi + Fraction(1, 10**9)


def test_orbits_in_symbols() -> None:
    axes = by(projective_orbit.projective_orbit, SymbolicProblem.from_matrices([[[0, A], [B, 0]], [[C, 0], [0, D]]], [P, Q]))
    assert number(axes, a=2, b=3, c=5, d=7, p=1, q=3) == pytest.approx(math.log(6) / 8 + 3 * math.log(35) / 8, abs=1e-12)
    assert number(axes, a=0, b=3, c=5, d=7, p=1, q=3) == -math.inf
    assert {step.fact for step in axes.derivation} == {"E18", "S2"}
    killed = by(projective_orbit.projective_orbit, SymbolicProblem.from_matrices([[[0, A], [B, 0]], [[1, 0], [0, 0]]]))
    assert killed.expression == -sympy.oo
    tilted = SymbolicProblem.from_features([[1, 0], [sympy.sqrt(2) * sympy.cos(THETA), sympy.sqrt(2) * sympy.sin(THETA)]], 1)
    found = by(projective_orbit.projective_orbit, tilted)
    for angle in ("1/3", 1, 2):
        assert number(found, theta=angle) == pytest.approx(log(math.cos(2 * float(Fraction(angle)))) / 6, abs=1e-12)
    assert found.conditions  # sin(theta) = 0 would leave one dimension
    large = SymbolicProblem.from_features([[1, 0], [1, 1], [1, 2]], 1)
    assert "no set of at most 24 directions" in refusal(projective_orbit.projective_orbit, large)


def test_reflections_with_rational_angles() -> None:
    root = sympy.sqrt(2)
    mirrors = [[root * sympy.cos(k * sympy.pi / 8), root * sympy.sin(k * sympy.pi / 8)] for k in (0, 1)]
    assert by(conformal.conformal, SymbolicProblem.from_features(mirrors, 1)).expression == 0
    gram = [[1, root * sympy.cos(sympy.pi / 3), root / 2], [root / 2, 2, -1], [root / 2, -1, 2]]  # c = 1, 2, 2 at multiples of 60 degrees
    found = by(projective_orbit.projective_orbit, SymbolicProblem.from_gram(gram, 1))
    half, far = math.sqrt(2) / 2, math.sqrt(3)
    rows = [[1, 0], [half, far * half], [half, -far * half]]
    mean, error = simulated([(np.eye(2) - np.outer(r, r)).tolist() for r in rows], [1, 1, 1])
    assert abs(number(found) - mean) < 5 * error + 1e-3


# --- simulation of whole problems -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "axis"),  # where all exponents are equal, a random start sees the maximum of several walks, and an axis one of them
    [
        ([[[2, 1, 0], [0, 1, 1], [0, 0, "1/2"]], [[1, 0, 3], [0, 3, 1], [0, 0, 1]]], None),
        ([[[0, 2, 0], [0, 0, 1], [3, 0, 0]], [[1, 0, 0], [0, 0, 5], [0, "1/2", 0]], [[1, 0, 0], [0, 2, 0], [0, 0, 1]]], 0),
        ([[[1, 2], [-2, 1]], [[0, 1], [1, 0]]], None),
        ([[[1, 2], [2, 1]], [[0, 3], [3, 0]]], None),
        ([[[1, 1, 0], [0, 1, 1], [1, 1, 1]], [[0, 1, 0], [0, 0, 1], [1, 1, 0]]], None),
    ],
)
def test_simulation(family: Any, axis: int | None) -> None:
    found = lambda_(SymbolicProblem.from_matrices(family))
    mean, error = simulated([[[Fraction(x) for x in row] for row in a] for a in family], [1] * len(family), axis)
    assert abs(number(found) - mean) < 5 * error + 2e-3


# --- the parts ------------------------------------------------------------------------------------------------------------------------------------------


def test_fields_know_identities() -> None:
    field = Field([sympy.sin(THETA), sympy.cos(THETA), sympy.sqrt(2) * A, sympy.sqrt(K)])
    assert field.element(sympy.sin(THETA) ** 2 + sympy.cos(THETA) ** 2) == field.domain.one
    assert field.expression(field.element(sympy.cos(THETA) * A)) == A * sympy.cos(THETA)
    assert field.expression(field.element(sympy.sqrt(K) ** 3)) == K ** sympy.Rational(3, 2)
    numbers = Field([sympy.cos(sympy.pi / 7), sympy.cos(3 * sympy.pi / 7)])
    cosines = [numbers.element(sympy.cos(k * sympy.pi / 7)) for k in (1, 3, 5)]
    assert sum(cosines[1:], start=cosines[0]) == numbers.element(sympy.Rational(1, 2))
    for entries, words in (
        ([sympy.sin(THETA), sympy.sin(THETA / 2)], "commensurable"),
        ([sympy.exp(A)], "algebraic"),
        ([sympy.pi], "algebraic"),
        ([sympy.sqrt(A**2 + 1)], "rational function"),
        ([sympy.cos(1)], "multiple of pi"),
    ):
        with pytest.raises(Refused, match=words):
            Field(entries)


@MANY
@given(values=st.lists(positive, min_size=1, max_size=4), p=weights(4))
def test_maxima_of_logarithms(values: list[Fraction], p: list[int]) -> None:
    logs = [mean_log([(sympy.Rational(w, 7), sympy.Rational(v.numerator, v.denominator))]) for v, w in zip(values, p, strict=False)]
    expected = max(w / 7 * math.log(v) for v, w in zip(values, p, strict=False))
    found = maximum(logs, NOTHING)
    assert float(found) == pytest.approx(expected, abs=1e-12)
    assert not found.has(sympy.Max)


def test_comparisons_use_assumptions() -> None:
    low, high = mean_log([(P, 1 - K)]), mean_log([(P, 1 + K)])
    assert at_least(high, low, NOTHING)
    assert not at_least(low, high, NOTHING)
    assert maximum([low, high, low], NOTHING) == high
    assert maximum([-sympy.oo], NOTHING) == -sympy.oo
    assert mean_log([(P, A), (Q, A - A)]) == -sympy.oo
    assert sympy.simplify(mean_log([(sympy.Rational(1, 2), 2), (sympy.Rational(1, 2), -2)]) - sympy.log(2)) == 0


def test_moduli_of_algebraic_numbers() -> None:
    one = [sympy.Integer(x) for x in (1, 0)]
    for factor in ([1, 0, -1, -1], [1, 0, 0, 0, 1], [2, 0, 1, 0, 0, 5], [1, 0, 0, -2]):
        (value,) = largest_mean_log([sympy.Rational(c, factor[0]) for c in factor], [one], [sympy.Integer(1)])
        assert float(value) == pytest.approx(math.log(max(abs(np.roots(factor)))), abs=1e-12)


# --- renaming, and what must fail -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["m j s t"])
def test_renaming_changes_names_only(names: str) -> None:
    new = dict(zip((A, B, C, D), sympy.symbols(names, real=True), strict=True))
    for family in ([[[A, B], [C, D]]], [[[A, 0], [1, B]], [[C, 0], [D, 2]]], [[[0, A], [B, 0]], [[C, 0], [0, D]]], [[[A, -B], [B, A]], [[C, -D], [D, C]]]):
        old = lambda_(SymbolicProblem.from_matrices(family))
        renamed = lambda_(SymbolicProblem.from_matrices([sympy.Matrix(a).subs(new, simultaneous=True).tolist() for a in family]))
        values = {A: sympy.Rational(3, 2), B: -2, C: sympy.Rational(1, 3), D: 5}
        assert renamed.rule == old.rule
        assert float(renamed.expression.subs({new[s]: v for s, v in values.items()})) == pytest.approx(float(old.expression.subs(values)), abs=1e-12)


def refused_by_the_engine(rule: str, problem: SymbolicProblem) -> bool:
    found = closed_form(problem, enclose=False).lambda_
    attempts = found.tried if isinstance(found, Unsolved) else ()
    return any(attempt.method == rule and "does not simplify to zero" in attempt.outcome for attempt in attempts)


GENERIC = [[[1, 1], [0, 1]], [[1, 0], [1, 1]]]


def test_tampered_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = SymbolicProblem.from_matrices(GENERIC)
    with monkeypatch.context() as patch:
        patch.setattr(conformal, "_squares", lambda *_: [sympy.Integer(1), sympy.Integer(1)])
        assert refused_by_the_engine("similarities of one inner product", problem)
    with monkeypatch.context() as patch:
        patch.setattr(commuting, "all_zero", lambda _: True)
        assert refused_by_the_engine("commuting steps", problem)
    with monkeypatch.context() as patch:
        patch.setattr(triangular, "block_triangular", lambda field, _: (field.matrix(sympy.eye(2)), (1, 1)))
        assert refused_by_the_engine("triangular steps", problem)
    with monkeypatch.context() as patch:
        e = sympy.ImmutableDenseMatrix
        wrong = Directions((e([1, 0]), e([0, 1])), (((0, sympy.Integer(1), None),) * 2, ((1, sympy.Integer(1), None),) * 2), None)
        patch.setattr(projective_orbit, "find_directions", lambda _: wrong)
        assert refused_by_the_engine("finitely many directions", problem)
    coupled = SymbolicProblem.from_gram([[1, "1/2"], ["1/2", 3]], 1)
    with monkeypatch.context() as patch:
        patch.setattr(orthogonal, "is_zero", lambda _: True)
        patch.setattr(components, "connected_parts", lambda _: [(0,), (1,)])
        patch.setattr("verify.symbolic.rules.projective_orbit.find_directions", lambda _: pytest.fail("not reached"), raising=True)
        names = [rule for rule in LAMBDA if rule.name in ("orthogonal gradients", "components")]
        with pytest.raises(Refused, match=r"does not simplify to zero.*does not simplify to zero"):
            derived("lambda", Case(coupled), names)


def test_tampered_proof_objects_fail() -> None:
    problem = SymbolicProblem.from_matrices([[[2, 1, 0], [0, 1, 1], [0, 0, 3]], [[1, 0, 3], [0, 3, 1], [0, 0, 1]]])
    good = by(triangular.triangular, problem)
    (step,) = good.derivation
    assert not Step(step.fact, step.text, (*step.identities, step.identities[0] + sympy.Rational(1, 10**30))).proved
    spectrum = joint_spectrum([sympy.ImmutableDenseMatrix([[0, 1], [1, 1]])])
    (component,) = spectrum.components
    broken = type(spectrum)(spectrum.steps, spectrum.coefficients, (type(component)((1, -1, -2), 1, component.polynomials, component.basis),), True)
    assert Step("E16", "", spectrum.identities()).proved
    assert not Step("E16", "", broken.identities()).proved
