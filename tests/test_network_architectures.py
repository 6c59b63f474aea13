"""Shipped architectures and data: Jacobians against differences, K against closed forms, lambda of a network against certified enclosures of the exact K."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from verify import SGD, InputError, Problem
from verify.result import Estimate

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")

from verify.network import Network, NetworkMinimum, example, interpolate, teacher  # noqa: E402
from verify.network.architectures import (  # noqa: E402
    ARCHITECTURES,
    Architecture,
    cnn,
    diagonal_linear,
    diagonal_linear_gram,
    mlp,
    transformer,
    two_layer_linear,
    two_layer_linear_gram,
)
from verify.network.data import DATA, data_set, split  # noqa: E402
from verify.network.minimum import architecture_named  # noqa: E402

MADE: dict[str, tuple[Architecture, int]] = {
    "mlp": (mlp(4), 2),
    "mlp-softplus": (mlp(4, "softplus"), 1),
    "mlp-relu": (mlp(4, "relu"), 1),
    "cnn": (cnn((2, 3)), 2),
    "transformer": (transformer(4, 6), 2),
    "two-layer-linear": (two_layer_linear(3), 2),
    "diagonal-linear": (diagonal_linear(), 1),
}


def built(name: str, size: int = 5) -> Network:
    architecture, outputs = MADE[name]
    inputs = data_set("digits", size)[0]
    return Network(architecture.function, architecture.initialise(np.random.default_rng(1), inputs.shape[1:], outputs), inputs)


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    """One network for each architecture, so that programs are compiled once."""
    return {name: built(name) for name in MADE}


def gram_by_differences(network: Network, step: float = 1e-5) -> Any:
    """K from central differences of F in every parameter."""
    columns = [(network.values(network.start + step * e) - network.values(network.start - step * e)).ravel() / (2 * step) for e in np.eye(network.parameters)]
    return np.array(columns).T @ np.array(columns)


@pytest.mark.parametrize("name", MADE)
def test_jacobians_agree_with_differences(networks: dict[str, Network], name: str) -> None:
    network, rng = networks[name], np.random.default_rng(2)
    jacobian, step = network.jacobian(network.start), 1e-5
    for _ in range(4):
        v = rng.standard_normal(network.parameters)
        v /= np.linalg.norm(v)
        slope = (network.values(network.start + step * v) - network.values(network.start - step * v)).ravel() / (2 * step)
        assert jacobian @ v == pytest.approx(slope, abs=1e-8 * np.abs(jacobian).max() * network.parameters)


@pytest.mark.parametrize("name", MADE)
def test_k_is_symmetric_and_positive_semidefinite_and_follows_a_permutation_of_the_samples(networks: dict[str, Network], name: str) -> None:
    network, q = networks[name], MADE[name][1]
    k = network.gram(network.start)
    assert (k == k.T).all()
    assert np.linalg.eigvalsh(k)[0] > -1e-12 * np.trace(k)
    order = np.array([3, 0, 4, 1, 2])
    rows = (order[:, None] * q + np.arange(q)).ravel()
    shuffled = Network(MADE[name][0].function, network.unravel(network.start), network.inputs[order])
    vars(shuffled).update(_rows=network._rows)  # the same program
    assert shuffled.gram(network.start) == pytest.approx(k[np.ix_(rows, rows)], rel=1e-12, abs=1e-13 * np.trace(k))


@pytest.mark.parametrize("name", ["mlp", "mlp-relu"])
@pytest.mark.parametrize("length", [1, 2, 3])
def test_k_in_blocks_is_the_dense_k(networks: dict[str, Network], name: str, length: int) -> None:
    network, q = networks[name], MADE[name][1]
    k = network.gram(network.start)
    blocked = network.gram(network.start, memory=2 * length * 8 * q * network.parameters)
    assert np.abs(blocked - k).max() <= 1e-14 * np.abs(k).max()
    assert (blocked == blocked.T).all()


def test_a_wrong_k_does_not_agree_with_differences_in_every_parameter(networks: dict[str, Network]) -> None:
    """On the CNN: with one hidden layer the blocks K_(i a)(j b) are symmetric in the outputs a, b, so that transposed ones would not be wrong."""
    network, n, q = networks["cnn"], 5, 2
    k, differences = network.gram(network.start), gram_by_differences(network)
    assert k == pytest.approx(differences, rel=1e-7, abs=1e-7)
    jacobian = network.jacobian(network.start)
    without = jacobian.copy()
    without[q : 2 * q] = 0
    by_output = jacobian.reshape(n, q, -1).transpose(1, 0, 2).reshape(n * q, -1)  # output a owns N rows instead of sample i owning q
    wrong = {
        "transposed blocks": k.reshape(n, q, n, q).transpose(0, 3, 2, 1).reshape(n * q, n * q),
        "a missing sample": without @ without.T,
        "rows in the order of the outputs": by_output @ by_output.T,
        "a factor 2": 2 * k,
        "a factor 1/N": k / n,
    }
    for name, gram in wrong.items():
        assert np.abs(gram - differences).max() > 1e-3 * np.abs(k).max(), name


def rationals(rng: np.random.Generator, *shape: int) -> Any:
    return np.vectorize(Fraction, otypes=[object])(rng.integers(-6, 7, shape).astype(object), rng.integers(1, 5, shape).astype(object))


def test_the_closed_forms_are_exact_over_fractions_and_agree_with_the_network() -> None:
    rng = np.random.default_rng(3)
    x = rationals(rng, 3, 4)
    cases = [
        (two_layer_linear(2), {"W1": rationals(rng, 2, 4), "W2": rationals(rng, 2, 2)}, two_layer_linear_gram, 2),
        (diagonal_linear(), {"u": rationals(rng, 4), "v": rationals(rng, 4)}, diagonal_linear_gram, 1),
    ]
    for made, params, formula, q in cases:
        exact = formula(params, x)
        assert exact.shape == (3 * q, 3 * q)
        assert all(isinstance(entry, Fraction) for entry in exact.ravel())
        network = Network(made.function, {name: a.astype(float) for name, a in params.items()}, x.astype(float))
        assert network.gram(network.start) == pytest.approx(exact.astype(float), rel=1e-13, abs=1e-13)
        assert formula(network.unravel(network.start), network.inputs) == pytest.approx(exact.astype(float), rel=1e-13, abs=1e-13)


def test_the_closed_form_by_hand() -> None:
    """N = q = 1: F = u^2 x - v^2 x with u = 1/2, v = 1/3, x = 3 has dF = (2 u x, -2 v x), K = 9 + 4; F = 2 * 3 * x with x = 5 has K = 25 * (4 + 9)."""
    third, half = Fraction(1, 3), Fraction(1, 2)
    assert diagonal_linear_gram({"u": [half], "v": [third]}, [[3]])[0, 0] == 13
    assert two_layer_linear_gram({"W1": [[Fraction(3)]], "W2": [[Fraction(2)]]}, [[5]])[0, 0] == 25 * 13


DIAGONAL = {
    1: ([["1", "2"]], ["1/2", "1/3"], ["1/4", "1"]),
    2: ([["1", "1/2", "0"], ["1/3", "-1", "1"]], ["1/2", "1/3", "3/4"], ["1/4", "1", "1/5"]),
}


@pytest.fixture(scope="module", params=DIAGONAL, ids=lambda size: f"N = {size}")
def rational_minimum(request: pytest.FixtureRequest) -> tuple[Any, NetworkMinimum]:
    """The exact K at a rational minimum of the diagonal linear network, and the network there, with teacher labels."""
    x, u, v = (np.vectorize(Fraction, otypes=[object])(np.array(a)) for a in DIAGONAL[request.param])
    network = Network(diagonal_linear().function, {"u": u.astype(float), "v": v.astype(float)}, x.astype(float))
    exact = ((u * u - v * v) @ x.T).astype(float)
    assert teacher(network, network.start)[:, 0] == pytest.approx(exact, rel=1e-15)
    return diagonal_linear_gram({"u": u, "v": v}, x), NetworkMinimum.of(network, network.start, exact, "half_squared")


@pytest.mark.parametrize("c", ["1/2", "9/5", "5/2", "4"])
def test_lambda_at_a_rational_minimum_lies_in_the_certified_enclosure(rational_minimum: tuple[Any, NetworkMinimum], c: str) -> None:
    k, minimum = rational_minimum
    eta = Fraction(c) / max(np.diag(k))
    proved = Problem.from_gram(k.tolist(), SGD(eta)).lyapunov(width="1e-4")
    assert proved.certificate is not None
    low, high = (float(end) for end in proved.ends)
    found = minimum.problem(SGD(eta)).lyapunov(sampling={"steps": 2_000_000, "threads": 1})
    assert isinstance(found, Estimate)
    assert low - found.half_width - 1e-12 <= found.value <= high + found.half_width + 1e-12
    wrong = NetworkMinimum.of(minimum.network, minimum.w, minimum.targets, "squared").problem(SGD(eta)).lyapunov(sampling={"steps": 2_000_000, "threads": 1})
    assert not low - 10 * found.half_width <= wrong.value <= high + 10 * found.half_width


def test_convolutions_by_patches_are_convolutions() -> None:
    """Against XLA's own convolution, plain, compiled, and vectorised over the parameters."""
    made, rng = cnn((2, 3)), np.random.default_rng(5)
    stacked = [made.initialise(rng, (8, 8), 2) for _ in range(3)]
    params = {name: np.stack([p[name] for p in stacked]) for name in stacked[0]}

    def reference(p: Any, x: Any) -> Any:
        y = x[None, None]
        for kernel, bias in (("C1", "b1"), ("C2", "b2")):
            same = [(1, 1), (1, 1)]
            y = jax.numpy.tanh(jax.lax.conv_general_dilated(y, p[kernel], (2, 2), same) + p[bias][None, :, None, None])
        return p["W"] @ y.reshape(-1) + p["b"]

    with jax.enable_x64(True):
        x = rng.random((8, 8))
        many, one, theirs = (jax.jit(f) for f in (jax.vmap(made.function, (0, None)), made.function, reference))
        for i, p in enumerate(stacked):
            assert np.asarray(many(params, x))[i] == pytest.approx(np.asarray(theirs(p, x)), abs=1e-14)
            assert np.asarray(one(p, x)) == pytest.approx(np.asarray(theirs(p, x)), abs=1e-14)


