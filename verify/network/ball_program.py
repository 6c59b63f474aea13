"""A traced JAX program evaluated in ball arithmetic: every real number is a python-flint ball that provably contains the exact value.

The exact value is that of the real function which the program denotes: its constants are the binary numbers that it holds, its elementary functions the
mathematical ones, its sums exact. Reals (JAX's float64, nothing else) are NumPy arrays of balls. What is computed from integers and truth values alone is
computed by JAX itself, with its own rules for overflow and signs. A comparison that the balls do not decide is refused: the program may have a kink or a
jump there. So what is evaluated is, over all reals in the balls given, one differentiable piece of the program, but for max and abs, which are continuous.
"""

from __future__ import annotations

import functools
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
def differentiated(program: Any, *leaves: Any) -> Any:
    """The program of the Jacobian in the first argument of a one-output program: of the function that it denotes, whatever gradients its author declares.

    Custom derivative rules are ignored and `stop_gradient` is the identity, so that only JAX's rules for its own operations are used.
    """
    plain = lambda *inputs: inlined(program.jaxpr, program.consts, inputs)[0]  # noqa: E731
    return traced(jax_module().jacrev(plain), *leaves)


def inlined(jaxpr: Any, constants: Any, arguments: Any) -> list[Any]:
    """JAX's own evaluation of a program, without the calls in it and with `stop_gradient` as the identity."""
    from jax.extend.core import Literal

    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    for equation in jaxpr.eqns:
        inputs = [x.val if isinstance(x, Literal) else known[x] for x in equation.invars]
        name = equation.primitive.name
        if name in _INNER:
            inner = equation.params[_INNER[name]]
            outputs = inlined(inner.jaxpr, inner.consts, inputs) if hasattr(inner, "consts") else inlined(inner, [], inputs)
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
    """Doubles as exact balls; balls, integers and truth values as they are. Raises `InputError` for other kinds of numbers."""
    a = np.asarray(array)
    if a.dtype == object or a.dtype.kind in "biu":
        return a
    if a.dtype != np.float64:
        raise InputError(f"the program holds numbers of the type {a.dtype}; ball arithmetic needs double precision throughout")
    return _each(_ball)(a)


def _constant(value: Any, derivative: bool) -> Any:
    balls = as_balls(value)
    if not derivative or balls.dtype != object:
        return balls
    from flint import arb

    exact = 2 / arb.pi().sqrt()
    near = [(sign * arb(float(exact)), sign * exact) for sign in (1, -1)]
    return _each(lambda x: next((x.union(y) for rounded, y in near if abs(x - rounded) < 1e-15), x))(balls)


def _run(jaxpr: Any, constants: list[Any], arguments: list[Any], derivative: bool) -> list[Any]:
    from jax.extend.core import Literal

    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    literals: dict[tuple[str, bytes], Any] = {}  # one ball for each literal: `_same` recognises the 0 of max(x, 0)

    def read(atom: Any) -> Any:
        if not isinstance(atom, Literal):
            return known[atom]
        exact = np.asarray(atom.val)
        return literals.setdefault((exact.dtype.str, exact.tobytes()), _constant(exact, derivative))

    for equation in _live(jaxpr):
        inputs = [read(x) for x in equation.invars]
        for variable, value in zip(equation.outvars, _applied(equation, inputs, derivative), strict=True):
            known[variable] = _typed(value, variable.aval, equation.primitive.name)
    return [read(x) for x in jaxpr.outvars]


def _applied(equation: Any, inputs: list[Any], derivative: bool) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    if name in _INNER:
        inner = params[_INNER[name]]
        return evaluate(inner, *inputs, derivative=derivative) if hasattr(inner, "consts") else _run(inner, [], inputs, derivative)
    if name not in _RULES:
        raise InputError(_NO_RULE.format(name))
    try:
        if not any(x.dtype == object for x in inputs) and all(out.aval.dtype.kind in "biu" for out in equation.outvars):
            result = _by_jax(equation, inputs)
        else:
            result = _RULES[name](*inputs, **{key: value for key, value in params.items() if key not in _NUMERICAL})
    except InputError:
        raise
    except Exception as error:  # a parameter that the rule does not know may change what the operation means
        raise InputError(f"the program uses {name} in a way for which there is no ball arithmetic here: {error}") from None
    return list(result) if equation.primitive.multiple_results else [result]


@double_precision
def _by_jax(equation: Any, inputs: list[Any]) -> Any:
    jax = jax_module()
    with jax.ensure_compile_time_eval():
        typed = [jax.numpy.asarray(x, dtype=atom.aval.dtype) for x, atom in zip(inputs, equation.invars, strict=True)]
        return jax.tree.map(np.asarray, equation.primitive.bind(*typed, **equation.params))


