"""The analysis of networks: K, thresholds in the user's units, hypotheses that are checked or named, and refusals that teach."""

import dataclasses
import json
import math
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify import SGD, GradientDescent, InputError, Problem
from verify.network import kinks as kinks_module
from verify.network import step_sizes as step_sizes_module
from verify.network.analysis import Interpolation, analyse_kernel, analyse_minimum, analyse_network, gram_accuracy
from verify.network.architectures import transformer
from verify.network.kernel import Kernel, Status
from verify.network.kinks import smoothness
from verify.network.loss import KINDS, Loss
from verify.network.mean_square import mean_square_step_size
from verify.network.minimum import NetworkMinimum
from verify.network.model import Network
from verify.network.smoothness import mismatch, not_examined
from verify.network.step_sizes import step_sizes
from verify.network.verdict import regular_steps
from verify.optimiser import Reshuffled, checked_for
from verify.result import Estimate, Sign
from verify.threshold.bracket import critical_bracket
from verify.threshold.mean_square import mean_square_threshold

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")
jnp = jax.numpy

RNG = np.random.default_rng(5)
X = RNG.standard_normal((4, 3))
PARAMS = {"W": RNG.standard_normal((6, 3)), "b": 0.3 * RNG.standard_normal(6), "v": RNG.standard_normal(6) / 2}
SMOOTH = not_examined(smooth=True)
QUICK = {"resolution": 0.02, "time_limit": 2.0}


def tanh_model(p, x):
    return p["v"] @ jnp.tanh(p["W"] @ x + p["b"])


def with_activation(act):
    return lambda p, x: p["v"] @ act(p["W"] @ x + p["b"])


def targets_of(f, params=PARAMS, inputs=X):
    return Network(f, params, inputs).values(Network(f, params, inputs).start)


@pytest.fixture(scope="module")
def minimum():
    network = Network(tanh_model, PARAMS, X)
    return NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared")


@pytest.fixture(scope="module")
def analysis(minimum):
    return analyse_minimum(minimum, SGD("1/10"))


def kernel_of(rng, rows, outputs=1, dimension=None, **options):
    x = rng.standard_normal((rows, dimension or 3 * rows))
    return Kernel.of(x @ x.T / x.shape[1], outputs, 100, **options)


def analysed(kernel, optimiser, smooth=SMOOTH, loss=None, **options):
    z = np.ones((kernel.size, kernel.outputs))
    return analyse_kernel(kernel, 0 * z, z, optimiser, loss=loss or Loss("half_squared"), smoothness=smooth, **(QUICK | options))


# --- the whole -----------------------------------------------------------------------------------------------------------------------------


def test_an_mlp(analysis):
    assert (analysis.kernel.size, analysis.kernel.outputs, analysis.kernel.parameters) == (4, 1, 30)
    assert [v.outcome for v in analysis.verdicts] == ["stable", "stable"]
    assert analysis.decided
    assert {h.name: h.status for h in analysis.verdict.hypotheses} == {
        "H1": Status.HOLDS, "H2": Status.NUMERICALLY, "H3": Status.NUMERICALLY, "R1": Status.NUMERICALLY, "R2": Status.NUMERICALLY,
    }  # fmt: skip
    sizes = analysis.step_sizes
    assert sizes.nonexpansive.hi <= sizes.mean_square.hi <= sizes.sgd.hi <= sizes.determinant.hi
    assert sizes.sgd.hi - sizes.sgd.lo <= 1.01e-3 * sizes.sgd.hi
    text = str(analysis)
    for expected in ("N = 4 samples", "D = 30", "SGD, step size 1/10", "half_squared", "eta_ms", "H3: holds numerically", "not a proof"):
        assert expected in text
    content = json.loads(json.dumps(analysis.to_json(), allow_nan=False))
    assert content["decided"] is True
    assert content["kernel"]["rank"] == 4
    assert content["minimum"]["largest"] == 0.0


def test_the_verdict_follows_the_threshold(analysis):
    kernel, star = analysis.kernel, analysis.step_sizes.sgd.lo
    outcomes = [analysed(kernel, SGD(Fraction(x * star).limit_denominator(10**6)), thresholds=False).verdict.outcome for x in (0.7, 1.3)]
    assert outcomes == ["stable", "unstable"]
    near = analysed(kernel, SGD(Fraction((analysis.step_sizes.sgd.lo + analysis.step_sizes.sgd.hi) / 2)), thresholds=False)
    assert isinstance(near.lambda_, Estimate)
    assert near.lambda_sign is near.lambda_.likely


