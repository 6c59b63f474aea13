"""A traced JAX program evaluated in ball arithmetic: every real number is a python-flint ball that provably contains the exact value.

The exact value is that of the real function which the program denotes: its constants are the binary numbers that it holds, its elementary functions the
mathematical ones, its sums exact. Arrays of reals are NumPy arrays of balls, everything else (integers, truth values) is NumPy's own, except that a
comparison of reals whose balls touch has the truth value None. A result that depends on one is refused: the program may have a kink or a jump there. So what
is evaluated is, over all reals in the balls given, one differentiable piece of the program, but for max and abs, which are continuous.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..exact import InputError
from .precision import double_precision, jax_module

Rule = Callable[..., Any]


@double_precision
def traced(function: Callable[..., Any], *arguments: Any) -> Any:
    """The program (a closed jaxpr) of a function at arguments of these shapes, in double precision."""
    return jax_module().make_jaxpr(function)(*arguments)


@double_precision
def differentiated(program: Any, *arguments: Any) -> Any:
    """The program of the Jacobian in the first argument of a one-output program: of the function that it denotes, whatever gradients its author declares.

    Custom derivative rules are ignored and `stop_gradient` is the identity, so that only JAX's rules for its own operations are used.
    """
    plain = lambda *inputs: _inlined(program.jaxpr, program.consts, inputs)[0]  # noqa: E731
    return traced(jax_module().jacrev(plain), *arguments)


def _inlined(jaxpr: Any, constants: Any, arguments: Any) -> list[Any]:
    """JAX's own evaluation of a program, without the calls in it."""
    from jax.extend.core import Literal

    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    for equation in jaxpr.eqns:
        inputs = [x.val if isinstance(x, Literal) else known[x] for x in equation.invars]
        name = equation.primitive.name
        if name in _INNER:
            inner = equation.params[_INNER[name]]
            outputs = _inlined(inner.jaxpr, inner.consts, inputs) if hasattr(inner, "consts") else _inlined(inner, [], inputs)
        elif name == "stop_gradient":
            outputs = inputs
        elif name not in _RULES:
            raise InputError(_NO_RULE.format(name))
        else:
            result = equation.primitive.bind(*inputs, **equation.params)
            outputs = result if equation.primitive.multiple_results else [result]
        known.update(zip(equation.outvars, outputs, strict=True))
    return [x.val if isinstance(x, Literal) else known[x] for x in jaxpr.outvars]


def evaluate(program: Any, *arguments: Any, derivative: bool = False) -> list[Any]:
    """The outputs of a closed jaxpr, at the working precision of flint.ctx. Raises `InputError` for an operation that has no rule.

    For a program made by differentiation say so: the factor 2/sqrt(pi) of the derivatives of erf and erfc stands rounded in JAX's programs, and every constant
    that looks like it becomes a ball around both. (The other rules used here have rational factors.)
    """
    return _run(program.jaxpr, [_constant(c, derivative) for c in program.consts], [as_balls(a) for a in arguments], derivative)


def as_balls(array: Any) -> Any:
    """Floats as exact balls; balls, integers and truth values as they are."""
    from flint import arb

    a = np.asarray(array)
    if a.dtype.kind != "f":
        return a
    exact = np.empty(a.shape, dtype=object)
    exact.ravel()[:] = [arb(float(x)) for x in a.ravel()]
    return exact


def _constant(value: Any, derivative: bool) -> Any:
    balls = as_balls(value)
    if not derivative or balls.dtype != object:
        return balls
    from flint import arb

    exact = 2 / arb.pi().sqrt()
    near = [(sign * arb(float(exact)), sign * exact) for sign in (1, -1)]
    widened = np.frompyfunc(lambda x: next((x.union(y) for rounded, y in near if abs(x - rounded) < 1e-15), x), 1, 1)
    return np.asarray(widened(balls))


def _run(jaxpr: Any, constants: list[Any], arguments: list[Any], derivative: bool) -> list[Any]:
    from jax.extend.core import Literal

    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    literals: dict[str, Any] = {}  # one ball for each literal: `_same` recognises the 0 of max(x, 0)

    def read(atom: Any) -> Any:
        if not isinstance(atom, Literal):
            return known[atom]
        return literals.setdefault(repr(atom.val), _constant(atom.val, derivative))

    for equation in _live(jaxpr):
        inputs = [read(x) for x in equation.invars]
        name, params = equation.primitive.name, {key: value for key, value in equation.params.items() if key not in _NUMERICAL}
        if name in _INNER:
            inner = equation.params[_INNER[name]]
            closed = hasattr(inner, "consts")
            outputs = evaluate(inner, *inputs, derivative=derivative) if closed else _run(inner, [], inputs, derivative)
        elif name in _RULES:
            try:
                result = _RULES[name](*inputs, **params)
            except (AttributeError, TypeError) as error:  # a parameter that the rule does not know may change what the operation means
                raise InputError(f"the program uses {name} in a way for which there is no ball arithmetic here: {error}") from None
            outputs = result if equation.primitive.multiple_results else [result]
        else:
            raise InputError(_NO_RULE.format(name))
        for variable, value in zip(equation.outvars, outputs, strict=True):
            known[variable] = as_balls(value)
    return [read(x) for x in jaxpr.outvars]


