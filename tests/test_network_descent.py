"""Real SGD around minima of networks: near below the threshold and nowhere near above it, rates, T2' where runs end, and the gap to the mean square."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify import SGD, Estimate, GradientDescent, InputError, Sign
from verify.simulate.ladder import Rung, binomial

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import (  # noqa: E402
    Network,
    NetworkMinimum,
    escape_exponent_of,
    example,
    interpolate,
    limit_points,
    measured_rate,
    power_law,
    radius_ladder,
    run_to_end,
    scaled_copies,
    teacher,
    threshold_ladders,
)
from verify.network.architectures import mlp  # noqa: E402
from verify.network.descent import ball  # noqa: E402

RUNS = 24
BELOW, ABOVE = ("0.7", "0.9", "0.97"), ("1.03", "1.1", "1.5")


@pytest.fixture(scope="module")
def minimum():
    return example(mlp(8), size=4)


@pytest.fixture(scope="module")
def edge(minimum):
    found = minimum.threshold(SGD(1))
    return (found.lo + found.hi) / 2


def at(factor, edge):
    return SGD((Fraction(factor) * edge).limit_denominator(10**6))


@pytest.fixture(scope="module")
def ladders(minimum):
    return threshold_ladders(minimum, SGD(1), BELOW + ABOVE, radii=(1e-5,), starts=RUNS, limits=4)


@pytest.mark.parametrize("factor", BELOW)
def test_below_the_threshold_all_runs_end_near_the_minimum(ladders, factor):
    ladder = ladders["sgd", factor]
    (rung,) = ladder.rungs
    assert rung.near == rung.starts == RUNS
    assert rung.interval == binomial(RUNS, RUNS, 0.01)
    assert ladder.exponent.likely is Sign.NEGATIVE
    assert ladder.consistent is True
    assert all(limit.residual < 1e-14 and limit.distance < 1e-4 for limit in ladder.limits)


@pytest.mark.parametrize("factor", ABOVE)
def test_above_it_none_does_and_lambda_is_negative_where_they_end(ladders, factor):
    ladder = ladders["sgd", factor]
    (rung,) = ladder.rungs
    assert rung.near == 0
    assert rung.unsettled <= 1
    assert rung.elsewhere > RUNS / 2
    assert ladder.exponent.likely is Sign.POSITIVE
    assert ladder.consistent is True  # T2'
    assert all(limit.distance > 1e-3 and limit.residual < 1e-12 for limit in ladder.limits)
    assert ladder.to_json()["t2_prime"] is True
    assert "point" not in ladder.to_json()["limits"][0]


def test_the_closer_the_start_the_larger_the_fraction_below_and_zero_above(minimum, edge):
    below = radius_ladder(minimum, at("0.97", edge), (1e-6, 1.0, 0.1), starts=RUNS, near=0.1, limits=0)
    assert [rung.radius for rung in below.rungs] == [1.0, 0.1, 1e-6]
    assert below.rungs[0].near < below.rungs[1].near < below.rungs[2].near == RUNS
    assert below.consistent is None  # no limit was examined
    above = radius_ladder(minimum, at("1.2", edge), (1e-3, 1e-6), starts=RUNS, near=1e-2, limits=0, steps=5000)
    assert [rung.near for rung in above.rungs] == [0, 0]


def test_round_off_cannot_hold_a_run_that_lambda_drives_away(minimum, edge):
    start = ball(minimum.w, 1e-15, RUNS, np.random.default_rng(0))
    assert np.abs(minimum.descent(SGD("1/10")).residuals(start)).max() < 1e-13
    gone = run_to_end(minimum.descent(at("1.1", edge)), start, 5000)
    assert gone.released == RUNS
    assert gone.ended.sum() >= RUNS - 1
    assert (np.linalg.norm(gone.w - minimum.w, axis=1) > 1e-2).all()
    stays = run_to_end(minimum.descent(at("0.9", edge)), start, 20_000)
    assert stays.released == 0
    assert (np.linalg.norm(stays.w - minimum.w, axis=1) < 1e-6).all()


@pytest.mark.parametrize("factor", ["0.8", "1.05", "1.5"])
def test_the_rate_of_real_runs_is_lambda(minimum, edge, factor):
    rate = measured_rate(minimum, at(factor, edge), runs=RUNS)
    assert isinstance(rate.exponent, Estimate)
    assert rate.exponent.half_width < 0.1 * abs(rate.exponent.value)
    assert rate.error < max(0.003, 0.1 * abs(rate.value))
    assert rate.relaxed
    assert abs(rate.deviation) < 4


def test_a_wrong_k_would_show_in_the_rate(minimum, edge):
    right = measured_rate(minimum, at("1.05", edge), runs=RUNS)
    wrong = minimum.problem(at("0.99", edge)).lyapunov(width="1e-3")
    assert abs(right.value - wrong.value) > 6 * right.error


def test_gradient_descent_ends_where_mu_is_negative(minimum):
    edge = minimum.threshold(GradientDescent(1)).lo
    below = radius_ladder(minimum, GradientDescent(edge * Fraction(9, 10)), (1e-5,), starts=8, limits=2)
    above = radius_ladder(minimum, GradientDescent(edge * Fraction(11, 10)), (1e-5,), starts=8, limits=4)
    assert below.rungs[0].near == 8
    assert above.rungs[0].near == 0
    assert above.rungs[0].elsewhere == 8
    assert below.consistent is above.consistent is True


def test_a_limit_where_lambda_is_positive_would_be_reported(minimum, edge):
    (limit,) = limit_points(minimum, at("1.1", edge), minimum.w[None], [0.0])
    assert limit.sign is Sign.POSITIVE
    assert limit.distance == limit.moved == 0


def test_ends_are_polished(minimum):
    off = minimum.w + 1e-4 * np.random.default_rng(0).standard_normal(minimum.w.shape)
    (limit,) = limit_points(minimum, SGD("1/100"), off[None], [0.0])
    assert limit.residual < 1e-13
    assert 1e-6 < limit.moved < 1e-2


def test_runs_that_explode_are_away(minimum):
    rung = radius_ladder(minimum, SGD("100"), (1e-5,), starts=RUNS, steps=400, limits=1).rungs[0]
    assert rung.near == 0
    assert rung.away > 0
    assert rung.away + rung.elsewhere + rung.unsettled == RUNS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"radii": ()}, "radii"),
        ({"radii": (0.0,)}, r"radii\[0\]"),
        ({"near": -1.0}, "near"),
        ({"starts": 0}, "starts"),
        ({"steps": 1.5}, "steps"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": "x"}, "confidence = 'x' is not a number"),
        ({"optimiser": SGD("1/10", weight_decay="1/10")}, "weight_decay"),
        ({"optimiser": None}, "optimiser = None is not an optimiser"),
        ({"optimiser": "1/10"}, "optimiser = '1/10' is not an optimiser"),
        ({"minimum": None}, "minimum = None is not a NetworkMinimum"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": "a"}, "seed = 'a'"),
    ],
)
def test_bad_input_is_named(minimum, options, words):
    with pytest.raises(InputError, match=words):
        radius_ladder(**{"minimum": minimum, "optimiser": SGD("1/10"), **options})
    if not {"near", "starts", "steps", "confidence"} & set(options):
        with pytest.raises(InputError):
            measured_rate(options.get("minimum", minimum), options.get("optimiser", SGD("1/10")), *options.get("radii", ()) or (-1.0,))


def test_rates_need_runs_a_seed_and_an_optimiser(minimum):
    for optimiser, options, words in ((SGD("1/10"), {"seed": "a"}, "seed = 'a'"), (SGD("1/10"), {"runs": 1}, "runs = 1"), ("1/10", {}, "is not an optimiser")):
        with pytest.raises(InputError, match=words):
            measured_rate(minimum, optimiser, **options)


def test_what_does_not_fit_is_refused(minimum):
    with pytest.raises(InputError, match="polish"):
        radius_ladder(minimum.at(minimum.w + 1e-3), SGD("1/10"))
    with pytest.raises(InputError, match="starts has shape"):
        run_to_end(minimum.descent(SGD("1/10")), minimum.w, 10)
    with pytest.raises(InputError, match="thresholds has 'best'"):
        threshold_ladders(minimum, SGD(1), thresholds=("best",))


def test_a_cnn_does_what_lambda_says():
    ladders = threshold_ladders(example("cnn", size=4), SGD(1), ("0.9", "1.1"), radii=(1e-5,), starts=16, limits=2)
    assert [ladder.rungs[0].near for ladder in ladders.values()] == [16, 0]
    assert all(ladder.consistent for ladder in ladders.values())


# -- the property: small networks and step sizes at random

DATA = np.random.default_rng(5).standard_normal((3, 4))


@pytest.fixture(scope="module")
def small():
    """For both activations a network whose programs all its minima share."""
    found = {}
    for activation in ("tanh", "softplus"):
        made = mlp(5, activation)
        network = Network(made.function, made.initialise(np.random.default_rng(1), (4,), 1), DATA)
        w = interpolate(network, np.array([1.0, -0.5, 0.3])).w
        found[activation] = NetworkMinimum.of(network, w, teacher(network, w), "half_squared")
    return found


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["tanh", "softplus"]), st.integers(0, 10**6), st.floats(0.5, 2.0), st.floats(0.6, 2.4))
def test_sgd_converges_near_iff_lambda_is_negative(small, activation, seed, size, step):
    base = small[activation]
    rng = np.random.default_rng(seed)
    fit = interpolate(base.network, base.targets, size * rng.standard_normal(base.w.shape))
    if not fit.reached:
        return
    minimum = base.at(fit.w)
    optimiser = SGD(Fraction(step / float(np.diag(minimum.gram).max())).limit_denominator(10**6))
    exponent = minimum.problem(optimiser).lyapunov(width="1e-3", time_limit=1.0)
    if not abs(exponent.value) > max(0.01, 5 * exponent.half_width):
        return  # too close to zero for what follows
    rung = radius_ladder(minimum, optimiser, (1e-7,), starts=16, steps=4000, near=1e-4, limits=0).rungs[0]
    if exponent.value > 0:
        assert rung.near == 0
    else:
        assert rung.near >= 8
        assert rung.unsettled == 0


# -- between eta_ms and eta*


def rungs_of(alpha, starts=2000):
    near = [round(starts * (1 - 0.8 * (10.0**-k) ** alpha)) for k in range(1, 5)]
    return [Rung(10.0**-k, starts, n, starts - n, 0, 0, (0.0, 1.0)) for k, n in zip(range(1, 5), near, strict=True)]


@pytest.mark.parametrize("alpha", [0.3, 0.8, 1.3])
def test_a_power_law_is_recovered(alpha):
    found = power_law(rungs_of(alpha))
    assert abs(found.exponent - alpha) < 2 * found.error < 0.5
    assert abs(found.constant - math.log(0.8)) < 0.3


def test_no_power_law_from_too_little():
    with pytest.raises(InputError, match="two rungs"):
        power_law(rungs_of(0.8)[:1])
    with pytest.raises(InputError, match="0 runs gone"):
        power_law([Rung(r, 100, 100, 0, 0, 0, (0.0, 1.0)) for r in (0.1, 0.01)])


@pytest.fixture(scope="module")
def gap():
    return scaled_copies((2.0, 0.6), 0.1)


def test_sgd_converges_where_the_second_moment_explodes(gap):
    eta = SGD("2/5")
    alpha = escape_exponent_of(gap, eta, width="1/10", time_limit=10.0)
    assert alpha.proved  # for the rounded K
    assert 0 < alpha.lo <= alpha.hi < 2  # L(2) > 0: the second moment explodes
    ladder = radius_ladder(gap, eta, (1e-2, 1e-3, 1e-4), starts=60, near=0.1, limits=0)
    assert ladder.exponent.likely is Sign.NEGATIVE
    gone = [rung.starts - rung.near for rung in ladder.rungs]
    assert 30 > gone[0] > gone[2] > 0
    law = power_law(ladder.rungs)
    assert abs(law.exponent - float(alpha.lo + alpha.hi) / 2) < 4 * law.error


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["mlp", "cnn", "transformer"])
def test_all_of_96_seeds_below_and_none_above(architecture):
    """The Transformer needs most: at 0.97 eta* its lambda is -0.0007."""
    minimum = example(architecture)
    ladders = threshold_ladders(minimum, SGD(1), BELOW + ABOVE, radii=(1e-5,), starts=96, limits=12, steps=100_000)
    assert [ladders["sgd", f].rungs[0].near for f in BELOW + ABOVE] == [96] * 3 + [0] * 3
    assert all(ladder.consistent for ladder in ladders.values())


@pytest.mark.slow
def test_step_sizes_around_every_threshold_and_every_radius(minimum):
    ladders = threshold_ladders(minimum, SGD(1), thresholds=("sgd", "mean_square", "gd"), starts=48, near=1e-3, limits=6)
    assert len(ladders) == 18
    for ladder in ladders.values():
        assert ladder.consistent is not False
        if ladder.exponent.likely is Sign.POSITIVE:
            assert ladder.rungs[-1].near == 0
        if ladder.exponent.likely is Sign.NEGATIVE:
            assert ladder.rungs[-1].near == 48
