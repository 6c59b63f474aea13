"""A JAX model f(params, x) on fixed inputs as a function of its flat parameters, F(w) in R^(N x q), with everything checked that can be checked.

Nothing here needs labels, losses or optimisers. All results are NumPy arrays in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exact import InputError
from .precision import double_precision, jax_module

Floats = NDArray[np.float64]
MEMORY = 1 << 30  # bytes that blocks of the Jacobian may take
RANDOM = {"random_bits", "random_seed", "random_wrap", "threefry2x32", "rng_uniform", "rng_bit_generator"}


class Network:
    """A model with N inputs, q outputs for each, and D parameters. `function(w, x)` is traceable: flat w (D,) and one input to an output (q,).

    `params` is any pytree of float64 arrays, `inputs` an array whose first axis counts the samples (or a pytree of such arrays).
    """

    function: Callable[[Any, Any], Any]
    unravel: Callable[[Any], Any]
    start: Floats
    inputs: Any
    size: int
    outputs: int

    @double_precision
    def __init__(self, f: Callable[[Any, Any], Any], params: Any, inputs: Any) -> None:
        """Raises `InputError` for parameters that are not finite float64 arrays, models with state or randomness, and outputs that are not (q,)."""
        jax = jax_module()
        if not callable(f):
            raise InputError(f"f = {f!r} is not a function; give f(params, x), the output for one input x")
        _check_parameters(params)
        from jax.flatten_util import ravel_pytree

        flat, unravel = ravel_pytree(jax.tree.map(np.asarray, params))
        self.unravel = double_precision(unravel)
        self.start = np.array(flat, dtype=float)
        self.inputs, self.size = _checked_inputs(inputs)

        def raw(w: Any, x: Any) -> Any:
            return f(self.unravel(w), x)

        one = jax.tree.map(lambda a: a[0], self.inputs)
        try:
            shape = jax.eval_shape(raw, flat, one)
        except TypeError as error:
            if "unexpected keyword" in str(error) or "positional argument" in str(error):
                advice = "a model with dropout or state is put into evaluation mode first"
                raise InputError(f"f cannot be called as f(params, x): {_first_line(error)}; {advice}") from None
            raise InputError(f"f(params, x) fails for the first input: {_first_line(error)}") from None
        except Exception as error:  # whatever a user's model raises
            raise InputError(f"f(params, x) fails for the first input: {type(error).__name__}: {_first_line(error)}") from None
        if not hasattr(shape, "shape"):
            advice = "wrap a model that returns state beside its output so that only the output is left"
            raise InputError(f"f returns {type(shape).__name__}, not an array; {advice}")
        if len(shape.shape) > 1 or not np.issubdtype(shape.dtype, np.floating):
            advice = "it must be a real number or a vector (q,); f sees one sample, not a batch"
            raise InputError(f"f returns shape {shape.shape} of {shape.dtype} for one input; {advice}")
        if shape.dtype != np.float64:
            raise InputError(f"f returns {shape.dtype}: somewhere it leaves double precision, and residuals cannot go below about 1e-7; remove the casts in f")
        self.outputs = math.prod(shape.shape)
        if not self.outputs:
            raise InputError("f returns an empty vector; the model needs at least one output")
        self.function = lambda w, x: jax.numpy.reshape(raw(w, x), (-1,))
        if random := sorted(_primitives(jax.make_jaxpr(self.function)(flat, one).jaxpr) & RANDOM):
            raise InputError(f"f draws random numbers ({random[0]}): dropout and noise change the model from call to call; switch them off (evaluation mode)")
        if len(self.start) < self.size * self.outputs:
            raise InputError(
                f"the model has D = {len(self.start)} parameters for N q = {self.size * self.outputs} outputs: K is singular and H2 fails; "
                "overparameterised means D >= N q, so use fewer samples or a wider model"
            )

    @property
    def parameters(self) -> int:
        """D."""
        return len(self.start)

    @cached_property
    def batched(self) -> Callable[[Any, Any], Any]:
        """w (D,), inputs (n, ...) -> outputs (n, q), traceable."""
        mapped: Callable[[Any, Any], Any] = jax_module().vmap(self.function, (None, 0))
        return mapped

    @cached_property
    def _values(self) -> Any:
        return jax_module().jit(self.batched)

    @cached_property
    def _rows(self) -> Any:
        """w, inputs (n, ...) -> Jacobian (n, q, D)."""
        jax = jax_module()
        return jax.jit(jax.vmap(jax.jacrev(self.function), (None, 0)))

    @cached_property
    def _pull(self) -> Any:
        jax = jax_module()
        return jax.jit(lambda w, x, u: jax.vjp(lambda v: self.batched(v, x), w)[1](u)[0])

    @cached_property
    def _push(self) -> Any:
        jax = jax_module()
        return jax.jit(lambda w, x, v: jax.jvp(lambda u: self.batched(u, x), (w,), (v,))[1])

    def block(self, samples: slice | int) -> Any:
        """The inputs of some samples, or of one."""
        return jax_module().tree.map(lambda a: a[samples], self.inputs)

    @double_precision
    def values(self, w: Floats) -> Floats:
        """F(w): (N, q)."""
        return np.asarray(self._values(w, self.inputs))

    @double_precision
    def pull(self, w: Floats, u: Floats) -> Floats:
        """J^T u (D,) for u (N, q), J = dF/dw."""
        return np.asarray(self._pull(w, self.inputs, u))

    @double_precision
    def push(self, w: Floats, v: Floats) -> Floats:
        """J v (N, q) for v (D,)."""
        return np.asarray(self._push(w, self.inputs, v))

    @double_precision
    def jacobian(self, w: Floats, samples: slice = slice(None)) -> Floats:
        """The rows g_(i a) = grad_w F_a(w, y_i) of some samples, (n q, D): sample i owns the rows i q .. i q + q - 1."""
        return np.asarray(self._rows(w, self.block(samples))).reshape(-1, self.parameters)

    def gram(self, w: Floats, memory: int = MEMORY) -> Floats:
        """K = J J^T, (N q, N q). Rows of J are made in blocks of which two fit into `memory` bytes, and made again for each pair where J does not fit."""
        each = 8 * self.outputs * self.parameters
        if each * self.size <= memory:
            rows = self.jacobian(w)
            return np.asarray(rows @ rows.T)
        length = max(1, memory // (2 * each))
        q, cuts = self.outputs, list(range(0, self.size, length))
        k = np.empty((self.size * q, self.size * q))
        for a in cuts:
            left = self.jacobian(w, slice(a, a + length))
            for b in (b for b in cuts if b >= a):
                right = left if a == b else self.jacobian(w, slice(b, b + length))
                here, there = slice(a * q, (a + length) * q), slice(b * q, (b + length) * q)
                k[here, there] = left @ right.T
                k[there, here] = k[here, there].T
        return k

    def flat(self, params: Any, name: str = "params") -> Floats:
        """The flat vector (D,) of finite float64 numbers: a copy of one, or of a pytree shaped like the network's own. Raises `InputError`."""
        jax = jax_module()
        _check_parameters(params, name)
        own = self.unravel(self.start)
        leaves = [np.array(a, dtype=float) for a in jax.tree.leaves(params)]
        if jax.tree_util.all_leaves([params]) and leaves[0].shape == self.start.shape:
            return leaves[0]
        if jax.tree.structure(params) != jax.tree.structure(own) or [a.shape for a in leaves] != [a.shape for a in jax.tree.leaves(own)]:
            found, wanted = (jax.tree.map(lambda a: f"float64{list(np.shape(a))}", tree) for tree in (params, own))
            raise InputError(f"{name} is {found}; it must be a vector of the D = {self.parameters} parameters, or shaped like the network's own: {wanted}")
        return np.concatenate([a.ravel() for a in leaves])