def test_the_gradient_norm_and_the_distance_come_from_the_right_kernel(minimum):
    """|grad L| and |J^T K^-1 r| from K alone agree with backward passes; K in another convention does not pass."""
    network, gram = minimum.network, minimum.gram
    r = 1e-10 * np.array([[1.0], [-2.0], [0.5], [1.5]])
    kernel = Kernel.of(gram, 1, network.parameters)
    found = Interpolation.of(r, minimum.targets, 1e-8).at(kernel, r, Fraction(2))
    wanted = np.linalg.norm(network.pull(minimum.w, 2 * r / 4))
    assert found.gradient == pytest.approx(wanted, rel=1e-9)
    assert found.distance == pytest.approx(np.linalg.norm(network.pull(minimum.w, np.linalg.solve(gram, r))), rel=1e-9)
    doubled = Interpolation.of(r, minimum.targets, 1e-8).at(Kernel.of(2 * gram, 1, network.parameters), r, Fraction(2))
    assert doubled.gradient != pytest.approx(wanted, rel=1e-2)


@given(st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_k_against_finite_differences(seed):
    network = SHARED
    w = network.start + 0.3 * np.random.default_rng(seed).standard_normal(len(network.start))
    h = 1e-6
    columns = [(network.values(w + h * e) - network.values(w - h * e)).ravel() / (2 * h) for e in np.eye(len(w))]
    j = np.stack(columns, 1)
    np.testing.assert_allclose(network.gram(w), j @ j.T, rtol=1e-6, atol=1e-7)


SHARED = Network(tanh_model, PARAMS, X)


def test_the_accuracy_of_k_is_honest(minimum):
    """Far above one rounding, far below the entries; a point off the minimum is charged with the change of K on the way to it."""
    found = gram_accuracy(minimum.network, minimum.w, minimum.gram, minimum.residuals)
    assert 1e-16 < found < 1e-12
    moved = gram_accuracy(minimum.network, minimum.w, minimum.gram, np.full((4, 1), 1e-6))
    assert 1e-8 < moved < 1e-2


# --- invariances ---------------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(1, 2))
@settings(max_examples=6, deadline=None)
def test_permuting_samples_changes_nothing(seed, size, outputs):
    rng = np.random.default_rng(seed)
    kernel = kernel_of(rng, size * outputs, outputs)
    order = rng.permutation(size)
    rows = (order[:, None] * outputs + np.arange(outputs)).ravel()
    other = Kernel.of(kernel.gram[np.ix_(rows, rows)], outputs, 100)
    eta = SGD(Fraction(float(1.2 / kernel.own.max())))
    a, b = (analysed(k, eta, thresholds=True, resolution=0.2) for k in (kernel, other))
    for key in ("nonexpansive", "mean_square", "determinant", "gd"):
        assert getattr(a.step_sizes, key).lo == pytest.approx(getattr(b.step_sizes, key).lo, rel=1e-7)
    assert (a.kernel.rank, len(a.kernel.components)) == (b.kernel.rank, len(b.kernel.components))
    assert abs(a.lambda_.value - b.lambda_.value) <= 1.5 * (a.lambda_.half_width + b.lambda_.half_width)


@pytest.mark.parametrize("optimiser", [SGD("1/10"), SGD("1/10", 2), GradientDescent("1/10")], ids=["batch 1", "batch 2", "gd"])
def test_loss_conventions_only_rescale_the_step_size(optimiser):
    """Every threshold times the factor is the theory's, exactly the same simulation; a step size in one convention acts as its multiple in the other."""
    kernel = kernel_of(np.random.default_rng(3), 6, 2)
    base = step_sizes(kernel, optimiser, Loss("half_squared"), **QUICK)
    for kind in KINDS:
        for reduction in ("mean", "sum"):
            loss = Loss(kind, reduction)
            f, f_gd = float(loss.factor_of(optimiser, 2, 3)), float(loss.factor(2, 3))
            found = step_sizes(kernel, optimiser, loss, **QUICK)
            for key in ("nonexpansive", "mean_square", "sgd", "determinant", "gd"):
                one, other = getattr(found, key), getattr(base, key)
                assert (one.lo is None) == (other.lo is None)
                if one.lo is not None:
                    assert one.lo * (f_gd if key == "gd" else f) == pytest.approx(other.lo, rel=1e-12)
    squared = dataclasses.replace(optimiser, step_size=optimiser.step_size / 2)
    a = analysed(kernel, optimiser, thresholds=False)
    b = analysed(kernel, squared, loss=Loss("squared"), thresholds=False)
    wrong = analysed(kernel, optimiser, loss=Loss("squared"), thresholds=False)
    assert a.lambda_.value == b.lambda_.value
    assert a.lambda_.value != pytest.approx(wrong.lambda_.value, rel=1e-2)


# --- step sizes ----------------------------------------------------------------------------------------------------------------------------

RATIONAL = [["2", "1/2", "1/4"], ["1/2", "1", "1/3"], ["1/4", "1/3", "3/2"]]


@pytest.mark.parametrize(
    ("optimiser", "gram", "outputs"),
    [
        (SGD("1"), RATIONAL, 1),
        (SGD("1", 2), RATIONAL, 1),
        (SGD("1", 2, False), RATIONAL, 1),
        (SGD("1", weights=["1", "2", "3"]), RATIONAL, 1),
        (SGD("1", 2, weights="kaczmarz"), RATIONAL, 1),
        (SGD("1", weight_decay="1/5"), RATIONAL, 1),
        (SGD("1", 2, outputs := True), [[*row, "0"] for row in RATIONAL] + [["0", "0", "0", "1"]], 2),
    ],
)
def test_the_mean_square_step_size_of_batches(optimiser, gram, outputs):
    """Against 1/rho of the d^2 x d^2 form of the exact family."""
    problem = Problem.from_gram(gram, optimiser, outputs=outputs)
    kernel = Kernel.of([[float(Fraction(x)) for x in row] for row in gram], outputs, 10)
    wanted = mean_square_threshold(problem)
    assert mean_square_step_size(kernel, checked_for(optimiser, problem.minimum)) == pytest.approx(float(wanted.lo), rel=2e-5)


def test_eta_det_is_the_upper_end_of_the_bracket():
    problem = Problem.from_gram(RATIONAL, SGD("1"))
    kernel = Kernel.of([[float(Fraction(x)) for x in row] for row in RATIONAL], 1, 10)
    found = step_sizes(kernel, SGD("1"), Loss("half_squared"), **QUICK)
    bracket = critical_bracket(problem.minimum, problem.optimiser)
    assert found.determinant.lo <= float(bracket.upper[1])
    assert found.determinant.hi >= float(bracket.upper[0])
    assert found.nonexpansive.lo == pytest.approx(float(bracket.lower), rel=2e-9)
    assert found.sgd.confidence == 0.95


@pytest.mark.parametrize(
    ("optimiser", "absent"),
    [
        (SGD("1/10", momentum="1/2"), {"nonexpansive", "mean_square", "determinant"}),
        (SGD("1/10", 2), {"determinant"}),
        (Reshuffled("1/10"), {"mean_square"}),
        (GradientDescent("1/10"), {"nonexpansive", "mean_square", "sgd", "determinant"}),
    ],
)
def test_thresholds_that_do_not_apply_say_why(optimiser, absent):
    found = step_sizes(kernel_of(np.random.default_rng(1), 4), optimiser, Loss("half_squared"), **QUICK)
    for key in ("nonexpansive", "mean_square", "sgd", "determinant", "gd"):
        one = getattr(found, key)
        assert (one.lo is None) == (key in absent)
        assert one.reason or one.lo is not None


def test_where_slow_modes_hide_the_sign_the_lower_end_rests_on_a_fact():
    problem = Problem.measured([[1.0, 0.5], [0.5, 2.0]], SGD("1"))
    found = step_sizes_module._beside(problem, 1.0, 4.0, 0.99, 2.0, 0)
    exact = Problem.from_gram([["1", "1/2"], ["1/2", "2"]], SGD("1")).threshold("1e-4")
    assert found.lo == 1.0
    assert float(exact.lo) < found.hi < 1.2
    assert "by E5 or E11" in found.reason


def test_slow_modes_leave_a_small_exponent_undecided():
    """kappa_min eta / N is 1e-9 per step: a run shows its start, unless lambda is large."""
    k = np.array([[1.0, 0.5], [0.5, 2.0]])
    slow = np.block([[k, np.zeros((2, 1))], [np.zeros((1, 2)), np.array([[1e-8]])]]) + 1e-9
    kernel = Kernel.of(slow, 1, 10)
    assert analysed(kernel, SGD("101/100"), thresholds=False).lambda_sign is Sign.UNDECIDED
    assert analysed(kernel, SGD("2"), thresholds=False).lambda_sign is Sign.POSITIVE
    found = step_sizes(kernel, SGD("1"), Loss("half_squared"), **QUICK)
    assert "by E5 or E11" in found.sgd.reason
    assert 1 <= found.sgd.lo < found.sgd.hi < 1.3


def test_thresholds_are_quick():
    began = time.process_time()
    found = step_sizes(kernel_of(np.random.default_rng(2), 8), SGD("1/10"), Loss("half_squared"))
    assert time.process_time() - began < 5
    assert found.sgd.hi - found.sgd.lo < 1.01e-3 * found.sgd.hi


# --- hypotheses ----------------------------------------------------------------------------------------------------------------------------


def test_h2_by_the_rank_with_a_margin():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 12))
    whole = Kernel.of(x @ x.T, 1, 100)
    assert whole.independence().status is Status.NUMERICALLY
    twice = np.vstack([x, x[:1]])
    singular = Kernel.of(twice @ twice.T, 1, 100)
    assert singular.independence().status is Status.SINGULAR
    assert singular.rank == 4
    assert math.isinf(singular.condition)
    noise = rng.standard_normal(12)
    for size, status in ((1e-8, Status.SINGULAR), (1e-6, Status.UNDECIDED), (1e-4, Status.NUMERICALLY)):
        near = np.vstack([x, x[:1] + size * noise])
        assert Kernel.of(near @ near.T, 1, 100).independence().status is status
    silent = x.copy()
    silent[2] = 0
    quiet = Kernel.of(silent @ silent.T, 1, 100)
    assert "gradient of sample 2 is zero" in quiet.independence().reason
    verdict = analysed(quiet, SGD("1/50"), thresholds=False).verdict
    assert verdict.outcome == "undecided"
    assert "sample 2" in verdict.words