def _live(jaxpr: Any) -> list[Any]:
    """The equations that the outputs depend on: the others may branch as they like."""
    needed, live = set(map(id, jaxpr.outvars)), []
    for equation in reversed(jaxpr.eqns):
        if needed & set(map(id, equation.outvars)):
            needed |= set(map(id, equation.invars))
            live.append(equation)
    return live[::-1]


def _each(f: Callable[[Any], Any]) -> Rule:
    mapped = np.frompyfunc(f, 1, 1)
    return lambda a: mapped(a)


def _compared(of_integers: Callable[[Any, Any], Any], holds: Callable[[Any, Any], bool], fails: Callable[[Any, Any], bool]) -> Rule:
    """`holds` and `fails` are proofs; equal reals pass neither test of an order, since the program has a kink there."""

    def one(a: Any, b: Any) -> bool | None:
        return True if holds(a, b) else False if fails(a, b) else None

    mapped = np.frompyfunc(one, 2, 1)

    def rule(a: Any, b: Any) -> Any:
        if a.dtype != object and b.dtype != object:
            return of_integers(a, b)
        found = np.asarray(mapped(a, b))
        return found if any(x is None for x in found.ravel()) else found.astype(bool)

    return rule


def _order(a: Any, b: Any) -> bool:
    return bool(a < b)


def _reverse(a: Any, b: Any) -> bool:
    return bool(a > b)


def _same(a: Any, b: Any) -> bool:
    return a is b  # the same number, say a maximum and the entry that it is; two numbers that happen to be equal are a tie, where a maximum has its kink


def _apart(a: Any, b: Any) -> bool:
    return a is not b and bool(a != b)  # for balls: disjoint


def _maximum(a: Any, b: Any) -> Any:
    """One of the two where they are apart, the very object, so that a later test for equality with it is decided."""
    return a if a > b else b if b > a else a.max(b) if hasattr(a, "max") else a


def _dot(a: Any, b: Any, *, dimension_numbers: Any) -> Any:
    (left, right), (left_batch, right_batch) = dimension_numbers
    free_left = [i for i in range(a.ndim) if i not in (*left, *left_batch)]
    free_right = [i for i in range(b.ndim) if i not in (*right, *right_batch)]
    x = a.transpose((*left_batch, *free_left, *left))
    y = b.transpose((*right_batch, *right, *free_right))
    batch, rows, columns = [a.shape[i] for i in left_batch], [a.shape[i] for i in free_left], [b.shape[i] for i in free_right]
    inner = int(np.prod([a.shape[i] for i in left], dtype=int))
    count = int(np.prod(batch, dtype=int))
    x, y = x.reshape(count, -1, inner), y.reshape(count, inner, -1)
    return np.stack([ball_product(x[k], y[k]) for k in range(count)]).reshape((*batch, *rows, *columns))


def ball_product(x: Any, y: Any) -> Any:
    """A matrix product by flint where both are matrices of balls: one rounding for each entry."""
    if x.dtype != object and y.dtype != object:
        return x @ y
    from flint import arb_mat

    left, right = (arb_mat(len(a), a.shape[1], list(map(_ball, a.ravel()))) for a in (x, y))
    flat = (left * right).entries()
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out.reshape(x.shape[0], y.shape[1])


def _ball(x: Any) -> Any:
    from flint import arb

    return x if isinstance(x, arb) else arb(float(x))


def _broadcast(a: Any, *, shape: Any, broadcast_dimensions: Any) -> Any:
    full = [1] * len(shape)
    for place, length in zip(broadcast_dimensions, a.shape, strict=True):
        full[place] = length
    return np.broadcast_to(a.reshape(full), shape)


def _reshaped(a: Any, *, new_sizes: Any, dimensions: Any) -> Any:
    return (a if dimensions is None else a.transpose(dimensions)).reshape(new_sizes)


def _pad(a: Any, value: Any, *, padding_config: Any) -> Any:
    """`low` and `high` new entries at the ends of each axis (negative: so many fewer) and `gap` between each two."""
    spread = [n + max(0, n - 1) * gap for n, (_, _, gap) in zip(a.shape, padding_config, strict=True)]
    out = np.empty([max(0, low) + n + max(0, high) for n, (low, high, _) in zip(spread, padding_config, strict=True)], dtype=a.dtype)
    out[...] = value[()]
    out[tuple(slice(max(0, low), max(0, low) + n, gap + 1) for n, (low, _, gap) in zip(spread, padding_config, strict=True))] = a
    return out[tuple(slice(max(0, -low), n - max(0, -high)) for n, (low, high, _) in zip(out.shape, padding_config, strict=True))]


