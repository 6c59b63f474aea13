"""Theorems about networks: ball arithmetic on traced programs, exact minima, and certified signs there."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from verify import SGD, InputError, Sign, check

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from flint import arb, ctx  # noqa: E402

from verify.network import Network, NetworkMinimum, example, interpolate  # noqa: E402
from verify.network.ball_program import as_balls, differentiated, evaluate, traced  # noqa: E402
from verify.network.certified import certified_sign, enclosed_minimum  # noqa: E402
from verify.network.data import data_set  # noqa: E402
from verify.network.minimum import architecture_named  # noqa: E402

CASES: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {}), ("mlp", {"activation": "softplus"}), ("mlp", {"activation": "relu"}), ("cnn", {}), ("transformer", {}), ("two-layer-linear", {}),
    ("diagonal-linear", {}),
]  # fmt: skip


def network_of(name: str, options: dict[str, Any], size: int = 2) -> Network:
    made = architecture_named(name, **options)
    inputs, _ = data_set("digits", size)
    return Network(made.function, made.initialise(np.random.default_rng(0), inputs.shape[1:], 1), inputs)


def on_labels(name: str, size: int) -> NetworkMinimum:
    """A minimum for the labels +-1 of the data themselves."""
    network, targets = network_of(name, {}, size), data_set("digits", size)[1]
    w = interpolate(network, targets, tolerance=1e-12).w
    return NetworkMinimum.of(network, interpolate(network, targets, w, tolerance=0.0, steps=4).w, targets, "half_squared")


def every_rule(p: Any, x: Any) -> Any:
    """All functions that the balls know, at points away from kinks."""
    n = jax.numpy
    one = n.sin(p[0]) + n.cos(p[1]) * n.exp(p[2] * x) + n.log(2 + p[0] ** 2) + n.log1p(p[1] ** 2) + n.expm1(p[2]) + n.sqrt(1 + p[0] ** 2)
    two = jax.lax.rsqrt(2 + p[1] ** 2) + jax.scipy.special.erf(p[0] * x) + jax.scipy.special.erfc(p[1]) + jax.nn.sigmoid(p[2]) + abs(p[0]) + n.tanh(p[1])
    three = n.maximum(p[0], p[1]) / (1 + p[2] ** 4) + n.where(p[0] > p[1], p[2] ** -3, p[0]) + n.stack([p[0], p[1]]).max() + n.flip(p)[0] * 1.1283791670955126
    return one + two + three


def _network(case: tuple[str, dict[str, Any]] | None) -> Network:
    return Network(every_rule, np.array([0.3, -0.7, 1.1]), np.array([0.9])) if case is None else network_of(*case)


@pytest.mark.parametrize("case", [None, *CASES], ids=str)
def test_balls_contain_values_and_derivatives(case: tuple[str, dict[str, Any]] | None) -> None:
    """The derivatives against difference quotients of the values in 500 bits, which know nothing of JAX's differentiation rules."""
    network = _network(case)
    x, rng = network.inputs[0], np.random.default_rng(1)
    values = traced(network.function, network.start, x)
    jacobian = differentiated(values, network.start, x)
    with ctx.workprec(500):
        w = as_balls(network.start)
        gradient = evaluate(jacobian, w, x, derivative=True)[0][0]
        direction = as_balls(rng.integers(-3, 4, network.parameters).astype(float))
        h = arb(2) ** -120
        quotient = (evaluate(values, w + h * direction, x)[0][0] - evaluate(values, w - h * direction, x)[0][0]) / (2 * h)
        # balls are exact up to 2^-400 but where a rounded 2/sqrt(pi) was widened
        assert abs((quotient - gradient @ direction).mid()) < (gradient @ direction).rad() + arb(2) ** -200
        assert max(float(g.rad()) for g in gradient) < 1e-14
        assert max(float(abs(g - y)) for g, y in zip(gradient, network.jacobian(network.start)[0], strict=True)) < 1e-13


def test_the_rounded_factor_of_erf_is_widened() -> None:
    """Without being told that a program is a derivative, its constants count as exact, and the derivative of erf is missed by 1e-17."""
    network = Network(lambda p, x: jax.scipy.special.erf(p[0]) + x, np.zeros(1), np.zeros(1))
    program = traced(jax.jacrev(network.function), network.start, network.inputs[0])
    with ctx.workprec(200):
        exact = 2 / arb.pi().sqrt()
        assert evaluate(program, network.start, network.inputs[0], derivative=True)[0][0][0].contains(exact)
        assert not evaluate(program, network.start, network.inputs[0])[0][0][0].contains(exact)


