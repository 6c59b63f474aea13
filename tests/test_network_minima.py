"""Finding minima: Levenberg-Marquardt in the dual form and matrix-free, plain training by SGD and gradient descent, and polishing."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from verify import SGD, GradientDescent, InputError, Reshuffled

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Descent, Network, interpolate, teacher  # noqa: E402
from verify.network.architectures import mlp  # noqa: E402
from verify.network.data import data_set  # noqa: E402
from verify.network.levenberg_marquardt import DENSE  # noqa: E402
from verify.network.training import polished, train  # noqa: E402

X = np.array([[1.0, 0.5, 0.0, 0.25], [0.5, 1.5, 0.25, 0.0], [0.0, 0.5, -1.0, 0.5]])


def shipped(width: int, data: str, size: int, activation: str = "tanh") -> tuple[Network, Any]:
    inputs, targets = data_set(data, size)
    made = mlp(width, activation)
    return Network(made.function, made.initialise(np.random.default_rng(0), inputs.shape[1:], targets.shape[1]), inputs), targets


@pytest.fixture(scope="module")
def small() -> tuple[Network, Any]:
    return shipped(6, "diabetes", 6)


def test_the_mlp_of_a_thousand_parameters_is_interpolated_in_two_seconds() -> None:
    start = time.process_time()
    network, targets = shipped(16, "digits", 8)
    fit = interpolate(network, targets)
    assert network.parameters == 1057
    assert fit.residual <= 1e-14
    assert (fit.reached, fit.reason) == (True, "")
    assert time.process_time() - start < 2
    assert fit.course[-1] == fit.residual == np.abs(network.values(fit.w) - targets).max()
    assert fit.moved == pytest.approx(np.linalg.norm(fit.w - network.start))


@pytest.mark.parametrize("dense", [DENSE, 0])
def test_both_forms_interpolate(small: tuple[Network, Any], dense: int) -> None:
    network, targets = small
    fit = interpolate(network, targets, dense=dense)
    assert fit.reached
    assert fit.residual <= 1e-14
    assert fit.course[0] == np.abs(network.values(network.start) - targets).max()
    assert interpolate(network, targets, fit.w, dense=dense).course == (fit.residual,)


def linear(f: Any = lambda p, x: x @ p["w"]) -> Network:
    return Network(f, {"w": np.array([1.0, -1.0, 2.0, 0.5])}, X)


@pytest.mark.parametrize("dense", [DENSE, 0])
def test_a_linear_model_ends_at_the_solution_nearest_to_the_start(dense: int) -> None:
    network, z = linear(), np.array([1.0, 2.0, -1.0])
    nearest = network.start + np.linalg.pinv(X) @ (z - X @ network.start)
    fit = interpolate(network, z, dense=dense)
    assert fit.reached
    assert fit.w == pytest.approx(nearest, abs=1e-12)


def test_k_in_blocks_is_used_where_the_jacobian_does_not_fit(small: tuple[Network, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    network, targets = small
    monkeypatch.setattr("verify.network.levenberg_marquardt.MEMORY", 1)
    assert interpolate(network, targets).reached


@pytest.mark.slow
def test_three_thousand_outputs_are_interpolated_without_k() -> None:
    network, targets = shipped(96, "digits-ten", 310)
    fit = interpolate(network, targets)
    assert network.size * network.outputs > DENSE
    assert fit.residual <= 1e-13


@pytest.mark.parametrize("dense", [DENSE, 0])
def test_a_search_that_cannot_succeed_stalls_and_says_so(dense: int) -> None:
    """The same input with two labels."""
    network = Network(lambda p, x: x @ p["w"], {"w": np.ones(4)}, X[[0, 0]])
    fit = interpolate(network, np.array([1.0, -1.0]), dense=dense)
    assert not fit.reached
    assert fit.residual == pytest.approx(1)
    assert "no step lowers the residual 1" in fit.reason


def test_too_few_steps_are_told(small: tuple[Network, Any]) -> None:
    network, targets = small
    fit = interpolate(network, targets, steps=2)
    assert (fit.reached, fit.reason, len(fit.course)) == (False, "2 steps were not enough", 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dense", [DENSE, 0])
def test_steps_that_overflow_are_refused(dense: int) -> None:
    """F = exp(<x, w>): the first Gauss-Newton step from F = e^-20 towards 1 goes to e^(5e8)."""
    network = Network(lambda p, x: jax.numpy.exp(x @ p["w"]), {"w": np.array([-20.0, 0.0])}, np.array([[1.0, 0.0]]))
    fit = interpolate(network, np.array([1.0]), damping=0.0, dense=dense)
    assert fit.reached
    assert fit.w == pytest.approx(np.zeros(2), abs=1e-12)


def test_dead_units_stall() -> None:
    """All ReLUs dead: K = 0 but for the bias, which cannot fit two labels."""
    network, targets = shipped(3, "digits", 6, "relu")
    params = network.unravel(network.start)
    dead = network.flat({**{name: np.asarray(a) for name, a in params.items()}, "b1": np.full(3, -100.0)})
    fit = interpolate(network, targets, dead)
    assert not fit.reached
    assert fit.reason
    assert np.isfinite(fit.w).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"targets": np.ones(4)}, r"targets has shape \(4,\)"),
        ({"targets": np.array([1.0, np.nan, 0.0])}, "targets has entries that are not finite"),
        ({"targets": "abc"}, "targets is not an array of real numbers"),
        ({"targets": np.ones(3) * 1j}, "targets is not an array of real numbers"),
        ({"targets": ["1", "2", "3"]}, "targets is not an array of real numbers"),
        ({"start": np.ones(3)}, r"start is float64\[3\]; it must be a vector of the D = 4 parameters, or shaped like the network's own: .*w"),
        ({"start": np.ones(4, np.float32)}, "start is float32, not float64"),
        ({"start": {"w": np.ones((2, 2))}}, "shaped like the network's own"),
        ({"network": None}, "network = None is not a Network"),
        ({"start": np.full(4, np.inf)}, r"start\[0\] = inf is not finite"),
        ({"tolerance": np.nan}, "tolerance = nan is not a finite number from 0 on"),
        ({"steps": 0}, "steps = 0 is not a finite number from 1 on"),
        ({"damping": -1.0}, "damping = -1.0 is not a finite number from 0 on"),
        ({"start": np.full(4, 1e308)}, "start gives model outputs that are not finite"),
    ],
)
def test_bad_input_to_the_search_is_explained(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        interpolate(**({"network": linear(lambda p, x: 10 * x @ p["w"]), "targets": np.ones(3)} | arguments))


def test_a_start_may_be_a_pytree_and_a_teacher_needs_numbers() -> None:
    network = linear()
    w = np.array([0.5, 1.0, -1.0, 2.0])
    assert (teacher(network, {"w": w}) == teacher(network, w)).all()
    fit = interpolate(network, teacher(network, w), {"w": w})
    assert fit.moved == 0.0
    cases = ((np.nan, "w = nan is not finite"), (np.full(4, np.nan), r"w\[0\] = nan is not finite"), (np.full(4, 1e308), "outputs that are not finite"))
    for bad, words in cases:
        with pytest.raises(InputError, match=words):
            teacher(linear(lambda p, x: 10 * x @ p["w"]), bad)


@pytest.fixture(scope="module")
def descent(small: tuple[Network, Any]) -> Descent:
    network, targets = small
    return Descent.of(network, targets, SGD("1/20"), "half_squared")


@pytest.fixture(scope="module")
def starts(small: tuple[Network, Any]) -> Any:
    return np.stack([small[0].start * scale for scale in (1.0, 0.7)])


@pytest.mark.parametrize("optimiser", [SGD("1/20"), GradientDescent("1/20"), Reshuffled("1/20", batch=2)], ids=lambda optimiser: optimiser.kind)
def test_plain_training_interpolates_and_is_polished(descent: Descent, starts: Any, optimiser: Any) -> None:
    network, targets = descent.network, descent.targets
    ended = train(descent.at(optimiser), starts, steps=30_000, tolerance=1e-9)
    assert ended.reached.all()
    assert (ended.residuals <= 1e-9).all()
    assert (ended.residuals == [np.abs(network.values(w) - targets).max() for w in ended.w]).all()
    assert ended.every % 3 == 0 if isinstance(optimiser, Reshuffled) else ended.every == 100
    assert len(ended.logs) * ended.every == ended.steps.max()
    for w in ended.w:
        fit = polished(network, targets, w)
        assert fit.reached
        assert fit.moved < 1e-7


def test_polishing_moves_along_the_gradients_only(small: tuple[Network, Any]) -> None:
    """Beside a minimum w, from w + d: to w + d - P d up to |d|^2, P the projection onto span{g_i}."""
    network, targets = small
    w = interpolate(network, targets).w
    d = 1e-4 * np.random.default_rng(1).standard_normal(network.parameters)
    rows = network.jacobian(w)
    projected = np.linalg.pinv(rows) @ (rows @ d)
    fit = polished(network, targets, w + d)
    assert fit.reached
    assert np.linalg.norm(fit.w - (w + d - projected)) < 0.02 * np.linalg.norm(projected)
    assert fit.moved == pytest.approx(np.linalg.norm(projected), rel=0.02)


def test_training_that_fails_says_why(descent: Descent, starts: Any) -> None:
    short = train(descent, starts, steps=100, piece=100)
    assert not short.reached.any()
    assert "after 100 steps" in short.reasons[0]
    wild = train(descent.at(SGD(10)), starts, steps=2000, piece=100)
    assert set(wild.reasons) == {"it diverged within 100 steps"}
    assert (wild.steps == 100).all()


def test_runs_are_a_function_of_the_seed(descent: Descent, starts: Any) -> None:
    first, second, other = (train(descent, starts, steps=200, piece=100, seed=seed) for seed in (1, 1, 2))
    assert (first.w == second.w).all()
    assert (first.logs == second.logs).all()
    assert (first.w != other.w).any()


def test_schedules_multiply_the_step_size(descent: Descent, starts: Any) -> None:
    """Half the step size, then none at all: the second piece leaves everything where it is."""
    seen: list[tuple[int, Any]] = []

    def watch(made: int, w: Any, sizes: Any) -> None:
        assert sizes == pytest.approx(np.abs(descent.residuals(w)).max((1, 2)))
        seen.append((made, w.copy()))

    still = train(descent, starts, steps=200, piece=100, schedule=lambda n: np.where(n < 100, 0.5, 0.0), watch=watch)
    half = train(descent.at(SGD("1/40")), starts, steps=100, piece=100)
    assert [made for made, _ in seen] == [0, 100, 200]
    assert (seen[0][1] == starts).all()
    assert (seen[1][1] == seen[2][1]).all()
    assert (half.w == still.w).all()


def test_a_start_that_is_a_minimum_needs_no_step(descent: Descent) -> None:
    w = interpolate(descent.network, descent.targets).w
    ended = train(descent, w[None], steps=100)
    assert ended.reached.all()
    assert ended.steps.tolist() == [0]
    assert ended.logs.shape == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"starts": np.ones(3)}, r"starts has shape \(3,\)"),
        ({"steps": 0}, "steps = 0 is not a positive integer"),
        ({"piece": 2.5}, "piece = 2.5 is not a positive integer"),
        ({"every": True}, "every = True is not a positive integer"),
        ({"tolerance": np.nan}, "tolerance = nan is not a nonnegative number"),
    ],
)
def test_bad_input_to_training_is_explained(descent: Descent, starts: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        train(descent, **({"starts": starts} | arguments))
