"""The N x N form, the escape exponent, fluctuations, the joint spectral radius, and the command line."""

from __future__ import annotations

import json
import math
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import verify
from verify import SGD, InputError, Problem, Sign, escape_exponent, growth_variance, joint_spectral_radius, lyapunov_spectrum, mean_square_step_size, moment
from verify.cli import main
from verify.moments import Bounds, Rigour
from verify.moments._extended import product, slices
from verify.moments.blocks import exact_blocks
from verify.moments.even import EvenMoment
from verify.moments.quadratic import Form, Unverified, quadratic_moment

PAIR = [["1", "1/2"], ["1/2", "2"]]
THREE = [["1", "1/2", "0"], ["1/2", "2", "1/3"], ["0", "1/3", "3/2"]]
CONE = Problem.from_gram(PAIR, SGD("101/100"))
TINY = F(1, 10**12)


def gram(size: int, seed: int = 0, wide: int = 2) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((size, wide * size))
    return np.asarray(z @ z.T / (wide * size))


def ends(bounds: Bounds) -> tuple[F, F]:
    assert bounds.lo is not None, bounds.reason
    assert bounds.hi is not None, bounds.reason
    return bounds.lo, bounds.hi


# --- the N x N form


@pytest.mark.parametrize("weights", [None, ["1/7", "3"], ["1", "1000"]])
@pytest.mark.parametrize("entries", [PAIR, [["1", "999/1000"], ["999/1000", "1"]], [["1", "0"], ["0", "3"]], [["1/1000000", "0"], ["0", "1000"]]])
def test_step_size_against_exact_arithmetic(entries: Any, weights: Any) -> None:
    problem = Problem.from_gram(entries, SGD("1", weights=weights))
    found = mean_square_step_size(problem)
    lo, hi = ends(found)
    assert found.rigour is Rigour.BALLS
    assert hi - lo <= TINY * hi
    for eta, sign in ((lo * (1 - F(1, 10**16)), -1), (hi * (1 + F(1, 10**16)), 1)):
        signs = [EvenMoment(block, 2).sign for block in exact_blocks(problem.at(eta))]
        assert max(signs) == sign


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10**6), st.booleans())
def test_step_size_on_random_kernels(size: int, seed: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, (size, size + 1))
    k = (x @ x.T).tolist()
    try:
        problem = Problem.from_gram(k, SGD("1", weights=[int(w) for w in rng.integers(1, 50, size)] if weighted else None))
    except InputError:
        return
    lo, hi = ends(mean_square_step_size(problem))
    assert hi - lo <= 100 * TINY * hi
    assert max(EvenMoment(block, 2).sign for block in exact_blocks(problem.at(lo * (1 - F(1, 10**15))))) == -1
    assert max(EvenMoment(block, 2).sign for block in exact_blocks(problem.at(hi * (1 + F(1, 10**15))))) == 1


@pytest.mark.parametrize("eta", ["1/10", "101/100", "3/2"])
@pytest.mark.parametrize("weights", [None, ["2", "1", "5"]])
def test_second_moment_both_ways(eta: str, weights: Any) -> None:
    problem = Problem.from_gram(THREE, SGD(eta, weights=weights))
    a, b = ends(quadratic_moment(problem)), ends(moment(problem, 2))
    assert a[0] <= b[1]
    assert b[0] <= a[1]
    assert a[1] - a[0] < F(1, 10**9)


def test_hundred_samples_and_the_peer() -> None:
    """Beside an unverified dense eigenvalue computation; measured K counts as the binary numbers that it holds, and as exact rational ones gives the same."""
    k = gram(60)
    found = mean_square_step_size(Problem.measured(k, SGD("1")))
    assert "binary" in found.reason
    lo, hi = ends(found)
    assert hi - lo <= TINY * hi
    kappa, v = np.linalg.eigh(k)
    s = np.einsum("ia,ja,ib,jb,ab->ij", v, v, v, v, kappa[:, None] * kappa / (kappa[:, None] + kappa), optimize=True)
    assert float(lo) == pytest.approx(1 / np.linalg.eigvalsh(s)[-1], rel=1e-10)
    exact = [[F(float(x)) for x in row] for row in (k + k.T) / 2]
    same = ends(mean_square_step_size(Problem.from_gram(exact, SGD("1"))))
    assert same[0] <= hi
    assert lo <= same[1]
    assert moment(Problem.from_gram(exact, SGD(str(lo * F(99, 100)))), 2).sign is Sign.NEGATIVE