@pytest.mark.parametrize("name", ["mlp", "cnn", "transformer"])
def test_signs_at_minima_of_real_networks_are_theorems(name: str) -> None:
    minimum = on_labels(name, 2)
    threshold = float(minimum.threshold(SGD("1/10"), time_limit=2.0).lo)
    for factor, sign in ((0.97, Sign.NEGATIVE), (1.03, Sign.POSITIVE)):
        optimiser = SGD(str(round(factor * threshold, 6)))
        found = certified_sign(minimum, optimiser)
        assert found.sign.sign is sign
        assert found.sign.complete
        assert found.regular
        assert found.minimum.distance < Fraction(1, 10**13)
        assert found.minimum.radius < Fraction(1, 10**6)
        assert found.sign.certificate is not None
        assert len(check(found.sign.certificate)) == 1
        assert "proved" in str(found)
    measured = minimum.gram
    assert np.abs(measured - np.array([[float(x) for x in row] for row in found.minimum.centre])).max() < float(found.minimum.radius) + 1e-10


def test_four_samples_and_another_loss() -> None:
    minimum = on_labels("mlp", 4)
    largest = float(np.diag(minimum.gram).max())
    below, above = SGD(str(round(1.9 / largest, 6))), SGD(str(round(30 / largest, 6)))
    assert certified_sign(minimum, below).sign.sign is Sign.NEGATIVE
    assert certified_sign(minimum, above).sign.sign is Sign.POSITIVE
    doubled = NetworkMinimum.of(minimum.network, minimum.w, minimum.targets, "squared")
    assert certified_sign(doubled, SGD(str(round(0.95 / largest, 6)))).sign.sign is Sign.NEGATIVE


def test_the_exact_minimum_is_where_the_proof_says() -> None:
    """F = u^2 - v^2 on one input 1 with label 1/2: from w near (1, 1/sqrt 2) the exact minimum along the gradient is known in closed form only by solving; its
    residual at the enclosed point must vanish and the distance must cover the true one."""
    w = np.array([1.0, np.sqrt(0.5) + 1e-9])
    network = Network(lambda p, x: (p[0] ** 2 - p[1] ** 2) * x, np.array([1.0, 0.7]), np.ones(1))
    minimum = NetworkMinimum.of(network, w, [0.5], "half_squared")
    found = enclosed_minimum(minimum)
    residual = Fraction(w[0]) ** 2 - Fraction(w[1]) ** 2 - Fraction(1, 2)
    gradient = [2 * Fraction(w[0]), -2 * Fraction(w[1])]
    norm = float(sum(g * g for g in gradient)) ** 0.5
    assert float(abs(residual)) / norm * 0.99 < float(found.distance) < 10 * float(abs(residual)) / norm
    assert abs(float(found.centre[0][0]) - norm**2) < 2 * float(found.radius) + 1e-8


def test_what_is_not_a_minimum_has_no_proof() -> None:
    minimum = on_labels("mlp", 2)
    moved = NetworkMinimum.of(minimum.network, minimum.w, minimum.targets + 0.5, "half_squared")
    with pytest.raises(InputError, match="no exact minimum is proved"):
        enclosed_minimum(moved)


def test_dependent_gradients_are_named() -> None:
    inputs = np.array([[1.0, 2.0], [2.0, 4.0]])
    network = Network(lambda p, x: p @ x, np.array([1.0, 1.0]), inputs)
    with pytest.raises(InputError, match=r"K is nearly singular|H2"):
        enclosed_minimum(NetworkMinimum.of(network, network.start, [3.0, 6.0], "half_squared"))


def relu(p: Any, x: Any) -> Any:
    return jax.nn.relu(p[0] * x) + p[1] ** 2


def jump(p: Any, x: Any) -> Any:
    return p[1] * x + jax.numpy.where(p[0] > 0, 1e-3, 0.0)


@pytest.mark.parametrize("function", [relu, jump])
def test_kinks_and_jumps_are_refused(function: Any) -> None:
    network = Network(function, np.array([0.0, 1.0]), np.ones(1))
    with pytest.raises(InputError, match="branches on a comparison"):
        enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))
    away = np.array([1.0, 1.0])
    assert enclosed_minimum(NetworkMinimum.of(network, away, network.values(away), "half_squared")).distance < Fraction(1, 10**14)


def test_a_jump_inside_the_box_is_refused() -> None:
    """p0 is positive at w but may be negative in the box that the proof needs."""
    network = Network(lambda p, x: (p[0] + 1) ** 2 * x + jax.numpy.where(p[0] > 0, 1e-3, 0.0), np.array([1e-16]), np.ones(1))
    target = network.values(network.start) + 1e-15
    with pytest.raises(InputError, match="branches on a comparison"):
        enclosed_minimum(NetworkMinimum.of(network, network.start, target, "half_squared"))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda p, x: jax.numpy.floor(p[0]) + p[1] * x, "there is no ball arithmetic"),
        (lambda p, x: (p[0] * x).astype("float32").astype("float64"), "double precision"),
    ],
)
def test_operations_without_a_rule_are_refused(function: Any, message: str) -> None:
    network = Network(function, np.array([0.5, 1.0]), np.ones(1))
    with pytest.raises(InputError, match=message):
        enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))


