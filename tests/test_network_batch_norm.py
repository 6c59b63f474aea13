"""Batch norm: in evaluation mode an ordinary network, in training mode one input for each batch, and no common zero where the batches contradict each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from verify import SGD, InputError, Reshuffled

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Loss, Network, NetworkMinimum, interpolate, teacher  # noqa: E402
from verify.network.batch_norm import TRAINING, BatchLoss, BatchNetwork, BatchNormMLP, partition, readout_floor, subsets  # noqa: E402
from verify.network.data import data_set  # noqa: E402
from verify.network.descent import ball  # noqa: E402
from verify.network.draws import draws  # noqa: E402
from verify.network.paired import paired_check  # noqa: E402
from verify.network.variants import T2, Experiment, Variant  # noqa: E402

INPUTS, TARGETS = data_set("synthetic", 6, 0)
BLOCKS = Variant("blocks", SGD(1), TRAINING)
MODEL = BatchNormMLP(16)


def parameters(model: BatchNormMLP) -> dict[str, np.ndarray]:
    return model.initialise(np.random.default_rng(0), INPUTS.shape[1:])


@pytest.fixture(scope="module")
def blocks() -> NetworkMinimum:
    """A minimum in training mode with a fixed partition into two batches of three."""
    network = BatchNetwork(MODEL.training, parameters(MODEL), INPUTS, partition(6, 3))
    fit = interpolate(network, network.minimum(network.start, TARGETS).targets)
    assert fit.reached
    return network.minimum(fit.w, teacher(network, fit.w))


def test_training_mode_is_batch_normalisation() -> None:
    p = parameters(MODEL)
    a = INPUTS[:3].reshape(3, -1) @ p["W1"].T
    h = np.tanh((a - a.mean(0)) / np.sqrt(a.var(0) + 1e-3) * p["g"] + p["b"])
    np.testing.assert_allclose(MODEL.training(p, INPUTS[:3]), h @ p["W2"] + p["c"], atol=1e-6)


@pytest.mark.parametrize("kind", ["half_squared", "squared", "mean_squared"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_a_batch_is_that_of_its_samples(kind: str, reduction: str) -> None:
    """Three samples with two outputs each as one input with six: the same loss, and its gradient is f times the residual."""
    r = np.random.default_rng(0).standard_normal((3, 2))
    own, plain = BatchLoss(kind, reduction, 3), Loss(kind, reduction)
    assert float(own.value(r.reshape(1, 6))) == pytest.approx(float(plain.value(r)))
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.grad(own.value)(r.reshape(1, 6)), float(own.factor(6, 1)) * r.reshape(1, 6), rtol=1e-12)


def test_a_step_is_the_one_of_the_mean_loss(blocks: NetworkMinimum) -> None:
    """w - eta grad (1/B) sum_(i in S) (1/2) (F_i(S) - z_i)^2, written out."""
    network, z = blocks.network, blocks.targets
    w = ball(blocks.w, 0.1, 1, np.random.default_rng(0))

    def loss(w: object) -> object:
        return 0.5 * ((MODEL.training(network.unravel(w), network.inputs[1]) - z[1]) ** 2).mean()

    with jax.enable_x64(True):
        expected = w[0] - 0.1 * np.asarray(jax.grad(loss)(w[0]))
    descent = blocks.descent(SGD("1/10"))
    state, _ = descent.moved(descent.start(w), np.array([[[1]]], dtype=np.int32), 1)
    np.testing.assert_allclose(np.asarray(state.w)[0], expected, atol=1e-14)
    assert blocks.theory(SGD("1/10")).step_size == Fraction(1, 30)


@pytest.mark.parametrize("variant", [BLOCKS, Variant("epochs over the partition", Reshuffled(1), TRAINING)], ids=lambda v: v.name)
def test_a_fixed_partition_has_a_threshold(blocks: NetworkMinimum, variant: Variant) -> None:
    row = Experiment(blocks).row(variant, (0.9, 1.1), time_limit=1.0)
    below, above = row.outcomes
    assert row.status.startswith("extension")
    assert (below.near, below.left) == (1, 0)
    assert (above.near, above.left) == (0, 1)
    assert max(below.difference, above.difference) < 1e-3
    assert below.exponent.likely.value == "negative"
    assert above.exponent.likely.value == "positive"


def test_the_mean_over_the_batch_is_not_forgotten(blocks: NetworkMinimum) -> None:
    optimiser = SGD("1/5")
    assert paired_check(blocks, optimiser, runs=8, steps=200).agrees
    # without the 1/B of the batch's mean loss the linear family is that of a three times larger step
    assert paired_check(blocks, optimiser, theory=optimiser, runs=8, steps=200).agrees is False


def test_evaluation_mode_is_an_ordinary_network(blocks: NetworkMinimum) -> None:
    p = blocks.network.unravel(blocks.w)
    network = Network(MODEL.evaluation(MODEL.statistics(p, INPUTS)), jax.tree.map(np.asarray, p), INPUTS)
    in_training = np.empty(6)
    in_training[blocks.network.batches.ravel()] = blocks.targets.ravel()
    assert np.abs(network.values(network.start).ravel() - in_training).max() > 1e-3  # another function
    fit = interpolate(network, TARGETS)
    assert fit.reached
    minimum = NetworkMinimum.of(network, fit.w, teacher(network, fit.w), "half_squared")
    row = Experiment(minimum, runs=16).row(Variant("SGD", SGD(1), T2), (0.9, 1.1), time_limit=1.0)
    assert row.status == T2
    assert [o.near for o in row.outcomes] == [1, 0]


def test_all_subsets_together() -> None:
    """Four samples in all batches of three: twelve equations of full rank, solved by Gauss-Newton, with a threshold of their own."""
    network = BatchNetwork(MODEL.training, parameters(MODEL), INPUTS[:4], subsets(4, 3))
    assert (network.size, network.outputs) == (4, 3)
    fit = interpolate(network, network.minimum(network.start, TARGETS[:4]).targets)
    assert fit.reached
    minimum = network.minimum(fit.w, teacher(network, fit.w))
    assert np.linalg.matrix_rank(minimum.gram) == 12
    below, above = Experiment(minimum, runs=16, steps=4000).row(BLOCKS, (0.9, 1.1), time_limit=1.0).outcomes
    assert below.exponent.likely.value == "negative"
    assert below.left == 0
    assert above.left == 1
    assert max(below.difference, above.difference) < 1e-3


@pytest.fixture(scope="module")
def contradiction() -> tuple[NetworkMinimum, NetworkMinimum]:
    """Batch norm before the readout: an exact minimum for one partition, and the same point and targets for all subsets."""
    model = BatchNormMLP(16, readout=True)
    one = BatchNetwork(model.training, parameters(model), INPUTS, partition(6, 3))
    labels = teacher(one, one.start)
    targets = np.empty(6)
    targets[one.batches.ravel()] = labels.ravel()
    every = BatchNetwork(model.training, parameters(model), INPUTS, subsets(6, 3))
    return one.minimum(one.start, labels), every.minimum(every.start, targets)


def test_a_partition_of_the_readout_model_loses_one_rank(contradiction: tuple[NetworkMinimum, NetworkMinimum]) -> None:
    partitioned, _ = contradiction
    # the outputs of a batch have the bias as their mean, so the gradients of the two means coincide
    sums = np.repeat(np.array([[1.0], [-1.0]]), 3).ravel()
    assert np.abs(partitioned.gram @ sums).max() < 1e-9
    assert np.linalg.matrix_rank(partitioned.gram, tol=1e-9) == 5
    below, above = Experiment(partitioned, runs=16).row(BLOCKS, (0.9, 1.1), time_limit=1.0).outcomes
    assert (below.near, above.near) == (1, 0)


def test_no_common_fixed_point_for_random_batches(contradiction: tuple[NetworkMinimum, NetworkMinimum]) -> None:
    partitioned, every = contradiction
    targets = np.empty(6)
    targets[partitioned.network.batches.ravel()] = partitioned.targets.ravel()
    floor = readout_floor(targets, every.network.batches)
    assert floor > 0.1
    # Gauss-Newton ends exactly at the bound: the equations are not solvable, and this is how close they come
    fit = interpolate(every.network, every.targets)
    assert not fit.reached
    assert 0.5 * ((every.network.values(fit.w) - every.targets) ** 2).mean() == pytest.approx(floor, rel=1e-6)
    # SGD with random batches from the partition's minimum, far below its threshold: the noise does not vanish
    optimiser = SGD("1/50")
    descent = every.descent(optimiser)
    start = ball(every.w, 1e-5, 8, np.random.default_rng(0))
    _, logs = descent.moved(descent.start(start), draws(optimiser, every.network.size, 4000, 8, np.random.default_rng(1)), 100)
    loss = 0.5 * np.exp(2 * logs)
    assert loss.min() >= floor
    assert loss[-10:].mean() < 1.2 * floor
    # while the partition alone has a zero there
    one = partitioned.descent(optimiser)
    _, logs = one.moved(one.start(start), draws(optimiser, 2, 4000, 8, np.random.default_rng(1)), 100)
    assert logs[-1].max() < np.log(1e-9)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([[0, 1], [2, 6]], "names sample 6"),
        ([[0, 0], [1, 2]], "twice in one batch"),
        ([0, 1, 2], r"integers \(m, B\)"),
        ([[0.0, 1.0]], r"integers \(m, B\)"),
    ],
)
def test_bad_batches(batches: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BatchNetwork(MODEL.training, parameters(MODEL), INPUTS, batches)


def test_bad_models_and_targets(blocks: NetworkMinimum) -> None:
    with pytest.raises(InputError, match="for a batch of 3 samples"):
        BatchNetwork(lambda p, x: x.sum() * p["c"], parameters(MODEL), INPUTS, partition(6, 3))
    with pytest.raises(InputError, match="one row for each sample"):
        blocks.network.minimum(blocks.w, np.zeros(5))
    with pytest.raises(InputError, match="does not divide"):
        partition(6, 4)
    with pytest.raises(InputError, match="at most 100000"):
        subsets(40, 20)
    with pytest.raises(InputError, match="overparameterised"):
        BatchNetwork(BatchNormMLP(4).training, parameters(BatchNormMLP(4)), INPUTS, subsets(6, 3))
