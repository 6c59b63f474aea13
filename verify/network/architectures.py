"""Small networks for experiments, each a pair (initialise(key, ...), f(params, x)); in double precision. Plain functions: nothing of a framework is needed.

Convolutions are written as patches and one contraction: under `vmap` over the parameters XLA's own convolution becomes a slow grouped one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from .model import MEMORY
from .precision import jax_module

Params = dict[str, Any]
Initialiser = Callable[[np.random.Generator, tuple[int, ...], int], Params]
LARGEST = MEMORY // (8 * 16)  # parameters: 16 rows of J fit
ACTIVATIONS = ("tanh", "softplus", "relu")


@dataclass(frozen=True)
class Architecture:
    """`initialise(rng, shape, outputs)` makes parameters for inputs of `shape`; `function` is f(params, x) -> (outputs,). `smooth`: H1, f is C^2 in params."""

    name: str
    initialise: Initialiser
    function: Callable[[Params, Any], Any]
    smooth: bool = True


class _Bounded:
    """A generator that refuses to draw more than `LARGEST` numbers, before it takes the memory."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.left = rng, LARGEST

    def standard_normal(self, size: Any) -> Any:
        self.left -= math.prod(np.atleast_1d(size).tolist())
        if self.left < 0:
            raise InputError(f"the model has more than {LARGEST} parameters: not even 16 gradients fit into {MEMORY >> 30} GiB; take a narrower one")
        return self.rng.standard_normal(size)


def _bounded(initialise: Initialiser) -> Initialiser:
    return functools.wraps(initialise)(lambda rng, shape, outputs: initialise(cast(np.random.Generator, _Bounded(rng)), shape, outputs))


def mlp(width: int = 16, activation: str = "tanh") -> Architecture:
    """One hidden layer: W2 act(W1 x + b1) + b2."""
    act = _activation(activation)
    _check_sizes(width=width)

    @_bounded
    def initialise(rng: np.random.Generator, shape: tuple[int, ...], outputs: int) -> Params:
        d = int(np.prod(shape))
        return {
            "W1": 1.5 * rng.standard_normal((width, d)) / np.sqrt(d), "b1": 0.1 * rng.standard_normal(width),
            "W2": rng.standard_normal((outputs, width)) / np.sqrt(width), "b2": np.zeros(outputs),
        }  # fmt: skip

    def function(p: Params, x: Any) -> Any:
        return p["W2"] @ act(p["W1"] @ x.reshape(-1) + p["b1"]) + p["b2"]

    return Architecture(f"mlp-{activation}", initialise, function, activation != "relu")