def test_r1_names_steps_that_are_singular_or_reflections():
    kernel = Kernel.of([[2.0, 0.5], [0.5, 1.5]], 1, 10)
    for eta, status in (("1/2", Status.UNDECIDED), ("1", Status.UNDECIDED), ("3/5", Status.NUMERICALLY)):
        found = regular_steps(kernel, SGD(eta))
        assert found.status is status
    assert "c_0 = 1 is within rounding of 1 or 2" in regular_steps(kernel, SGD("1/2")).reason
    assert analysed(kernel, SGD("1/2"), thresholds=False).verdict.outcome == "undecided"
    two = Kernel.of(np.diag([2.0, 1.0, 1.0, 3.0]) + 0.1, 2, 10)
    assert regular_steps(two, SGD("3/10")).status is Status.NUMERICALLY
    assert regular_steps(kernel, SGD("1/2", 2)).status is Status.ASSUMED


def test_r2_by_edges_above_the_accuracy():
    a = np.array([[2.0, 1.0], [1.0, 2.0]])
    for coupling, status, parts in ((0.0, Status.SINGULAR, 2), (1e-18, Status.SINGULAR, 2), (2e-14, Status.UNDECIDED, 1), (1e-3, Status.NUMERICALLY, 1)):
        k = np.block([[a, np.full((2, 2), coupling)], [np.full((2, 2), coupling), 3 * a]])
        kernel = Kernel.of(k, 1, 10)
        assert kernel.connectedness().status is status
        assert len(kernel.components) == parts
        assert (kernel.separated[0, 2] == 0) == (parts == 2)
    parts = analysed(Kernel.of(np.kron(np.diag([1.0, 3.0]), a), 1, 10), SGD("1/4"), thresholds=False)
    assert "R2: fails up to rounding" in parts.verdict.words