def test_nothing_is_claimed_about_singular_kernels() -> None:
    found = mean_square_step_size(Problem.measured(np.ones((3, 3)), SGD("1")))
    assert found.lo is found.hi is None
    assert found.rigour is Rigour.NONE
    with pytest.raises(Unverified):
        Form.of(np.array([[1.0, 1.0], [1.0, 1.0 - 1e-12]]), [1, 1], exact=False)  # indefinite
    with pytest.raises(InputError, match="momentum"):
        mean_square_step_size(Problem.from_gram(PAIR, SGD("1", momentum="1/2")))


def test_step_size_by_exact_signs() -> None:
    """Singular K and batches: brackets of relative width 2^-44; gradient descent has eta_ms = 2 N / kappa_max."""
    descent = ends(mean_square_step_size(Problem.from_gram(PAIR, verify.GradientDescent("1"))))
    assert float(descent[0]) == pytest.approx(4 / np.linalg.eigvalsh(np.array([[1.0, 0.5], [0.5, 2.0]]))[-1], rel=1e-12)
    rows = [[1, 2, 0], [1, 0, 1], [0, 1, 1], [2, 1, 0]]
    for problem in (Problem.from_features(rows, SGD("1")), Problem.from_gram(PAIR, SGD("1", 2))):
        lo, hi = ends(mean_square_step_size(problem))
        assert hi - lo <= TINY * hi
        assert moment(problem.at(lo), 2).sign is Sign.NEGATIVE
        assert moment(problem.at(hi), 2).sign is not Sign.NEGATIVE