def cnn(channels: tuple[int, int] = (4, 8), activation: str = "tanh") -> Architecture:
    """Two 3 x 3 convolutions of stride 2 on a square one-channel image, then a linear layer."""
    act = _activation(activation)
    if not isinstance(channels, (tuple, list)) or len(channels) != 2:
        raise InputError(f"channels = {channels!r} is not a pair of positive integers; write for example [4, 8]")
    _check_sizes(**{f"channels[{i}]": c for i, c in enumerate(channels)})

    @_bounded
    def initialise(rng: np.random.Generator, shape: tuple[int, ...], outputs: int) -> Params:
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] % 4:
            raise InputError(f"inputs have the shape {shape}; the CNN needs square images whose side is a multiple of 4")
        a, b = channels
        features = b * (shape[0] // 4) ** 2
        return {
            "C1": 1.5 * rng.standard_normal((a, 1, 3, 3)) / 3, "b1": np.zeros(a),
            "C2": 1.5 * rng.standard_normal((b, a, 3, 3)) / np.sqrt(9 * a), "b2": np.zeros(b),
            "W": rng.standard_normal((outputs, features)) / np.sqrt(features), "b": np.zeros(outputs),
        }  # fmt: skip

    def function(p: Params, x: Any) -> Any:
        y = act(_convolved(x[None], p["C1"], p["b1"]))
        return p["W"] @ act(_convolved(y, p["C2"], p["b2"])).reshape(-1) + p["b"]

    return Architecture(f"cnn-{activation}", initialise, function, activation != "relu")


def transformer(width: int = 8, hidden: int = 16) -> Architecture:
    """One encoder block (single-head attention and a GELU layer, each with layer norm before it) on the rows of an image as tokens; mean pooling."""
    _check_sizes(width=width, hidden=hidden)

    @_bounded
    def initialise(rng: np.random.Generator, shape: tuple[int, ...], outputs: int) -> Params:
        if len(shape) != 2:
            raise InputError(f"inputs have the shape {shape}; the Transformer needs (tokens, features)")
        tokens, d = shape

        def normal(*size: int, fan: int) -> Any:
            return rng.standard_normal(size) / np.sqrt(fan)

        attention = {name: normal(width, width, fan=width) for name in ("Q", "K", "V", "O")}
        norms = {"g1": np.ones(width), "h1": np.zeros(width), "g2": np.ones(width), "h2": np.zeros(width)}
        layer = {"M1": normal(hidden, width, fan=width), "c1": np.zeros(hidden), "M2": normal(width, hidden, fan=hidden), "c2": np.zeros(width)}
        ends = {"E": 1.5 * normal(width, d, fan=d), "P": normal(tokens, width, fan=4), "W": normal(outputs, width, fan=width), "b": np.zeros(outputs)}
        return attention | norms | layer | ends

    def function(p: Params, x: Any) -> Any:
        jax = jax_module()
        t = x @ p["E"].T + p["P"]
        u = _layer_norm(t, p["g1"], p["h1"])
        weights = jax.nn.softmax((u @ p["Q"].T) @ (u @ p["K"].T).T / np.sqrt(width), axis=-1)
        t = t + (weights @ (u @ p["V"].T)) @ p["O"].T
        u = _layer_norm(t, p["g2"], p["h2"])
        t = t + jax.nn.gelu(u @ p["M1"].T + p["c1"], approximate=False) @ p["M2"].T + p["c2"]
        return p["W"] @ t.mean(0) + p["b"]

    return Architecture("transformer", initialise, function)


def two_layer_linear(width: int = 8) -> Architecture:
    """F = W2 W1 x; K by formula: `two_layer_linear_gram`."""
    _check_sizes(width=width)

    @_bounded
    def initialise(rng: np.random.Generator, shape: tuple[int, ...], outputs: int) -> Params:
        d = int(np.prod(shape))
        return {"W1": rng.standard_normal((width, d)) / np.sqrt(d), "W2": rng.standard_normal((outputs, width)) / np.sqrt(width)}

    return Architecture("two-layer-linear", initialise, lambda p, x: p["W2"] @ (p["W1"] @ x.reshape(-1)))


def diagonal_linear() -> Architecture:
    """F = <u * u - v * v, x>; K by formula: `diagonal_linear_gram`."""

    @_bounded
    def initialise(rng: np.random.Generator, shape: tuple[int, ...], outputs: int) -> Params:
        if outputs != 1:
            raise InputError(f"outputs = {outputs}; the diagonal linear network has one output")
        d = int(np.prod(shape))
        return {"u": rng.standard_normal(d) / np.sqrt(d), "v": rng.standard_normal(d) / np.sqrt(d)}

    return Architecture("diagonal-linear", initialise, lambda p, x: (p["u"] ** 2 - p["v"] ** 2) @ x.reshape(-1))


ARCHITECTURES: dict[str, Callable[..., Architecture]] = {
    "mlp": mlp,
    "cnn": cnn,
    "transformer": transformer,
    "two-layer-linear": two_layer_linear,
    "diagonal-linear": diagonal_linear,
}


def two_layer_linear_gram(params: Params, inputs: Any) -> NDArray[Any]:
    """K_ij = <x_i, x_j> W2 W2^T + <W1 x_i, W1 x_j> I, (N q, N q), at any point. Exact where all entries are integers or fractions (arrays of objects)."""
    first, second, x = (np.asarray(a) for a in (params["W1"], params["W2"], inputs))
    x = x.reshape(len(x), -1)
    hidden = x @ first.T
    return np.kron(x @ x.T, second @ second.T) + np.kron(hidden @ hidden.T, np.eye(len(second), dtype=int))


def diagonal_linear_gram(params: Params, inputs: Any) -> NDArray[Any]:
    """K_ij = 4 sum_k (u_k^2 + v_k^2) x_ik x_jk, (N, N), at any point. Exact where all entries are integers or fractions (arrays of objects)."""
    u, v, x = (np.asarray(a) for a in (params["u"], params["v"], inputs))
    x = x.reshape(len(x), -1)
    return np.asarray(x * (4 * (u * u + v * v)) @ x.T)


def _check_sizes(**sizes: Any) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise InputError(f"{name} = {size!r} is not a positive integer; write for example 8")


def _activation(name: str) -> Callable[[Any], Any]:
    if name not in ACTIVATIONS:
        raise InputError(f"activation = {name!r} is not known; write one of {', '.join(ACTIVATIONS)}")
    jax = jax_module()
    known: dict[str, Callable[[Any], Any]] = {"tanh": jax.numpy.tanh, "softplus": jax.nn.softplus, "relu": jax.nn.relu}
    return known[name]


def _convolved(x: Any, kernel: Any, bias: Any) -> Any:
    """3 x 3 convolution, stride 2, padding 1: (channels, h, h) -> (channels', h/2, h/2)."""
    jnp = jax_module().numpy
    side = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1)))
    patches = jnp.stack([padded[:, a : a + side : 2, b : b + side : 2] for a in range(3) for b in range(3)], 1)
    return jnp.einsum("ocp,cphw->ohw", kernel.reshape(*kernel.shape[:2], 9), patches) + bias[:, None, None]


def _layer_norm(x: Any, gain: Any, shift: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred / jax_module().numpy.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain + shift