def test_extensions_and_settings_without_a_theorem_are_named():
    kernel = kernel_of(np.random.default_rng(4), 4)
    for optimiser, word in ((SGD("1/50", 2), "batch 2"), (SGD("1/50", momentum="1/2"), "momentum"), (Reshuffled("1/50"), "reshuffled epochs"),
                            (SGD("1/50", weights=["1", "2", "1", "1"]), "non-uniform samples")):  # fmt: skip
        assert word in analysed(kernel, optimiser, thresholds=False).verdict.extension
    decay = analysed(kernel, SGD("1/50", weight_decay="1/10"), thresholds=False)
    assert decay.verdict.outcome == "undecided"
    assert "no common fixed point" in decay.verdict.words
    full = analysed(kernel, GradientDescent("1/50"))
    assert [v.statement for v in full.verdicts] == ["T1"]
    assert full.lambda_ is full.mu
    assert analysed(kernel, SGD("1/50"), smooth=not_examined(), thresholds=False).verdict.outcome == "undecided"
    assert analysed(kernel, SGD("1/50"), smooth=not_examined(smooth=False), thresholds=False).verdict.outcome == "undecided"


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (jax.nn.softplus, Status.HOLDS),
        (lambda a: jax.nn.gelu(a, approximate=False), Status.HOLDS),
        (jax.nn.softmax, Status.HOLDS),
        (lambda a: a / jnp.sqrt(jnp.var(a) + 1e-5), Status.HOLDS),
        (lambda a: jax.lax.fori_loop(0, 2, lambda _, c: jnp.tanh(c), a), Status.HOLDS),
        (jax.nn.relu, Status.KINKS),
        (jax.nn.elu, Status.KINKS),
        (lambda a: jnp.clip(a, -1, 1), Status.KINKS),
        (lambda a: a / jnp.linalg.norm(a), Status.KINKS),
        (lambda a: jnp.tanh(a) * jnp.max(jax.nn.relu(a)), Status.KINKS),
        (lambda a: jnp.sort(a) + jnp.floor(a), Status.KINKS),
        (lambda a: jax.lax.fori_loop(0, 2, lambda _, c: jax.nn.relu(c), a), Status.FAILS),
        (lambda a: a + jax.lax.stop_gradient(jnp.round(a) - a), Status.FAILS),
        (lambda a: jax.lax.while_loop(lambda c: c.sum() < 1e3, lambda c: c * c + 1, a), Status.UNDECIDED),
    ],
    ids=["softplus", "gelu", "softmax", "norm", "loop", "relu", "elu", "clip", "unit", "maxpool", "sort", "relu-in-loop", "straight-through", "while"],
)
def test_h1_by_the_program(act, status):
    network = Network(with_activation(act), PARAMS, X)
    found = smoothness(network, network.start).hypothesis()
    assert found.status is status, found.reason