def test_a_wrong_vector_or_solution_only_widens(monkeypatch: pytest.MonkeyPatch) -> None:
    form = Form.of(gram(8), [1] * 8, exact=False)
    truth = form.radius(0.0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        low, high, _ = form.quotients(rng.random(8) + 0.1, 0.0)
        assert low.min() <= truth[1]
        assert high.max() >= truth[0]
    right = Form.solve
    monkeypatch.setattr(Form, "solve", lambda self, r, s: 1.001 * right(self, r, s))
    low, high, _ = form.quotients(form.perron(0.0)[1], 0.0)
    assert low.min() <= truth[1]
    assert high.max() >= truth[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_sliced_products(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-6, 7, (3, size, size))
    a, b, c = rng.standard_normal((3, size, size)) * scale
    c = c * 1e-17
    found = product(slices([a], 4), slices([b, c], 5), 6)
    for i in range(size):
        for j in range(size):
            exact = sum(F(float(x)) * (F(float(y)) + F(float(z))) for x, y, z in zip(a[i], b[:, j], c[:, j], strict=True))
            assert abs(F(float(found.hi[i, j])) + F(float(found.lo[i, j])) - exact) <= F(found.error)


# --- escape


def test_escape_exponent_in_one_dimension() -> None:
    problem = Problem.from_features([["1"], ["2"]], SGD("55/100"))
    lo, hi = ends(escape_exponent(problem, width="1e-6"))
    for p, sign in ((lo, -1), (hi, 1)):
        assert sign * (0.45 ** float(p) + 1.2 ** float(p) - 2) > -1e-9
    assert hi - lo <= F(1, 10**6)


def test_escape_exponent_of_nonnegative_matrices() -> None:
    """L(1) = 0 exactly: the mean matrix has the spectral radius one."""
    lo, hi = ends(escape_exponent(Problem.from_matrices([[["1/2", 1], [0, "1/2"]], [["1/2", 0], [1, "1/2"]]]), width="1e-2", estimate=False))
    assert lo <= 1 <= hi
    assert hi - lo <= F(1, 100)


def test_escape_exponent_brackets_nest_and_agree_with_signs() -> None:
    found = escape_exponent(CONE, width="1e-1", estimate=False)
    lo, hi = ends(found)
    assert 19 < lo < hi < 20
    assert moment(CONE, 18).sign is Sign.NEGATIVE
    assert moment(CONE, 20).sign is Sign.POSITIVE
    three = Problem.from_gram(THREE, SGD("101/100"))
    wide = ends(escape_exponent(three, estimate=False, time_limit=8))
    assert moment(three, int(wide[0])).sign is Sign.NEGATIVE
    assert wide[1] < 100


def test_no_escape_exponent() -> None:
    for problem, why in (
        (Problem.from_gram(PAIR, SGD("9/10")), "no product expands"),
        (Problem.from_gram(PAIR, SGD("3/2")), "lambda is positive"),
        (Problem.from_gram(PAIR, verify.GradientDescent("1/2")), "deterministic"),
    ):
        found = escape_exponent(problem, estimate=False, time_limit=4)
        assert found.lo is found.hi is None
        assert why in found.reason


@pytest.mark.slow
def test_escape_exponent_against_runs_that_leave() -> None:
    """P(sup |r_n| >= 1) from |r_0| = r is of order r^alpha: the slope between two distances, by direct simulation (E11; linear, regular, non-arithmetic)."""
    family = [[["1/2", "1"], ["1/5", "1/3"]], [["1/4", "-1/3"], ["3/2", "1/5"]]]
    problem = Problem.from_matrices(family)
    alpha = float(sum(ends(escape_exponent(problem, width="1e-2")))) / 2
    steps, _ = problem.family.as_floats()
    rng, shares = np.random.default_rng(0), []
    distances = (0.1, 0.01)
    for r in distances:
        count = 1_000_000
        state = np.tile(np.array([r, r]) / math.sqrt(2), (count, 1))
        left = 0
        for _ in range(400):
            state = np.einsum("cij,cj->ci", steps[rng.integers(0, 2, len(state))], state)
            size = np.linalg.norm(state, axis=1)
            left += int((size >= 1).sum())
            state = state[(size < 1) & (size > r * 1e-4)]  # further in, an exit is too rare to matter
            if not len(state):
                break
        shares.append(left / count)
    assert min(shares) * count > 100
    slope = math.log(shares[0] / shares[1]) / math.log(distances[0] / distances[1])
    assert slope == pytest.approx(alpha, rel=0.08)


# --- fluctuations and spectrum


def test_variance() -> None:
    line = Problem.from_features([["1"], ["2"]], SGD("1/3"))
    lo, hi = ends(growth_variance(line))
    assert float(lo) < (math.log(2) / 2) ** 2 < float(hi)
    rank_two = ends(growth_variance(CONE, confidence=0.999))
    h = F(1, 50)
    up = ends(moment(CONE, h, width="1e-9", estimate=False))
    exponent = CONE.lyapunov("1e-9").ends
    assert exponent[0] is not None
    assert exponent[1] is not None
    curvature = [float(2 * (u - h * x) / h**2) for u, x in ((up[0], exponent[1]), (up[1], exponent[0]))]  # L''(0) up to O(h)
    assert float(rank_two[0]) < curvature[1] * 1.15
    assert curvature[0] * 0.85 < float(rank_two[1])
    assert growth_variance(Problem.from_gram([["1"]], SGD("1"))).lo is None


@pytest.mark.parametrize("problem", [CONE, Problem.from_gram(THREE, SGD("11/10", 2)), Problem.from_features([[1, 0], [1, 1], [0, 2]], SGD("1/3"))])
def test_spectrum_and_its_sum(problem: Problem) -> None:
    found = lyapunov_spectrum(problem, steps=600, confidence=0.999)
    assert found.sum_rule_holds is True
    assert found.sum_rule.rigour is Rigour.EXACT
    assert len(found.exponents) == exact_blocks(problem)[0].dimension
    values = [float(sum(ends(x))) / 2 for x in found.exponents]
    assert values == sorted(values, reverse=True)
    low, high = problem.lyapunov(time_limit=4, estimate=False).ends
    assert (high is None) or float(found.exponents[0].lo or 0) <= high + F(1, 50)
    assert (low is None) or float(found.exponents[0].hi or 0) >= low - F(1, 50)


def test_a_broken_sum_is_seen() -> None:
    from verify.moments.growth import Spectrum

    found = lyapunov_spectrum(CONE, steps=200)
    broken = Spectrum(found.exponents, found.total, lyapunov_spectrum(CONE.at("1/3"), steps=50).sum_rule)
    assert broken.sum_rule_holds is False
    assert "FAILS" in str(broken)


def test_singular_steps_have_no_last_exponent() -> None:
    found = lyapunov_spectrum(Problem.from_gram(PAIR, SGD("1")), steps=200)
    assert found.exponents[0].lo is not None
    assert found.exponents[1].lo is None
    assert found.sum_rule_holds is None


# --- joint spectral radius


def test_joint_spectral_radius_of_sgd() -> None:
    for eta, value in (("101/100", F(102, 100)), ("1", F(1)), ("1/3", F(1)), ("2", F(3))):
        found = joint_spectral_radius(Problem.from_gram(PAIR, SGD(eta)))
        assert found.lo == found.hi == value
    lo, hi = ends(joint_spectral_radius(Problem.from_gram(PAIR, SGD("3", 2))))
    kappa = np.linalg.eigvalsh(np.array([[1.0, 0.5], [0.5, 2.0]])).max()
    truth = max(abs(1 - 3 * 1), abs(1 - 3 * 2), abs(1 - 1.5 * kappa))  # batches (1, 1), (2, 2), (1, 2)
    assert float(lo) <= truth * (1 + 1e-12)
    assert truth <= float(hi) * (1 + 1e-12)


def test_joint_spectral_radius_of_words() -> None:
    golden = (1 + math.sqrt(5)) / 2
    lo, hi = ends(joint_spectral_radius(Problem.from_matrices([[[1, 1], [0, 1]], [[1, 0], [1, 1]]])))
    assert lo**2 - lo - 1 <= 0 <= hi**2 - hi - 1
    assert float(hi) - golden < 1e-5
    lo, hi = ends(joint_spectral_radius(Problem.from_matrices([[[0, 1], [0, 0]], [[0, 0], [1, 0]]])))
    assert lo <= 1 <= hi <= F(11, 10)
    assert ends(joint_spectral_radius(Problem.from_matrices([[[0, 1], [0, 0]]])))[1] <= F(1, 10)
    lo, hi = ends(joint_spectral_radius(Problem.from_gram(PAIR, SGD("101/100", momentum="1/2"))))
    assert 1 < lo <= hi <= lo * F(11, 10)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=8, max_size=8))
