"""H1 by looking at a JAX program: which of its operations have a kink, a jump or a singularity that w can reach, and how far w* is from them.

The program of F is interpreted operation by operation. An operation matters if its value depends on w and is used for the result other than through
`stop_gradient` (the largest entry that softmax subtracts is so used, and is no kink); that stop_gradient does not falsify the gradient itself is checked by
differences. Arguments that are positive whatever w is (1 + a square, a sum of exponentials) keep sqrt, log and quotients smooth. Operations that are not listed
here count as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .model import Floats, Network
from .precision import double_precision, jax_module
from .smoothness import Kinks, Smoothness, mismatch

# Smooth everywhere; the last ones do not move with w, or only where a comparison does.
SMOOTH = frozenset((
    "add", "add_any", "sub", "mul", "neg", "dot_general", "conv_general_dilated", "exp", "exp2", "expm1", "tanh", "sinh", "cosh", "sin", "cos",
    "asinh", "atan", "erf", "erfc", "logistic", "square", "reshape", "transpose", "broadcast_in_dim", "squeeze", "expand_dims", "concatenate",
    "slice", "dynamic_slice", "dynamic_update_slice", "gather", "scatter", "scatter-add", "scatter_add", "scatter_mul", "pad", "rev", "reduce_sum",
    "reduce_precision", "reduce_window_sum", "cumsum", "select_n", "copy", "iota", "stop_gradient", "split", "optimization_barrier", "is_finite",
    "stack", "unstack", "tile", "and", "or", "not", "xor", "reduce_and", "reduce_or", "reduce_prod", "cumprod",
))  # fmt: skip
COMPARISONS = frozenset(("gt", "ge", "lt", "le", "eq", "ne"))
SINGULAR = frozenset(("sqrt", "rsqrt", "log", "cbrt", "div", "pow", "log1p"))  # smooth where the argument is positive
UNLOCATED = frozenset((
    "top_k", "argsort", "reduce_window_max", "reduce_window_min", "select_and_scatter_add", "cummax", "cummin", "rem",
    "nextafter", "tan", "atan2", "acos", "asin", "acosh", "atanh", "digamma", "lgamma", "erf_inv",
))  # fmt: skip
CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
         "custom_vjp_call": "call_jaxpr", "remat2": "jaxpr", "remat": "jaxpr", "checkpoint": "jaxpr"}  # fmt: skip
LOGADDEXP = ("max", "sub", "ne", "add", "abs", "neg", "exp", "log1p", "add", "select_n")  # JAX's softplus: written with a kink, smooth as a whole

SMOOTH_PROGRAM = "every operation of the program is smooth where it is used"
PROBES = 48
CANDIDATES = 64
EXACT = 2e8  # numbers in the gradients of all margins up to which every one is computed


@dataclass
class _Known:
    """What is known of a value: whether w moves it, and a lower bound (2: positive, 1: not negative, 0: nothing)."""

    value: Any
    moves: bool = False
    above: int = 0


@dataclass
class _Found:
    """The kinks met in one interpretation, in order, as (name, margins m or None, whether m < 0 is a flat side, m > 0 (False), or none is (None))."""

    kinks: list[tuple[str, Any, bool | None]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


@double_precision
def smoothness(network: Network, w: Floats, seed: int = 0) -> Smoothness:
    """H1 of a network, with the distances of w from the kinks. Estimates: first order in w - w*, and beyond `EXACT` numbers the nearest of the kinks are
    picked by random projections of their gradients."""
    jax = jax_module()
    one = network.block(slice(0, 1))
    single = jax.tree.map(lambda a: a[0], one)
    closed = jax.make_jaxpr(network.function)(w, single)
    found = _Found()

    def margins(v: Any, x: Any) -> list[Any]:
        here = _Found()
        _run(closed.jaxpr, closed.consts, [_Known(v, True), *(_Known(a) for a in jax.tree.leaves(x))], [True] * len(closed.jaxpr.outvars), here)
        found.kinks, found.unknown = here.kinks, here.unknown
        return [m.reshape(-1) for _, m, _ in here.kinks if m is not None]

    shapes = jax.eval_shape(margins, w, single)
    kinks = [Kinks(name, 1 if m is None else math.prod(m.shape)) for name, m, _ in found.kinks]
    located = [(k, side) for k, (_, m, side) in enumerate(found.kinks) if m is not None]
    if located:
        values, norms = _distances(margins, shapes, network, w, seed)
        for (k, side), m, norm in zip(located, values, norms, strict=True):
            kinks[k] = kinks[k].measured(m, norm, side)
    seen = Smoothness(SMOOTH_PROGRAM, tuple(dict.fromkeys(kinks)), tuple(sorted(found.unknown)), float(np.linalg.norm(w)))
    return seen if seen.radius is None else replace(seen, mismatch=mismatch(network, w, seen.radius, seed))


def _distances(margins: Callable[[Any, Any], list[Any]], shapes: Sequence[Any], network: Network, w: Floats, seed: int) -> tuple[list[Floats], list[Floats]]:
    """m and |grad_w m| (N, count) of every kink; |grad_w m| is nan for the arguments that are not among the nearest."""
    jax = jax_module()
    sizes = [s.shape[0] for s in shapes]

    def joined(v: Any, x: Any) -> Any:
        return jax.numpy.concatenate(margins(v, x))

    m = np.asarray(jax.jit(jax.vmap(joined, (None, 0)))(w, network.inputs))
    norms = np.full(m.shape, np.nan)
    if m.size * len(w) <= EXACT:
        rows: Any = jax.jit(lambda x: jax.numpy.sqrt((jax.jacrev(joined)(w, x) ** 2).sum(1)))
        for i in range(network.size):
            norms[i] = rows(jax.tree.map(lambda a, i=i: a[i], network.inputs))
    else:
        push: Any = jax.jit(lambda v: jax.vmap(lambda x: jax.jvp(lambda u: joined(u, x), (w,), (v,))[1])(network.inputs) ** 2)
        rng = np.random.default_rng(seed)
        rough = np.sqrt(np.mean([push(rng.choice([-1.0, 1.0], len(w))) for _ in range(PROBES)], axis=0))  # Hutchinson: E (grad m . e)^2 = |grad m|^2
        norms[rough == 0] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(rough > 0, np.abs(m) / rough, np.inf)
        pull: Any = jax.jit(lambda x, c: jax.numpy.linalg.norm(jax.grad(lambda v: joined(v, x)[c])(w)))
        for flat in np.argsort(ratio, axis=None)[:CANDIDATES]:
            i, c = np.unravel_index(flat, m.shape)
            norms[i, c] = pull(jax.tree.map(lambda a, i=i: a[i], network.inputs), c)
    cuts = np.cumsum(sizes)[:-1]
    return np.split(m, cuts, axis=1), np.split(norms, cuts, axis=1)


# --- the interpreter -----------------------------------------------------------------------------------------------------------------------


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[_Known], live_out: Sequence[bool], found: _Found) -> list[_Known]:
    """Evaluate a jaxpr (its values may be traced) and note the kinks of what is live."""
    from jax.extend.core import Literal

    env: dict[Any, _Known] = {}

    def read(v: Any) -> _Known:
        return _constant(v.val) if isinstance(v, Literal) else env[v]

    env.update(zip(jaxpr.constvars, map(_constant, consts), strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    live = _live(jaxpr, live_out)
    for eqn in jaxpr.eqns:
        ins = [read(v) for v in eqn.invars]
        wanted = [v in live for v in eqn.outvars]
        outs = _inside(eqn, ins, wanted, found)
        if outs is None:
            moves = any(x.moves for x in ins)
            if moves and any(wanted):
                _note(eqn, ins, found)
            bound = eqn.primitive.get_bind_params(eqn.params)
            subfuns, params = bound if isinstance(bound, tuple) else ((), bound)  # a pair until JAX 0.9
            known = not moves and not any(isinstance(x.value, jax_module().core.Tracer) for x in ins)
            with jax_module().ensure_compile_time_eval() if known else nullcontext():
                values = eqn.primitive.bind(*subfuns, *(x.value for x in ins), **params)
            several = values if eqn.primitive.multiple_results else [values]
            outs = [_constant(value) if known else _Known(value, moves, _above(eqn, ins)) for value in several]
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _concrete(value: Any) -> Floats | None:
    """A value that is no tracer, as an array."""
    if isinstance(value, jax_module().core.Tracer) or not isinstance(value, int | float | np.ndarray | np.generic | jax_module().Array):
        return None
    return np.asarray(value)


def _constant(value: Any) -> _Known:
    array = _concrete(value)
    if array is None or array.dtype.kind not in "fiu" or not array.size:
        return _Known(value)
    return _Known(value, False, 2 if (array > 0).all() else 1 if (array >= 0).all() else 0)


def _live(jaxpr: Any, live_out: Sequence[bool]) -> set[Any]:
    """The variables whose values reach a live result other than through stop_gradient."""
    from jax.extend.core import Literal

    live = {v for v, wanted in zip(jaxpr.outvars, live_out, strict=True) if wanted and not isinstance(v, Literal)}
    for eqn in reversed(jaxpr.eqns):
        if eqn.primitive.name != "stop_gradient" and any(v in live for v in eqn.outvars):
            live.update(v for v in eqn.invars if not isinstance(v, Literal))
    return live


def _inside(eqn: Any, ins: list[_Known], wanted: list[bool], found: _Found) -> list[_Known] | None:
    """The results of an operation that is a program itself; None for others, and for loops and branches, which `_note` looks into."""
    name = eqn.primitive.name
    if name not in CALLS:
        return None
    program = eqn.params[CALLS[name]]
    inner, consts = (program.jaxpr, program.consts) if hasattr(program, "consts") else (program, ())
    if name == "custom_jvp_call" and tuple(e.primitive.name for e in inner.eqns) == LOGADDEXP:
        values = _run(inner, consts, ins, wanted, _Found())
        return [_Known(x.value, any(a.moves for a in ins), 2 if any(a.above for a in ins) else 0) for x in values]
    return _run(inner, consts, ins, wanted, found)


def _note(eqn: Any, ins: list[_Known], found: _Found) -> None:
    """Add the kinks of one operation on values that w moves."""
    jnp, name, params = jax_module().numpy, eqn.primitive.name, eqn.params
    a = ins[0] if ins else _Known(None)
    if name in ("scan", "while", "cond"):
        _note_loop(eqn, ins, found)
    elif not any(x.moves and np.issubdtype(np.asarray(x.value).dtype if np.isscalar(x.value) else x.value.dtype, np.inexact) for x in ins):
        return  # integers and truth values: constant but where a float was compared or rounded
    elif name in ("max", "min"):
        low, high = ins
        if any(not x.moves and _infinite(x.value) for x in ins) or (name == "max" and max(low.above, high.above) == 2 and _zero(ins)):
            return
        fixed = [not x.moves for x in ins]
        margin = (high.value - low.value) if fixed[0] else (low.value - high.value)
        found.kinks.append((name, margin, (name == "max") if any(fixed) else None))
    elif name in COMPARISONS:
        if eqn.invars[0] is not eqn.invars[1]:  # x != x asks for nan
            found.kinks.append((f"comparison ({name})", a.value - ins[1].value, None))
    elif name in ("abs", "sign"):
        if a.above < 2:
            found.kinks.append((name, a.value, None))
    elif name in ("reduce_max", "reduce_min", "argmax", "argmin"):
        gap = _gap(a.value if name.endswith("max") else -a.value, params["axes"])
        found.kinks += [(name, gap, None)] if gap is not None else []
    elif name == "sort":
        single = len(ins) == 1
        found.kinks.append((name, jnp.diff(jnp.sort(a.value, params["dimension"]), axis=params["dimension"]) if single else None, None))
    elif name == "clamp":
        found.kinks += [("clamp", ins[1].value - a.value, None), ("clamp", ins[2].value - ins[1].value, None)]
    elif name in ("floor", "ceil", "round") or (name == "convert_element_type" and not np.issubdtype(params["new_dtype"], np.inexact)):
        shift = 0.5 if name == "round" else 0.0
        found.kinks.append((name, a.value - shift - jnp.round(a.value - shift), None))
    elif name in SINGULAR or (name == "integer_pow" and params["y"] < 0):
        _note_singular(name, ins, found)
    elif name in UNLOCATED:
        found.kinks.append((name, None, None))
    elif name not in SMOOTH and name not in ("integer_pow", "convert_element_type"):
        found.unknown.add(name)


def _note_singular(name: str, ins: list[_Known], found: _Found) -> None:
    base = ins[1] if name == "div" else ins[0]
    if base.moves and not base.above >= (1 if name == "log1p" else 2):
        found.kinks.append((f"{name} at {-1 if name == 'log1p' else 0}", base.value + (1.0 if name == "log1p" else 0.0), None))


def _note_loop(eqn: Any, ins: list[_Known], found: _Found) -> None:
    """Kinks inside loops and branches are named, not located; a loop whose length w decides is unknown."""
    if eqn.primitive.name == "while":
        found.unknown.add("a loop of unknown length (while)")
        return
    jax = jax_module()
    programs = eqn.params["branches"] if eqn.primitive.name == "cond" else [eqn.params["jaxpr"]]
    given = ins[1:] if eqn.primitive.name == "cond" else ins
    for program in programs:
        inner = _Found()

        def look(*values: Any, program: Any = program, inner: _Found = inner) -> None:
            args = [_Known(v, known.moves or eqn.primitive.name == "scan") for v, known in zip(values, given, strict=True)]
            _run(program.jaxpr, program.consts, args, [True] * len(program.jaxpr.outvars), inner)

        jax.eval_shape(look, *(jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in program.jaxpr.invars))
        found.kinks += [(f"{name} in a {eqn.primitive.name}", None, None) for name, _, _ in inner.kinks]
        found.unknown |= inner.unknown


def _gap(value: Any, axes: Sequence[int]) -> Any:
    """The largest minus the second largest entry along the axes; None where they hold one entry."""
    jax = jax_module()
    length = math.prod(value.shape[a] for a in axes)
    if length < 2:
        return None
    rest = [a for a in range(value.ndim) if a not in axes]
    top = jax.lax.top_k(value.transpose(*rest, *axes).reshape(-1, length), 2)[0]
    return top[:, 0] - top[:, 1]


def _infinite(value: Any) -> bool:
    array = _concrete(value)
    return array is not None and bool(np.isinf(array).all())


def _zero(ins: list[_Known]) -> bool:
    """Whether one operand is the constant zero (a maximum of it and something positive has no kink)."""
    return any((array := _concrete(x.value)) is not None and not array.any() for x in ins)


KEEP = frozenset((
    "broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "slice", "dynamic_slice", "copy", "convert_element_type", "reduce_sum",
    "reduce_max", "reduce_min", "cumsum", "rev", "stack", "tile", "sqrt", "expm1", "log1p", "tanh", "cbrt", "concatenate", "min", "select_n",
    "stop_gradient", "gather",
))  # fmt: skip


def _above(eqn: Any, ins: list[_Known]) -> int:
    """A lower bound of the result: 2 positive, 1 not negative, 0 unknown."""
    name = eqn.primitive.name
    bounds = [x.above for x in ins]
    if name in ("exp", "exp2", "logistic", "cosh", "erfc"):
        return 2
    if name in ("abs", "square") or (name == "integer_pow" and eqn.params["y"] % 2 == 0) or (name == "mul" and eqn.invars[0] is eqn.invars[1]):
        return max(1, bounds[0])
    if name in ("add", "add_any"):
        return max(bounds) if min(bounds) else 0
    if name in ("mul", "div", "pow"):
        return min(bounds)
    if name in ("dot_general", "integer_pow", "rsqrt"):
        return min(1, *bounds) if name == "dot_general" else bounds[0]
    if name == "max":
        return max(bounds)
    if name in KEEP:
        if name == "select_n":
            which = _concrete(ins[0].value)
            uniform = which is not None and which.size and (which == which.flat[0]).all()
            return bounds[1 + int(which.flat[0])] if which is not None and uniform else min(bounds[1:])
        return min(bounds[:1] if name in ("gather", "dynamic_slice") else bounds)
    return 0