def _selected(which: Any, *cases: Any) -> Any:
    return np.frompyfunc(lambda index, *values: values[_decided(index)], 1 + len(cases), 1)(which, *cases)


def _decided(truth: Any) -> int:
    if truth is None:
        raise InputError("the program branches on a comparison that the balls do not decide: w lies at or near a kink (ReLU, clip, ...), where H1 fails")
    return int(truth)


def _sign(x: Any) -> int | None:
    return 1 if x > 0 else -1 if x < 0 else None


def _converted(a: Any, *, new_dtype: Any) -> Any:
    if a.dtype != object and np.dtype(new_dtype) != np.float64:
        return a.astype(new_dtype)
    if np.dtype(new_dtype) != np.float64:
        raise InputError(f"the program converts reals to {new_dtype}; ball arithmetic needs double precision throughout")
    return np.frompyfunc(lambda x: _ball(_decided(x) if x is None else x), 1, 1)(a)


def _power(x: Any, *, y: int) -> Any:
    return np.frompyfunc(lambda b: b**y, 1, 1)(x)


def _sum(a: Any, *, axes: Any) -> Any:
    return a.sum(axis=tuple(axes)) if axes else a


def _largest(a: Any, *, axes: Any) -> Any:
    moved = np.moveaxis(a, axes, range(len(axes))).reshape(-1, *[n for i, n in enumerate(a.shape) if i not in axes])
    return functools.reduce(np.frompyfunc(_maximum, 2, 1), moved) if axes else a


_NO_RULE = "the program uses {}, for which there is no ball arithmetic here; a sign is then only estimated, from the measured K"
# Parameters that say how to compute, not what.
_NUMERICAL = {"accuracy", "out_dtype", "out_sharding", "precision", "preferred_element_type", "sharding", "weak_type"}
_INNER = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr", "remat": "jaxpr"}
_RULES: dict[str, Rule] = {
    "add": lambda a, b: a + b,
    "add_any": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "square": lambda a: a * a,
    "integer_pow": _power,
    "tanh": _each(lambda x: x.tanh()),
    "exp": _each(lambda x: x.exp()),
    "log": _each(lambda x: x.log()),
    "log1p": _each(lambda x: x.log1p()),
    "expm1": _each(lambda x: x.expm1()),
    "sqrt": _each(lambda x: x.sqrt()),
    "rsqrt": _each(lambda x: x.rsqrt()),
    "sin": _each(lambda x: x.sin()),
    "cos": _each(lambda x: x.cos()),
    "erf": _each(lambda x: x.erf()),
    "erfc": _each(lambda x: x.erfc()),
    "logistic": _each(lambda x: 1 / (1 + (-x).exp())),
    "abs": _each(abs),
    "sign": _each(lambda x: _decided(_sign(x))),
    "max": lambda a, b: np.frompyfunc(_maximum, 2, 1)(a, b),
    "gt": _compared(operator.gt, _reverse, _order),
    "ge": _compared(operator.ge, _reverse, _order),
    "lt": _compared(operator.lt, _order, _reverse),
    "le": _compared(operator.le, _order, _reverse),
    "eq": _compared(operator.eq, _same, _apart),
    "ne": _compared(operator.ne, _apart, _same),
    "and": operator.and_,
    "or": operator.or_,
    "not": operator.invert,
    "select_n": _selected,
    "stop_gradient": lambda a: a,
    "copy": lambda a: a,
    "copy_p": lambda a: a,
    "convert_element_type": _converted,
    "reshape": _reshaped,
    "transpose": lambda a, *, permutation: a.transpose(permutation),
    "squeeze": lambda a, *, dimensions: a.squeeze(tuple(dimensions)),
    "expand_dims": lambda a, *, dimensions: np.expand_dims(a, tuple(dimensions)),
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *a, dimension: np.concatenate(a, axis=dimension),
    "stack": lambda *a, axis: np.stack(a, axis=axis),
    "unstack": lambda a, *, axis: [np.take(a, k, axis) for k in range(a.shape[axis])],
    "split": lambda a, *, sizes, axis: np.split(a, np.cumsum(sizes)[:-1], axis),
    "slice": lambda a, *, start_indices, limit_indices, strides: a[tuple(map(slice, start_indices, limit_indices, strides or [1] * a.ndim))],
    "rev": lambda a, *, dimensions: np.flip(a, tuple(dimensions)),
    "pad": _pad,
    "iota": lambda *, dtype, shape, dimension: np.broadcast_to(
        np.arange(shape[dimension], dtype=dtype).reshape([-1 if k == dimension else 1 for k in range(len(shape))]), shape
    ),
    "dot_general": _dot,
    "reduce_sum": _sum,
    "reduce_max": _largest,
}