def test_joint_spectral_radius_bounds_every_moment(entries: list[int]) -> None:
    problem = Problem.from_matrices([[entries[0:2], entries[2:4]], [entries[4:6], entries[6:8]]])
    lo, hi = ends(joint_spectral_radius(problem, time_limit=1.0))
    assert lo <= hi
    bounds = moment(problem, 12, estimate=False)
    if bounds.lo is not None and hi:
        assert float(bounds.lo) / 12 <= math.log(hi) + 1e-9
        # E||A^n||^p >= p_w ||A_w||^p: L(p) >= p log rho - log 2 for one of two equally likely steps.
        steps = np.abs(np.linalg.eigvals(np.array([[entries[0:2], entries[2:4]], [entries[4:6], entries[6:8]]], dtype=float))).max()
        assert float(hi) >= steps * (1 - 1e-12)


# --- command line


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["moments", *arguments])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "example:one-cone", "--p", "2", "--p", "1", "--radius", "--step-size", "--json")
    shown = json.loads(out)
    assert code == 0
    assert [x["quantity"] for x in shown["moments"]] == ["L(2)", "L(1)"]
    assert shown["moments"][0]["sign"] == "negative"
    assert shown["joint_spectral_radius"]["lo"] == "51/50"
    assert shown["mean_square_step_size"]["rigour"] == "ball arithmetic"
    assert shown["escape_exponent"] is None
    target = tmp_path / "proof.json"
    code, out, _ = run(capsys, "example:one-cone", "--p", "4", "--certificate", str(target))
    assert code == 0
    assert "certificate" in out
    assert main(["recheck", str(target)]) == 0
    code, out, _ = run(capsys, "example:one-cone", "--variance", "--spectrum")
    assert code == 0
    assert "sum rule (E4) holds" in out


@pytest.mark.parametrize(
    "arguments",
    [["--p", "0.5x"], ["--p=-1"], ["--p", "3", "--certificate", "here.json"], ["--p", "2", "--p", "4", "--certificate", "here.json"], ["--width", "0"]],
)
def test_command_refuses(capsys: pytest.CaptureFixture[str], arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "example:one-cone", *arguments)
    assert code == 2
    assert not out
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