TWO = np.array([1.0, 2.0])
stop = jax.lax.stop_gradient


def looked_at(f, p, inputs=TWO):
    """Smoothness of p_0 x + p_1 x^2 + f(p_2, p_3, ...; x)."""
    network = Network(lambda p, x: p[0] * x + p[1] * x * x + f(p[2:], x), np.array([1.0, 1.0, *p]), inputs)
    return smoothness(network, network.start)


def norm_without_nan(v):
    s = v @ v
    return jnp.where(s > 0, jnp.sqrt(jnp.where(s > 0, s, 1.0)), 0.0)


@pytest.mark.parametrize(
    ("f", "p"),
    [
        (lambda p, x: norm_without_nan(p) * x, [0.0, 0.0]),
        (lambda p, x: jax.nn.relu(p[0] * p[1]) * x, [0.0, 0.0]),
        (lambda p, _: jnp.abs(p[0] * p[1]), [0.0, 0.0]),
        (lambda p, x: jax.nn.relu(p[:2] @ (p[2:] * x)), [0.0] * 4),
        (lambda p, _: jax.nn.relu(p[0] ** 2 - 1e-16) * 1e3, [0.0]),
    ],
    ids=["norm", "relu", "abs", "pruned", "off zero"],
)
def test_arguments_with_gradient_zero_are_not_constant_for_that(f, p):
    seen = looked_at(f, p)
    assert not seen.hypothesis().stands
    assert not sum(kink.ties for kink in seen.kinks)
    assert seen.radius is None or seen.radius == 0


def test_arguments_behind_inactive_units_are_seen_to_be_constant():
    deep = looked_at(lambda p, x: jax.nn.relu(p[1] * jax.nn.relu(p[0] * x)), [-0.5, 1.0])
    assert deep.hypothesis().status is Status.KINKS
    assert "2 arguments that were not seen to change near w* are left out, which is not proved" in deep.hypothesis().reason
    assert deep.radius == pytest.approx(0.5)


def test_a_curved_margin_does_not_get_its_first_order_distance():
    found = looked_at(lambda p, _: jax.nn.relu(1e-9 * p[0] + p[0] ** 2 - 1e-4), [0.0])  # the kink is at 1e-2, to first order at 1e5
    assert found.radius == pytest.approx(1e-2, rel=0.5)


@pytest.mark.parametrize(
    ("f", "p", "distance"),
    [
        (lambda p, x: stop(jnp.floor(p[0])) * x, 1.0001, 1e-4),
        (lambda p, x: stop(jax.nn.relu(p[0])) * x, -1e-4, 1e-4),
        (lambda p, _: jnp.where(stop(p[0]) > 0.99, 1.0, 0.0), 1.0, 1e-2),
        (lambda p, _: jax.lax.fori_loop(0, 2, lambda _, c: c + stop(jnp.sign(c)), p[0]), 1.0, None),
    ],
    ids=["floor", "dead relu", "where", "in a loop"],
)
def test_kinks_under_stop_gradient_are_seen(f, p, distance):
    found = looked_at(f, [p])
    assert found.radius == (distance and pytest.approx(distance, rel=1e-6))
    assert found.hypothesis().status is (Status.KINKS if distance else Status.FAILS)