@pytest.mark.parametrize("name", MADE)
def test_starts_are_a_function_of_the_seed(name: str) -> None:
    architecture, outputs = MADE[name]
    first, second, other = (architecture.initialise(np.random.default_rng(seed), (8, 8), outputs) for seed in (5, 5, 6))
    assert all((np.asarray(first[key]) == np.asarray(second[key])).all() for key in first)
    assert any((np.asarray(first[key]) != np.asarray(other[key])).any() for key in first)


def test_smoothness_is_told_of_each_architecture() -> None:
    assert {name: architecture.smooth for name, (architecture, _) in MADE.items()} == {name: name != "mlp-relu" for name in MADE}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("size", [2, 128])
def test_data_are_drawn_by_seed_and_held_out_samples_are_others(name: str, size: int) -> None:
    inputs, targets = data_set(name, size, 3)
    assert targets.shape == (size, 10 if name == "digits-ten" else 1)
    assert len(inputs) == size
    (same, labels), (others, more) = split(name, size, 50, 3)
    assert (same == inputs).all()
    assert (labels == targets).all()
    assert len(others) == len(more) == 50
    assert not {x.tobytes() for x in inputs} & {x.tobytes() for x in others}
    assert (data_set(name, size, 4)[0] != inputs).any()


def test_ten_classes_are_one_hot() -> None:
    targets = data_set("digits-ten", 100)[1]
    assert (targets.sum(1) == 1).all()
    assert set(np.unique(targets)) == {0.0, 1.0}
    assert set(np.unique(data_set("digits", 100)[1])) == {-1.0, 1.0}