def _typed(value: Any, aval: Any, name: str) -> Any:
    """The value, if it is of the type and shape that the program says. Reals are balls, every one of them."""
    from flint import arb

    array = np.asarray(value)
    real = aval.dtype == np.float64
    right = all(isinstance(x, arb) for x in array.ravel()) if real and array.dtype == object else not real and array.dtype == aval.dtype
    if array.shape != aval.shape or not right or not (real or aval.dtype.kind in "biu"):
        raise InputError(f"the program uses {name} on {aval.dtype}, for which there is no ball arithmetic here")
    return array


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

    def rule(a: Any) -> Any:
        out = np.empty(np.shape(a), dtype=object)
        out[...] = mapped(a)
        return out

    return rule


def _compared(holds: Callable[[Any, Any], bool], fails: Callable[[Any, Any], bool]) -> Rule:
    """`holds` and `fails` are proofs; equal reals pass neither test of an order, since the program has a kink there."""

    def one(a: Any, b: Any) -> bool:
        if holds(a, b):
            return True
        if fails(a, b):
            return False
        raise InputError(_KINK)

    mapped = np.frompyfunc(one, 2, 1)
    return lambda a, b: np.asarray(mapped(a, b), dtype=bool)


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
    return a if a > b else b if b > a else a.max(b)


def _integers_only(*_: Any) -> Any:
    raise InputError("the program uses a logical operation on reals")  # on integers and truth values JAX does it


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
    """A product of matrices of balls, by flint."""
    from flint import arb_mat

    left, right = (arb_mat(len(a), a.shape[1], list(a.ravel())) for a in (x, y))
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
    if which.min(initial=0) < 0 or which.max(initial=0) >= len(cases):
        raise InputError("the program selects a case that does not exist")
    return np.frompyfunc(lambda index, *values: values[int(index)], 1 + len(cases), 1)(which, *cases)


def _sign(x: Any) -> Any:
    if not (x > 0 or x < 0):
        raise InputError(_KINK)
    return _ball(1.0 if x > 0 else -1.0)


def _converted(a: Any, *, new_dtype: Any) -> Any:
    if np.dtype(new_dtype) != np.float64:
        raise InputError(f"the program converts reals to {new_dtype}; ball arithmetic needs double precision throughout")
    if a.dtype != object and a.size and max(abs(int(a.min())), abs(int(a.max()))) > 2**53:
        raise InputError("the program converts integers above 2^53 to reals, which rounds them")
    return _each(_ball)(a)


def _sum(a: Any, *, axes: Any) -> Any:
    return a.sum(axis=tuple(axes), initial=_ball(0.0))


def _counted(*, shape: Any, dimension: int, dtype: Any) -> Any:
    place = [-1 if k == dimension else 1 for k in range(len(shape))]
    return _converted(np.broadcast_to(np.arange(shape[dimension]).reshape(place), shape), new_dtype=dtype)


def _largest(a: Any, *, axes: Any) -> Any:
    moved = np.moveaxis(a, axes, range(len(axes))).reshape(-1, *[n for i, n in enumerate(a.shape) if i not in axes])
    return functools.reduce(np.frompyfunc(_maximum, 2, 1), moved) if axes else a


_KINK = "the program branches on a comparison that the balls do not decide: w lies at or near a kink (ReLU, clip, ...), where H1 fails"
_NO_RULE = "the program uses {}, for which there is no ball arithmetic here; a sign is then only estimated, from the measured K"
# Parameters that say how to compute, not what.
_NUMERICAL = {"accuracy", "out_dtype", "out_sharding", "precision", "preferred_element_type", "sharding", "weak_type"}
_INNER = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}
_INNER |= dict.fromkeys(("remat", "remat2", "checkpoint"), "jaxpr")
_RULES: dict[str, Rule] = {
    "add": lambda a, b: a + b,
    "add_any": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "square": lambda a: a * a,
    "integer_pow": lambda a, *, y: _each(lambda x: x**y)(a),
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
    "sign": _each(_sign),
    "max": lambda a, b: np.frompyfunc(_maximum, 2, 1)(a, b),
    "gt": _compared(_reverse, _order),
    "ge": _compared(_reverse, _order),
    "lt": _compared(_order, _reverse),
    "le": _compared(_order, _reverse),
    "eq": _compared(_same, _apart),
    "ne": _compared(_apart, _same),
    **dict.fromkeys(("and", "or", "xor", "not", "rem"), _integers_only),
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
    "iota": _counted,
    "dot_general": _dot,
    "reduce_sum": _sum,
    "reduce_max": _largest,
}