@pytest.mark.parametrize(
    ("f", "smooth"),
    [
        (lambda p, x: jax.nn.softmax(p * x)[1], True),
        (lambda p, x: jax.nn.logsumexp(p * x), True),
        (lambda p, x: jax.nn.log_softmax(p * x)[0], True),
        (lambda p, x: jax.nn.softmax(p * x, where=jnp.array([True, True, False]))[0], True),
        (lambda p, x: jax.nn.softmax(jnp.outer(p, p) * x, axis=0)[0, 1], True),
        (lambda p, _: (lambda e: e / e.sum())(jnp.exp(p - p.max()))[0], True),
        (lambda p, _: (lambda m: jnp.log(jnp.exp(p - m).sum()) + m)(p.max()), True),
        (lambda p, _: jnp.exp(p - stop(p.max()))[0], False),
        (lambda p, _: (lambda e: e / (1 + e.sum()))(jnp.exp(p - p.max()))[0], False),
        (lambda p, _: (lambda e: e / (e * e).sum())(jnp.exp(p - p.max()))[0], False),
        (lambda p, _: (lambda m: jnp.log(jnp.exp(p - m).sum()) + 2 * m)(p.max()), False),
        (lambda p, _: (lambda a: (lambda e: e / e.sum())(jnp.exp(a - a.max(0))))(jnp.outer(p, p))[0, 1], False),
    ],
    ids=["softmax", "logsumexp", "log_softmax", "where", "axis", "quotient", "sum", "no quotient", "1 + sum", "squares", "twice", "other axis"],
)
def test_a_maximum_is_no_kink_where_it_cancels(f, smooth):
    found = looked_at(f, [0.3, 0.7, 0.6])
    assert any("max" in kink.name for kink in found.kinks) is not smooth
    assert found.hypothesis().status is not Status.HOLDS or smooth


def test_the_transformer_is_smooth():
    rng = np.random.default_rng(0)
    made = transformer(4, 6)
    network = Network(made.function, made.initialise(rng, (3, 2), 1), rng.standard_normal((2, 3, 2)))
    assert smoothness(network, network.start).hypothesis().status is Status.HOLDS


def test_a_power_needs_a_positive_base_even_if_constant():
    power = lambda p, x: p[0] * x[0] ** p[1] + p[2] * x[1]  # noqa: E731
    for first, status in ((0.0, Status.FAILS), (1.5, Status.KINKS)):
        network = Network(power, np.array([1.0, 0.01, 1.0]), np.array([[first, 1.0], [2.0, 3.0]]))
        found = smoothness(network, network.start)
        assert found.hypothesis().status is status
        assert found.radius == (None if first == 0 else math.inf)


@pytest.mark.parametrize(
    "f",
    [
        lambda p, _: jnp.tanh(p.astype(jnp.float32)).sum().astype(float),
        lambda p, _: p.astype(jnp.bfloat16).sum().astype(float),
        lambda p, x: jax.lax.reduce_precision(p[0], 8, 35) * x,
        lambda p, _: jax.lax.dot(p, p, preferred_element_type=jnp.float32).astype(float),
    ],
    ids=["float32", "bfloat16", "reduce_precision", "dot"],
)
def test_rounding_is_not_smooth(f):
    found = looked_at(f, [0.3, 0.7])
    assert found.hypothesis().status is Status.FAILS
    assert "precision" in found.hypothesis().reason or "rounding to" in found.hypothesis().reason


def test_complex_numbers_are_not_examined():
    assert looked_at(lambda p, x: jnp.abs(p[0] * x + 1j * p[1]), [1.0, 0.5]).hypothesis().status is Status.UNDECIDED


@jax.custom_jvp
def almost_softplus(x):
    """The operations of JAX's softplus in their order, one of them on another variable: it has a kink at 0."""
    lax = jax.lax
    m, d = lax.max(x, 0.0 * x), lax.sub(x, 0.0 * x)
    t, s, _ = lax.ne(d, d), lax.add(x, 0.0 * x), lax.abs(d)
    return lax.select_n(t, lax.add(m, lax.log1p(lax.exp(lax.neg(m)))), s)


@jax.custom_jvp
def softplus_with_a_wrong_gradient(x):
    d = x - 0.0
    return jax.lax.select(d != d, x + 0.0, jnp.maximum(x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(d))))


