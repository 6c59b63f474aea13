"""Weight decay: a stationary law instead of a limit. Exact statements on a linear network, their traces on a nonlinear one."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from verify import SGD, InputError, Problem, Reshuffled, Sign, escape_exponent

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Network, NetworkMinimum, example  # noqa: E402
from verify.network.descent import ball  # noqa: E402
from verify.network.draws import draws  # noqa: E402
from verify.network.stationary import hill, interpolating_near, linear_mean_square, stationary_runs, support_radius  # noqa: E402

FEATURES = [["1", "0", "0"], ["3/2", "1", "0"]]


@pytest.fixture(scope="module")
def linear() -> NetworkMinimum:
    """<w, x> with two samples in R^3: a complement of dimension one. K = [[1, 3/2], [3/2, 13/4]]."""
    x = np.array([[float(Fraction(a)) for a in row] for row in FEATURES])
    network = Network(lambda w, x: w @ x, np.zeros(3), x)
    w = np.array([1.0, -0.5, 0.25])
    return NetworkMinimum.of(network, w, x @ w, "half_squared")


@pytest.fixture(scope="module")
def network() -> NetworkMinimum:
    return example("mlp", "synthetic", 6, 0)


@pytest.mark.parametrize(("eta", "omega"), [("1/2", "1/20"), ("3/4", "1/50"), ("11/10", "1/10")])
def test_the_exponent_is_that_of_a_longer_step(linear: NetworkMinimum, eta: str, omega: str) -> None:
    """lambda_omega(eta) = log(1 - eta omega) + lambda(eta / (1 - eta omega)), by certificates and by simulation."""
    decayed, shrink = SGD(eta, weight_decay=omega), 1 - Fraction(eta) * Fraction(omega)
    plain = SGD(Fraction(eta) / shrink)
    rows = [row[:2] for row in FEATURES]
    left, right = (Problem.from_features(rows, o).lyapunov("1e-3", estimate=False) for o in (decayed, plain))
    assert max(x.hi - x.lo for x in (left, right)) < Fraction(1, 100)
    shift = math.log(shrink)
    assert float(left.lo) - 1e-9 <= float(right.hi) + shift
    assert float(right.lo) + shift <= float(left.hi) + 1e-9
    measured = linear.problem(decayed).lyapunov(sampling={"steps": 400_000})
    assert float(left.lo) - measured.half_width <= measured.value <= float(left.hi) + measured.half_width


def test_a_stationary_law_of_a_linear_network(linear: NetworkMinimum) -> None:
    optimiser = SGD("1/2", weight_decay="1/20")
    found = stationary_runs(linear, optimiser, burn=1000, steps=4000, runs=64, piece=40)
    # the complement of span{g_i} decides: log(1 - eta omega) is larger than lambda_omega
    expected = math.log(1 - 1 / 40)
    assert linear.problem(optimiser).lyapunov(sampling={"steps": 100_000}).value < expected
    assert abs(found.exponent - expected) < 5 * found.exponent_error + 1e-4
    assert abs(found.meeting - expected) < 5 * found.meeting_error + 2e-3
    assert abs(found.mean_square / linear_mean_square(linear, optimiser) - 1) < 0.05
    assert found.mean_square > 1e-3  # nothing converges
    bound = support_radius(linear, optimiser)
    assert bound < math.inf
    assert np.linalg.norm(found.w - linear.w, axis=1).max() <= bound


def test_the_mean_square_is_of_second_order_in_the_decay(linear: NetworkMinimum) -> None:
    sizes = [linear_mean_square(linear, SGD("1/2", weight_decay=omega)) for omega in ("1/1000", "1/10000")]
    assert abs(math.log10(sizes[0] / sizes[1]) - 2) < 0.01


def test_support_and_size_are_infinite_where_they_should_be(linear: NetworkMinimum) -> None:
    heavy = SGD("3/4", weight_decay="1/50")
    assert support_radius(linear, heavy) == math.inf
    assert linear_mean_square(linear, heavy) == math.inf


def test_the_tail_is_the_power_that_the_moments_say(linear: NetworkMinimum) -> None:
    """eta between eta_ms and eta*: L_omega(s) = 0 with s near 1, proved, and Hill's estimate on the real runs."""
    heavy = SGD("3/4", weight_decay="1/50")
    problem = Problem.from_features([row[:2] for row in FEATURES], heavy)
    assert problem.lyapunov(estimate=False).sign is Sign.NEGATIVE
    s = escape_exponent(problem, width="1e-2", time_limit=5.0)
    assert s.hi < 2
    found = stationary_runs(linear, heavy, burn=1000, steps=20_000, runs=128)
    for share in (0.05, 0.02):
        value, half_width = hill(found.norms.T, share)
        assert half_width < 0.15
        assert float(s.lo) - half_width < value < float(s.hi) + half_width


