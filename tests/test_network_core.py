"""The core of the network layer: real runs, linear runs and exact families must be the same thing wherever the model is linear."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from verify import SGD, GradientDescent, InputError, Minimum, Reshuffled
from verify.optimiser import matrix_family

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Descent, Loss, Network, NetworkMinimum, analyse_minimum, example, paired_check  # noqa: E402
from verify.network.cocycle import linear_course  # noqa: E402
from verify.network.descent import ball  # noqa: E402
from verify.network.draws import draws  # noqa: E402
from verify.network.loss import loss_of  # noqa: E402
from verify.network.precision import single_precision  # noqa: E402
from verify.network.step_sizes import checked_options  # noqa: E402

FEATURES = np.array([[1.0, 0.5, 0.0, 0.25], [0.5, 1.5, 0.25, 0.0], [0.0, 0.5, -1.0, 0.5]])
OPTIMISERS = [
    SGD("1/3"),
    SGD("1/3", batch=2),
    SGD("1/3", batch=2, replacement=False),
    SGD("1/3", weights=["1", "2", "3"]),
    SGD("1/5", momentum="1/2"),
    SGD("1/4", weight_decay="1/10"),
    SGD("1/4", batch=3, momentum="9/10", weight_decay="1/10"),
    GradientDescent("1/2", momentum="1/3"),
    Reshuffled("1/3"),
    Reshuffled("1/3", momentum="1/4"),
]

CONVENTIONS = [(Loss("half_squared"), 1), (Loss("squared"), 2), (Loss("mean_squared"), Fraction(2, 3)), (Loss("squared", "sum"), 4)]


def linear_network(outputs: int = 1) -> Network:
    """F(w, x) = W x with W (q, D), whose linearisation is exact."""
    return Network(lambda p, x: p["W"] @ x, {"W": np.zeros((outputs, 4))}, FEATURES)


@pytest.fixture(scope="module")
def scalar() -> Network:
    return linear_network()


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=str)
@pytest.mark.parametrize("nesterov", [False, True])
def test_real_steps_of_a_linear_model_are_the_linear_ones(scalar: Network, optimiser: SGD, nesterov: bool) -> None:
    if nesterov and not optimiser.momentum:
        with pytest.raises(InputError, match="nesterov needs momentum"):
            Descent.of(scalar, np.zeros(3), optimiser, "half_squared", nesterov=True)
        return
    descent = Descent.of(scalar, np.zeros(3), optimiser, "half_squared", nesterov=nesterov)
    start = ball(np.zeros(4), 1.0, 5, np.random.default_rng(0))
    indices = draws(optimiser, 3, 60, 5, np.random.default_rng(1))
    scale = np.linspace(1.0, 0.5, 60)
    gram = scalar.gram(scalar.start)
    linear = linear_course(gram, optimiser, descent.residuals(start), indices, 6, nesterov=nesterov, scale=scale)
    for carried in (False, True):
        # with weight decay the residual of a linear model moves by the same rule only because its targets are zero
        _, logs = descent.moved(descent.start(start, carried), indices, 6, scale)
        np.testing.assert_allclose(logs, linear[1:], atol=1e-9)


@pytest.mark.parametrize("optimiser", [o for o in OPTIMISERS if not isinstance(o, Reshuffled)], ids=str)
def test_linear_runs_are_products_of_the_exact_family(optimiser: SGD) -> None:
    gram = FEATURES @ FEATURES.T
    members = matrix_family(Minimum.from_gram([[str(Fraction(x)) for x in row] for row in gram]), optimiser).as_floats()[0]
    eta, beta, omega = float(optimiser.step_size), float(optimiser.momentum), float(optimiser.weight_decay)
    indices = draws(optimiser, 3, 30, 1, np.random.default_rng(0))
    state = np.tile([1.0, -2.0, 0.5], 2)
    expected = []
    for samples in indices[:, 0]:
        counts = np.bincount(samples, minlength=3)
        step = (1 - eta * omega + beta) * np.eye(3) - eta / len(samples) * gram * counts
        full = np.block([[step, -beta * np.eye(3)], [np.eye(3), np.zeros((3, 3))]])
        assert np.abs(members - (full if beta else step)).max((1, 2)).min() < 1e-12
        state = full @ state
        expected.append(0.5 * np.log((state[:3] ** 2).mean()))
    found = linear_course(gram, optimiser, np.array([[1.0, -2.0, 0.5]]), indices, 1)
    np.testing.assert_allclose(found[1:, 0], expected, atol=1e-9)


def test_reshuffled_epochs_visit_every_sample_once() -> None:
    indices = draws(Reshuffled("1/3", batch=2), 6, 30, 4, np.random.default_rng(0))
    for run in range(4):
        for epoch in range(10):
            assert sorted(indices[3 * epoch : 3 * epoch + 3, run].ravel()) == list(range(6))
    without = draws(SGD("1/3", batch=4, replacement=False), 6, 50, 3, np.random.default_rng(0))
    assert all(len(set(batch)) == 4 for batch in without.reshape(-1, 4))


@pytest.mark.parametrize(("loss", "factor"), CONVENTIONS)
def test_loss_conventions_are_step_sizes(loss: Loss, factor: Fraction) -> None:
    network = linear_network(outputs=3)
    optimiser = SGD("1/7", batch=2, weight_decay="1/10", momentum="1/5")
    theory = loss.in_theory(optimiser, 3, 3)
    assert theory.step_size == factor * optimiser.step_size
    assert theory.step_size * theory.weight_decay == optimiser.step_size * optimiser.weight_decay
    descent = Descent.of(network, np.zeros((3, 3)), optimiser, loss)
    start = ball(np.zeros(12), 1.0, 4, np.random.default_rng(0))
    indices = draws(optimiser, 3, 40, 4, np.random.default_rng(1))
    _, logs = descent.moved(descent.start(start), indices, 10)
    residuals = descent.residuals(start).reshape(4, -1)
    right = linear_course(network.gram(network.start), theory, residuals, indices, 10, outputs=3)[1:]
    np.testing.assert_allclose(logs, right, atol=1e-9)
    if factor != 1:  # the commonest error: the step size of another convention
        assert np.abs(logs - linear_course(network.gram(network.start), optimiser, residuals, indices, 10, outputs=3)[1:]).max() > 0.1


def test_a_loss_has_one_reduction() -> None:
    assert loss_of("squared", "sum") == loss_of(Loss("squared", "sum")) == loss_of(Loss("squared", "sum"), "sum") == Loss("squared", "sum")
    assert loss_of("squared") == Loss("squared")
    with pytest.raises(InputError, match=r"reduction = 'sum' contradicts loss = Loss\(kind='squared', reduction='mean'\)"):
        loss_of(Loss("squared"), "sum")
    with pytest.raises(InputError, match=r"half_squared.*there is no default"):
        loss_of(None)


def test_a_minimum_may_be_given_as_the_networks_own_pytree() -> None:
    network = linear_network(2)
    w = np.arange(8.0).reshape(2, 4)
    targets = network.values(w.ravel())
    assert (NetworkMinimum.of(network, {"W": w}, targets, "squared").w == NetworkMinimum.of(network, w.ravel(), targets, "squared").w).all()
    for args, words in (
        ((None, w.ravel(), targets), "network = None is not a Network"),
        ((network, None, targets), "w is empty"),
        ((network, w, targets), r"w is float64\[2, 4\]; it must be a vector of the D = 8"),
        ((network, {"V": w}, targets), "shaped like the network's own"),
        ((network, {"W": w.T}, targets), "shaped like the network's own"),
        ((network, w.ravel().astype(np.float32), targets), "w is float32, not float64"),
        ((network, {"W": w.astype(np.float32)}, targets), r"w\['W'\] is float32"),
        ((network, w.ravel(), targets * 1j), "targets is not an array of real numbers"),
    ):
        with pytest.raises(InputError, match=words):
            NetworkMinimum.of(*args, "squared")


@pytest.mark.parametrize("f", [lambda p, x: jax.nn.relu(p["W"] @ x - 100.0), lambda p, x: 1.0 + 0 * p["W"] @ x], ids=["relu", "constant"])
def test_k_of_a_network_that_does_not_move_is_refused(f) -> None:  # type: ignore[no-untyped-def]
    network = Network(f, {"W": np.ones((1, 4))}, FEATURES)
    minimum = NetworkMinimum.of(network, network.start, network.values(network.start), "squared")
    for call in (minimum.problem, minimum.threshold, lambda o: analyse_minimum(minimum, o), lambda o: paired_check(minimum, o)):
        with pytest.raises(InputError, match="every output is constant near w, for example because all ReLUs are inactive"):
            call(SGD("1/10"))


def test_single_precision_is_named() -> None:
    one, two = np.ones(2), np.ones(2, np.float32)
    assert single_precision(inputs={"a": one}, targets=one) == ""
    assert "inputs and targets came as float32" in single_precision(inputs={"a": two}, targets=two)


def test_unknown_options_of_an_analysis_are_named() -> None:
    with pytest.raises(InputError, match="foo = 1 is not a known key of an analysis; there may be resolution, confidence"):
        checked_options(foo=1)


def test_a_loss_needs_its_convention() -> None:
    with pytest.raises(InputError, match="there is no default"):
        Loss("mse")
    with pytest.raises(InputError, match="reduction"):
        Loss("squared", "none")


@pytest.mark.parametrize(("optimiser", "nesterov"), [(SGD("1/20"), False), (SGD("1/50", momentum="1/2"), False), (SGD("1/50", momentum="1/2"), True)], ids=str)
def test_carried_runs_go_on_below_the_floor(optimiser: SGD, nesterov: bool) -> None:
    minimum = example("mlp", size=4)
    assert minimum.residual == 0.0
    descent = Descent.of(minimum.network, minimum.targets, optimiser, "half_squared", nesterov=nesterov)
    start = ball(minimum.w, 1e-6, 4, np.random.default_rng(0))
    indices = draws(optimiser, 4, 6000, 4, np.random.default_rng(1))
    linear = linear_course(minimum.gram, optimiser, descent.residuals(start), indices, 1000, nesterov=nesterov)[1:]
    carried = descent.moved(descent.start(start, carried=True), indices, 1000)[1]
    assert linear[-1].max() < -60  # 1e-26: far below what differences of outputs can show
    assert np.abs(carried - linear).max() < 0.01
    if not optimiser.momentum:
        assert descent.moved(descent.start(start), indices, 1000)[1][-1].min() > -40


def test_k_in_blocks_is_k() -> None:
    minimum = example("mlp", size=5, outputs=2)
    network = minimum.network
    for blocks in (1, 2, 4):
        memory = 2 * blocks * 8 * network.outputs * network.parameters
        np.testing.assert_allclose(network.gram(minimum.w, memory), minimum.gram, rtol=1e-13, atol=1e-13)
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((5, 2)), rng.standard_normal(network.parameters)
    assert np.isclose((network.pull(minimum.w, u) * v).sum(), (u * network.push(minimum.w, v)).sum())
    np.testing.assert_allclose(network.push(minimum.w, network.pull(minimum.w, u)).ravel(), minimum.gram @ u.ravel())


def test_double_precision_is_ours_alone() -> None:
    example("mlp", size=3)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1).dtype == np.float32


def test_thresholds_are_in_the_step_sizes_of_the_optimiser() -> None:
    network = example("mlp", size=3).network
    minima = [NetworkMinimum.of(network, network.start, network.values(network.start), loss) for loss in ("half_squared", "squared")]
    one, two = (m.threshold(GradientDescent("1/10")) for m in minima)
    assert float(one.lo) == pytest.approx(2 * float(two.lo), rel=1e-6)
    kappa = np.linalg.eigvalsh(minima[0].gram)[-1]
    assert float(one.lo) == pytest.approx(2 * 3 / kappa, rel=1e-6)
