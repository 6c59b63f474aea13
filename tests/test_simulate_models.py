"""Nonlinear models: exact kernels at exact minima, starts ever closer to them, and lambda where the runs end."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy

from verify import SGD, Estimate, GradientDescent, InputError, Sign
from verify.simulate import LadderResult, SymbolicModel, precise_run, product_model, radius_ladder, tanh_network, two_layer_linear
from verify.simulate.ladder import binomial, leaves, run

LOG2 = sympy.log(2)
TWO_LAYERS = two_layer_linear(1, (2, "1/2", 1), [(1, 0), (1, 1)])
TANH = tanh_network(2, (2, 1, LOG2, 2 * LOG2), [(1,), (2,)])


def test_the_kernel_is_exact_and_the_labels_make_x_star_a_minimum():
    a, b = np.array([2.0, 1.0]), np.log([2.0, 4.0])
    y = np.array([1.0, 2.0])
    rows = np.array([[*np.tanh(b * t), *(a * t / np.cosh(b * t) ** 2)] for t in y])
    gram = np.array([[float(x) for x in row] for row in TANH.problem(SGD("1")).minimum.gram])
    assert np.allclose(gram, rows @ rows.T, rtol=1e-14)
    assert TANH.is_rational
    assert TANH.labels[0] == sympy.Rational(2 * 3, 5) + sympy.Rational(15, 17)
    assert np.abs(TANH.residuals(TANH.start[:, None])).max() < 1e-15
    assert TWO_LAYERS.gram == sympy.Matrix([["17/4", "19/4"], ["19/4", "41/4"]])


def test_a_kernel_that_is_not_rational_is_rounded_with_a_bound():
    model = tanh_network(1, (1, "1/2"), [(1,)])
    problem = model.problem(SGD("1"))
    exact = sympy.tanh(sympy.Rational(1, 2)) ** 2 + (1 - sympy.tanh(sympy.Rational(1, 2)) ** 2) ** 2
    assert not model.is_rational
    assert "1e-30" in problem.notes[-1]
    (entry,) = problem.minimum.gram[0]
    assert abs(Fraction(str(exact.evalf(50))) - entry) < Fraction(1, 10**29)


@pytest.mark.parametrize(("model", "eta"), [(product_model((3, "1/3")), "1/4"), (TWO_LAYERS, "3/10"), (TANH, "4/5")])
def test_above_the_threshold_sgd_leaves_every_neighbourhood_and_ends_where_lambda_is_not_positive(model, eta):
    assert model.problem(SGD(eta)).lyapunov(estimate=False).sign is Sign.POSITIVE
    result = radius_ladder(model, SGD(eta), ["1/10", "1/1000", "1/100000"], starts=60, steps=4000, limits=5)
    for rung in result.rungs:
        assert rung.near == 0
        assert rung.elsewhere >= 50
        assert rung.interval[1] < 0.1
    assert result.consistent is True
    assert all(limit.distance > 0.1 for limit in result.limits)
    assert all(limit.sign is Sign.NEGATIVE and not isinstance(limit.exponent, Estimate) for limit in result.limits)


def test_below_the_threshold_the_fraction_tends_to_one():
    eta = SGD("1/4")  # not mean-square stable: excursions, but lambda < 0
    problem = TWO_LAYERS.problem(eta)
    assert problem.lyapunov(estimate=False).sign is Sign.NEGATIVE
    assert problem.mean_square().sign is Sign.POSITIVE
    result = radius_ladder(TWO_LAYERS, eta, ["1/10", "1/100", "1/10000"], starts=100, steps=4000, limits=4)
    fractions = [rung.fraction for rung in result.rungs]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.85
    assert result.rungs[-1].interval[0] > 0.9
    assert result.consistent is True


def test_gradient_descent_ends_where_mu_is_not_positive():
    model = product_model((3, "1/3"))
    assert radius_ladder(model, GradientDescent("1/6"), ["1/100"], starts=20, steps=500).rungs[0].near == 20
    above = radius_ladder(model, GradientDescent("1/4"), ["1/100"], starts=20, steps=500)
    assert above.rungs[0].near == 0
    assert above.consistent is True


def test_a_ladder_is_a_function_of_its_seed():
    one, two, other = (radius_ladder(TWO_LAYERS, SGD("1/4"), ["1/10"], starts=30, steps=1000, limits=2, seed=s) for s in (1, 1, 2))
    assert one == two
    assert one.limits != other.limits


def test_positive_lambda_at_a_limit_is_a_refutation_and_no_limit_is_no_evidence():
    result = radius_ladder(TWO_LAYERS, SGD("1/5"), ["1/100"], starts=5, steps=1000, limits=2)
    unstable = TWO_LAYERS.problem(SGD("3/10")).lyapunov(estimate=False)
    assert result.consistent is True
    assert replace(result, limits=(replace(result.limits[0], exponent=unstable),)).consistent is False
    assert replace(result, limits=()).consistent is None
    unknown = replace(result.limits[0], exponent=Estimate("Monte Carlo", "", 0.0, 1.0, 0.99))
    assert replace(result, limits=(*result.limits, unknown)).consistent is None
    assert isinstance(result, LadderResult)
    assert result.to_json()["t2_prime"] is True


def test_a_run_caught_by_round_off_leaves_in_high_precision():
    nearby = TWO_LAYERS.start + 1e-13
    assert leaves(TWO_LAYERS, SGD("3/10"), nearby, 0)
    assert not leaves(TWO_LAYERS, SGD("1/10"), nearby, 0, steps=2000)


def test_high_precision_runs_see_decay_far_below_doubles():
    start = [sympy.Rational(2) + sympy.Rational(1, 100), sympy.Rational(1, 2), sympy.Rational(1)]
    sizes = list(precise_run(TWO_LAYERS, SGD("1/5"), start, 6000, 0, 500, every=500))
    assert sizes[-1] < 1e-300
    assert float(sympy.log(sympy.Float(str(sizes[-1])))) < -1000
    w = np.array([[2.01], [0.5], [1.0]])
    ended, away = run(TWO_LAYERS, SGD("1/5"), w, 600, np.random.default_rng(0), None)
    assert ended[0]
    assert not away[0]


def test_batches_of_the_nonlinear_steps():
    """One step from x* + h, batch by batch, against gradients written by hand."""
    h = np.array([0.01, -0.02, 0.03])
    for optimiser, batches in ((SGD("1/10"), [(0,), (1,)]), (SGD("1/10", 2, False), [(0, 1)]), (GradientDescent("1/10"), [(0, 1)])):
        w = np.tile((TWO_LAYERS.start + h)[:, None], (1, 50))
        run(TWO_LAYERS, optimiser, w, 1, np.random.default_rng(0), None)
        a, b = 2.01, np.array([0.48, 1.03])
        ends = []
        for batch in batches:
            step = np.zeros(3)
            for y in ([np.array([1.0, 0.0]), np.array([1.0, 1.0])][i] for i in batch):
                error = a * (b @ y) - 2 * (np.array([0.5, 1.0]) @ y)
                step += error * np.array([b @ y, *(a * y)]) / len(batch)
            ends.append(TWO_LAYERS.start + h - 0.1 * step)
        found = {tuple(np.round(column, 12)) for column in w.T}
        assert found == {tuple(np.round(end, 12)) for end in ends}


def test_clopper_pearson():
    low, high = binomial(3, 10, 0.01)
    tail = lambda p, ks: sum(math.comb(10, k) * p**k * (1 - p) ** (10 - k) for k in ks)  # noqa: E731
    assert tail(low, range(3, 11)) == pytest.approx(0.005)
    assert tail(high, range(4)) == pytest.approx(0.005)
    assert binomial(0, 10, 0.01)[0] == 0
    assert binomial(10, 10, 0.01)[1] == 1


W1, W2, Y, OTHER = sympy.symbols("w1 w2 y other", real=True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("w1*y", (W1,), (Y,), (1,), ((1,),)), "not a SymPy expression"),
        ((W1 * Y, (), (Y,), (), ((1,),)), "parameters"),
        ((W1 * Y * OTHER, (W1,), (Y,), (1,), ((1,),)), "other"),
        ((sympy.Max(0, W1 * Y), (W1,), (Y,), (1,), ((1,),)), "kinks"),
        ((W1 * Y * sympy.Float(0.1), (W1,), (Y,), (1,), ((1,),)), "floating-point"),
        ((W1 * Y, (W1,), (Y,), (0.5,), ((1,),)), "float"),
        ((W1 * Y, (W1,), (Y,), (W2,), ((1,),)), "exact real number"),
        ((W1 * Y, (W1,), (Y,), (1, 2), ((1,),)), "1 exact numbers"),
        ((W1 * Y, (W1,), (Y,), (1,), ()), "data"),
        ((W1 * Y, (W1,), (Y,), (1,), ((1,), (2,))), "overparameterised"),
        ((W1 * Y, (W1,), (W1,), (1,), ((1,),)), "different"),
    ],
)
def test_bad_models_teach(arguments, word):
    with pytest.raises(InputError, match=word):
        SymbolicModel(*arguments)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"radii": []}, "radii"),
        ({"radii": ["1e-20"]}, "double precision"),
        ({"radii": ["-1"]}, "radii"),
        ({"starts": 0}, "starts"),
        ({"steps": True}, "steps"),
        ({"confidence": 1.5}, "confidence"),
        ({"near": "x"}, "near"),
    ],
)
def test_bad_ladders_teach(options, word):
    with pytest.raises(InputError, match=word):
        radius_ladder(TWO_LAYERS, SGD("1/4"), **options)


def test_more_bad_input_teaches():
    with pytest.raises(InputError, match="hidden"):
        tanh_network(4, (1,) * 8, [(1,)])
    with pytest.raises(InputError, match="data"):
        tanh_network(1, (1, 1), [])
    with pytest.raises(InputError, match="batch"):
        radius_ladder(TWO_LAYERS, SGD("1/4", 3, False))
    with pytest.raises(InputError, match="zero"):
        product_model((0, 0)).problem(SGD("1"))
