"""The paired check agrees where K is right, and catches every wrong K and every wrong convention that a user could have."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from verify import SGD, GradientDescent, InputError, Reshuffled

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Loss, Network, NetworkMinimum, example, interpolate, paired_check, teacher  # noqa: E402

N, Q, ETA = 5, 2, "1/20"


@pytest.fixture(scope="module")
def minimum() -> NetworkMinimum:
    """Two hidden layers and two outputs, so that the blocks of K are not symmetric; the loss is |F - z|^2."""
    rng = np.random.default_rng(3)
    params = [rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in ((6, 4), (6, 6), (Q, 6))]

    def f(p, x):
        return p[2] @ jax.numpy.tanh(p[1] @ jax.numpy.tanh(p[0] @ x))

    network = Network(f, params, rng.standard_normal((N, 4)))
    w = interpolate(network, rng.standard_normal((N, Q)) / 2).w
    return NetworkMinimum.of(network, w, teacher(network, w), "squared")


@pytest.mark.parametrize(
    "optimiser",
    [SGD(ETA), SGD("1/100"), SGD("1/6"), SGD(ETA, momentum="1/2"), SGD("1/10", batch=2), SGD("1/10", batch=2, replacement=False)],
    ids=["plain", "small step", "above the threshold", "heavy ball", "batch", "without replacement"],
)
def test_real_and_linear_runs_agree_to_a_thousandth(minimum, optimiser):
    check = paired_check(minimum, optimiser)
    assert check.verdict == "agree"
    assert check.difference[1] < 1e-3
    assert check.difference[1] < check.difference[0] / 5  # what is left is first order in the distance
    assert check.extrapolated < check.difference[1]
    assert check.visible < 1e-3
    assert "agree" in str(check)


def test_epochs_nesterov_and_gradient_descent_agree_too(minimum):
    assert paired_check(minimum, Reshuffled(ETA)).agrees
    assert paired_check(minimum, SGD("1/20", momentum="1/2"), nesterov=True).agrees
    assert paired_check(minimum, GradientDescent(ETA)).agrees


def wrong_grams(k):
    blocks = k.reshape(N, Q, N, Q)
    missing, doubled, rolled = k.copy(), k.copy(), np.roll(np.arange(N * Q), Q)
    missing[:Q] = missing[:, :Q] = 0
    doubled[:Q], doubled[:, :Q] = k[Q : 2 * Q], k[:, Q : 2 * Q]
    return {
        "blocks in the order of the outputs": blocks.transpose(1, 0, 3, 2).reshape(k.shape),
        "every block transposed": blocks.transpose(0, 3, 2, 1).reshape(k.shape),
        "a sample without its gradient": missing,
        "a sample twice": doubled,
        "samples in another order": k[np.ix_(rolled, rolled)],
        "outputs taken for independent": (blocks * np.eye(Q)[:, None]).reshape(k.shape),
        "factor 2": 2 * k,
        "factor 1/N": k / N,
        "one percent": 1.01 * k,
    }


@pytest.mark.parametrize("name", wrong_grams(np.eye(N * Q)))
def test_a_wrong_k_is_caught(minimum, name):
    gram = wrong_grams(minimum.gram)[name]
    assert not np.allclose(gram, minimum.gram, rtol=1e-3)
    check = paired_check(minimum, SGD(ETA), gram=gram)
    assert check.agrees is False
    assert check.extrapolated > 10 * check.tolerance
    assert check.difference[1] > check.difference[0] / 2
    assert "does not shrink" in check.reason


@pytest.mark.parametrize(
    ("loss", "batch"), [(Loss("half_squared"), 1), (Loss("mean_squared"), 1), (Loss("squared", "sum"), 2)], ids=["half squared", "mean squared", "sum"]
)
def test_a_wrong_loss_convention_is_caught(minimum, loss, batch):
    optimiser = SGD(ETA, batch=batch)
    claimed = loss.in_theory(optimiser, Q, N)
    assert claimed != minimum.theory(optimiser)
    assert paired_check(minimum, optimiser, theory=claimed).agrees is False


def test_the_loss_that_a_user_wrote_is_what_is_run(minimum):
    assert paired_check(minimum, SGD(ETA), loss=lambda r: (r**2).sum(-1).mean()).agrees
    assert paired_check(minimum, SGD(ETA), loss=lambda r: (r**2).mean()).agrees is False  # PyTorch's MSELoss: 1/q of that


def test_a_wrong_loss_is_caught_where_real_runs_leave_at_once(minimum):
    """The runs are far from the linear regime before the first record, or linear runs are too, so that every step is recorded."""
    for optimiser, factor, every in ((SGD(ETA, batch=2), 100, 10), (GradientDescent("1"), 4, 1)):
        right = paired_check(minimum, optimiser)
        assert (right.verdict, right.every) == ("agree", every)
        wrong = paired_check(minimum, optimiser, loss=lambda r, factor=factor: factor * (r**2).sum(-1).mean())
        assert (wrong.verdict, wrong.every) == ("disagree", every)


def test_growth_beyond_the_range_in_one_step_is_no_evidence(minimum):
    check = paired_check(minimum, GradientDescent("1000"))
    assert check.agrees is None
    assert "too soon" in check.reason
    assert "smaller step size" in check.reason


def test_a_batch_scaled_by_the_number_of_samples_is_caught(minimum):
    right = minimum.theory(SGD(ETA, batch=2))
    assert paired_check(minimum, SGD(ETA, batch=2), theory=replace(right, step_size=right.step_size * 2 / N)).agrees is False


def test_momentum_of_the_other_kind_is_caught(minimum):
    heavy = minimum.theory(SGD(ETA))
    assert paired_check(minimum, SGD(ETA, momentum="1/2"), theory=heavy).agrees is False


def test_no_evidence_is_no_agreement(minimum):
    swallowed = paired_check(minimum, SGD(ETA), r0=1e-14)
    assert swallowed.agrees is None
    assert "round-off" in swallowed.reason
    far = paired_check(minimum, SGD(ETA), r0=1e-2)
    assert far.agrees is None
    assert "smaller r0" in far.reason
    slow = paired_check(minimum, SGD("1/1000000"))
    assert slow.agrees is None
    assert "too short" in slow.reason


def test_a_point_that_is_no_minimum_is_not_agreed_with(minimum):
    assert paired_check(minimum.at(minimum.w + 1e-3), SGD(ETA)).agrees is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimiser": SGD(ETA, weight_decay="1/10")}, "no fixed point"),
        ({"gram": np.eye(N * Q - Q)}, "N q = 10"),
        ({"gram": np.full((N * Q, N * Q), np.nan)}, "gram"),
        ({"gram": [[1.0, 2.0], [3.0]]}, "gram"),
        ({"loss": lambda r: r**2}, "one number"),
        ({"loss": lambda r: r @ r}, "loss fails"),
        ({"r0": 0.5}, "r0 = 0.5"),
        ({"steps": 0}, "steps = 0"),
        ({"runs": True}, "runs = True"),
        ({"minimum": None}, "minimum = None is not a NetworkMinimum"),
        ({"optimiser": None}, "optimiser = None is not an optimiser"),
        ({"optimiser": "1/10"}, "optimiser = '1/10' is not an optimiser"),
        ({"theory": 3}, "theory = 3 is not an optimiser"),
        ({"r0": "1e-5"}, "r0 = '1e-5' is not a number"),
        ({"tolerance": None}, "tolerance = None is not a number"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": "a"}, "seed = 'a'"),
        ({"steps": 10**6, "runs": 10**6}, r"runs \* steps \* batch = 1000000000000 samples do not fit into memory"),
    ],
)
def test_bad_input_is_named(minimum, options, words):
    with pytest.raises(InputError, match=words):
        paired_check(**{"minimum": minimum, "optimiser": SGD(ETA), **options})


def test_a_transformer_agrees():
    m = example("transformer", size=4)
    check = paired_check(m, SGD("1/100"), runs=12, steps=500)
    assert check.agrees
    assert check.difference[0] < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["mlp", "cnn", "transformer"])
def test_paired_runs_of_all_architectures_below_and_above_the_threshold(architecture):
    m = example(architecture)
    edge = m.threshold(SGD(1)).lo
    for factor in ("0.7", "0.9", "0.97", "1.03", "1.1", "1.5"):
        check = paired_check(m, SGD((Fraction(factor) * edge).limit_denominator(10**6)), runs=96)
        assert check.agrees
        assert check.difference[1] < 1e-3
