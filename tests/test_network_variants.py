"""Variants of SGD at a minimum of a network: the threshold of each linearised family is the one of the real runs, and each wrong family is found out."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from verify import SGD, GradientDescent, InputError, Problem, Reshuffled
from verify.exponent.estimate import estimated

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Network, example  # noqa: E402
from verify.network import variants as module  # noqa: E402
from verify.network.cocycle import linear_course  # noqa: E402
from verify.network.descent import Descent, ball  # noqa: E402
from verify.network.draws import draws  # noqa: E402
from verify.network.linear_exponent import linear_exponent, range_projector  # noqa: E402
from verify.network.minimum import NetworkMinimum  # noqa: E402
from verify.network.schedules import cosine, first, warm_up, warm_up_cosine  # noqa: E402
from verify.network.variants import VARIANTS, Experiment, Outcome, Variant, short  # noqa: E402

NAMED = {variant.name: variant for variant in VARIANTS}
QUICK = [
    "SGD", "batch 2, with replacement", "batch 2, without replacement", "epochs", "epochs, batch 2", "full batch",
    "heavy ball 1/2", "Nesterov 1/2", "Nesterov 9/10, epochs", "cosine from 3/2",
]  # fmt: skip


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment(example("mlp", "synthetic", 8, 0), sampled=400_000)


@pytest.fixture(scope="module")
def eta(experiment: Experiment) -> float:
    """The threshold of plain SGD."""
    row = experiment.row(NAMED["SGD"], ())
    assert row.half_width < 2e-3 * row.step_size
    return row.step_size


def check(outcome: Outcome, stable: bool) -> None:
    assert outcome.exponent.likely.value == ("negative" if stable else "positive")
    assert outcome.difference < 1e-3
    assert (outcome.near >= 0.95 and outcome.left <= 0.05) if stable else (outcome.near == 0 and outcome.left == 1)
    # the transient of the first steps and the last record, up to 24 steps of nonlinearity, are not part of the standard error
    assert abs(outcome.rate - outcome.exponent.value) < 5 * outcome.error + 0.2 * abs(outcome.exponent.value)


@pytest.mark.parametrize("name", QUICK)
def test_the_linearised_family_decides_what_real_runs_do(experiment: Experiment, name: str) -> None:
    row = experiment.row(NAMED[name], (0.9, 1.1))
    assert row.status == NAMED[name].status
    for outcome in row.outcomes:
        check(outcome, outcome.factor < 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMED.keys() - set(QUICK)))
def test_the_other_variants_too(experiment: Experiment, name: str) -> None:
    for outcome in experiment.row(NAMED[name], (0.9, 1.1)).outcomes:
        check(outcome, outcome.factor < 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SGD", "epochs", "heavy ball 1/2", "Nesterov 1/2"])
def test_three_percent_from_the_threshold_on_images(name: str) -> None:
    row = Experiment(example("mlp", "digits", 8, 0), steps=40_000).row(NAMED[name], (0.97, 1.03))
    below, above = row.outcomes
    assert below.near == 1
    assert above.near == 0
    assert max(below.difference, above.difference) < 1e-3


def test_every_variant_says_what_is_theorem() -> None:
    assert NAMED["SGD"].status.startswith("theorem T2")
    assert NAMED["full batch"].status.startswith("theorem T1")
    for variant in VARIANTS:
        plain = isinstance(variant.optimiser, GradientDescent) or variant.optimiser == SGD(1)
        assert variant.status.startswith("theorem" if plain else "extension: ")


def test_another_variant_is_one_more_entry(experiment: Experiment) -> None:
    weighted = Variant("important samples", SGD(1, weights=[1, 1, 1, 1, 2, 2, 2, 2]), "extension: T2 is stated for uniform samples")
    low, high = experiment.row(weighted, (0.8, 1.2)).outcomes
    check(low, True)
    check(high, False)


def test_several_outputs_are_an_extension() -> None:
    many = Experiment(example("mlp", "synthetic", 3, 0, outputs=2), runs=8)
    row = many.row(NAMED["SGD"], (0.8,))
    assert row.status == module.OUTPUTS
    check(row.outcomes[0], True)


def test_full_batch_is_gradient_descent(experiment: Experiment) -> None:
    found = experiment.threshold(NAMED["full batch"])
    k = np.linalg.eigvalsh(experiment.minimum.gram)[-1]
    assert float(found.lo) <= 2 * 8 / k <= float(found.hi)
    same = experiment.threshold(Variant("all at once", SGD(1, 8, False), module.BATCHES))
    assert (same.lo, same.hi) == (found.lo, found.hi)


GRAM = np.array([[1.0, 0.5], [0.5, 2.0]])


@pytest.mark.parametrize("beta", ["1/2", "9/10"])
def test_nesterov_is_the_family_of_its_blocks(beta: str) -> None:
    b, eta = Fraction(beta), Fraction(1, 2)
    blocks = []
    for i in range(2):
        s = [[(a == c) - eta * Fraction(GRAM[a, c]) * (c == i) for c in range(2)] for a in range(2)]
        blocks.append([[(1 + b) * x for x in row] + [-b * x for x in row] for row in s] + [[int(a == c) for c in range(4)] for a in range(2)])
    exact = estimated(None, None, Problem.from_matrices(blocks).family, reason="", tried=[], steps=2_000_000)
    linear = linear_exponent(GRAM, SGD(eta, momentum=beta), nesterov=True)
    assert abs(exact.value - linear.value) < exact.half_width + linear.half_width
    heavy = linear_exponent(GRAM, SGD(eta, momentum=beta))
    assert abs(exact.value - heavy.value) > 3 * (exact.half_width + heavy.half_width)  # the other convention is another family


@pytest.mark.parametrize("optimiser", [SGD("1/2"), SGD("1/2", momentum="1/2"), Reshuffled("1/2", momentum="1/2"), SGD("1/2", weight_decay="1/10")], ids=str)
def test_linear_runs_and_the_engine_agree(optimiser: SGD) -> None:
    engine = Problem.measured(GRAM, optimiser).lyapunov(sampling={"steps": 1_000_000})
    linear = linear_exponent(GRAM, optimiser)
    assert abs(engine.value - linear.value) < engine.half_width + linear.half_width


def test_both_thresholds_agree_where_both_exist(experiment: Experiment, eta: float) -> None:
    searched = experiment.threshold(NAMED["SGD"], time_limit=1.0)
    assert not searched.certified
    assert float(searched.lo) - 3e-3 * eta < eta < float(searched.hi) + 3e-3 * eta


def test_a_row_is_a_function_of_its_arguments(experiment: Experiment) -> None:
    """Step sizes are multiples of the printed eta*, and variants with one K and one family in the end have one eta* and one lambda."""
    factors = (0.97, 1.03)
    sgd, warmed = (experiment.row(NAMED[name], factors) for name in ("SGD", "warm-up"))
    assert sgd.step_size == warmed.step_size
    for one, other, factor in zip(sgd.outcomes, warmed.outcomes, factors, strict=True):
        assert abs(float(one.step_size) - factor * sgd.step_size) < 1e-6
        assert one.exponent == other.exponent
    assert experiment.row(NAMED["SGD"], factors) == sgd


def test_runs_end_below_the_floor_of_doubles_and_are_the_plain_runs_above_it(experiment: Experiment, eta: float) -> None:
    m, step_size = experiment.minimum, short(0.9 * eta)
    logs, _, distance, _ = experiment.course(NAMED["SGD"], step_size)
    assert np.exp(logs.min(0)).max() <= experiment.end < 1e-16  # doubles stop near 1e-16 |w|
    assert distance.max() < experiment.near * experiment.radius
    rng = np.random.default_rng(experiment.seed)
    start = ball(m.w, experiment.radius, experiment.runs, rng)
    descent = m.descent(SGD(step_size))
    _, plain = descent.moved(descent.start(start), draws(SGD(1), 8, 984, experiment.runs, rng), 24)
    above = plain > np.log(1e-9)
    assert above.sum() > 100
    assert np.abs(plain - logs[1 : len(plain) + 1])[above].max() < 1e-4


def test_a_singular_kernel_has_a_threshold_too() -> None:
    """A linear network with every sample twice: K is singular, and each sample as likely as before."""
    x, w = np.array([[1.0, 0, 0, 0], [1.5, 1, 0, 0]]), np.array([1.0, -0.5, 0, 0])

    def threshold(x: np.ndarray) -> float:
        network = Network(lambda w, x: w @ x, w, x)
        return Experiment(NetworkMinimum.of(network, w, x @ w, "half_squared"), sampled=100_000).row(NAMED["SGD"], ()).step_size

    once, twice = threshold(x), threshold(np.repeat(x, 2, axis=0))
    assert abs(once - twice) < 1e-2 * once


def test_linear_runs_need_a_nonsingular_kernel() -> None:
    k = np.array([[1.0, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(range_projector(k), k / 2, atol=1e-15)
    with pytest.raises(InputError, match="nonsingular K"):
        linear_exponent(k, SGD("1/2"))


def test_the_wrong_momentum_is_found_out(experiment: Experiment) -> None:
    m, optimiser = experiment.minimum, SGD("1/20", momentum="1/2")
    real = Descent.of(m.network, m.targets, optimiser, m.loss, nesterov=True)
    start = ball(m.w, 1e-6, 32, np.random.default_rng(0))
    samples = draws(optimiser, 8, 240, 32, np.random.default_rng(1))
    _, logs = real.moved(real.start(start), samples, 24)

    def difference(nesterov: bool) -> float:
        linear = linear_course(m.gram, optimiser, real.residuals(start), samples, 24, nesterov=nesterov)
        return float(np.abs(logs - linear[1:]).max())

    assert difference(True) < 1e-3
    assert difference(False) > 0.1


def test_epochs_are_not_independent_samples(experiment: Experiment, eta: float) -> None:
    between = short(eta * 1.03)  # below the threshold of epochs, above that of independent samples
    independent, epochs = (experiment.outcome(NAMED[name], between) for name in ("SGD", "epochs"))
    check(independent, False)
    check(epochs, True)
    # the family of independent samples has the wrong sign for epochs, far outside of the error
    assert independent.exponent.value > 0 > epochs.rate + 5 * epochs.error


def test_weight_decay_has_no_fixed_point() -> None:
    with pytest.raises(InputError, match="T2 does not apply"):
        Variant("decay", SGD(1, weight_decay="1/100"), module.T2)


def test_batches_must_fit(experiment: Experiment) -> None:
    assert not Variant("epochs of 3", Reshuffled(1, 3), module.EPOCHS).fits(8)
    with pytest.raises(InputError, match="do not fit N = 8"):
        experiment.row(Variant("epochs of 3", Reshuffled(1, 3), module.EPOCHS))


def test_a_start_outside_of_the_linear_regime_is_refused(experiment: Experiment) -> None:
    with pytest.raises(InputError, match="outside of residuals"):
        Experiment(experiment.minimum, radius=1.0, steps=200).outcome(NAMED["SGD"], Fraction(1, 10))


@pytest.mark.parametrize("schedule", [first(30, 1.5), warm_up(30), cosine(30, 1.5), warm_up_cosine(30, 1.5)])
def test_schedules_end_constant(schedule: object) -> None:
    factors = schedule(np.arange(100))
    assert factors.shape == (100,)
    np.testing.assert_array_equal(factors[30:], 1.0)
    assert (factors > 0).all()
    assert factors.max() <= 1.5
    assert (factors[5:25] != 1).all()


def test_only_the_tail_of_a_schedule_decides(experiment: Experiment, eta: float) -> None:
    """A stretch above the threshold is forgiven as long as the linear growth over it stays in the neighbourhood, and one below it buys nothing."""
    growth = experiment.exponent(NAMED["SGD"], short(1.35 * eta)).value
    room = np.log(experiment.far / 1e-6)  # of log rms, from the start out of the neighbourhood
    short_stretch, long_stretch = int(0.25 * room / growth), int(4 * room / growth)
    for length, stable in ((short_stretch, True), (long_stretch, False)):
        outcome = experiment.outcome(Variant("starts above", SGD(1), module.T2_TAIL, schedule=first(length, 1.5)), short(0.9 * eta))
        assert outcome.near >= 0.9 if stable else outcome.left >= 0.9
    late = experiment.outcome(Variant("ends above", SGD(1), module.T2_TAIL, schedule=first(600, 2 / 3)), short(1.2 * eta))
    check(late, False)