def checked_network(network: Any) -> Network:
    """Raises `InputError` unless it is one."""
    if not isinstance(network, Network):
        raise InputError(f"network = {network!r:.60} is not a Network; make one with Network(f, params, inputs)")
    return network


def checked_gram(gram: Floats) -> Floats:
    """Raises `InputError` for K = 0."""
    if not gram.any():
        raise InputError("K is zero: every output is constant near w, for example because all ReLUs are inactive, so nothing can be trained; take another w")
    return gram


def _check_parameters(params: Any, root: str = "params") -> None:
    leaves = jax_module().tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise InputError(f"{root} is empty; give a pytree of float64 arrays")
    for path, leaf in leaves:
        name = root + jax_module().tree_util.keystr(path)
        try:
            array = np.asarray(leaf)
        except Exception:
            raise InputError(f"{name} is {type(leaf).__name__}, not an array of numbers") from None
        if array.dtype != np.float64:
            lost = "single precision leaves residuals near 1e-7 and rates no meaning below; " if "float" in str(array.dtype) else ""
            advice = f"convert with jax.tree.map(lambda a: numpy.asarray(a, dtype=numpy.float64), {root}) and find the minimum again"
            raise InputError(f"{name} is {array.dtype}, not float64: {lost}{advice}")
        if not np.isfinite(array).all():
            place = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
            raise InputError(f"{name}{place if place else ''} = {array[tuple(place)]} is not finite; training has diverged, or the file is damaged")


def _checked_inputs(inputs: Any) -> tuple[Any, int]:
    jax = jax_module()
    try:
        arrays = jax.tree.map(np.asarray, inputs)
        sizes = {a.shape[0] if a.ndim else 0 for a in jax.tree.leaves(arrays)}
    except Exception:
        raise InputError("inputs is not an array of numbers; its first axis counts the samples") from None
    for a in jax.tree.leaves(arrays):
        if a.dtype.kind not in "fiub":
            raise InputError(f"inputs has the type {a.dtype}; give numbers")
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            raise InputError(f"inputs{[int(i) for i in np.argwhere(~np.isfinite(a))[0]]} is not finite; give finite numbers")
    if len(sizes) != 1 or 0 in sizes:
        raise InputError(f"inputs has first axes of the lengths {sorted(map(str, sizes))}; give arrays whose first axis counts the samples, at least one")
    return jax.tree.map(lambda a: a.astype(float) if a.dtype.kind == "f" else a, arrays), int(sizes.pop())


def _primitives(jaxpr: Any) -> set[str]:
    """Names of all primitives, in inner programs too."""
    from jax.extend.core import jaxprs_in_params

    names = set()
    for equation in jaxpr.eqns:
        names.add(equation.primitive.name)
        for inner in jaxprs_in_params(equation.params):
            names |= _primitives(inner)
    return names


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