def test_hill_finds_the_exponent_of_a_pareto_law() -> None:
    values = np.random.default_rng(0).pareto(1.5, (32, 4000)) + 1
    value, half_width = hill(values, 0.1)
    assert abs(value - 1.5) < half_width < 0.1
    with pytest.raises(InputError, match="at least 4 groups"):
        hill(values[:2])


def test_a_network_settles_at_a_size_of_first_order_in_the_decay(network: NetworkMinimum) -> None:
    """Runs move along M to where w is in span{g_i}; there the linear equation gives the mean square, and the slope in the decay is two."""
    eta, found, predicted = Fraction(1, 20), [], []
    for omega in (Fraction(1, 50), Fraction(1, 200)):
        optimiser = SGD(eta, weight_decay=omega)
        runs = stationary_runs(network, optimiser, burn=int(6 / (eta * omega)), steps=4000, runs=8)
        found.append(runs.mean_square)
        here = interpolating_near(network, runs.w.mean(0))
        assert np.linalg.norm(here.w) < 0.5 * np.linalg.norm(network.w)
        predicted.append(linear_mean_square(here, optimiser))
    assert abs(math.log(found[0] / found[1]) / math.log(4) - 2) < 0.15
    assert abs(found[1] / predicted[1] - 1) < 0.1
    assert abs(found[1] / linear_mean_square(network, optimiser) - 1) > 0.2  # K of the start is not the K that counts


def test_with_weight_decay_no_run_converges(network: NetworkMinimum) -> None:
    """Treating w* as a fixed point would predict residuals that vanish at the rate lambda_omega < 0."""
    start = ball(network.w, 1e-5, 8, np.random.default_rng(0))
    samples = draws(SGD(1), 6, 4000, 8, np.random.default_rng(1))
    ends = {}
    for omega in ("0", "1/1000"):
        optimiser = SGD("1/20", weight_decay=omega)
        assert network.problem(optimiser).lyapunov(sampling={"steps": 100_000}).likely is Sign.NEGATIVE
        descent = network.descent(optimiser)
        ends[omega] = descent.moved(descent.start(start), samples, 40)[1][-1]
    assert ends["0"].max() < math.log(1e-9)
    assert ends["1/1000"].min() > math.log(1e-5)


@pytest.mark.parametrize("optimiser", [SGD("1/20"), SGD("1/20", momentum="1/2", weight_decay="1/10"), Reshuffled("1/20", weight_decay="1/10")], ids=str)
def test_a_stationary_law_needs_decay_and_no_momentum(network: NetworkMinimum, optimiser: SGD) -> None:
    with pytest.raises(InputError, match="with weight decay and without momentum"):
        stationary_runs(network, optimiser, burn=100, steps=100)


def test_formulas_are_for_single_samples(network: NetworkMinimum) -> None:
    for formula in (linear_mean_square, support_radius):
        for optimiser in (SGD("1/20", 2, weight_decay="1/10"), Reshuffled("1/20", weight_decay="1/10")):
            with pytest.raises(InputError, match="batches of one sample"):
                formula(network, optimiser)


def test_runs_that_explode_have_no_law(linear: NetworkMinimum) -> None:
    with pytest.raises(InputError, match="no stationary law"):
        stationary_runs(linear, SGD("3", weight_decay="1/50"), burn=4000, steps=1000, runs=4)


def test_far_from_the_minima_there_is_nothing_to_linearise_at() -> None:
    flat = Network(lambda w, x: jax.numpy.tanh(w @ x), np.ones(2), np.eye(2))
    unreachable = NetworkMinimum.of(flat, np.ones(2), np.full(2, 3.0), "half_squared")
    with pytest.raises(InputError, match="too far from the minima"):
        interpolating_near(unreachable, np.ones(2))