def test_ten_outputs_and_further_targets_are_interpolated() -> None:
    minimum = example(mlp(12), "digits-ten", 3)
    assert minimum.gram.shape == (30, 30)
    assert minimum.residual <= 1e-14
    assert example(mlp(8), "diabetes", 3, outputs=2).gram.shape == (6, 6)


def test_a_network_too_small_for_its_targets_is_no_example() -> None:
    """Six parameters, five of which matter, for labels that F cannot take."""
    with pytest.raises(InputError, match=r"no interpolating minimum was found: the residual stays at"):
        example(Architecture("square", lambda _rng, _shape, _q: {"a": np.ones(8)}, lambda p, _x: jax.numpy.sum(p["a"] ** 2)), "digits", 8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mlp(0), "width = 0 is not a positive integer"),
        (lambda: mlp(2.5), "width = 2.5 is not a positive integer"),  # type: ignore[arg-type]
        (lambda: mlp(2, "gelu"), "activation = 'gelu' is not known"),
        (lambda: cnn((2,)), r"channels = \(2,\) is not a pair"),  # type: ignore[arg-type]
        (lambda: cnn((2, -1)), r"channels\[1\] = -1 is not a positive integer"),
        (lambda: transformer(8, True), "hidden = True is not a positive integer"),
        (lambda: cnn().initialise(np.random.default_rng(0), (10,), 1), "the CNN needs square images"),
        (lambda: transformer().initialise(np.random.default_rng(0), (10,), 1), r"the Transformer needs \(tokens, features\)"),
        (lambda: diagonal_linear().initialise(np.random.default_rng(0), (3,), 2), "outputs = 2; the diagonal linear network has one output"),
        (lambda: architecture_named("lstm"), "architecture = 'lstm' is not known"),
        (lambda: architecture_named("mlp", depth=3), "depth = 3 is not a known key of the architecture mlp; did you mean width"),
        (lambda: architecture_named("cnn", size=3), "there may be channels, activation"),
        (lambda: architecture_named("diagonal-linear", width=3), "diagonal-linear has no options"),
        (lambda: architecture_named(["mlp"]), "is not known"),  # type: ignore[arg-type]
        (lambda: mlp(10**6).initialise(np.random.default_rng(0), (8, 8), 1), "the model has more than 8388608 parameters"),
        (lambda: transformer(10**9).initialise(np.random.default_rng(0), (8, 8), 1), "more than 8388608 parameters"),
        (lambda: example(seed=-1), "seed = -1 is not a nonnegative integer"),
        (lambda: example(init_seed="a"), "seed = 'a' is not a nonnegative integer"),  # type: ignore[arg-type]
        (lambda: data_set("iris", 3), "data = 'iris' is not known"),
        (lambda: data_set("digits", 10**6), "size = 1000000 is not an integer from 1 to 357; digits has 357 samples"),
        (lambda: data_set("digits", True), "size = True is not an integer"),
        (lambda: split("digits", 350, 8), "held_out = 8 is not an integer from 0 to 7"),
    ],
)
def test_bad_input_is_explained(call: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()


def test_every_architecture_has_a_name_and_reaches_a_minimum() -> None:
    assert set(ARCHITECTURES) == {"mlp", "cnn", "transformer", "two-layer-linear", "diagonal-linear"}
    for name in ("two-layer-linear", "diagonal-linear"):
        made = architecture_named(name)
        inputs, targets = data_set("diabetes", 3)
        network = Network(made.function, made.initialise(np.random.default_rng(0), inputs.shape[1:], 1), inputs)
        assert interpolate(network, targets).residual <= 1e-14