almost_softplus.defjvps(lambda t, *_: t / 2)
softplus_with_a_wrong_gradient.defjvps(lambda t, _, x: t * jax.nn.sigmoid(x) * (1 + 1e-6))


def test_softplus_is_recognised_by_its_wiring():
    assert looked_at(lambda p, x: jax.nn.softplus(p[0]) * x, [0.0]).hypothesis().status is Status.HOLDS
    assert looked_at(lambda p, x: jnp.logaddexp(p[0], p[1]) * x, [0.5, 0.5]).hypothesis().status is Status.HOLDS
    assert not looked_at(lambda p, x: almost_softplus(p[0]) * x, [0.0]).hypothesis().stands
    assert not looked_at(lambda p, x: softplus_with_a_wrong_gradient(p[0]) * x, [0.5]).hypothesis().stands


@pytest.mark.parametrize("small", [1e7, 0], ids=["K", "J^T u"])
def test_small_errors_of_custom_gradients_are_named(small, monkeypatch):
    """True K: rank 1. Differences of F, good to 1e-3, do not see it."""
    monkeypatch.setattr(kinks_module, "SMALL", small)
    f = lambda p, x: p[0] * x + 1e-5 * (p[1] - stop(p[1])) * x**2  # noqa: E731
    found = analyse_network(f, np.array([1.0, 0.1]), TWO, TWO, SGD("3/100"), loss="half_squared", thresholds=False)
    assert found.kernel.independence().status is Status.NUMERICALLY
    assert found.verdict.hypotheses[0].status is Status.FAILS
    assert "K is then not the Gram matrix of F" in found.verdict.words
    right = looked_at(lambda p, x: jax.nn.relu(p[0]) * x + jax.nn.softplus(p[0]), [0.5])
    assert not right.mismatch


def test_an_even_kink_is_seen_by_one_sided_differences():
    model = Network(lambda p, x: p[0] * x + norm_without_nan(p[1:]) * x, np.array([1.0, 0.0]), np.array([1.0]))
    assert "one-sided" in mismatch(model, model.start, math.inf, 0)
    curved = Network(lambda p, x: p[0] * x + 100 * p[1] ** 2 * x, np.array([1.0, 0.0]), np.array([1.0]))
    assert not mismatch(curved, curved.start, math.inf, 0)


def test_cancellation_in_features_of_the_inputs_is_charged_to_k():
    """1e15 (sin^2 + cos^2 - 1) is 0 but for rounding: K has rank 1."""
    zero = lambda x: 1e15 * (jnp.sin(x) ** 2 + jnp.cos(x) ** 2 - 1.0)  # noqa: E731
    f = lambda p, x: p[0] * x + p[1] * zero(3 * x) + p[2] * zero(7 * x)  # noqa: E731
    network = Network(f, np.ones(3), np.array([1.3, 2.1]))
    k = network.gram(network.start)
    accuracy = gram_accuracy(network, network.start, k, np.zeros((2, 1)))
    assert not Kernel.of(k, 1, 3, accuracy).independence().stands


def test_the_kink_radius_of_relu_is_the_distance_in_parameters():
    """m = <W_k, x> + b_k has the gradient (x, 1), so the radius is min |m| / sqrt(|x|^2 + 1); moving w so far along it reaches the kink."""
    network = Network(with_activation(jax.nn.relu), PARAMS, X)
    found = smoothness(network, network.start)
    margins = X @ PARAMS["W"].T + PARAMS["b"]
    assert found.radius == pytest.approx((np.abs(margins) / np.sqrt((X**2).sum(1) + 1)[:, None]).min(), rel=1e-9)
    assert found.kinks[0].dead == int((margins <= 0).all(0).sum())


def test_large_models_pick_the_nearest_kinks_by_projections(monkeypatch):
    network = Network(with_activation(jax.nn.relu), PARAMS, X)
    exact = smoothness(network, network.start)
    monkeypatch.setattr(kinks_module, "EXACT", 0)
    monkeypatch.setattr(kinks_module, "CANDIDATES", 8)
    rough = smoothness(network, network.start)
    assert rough.radius == pytest.approx(exact.radius, rel=1e-9)
    assert rough.kinks[0].dead == exact.kinks[0].dead