def test_declared_gradients_are_not_believed() -> None:
    """A straight-through estimator and stop_gradient: the enclosed K is that of the function itself."""

    @jax.custom_jvp
    def doubled(x: Any) -> Any:
        return x**2

    doubled.defjvp(lambda primals, tangents: (doubled(primals[0]), 5.0 * tangents[0]))
    network = Network(lambda p, x: doubled(p[0]) * x + p[1] * jax.lax.stop_gradient(p[1]), np.array([1.5, 2.0]), np.ones(1))
    found = enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))
    assert abs(found.centre[0][0] - 25) <= found.radius
    assert network.gram(network.start)[0, 0] == pytest.approx(29.0)


def kernel_of(function: Any, w: Any, x: Any) -> tuple[float, float]:
    """(K of one sample as JAX computes it, the centre that is proved); the radius is tiny, or the test fails."""
    network = Network(function, np.asarray(w, dtype=float), np.asarray(x)[None])
    found = enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))
    assert found.radius < Fraction(1, 10**12)
    return float(network.gram(network.start)[0, 0]), float(found.centre[0][0])


def whole(x: Any, dtype: str) -> Any:
    return jax.numpy.asarray(x).astype(dtype)


INTEGERS = {
    "division": lambda p, x: p[0] * jax.lax.div(whole(x, "int32"), whole(2, "int32")).astype(float)[0],
    "wrapping sum": lambda p, x: p[0] * jax.numpy.sum(whole(x * 100, "uint8"), dtype="uint8").astype(float) + p[1],
    "wrapping product": lambda p, x: p[0] * (whole(x, "int8") * whole(50, "int8")).sum().astype(float),
    "wrapping power": lambda p, x: p[0] * jax.lax.integer_pow(whole(x * 21, "int8"), 3).astype(float).sum(),
    "wide dot": lambda p, x: p[0] * jax.lax.dot(whole(x * 40, "int8"), whole(x * 40, "int8"), preferred_element_type=np.int32).astype(float),
    "not": lambda p, x: (p[0] * x[0]) * (2.5 + (~jax.numpy.where(x > 0, x > 5, x < -1)).astype(float)[0]),
    "signs": lambda p, x: p[0] * jax.numpy.sign(x).sum() / 3,
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_and_truth_values_are_those_of_jax(name: str) -> None:
    jax_value, proved = kernel_of(INTEGERS[name], [1.0, 2.0], np.array([3, 1, 2]))
    assert proved == pytest.approx(jax_value, rel=1e-14)


def test_literals_that_print_alike_are_different() -> None:
    assert kernel_of(lambda p, x: p[0] * ((x**2 + 1.000000001) - (x**2 + 1.0)) * 1e9, [1.0], 1.0)[1] == pytest.approx(1.0, rel=1e-6)
    with np.printoptions(precision=2):
        assert kernel_of(lambda p, x: p[0] * (0.991 * x) + p[1] * (0.994 * x), [1.0, 1.0], 1.0)[1] == pytest.approx(0.991**2 + 0.994**2)


def test_constants_of_a_program_are_computed_exactly() -> None:
    """sqrt(2) inside the program is the real number, in F and in its derivative."""
    network = Network(lambda p, x: p[0] * jax.numpy.sqrt(2.0 * x), np.ones(1), np.ones(1))
    found = enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))
    assert abs(found.centre[0][0] - 2) <= found.radius < Fraction(1, 10**18)


@pytest.mark.parametrize(
    "function",
    [
        lambda p, x: p[0] * x + jax.numpy.where((p[1] > 0) == (p[1] < 0), 0.0, 1e-3),
        lambda p, x: p[0] * x + jax.numpy.where((p[1] > 0) != (p[1] > p[1] * 2), 0.0, 1e-3),
        lambda p, x: p[0] * x * abs(jax.numpy.array(1 + 1j)),
        lambda p, x: p[0] * x * jax.lax.select_n(whole(-1 * x, "int32"), 1.0, 3.0),
        lambda p, x: p[0] * (x.astype("float32") / 3).astype(float),
    ],
)
def test_what_the_balls_cannot_decide_or_hold_is_refused(function: Any) -> None:
    network = Network(function, np.array([1.0, 0.0]), np.ones(1))
    with pytest.raises(InputError, match=r"branches on|numbers of the type|double precision|does not exist|on complex128"):
        enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))


def test_inputs_of_several_arrays() -> None:
    network = Network(lambda p, x: p[0] * x["a"] + p[1] * x["b"], np.array([1.0, 2.0]), {"a": np.ones(1), "b": np.full(1, 2.0)})
    found = enclosed_minimum(NetworkMinimum.of(network, network.start, network.values(network.start), "half_squared"))
    assert abs(found.centre[0][0] - 5) <= found.radius


def test_weights_are_refused() -> None:
    minimum = example("mlp", size=2)
    for weights in ("kaczmarz", ["1", "2"]):
        with pytest.raises(InputError, match="drawn uniformly"):
            certified_sign(minimum, SGD("1/10", weights=weights))


def test_momentum_and_batches_are_refused_by_name() -> None:
    minimum = example("mlp", size=2)
    for optimiser in (SGD("1/10", momentum="1/2"), SGD("1/10", batch=2)):
        with pytest.raises(InputError, match="batch 1"):
            certified_sign(minimum, optimiser)