def test_dead_relus_make_k_singular_and_the_message_says_so():
    dead = PARAMS | {"b": PARAMS["b"] - 100}
    f = lambda p, x: with_activation(jax.nn.relu)(p, x) + p["c"]  # noqa: E731
    params = dead | {"c": np.float64(0.5)}
    found = analyse_network(f, params, X, np.full(4, 0.5), SGD("1/10"), loss="half_squared", thresholds=False)
    assert found.kernel.rank == 1
    assert found.verdict.outcome == "undecided"
    assert "H2: fails" in found.verdict.words
    assert "inactive for every sample" in found.verdict.words


def test_the_callers_word_for_smoothness_is_an_assumption():
    relu = with_activation(jax.nn.relu)
    network = Network(relu, PARAMS, X)
    minimum = NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared")
    given_ = analyse_minimum(minimum, SGD("1/20"), smooth=True, thresholds=False).verdict.hypotheses[0]
    assert given_.status is Status.ASSUMED
    assert "against what was seen: max" in given_.reason


# --- bad input -----------------------------------------------------------------------------------------------------------------------------


def refused(match, f=tanh_model, params=PARAMS, inputs=X, targets=None, optimiser=None, **options):
    z = np.zeros(4) if targets is None else targets
    with pytest.raises(InputError, match=match):
        analyse_network(f, params, inputs, z, optimiser or SGD("1/10"), **({"loss": "half_squared"} | options))


def test_bad_input_is_refused_with_advice(minimum):
    z = minimum.targets
    refused("not an interpolating minimum: max .F - z. = .*interpolate", targets=z + 1e-3)
    refused("W.* is float32, not float64: single precision leaves residuals near 1e-7", params=PARAMS | {"W": PARAMS["W"].astype(np.float32)})
    refused("is not finite; training has diverged", params=PARAMS | {"b": np.full(6, np.nan)})
    refused("D = 2 parameters for N q = 4 outputs", f=lambda p, x: p @ x[:2], params=np.ones(2))
    refused("targets has shape", targets=z[:3])
    refused("loss = 'mse' is not known", targets=z, loss="mse")
    refused("reduction = 'none' is not known", targets=z, reduction="none")
    refused("optimiser = 0.1 is not an optimiser", targets=z, optimiser=0.1)
    refused("tolerance = 2 is not a number", targets=z, tolerance=2)
    refused("confidence = 1.5 is not", targets=z, confidence=1.5)
    refused("batch = 7 is larger", targets=z, optimiser=SGD("1/10", 7, False))
    refused("draws random numbers", targets=z, f=lambda p, x: tanh_model(p, x) * jax.random.bernoulli(jax.random.key(0), 0.5))
    loop = with_activation(lambda a: jax.lax.while_loop(lambda c: c.sum() < 1e3, lambda c: c * c + 1, a))
    refused("f cannot be differentiated: ValueError: Reverse-mode", f=loop, targets=targets_of(loop))
    refused("returns tuple", targets=z, f=lambda p, x: (tanh_model(p, x), p))
    with pytest.raises(InputError, match=r"step_size = 0\.1 is a float"):
        SGD(0.1)
    with pytest.raises(InputError, match="loss = None is not known"):
        analyse_network(tanh_model, PARAMS, X, z, SGD("1/10"))


def test_a_bare_kernel_is_checked():
    z = np.ones((2, 1))
    with pytest.raises(InputError, match="gram is not symmetric"):
        Kernel.of([[1.0, 0.5], [0.4, 1.0]], 1, 5)
    with pytest.raises(InputError, match="gram is zero"):
        Kernel.of(np.zeros((2, 2)), 1, 5)
    with pytest.raises(InputError, match="K is singular and H2 fails"):
        Kernel.of(np.eye(3), 1, 2)
    with pytest.raises(InputError, match="not finite at sample 1"):
        Interpolation.of(np.array([[0.0], [np.nan]]), z, 1e-8)
    kernel = Kernel.of(np.eye(2), 1, 5)
    assert kernel.connectedness().status is Status.SINGULAR
    assert analysed(kernel, SGD("1/2"), thresholds=False).lambda_sign is Sign.NEGATIVE


LARGE = """
import resource, time
from verify import SGD
from verify.network.analysis import analyse_minimum
from verify.network.architectures import mlp
from verify.network.minimum import example
minimum = example(mlp(1500), "digits", 128)
began = time.process_time()
found = analyse_minimum(minimum, SGD("1/500"))
print(minimum.network.parameters, time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, found.verdict.outcome)
"""


@pytest.mark.slow
def test_a_hundred_samples_and_a_hundred_thousand_parameters():
    parameters, seconds, gibibytes, outcome = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True).stdout.split()
    assert int(parameters) > 99_000
    assert float(seconds) < 60
    assert float(gibibytes) < 4
    assert outcome == "stable"
